"""The names that the documents use are those of the programs; and each page is in both indexes."""

import re
import subprocess

import pytest

from harness import payload
from harness.process import BIN, TREE, free_port, wait_until

DOCS = TREE / "docs"
PAGES = [TREE / "README.md", *sorted(DOCS.glob("*.md")), DOCS / "clients" / "README.md"]
# In backticks like a key, and none: an attribute, a file.
NO_KEYS = {"session.id", "fleet.snapshot"}

pytestmark = pytest.mark.heavy


def said(*command):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


def used(pattern):
    """{word: pages that have it}"""
    found = {}
    for page in PAGES:
        for word in re.findall(pattern, page.read_text()):
            found.setdefault(word, set()).add(page.name)
    return found


def strangers(words, known):
    return {word: pages for word, pages in words.items() if word not in known}


def config_keys():
    reference = said(BIN / "sigpost", "--print-reference")
    return set(re.findall(r"^\| `([a-z_]+\.[a-z_]+)`", reference, re.M))


def test_keys_and_variables():
    reference = said(BIN / "sigpost", "--print-reference")
    keys = config_keys()
    variables = set(re.findall(r"`(SIGPOST_[A-Z_]+)`", reference)) | {"SIGPOST_COLLECTOR_URL"}
    assert len(keys) > 40 and len(variables) > 40
    groups = "|".join({key.split(".")[0] for key in keys})
    assert not strangers(used(rf"`((?:{groups})\.[a-z_]+)"), keys | NO_KEYS)
    # The tests' own variable, where a client's page says how its row is run.
    assert not strangers(used(r"SIGPOST_[A-Z_]+"), variables | {"SIGPOST_DOTNET_CLIENT"})


def test_metrics(house):
    nowhere = {"SIGPOST_EXPORT_DESTINATIONS": f"fleet,otlp=http://127.0.0.1:{free_port()}"}
    gateway = house.gateway(env=nowhere)
    assert gateway.send("metrics", payload.metrics()).status == 200
    def shown():
        return gateway.get("/metrics").body.decode()

    # One family is there from the first answer of a destination on.
    wait_until(lambda: "sigpost_export_requests_total" in shown(), what="a try to deliver")
    text = shown()
    families = set(re.findall(r"^# TYPE (\S+)", text, re.M))
    assert len(families) > 30
    names = {re.sub(r"_(bucket|sum|count)$", "", name): pages
             for name, pages in used(r"\b(sigpost_[a-z_]+[a-z])\b(?![*.])").items()}
    canary = {"sigpost_canary_total"}  # a client's, at /metrics/clients
    assert not strangers(names, families | canary | {"sigpost_secret", "sigpost_fleet"})


def test_each_verdict_has_its_line(house):
    text = house.gateway().get("/metrics").body.decode()
    results = set(re.findall(r'^sigpost_auth_requests_total\{result="(\w+)"\}', text, re.M))
    lines = re.findall(r"^\| `(\w+)` \| \d{3} \|", (DOCS / "verdicts.md").read_text(), re.M)
    assert sorted(results) == sorted(lines)


def settings():
    """(page, text) of each group of settings that a page shows."""
    groups = "|".join({key.split(".")[0] for key in config_keys()})
    for page in PAGES:
        whole = rf"^( *)((?:{groups}) = \{{(?:[^\n]*\}};|.*?\n\1\}};))$"
        for _, text in re.findall(whole, page.read_text(), re.M | re.S):
            yield page.name, text


def test_settings_are_taken(house, tmp_path):
    gateway = house.gateway(start=False)
    seen = 0
    for page, text in settings():
        file = tmp_path / "sigpost.cfg"
        file.write_text(f'{text}\n')
        env = {**gateway.environment(), "SIGPOST_STATE_DIR": str(gateway.state)}
        done = subprocess.run(
            [BIN / "sigpost", "-c", file, "--check"], env=env, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{page}: {text}\n{done.stderr}"
        seen += 1
    assert seen >= 5


def commands():
    """Each sigpostctl command, up to what a shell or a sentence puts behind it."""
    for page in PAGES:
        text = page.read_text()
        for words in re.findall(r"\bsigpostctl ([a-z][^`|;&#\n()]*)", text):
            yield page.name, words.split()


def test_nouns_verbs_and_options():
    nouns = set(re.findall(r"^  ([a-z]+) ", said(BIN / "sigpostctl", "--help"), re.M))
    helps = {noun: said(BIN / "sigpostctl", noun, "--help") for noun in nouns}
    checked = 0
    for page, (noun, *rest) in commands():
        assert noun in nouns, f"{page}: sigpostctl {noun}"
        verb = " ".join(rest[: 2 if rest[:1] == ["dead"] else 1])
        if noun in ("secret", "spool") and re.fullmatch(r"[a-z ]+", verb):
            assert f"sigpostctl {noun} {verb}" in helps[noun], f"{page}: {noun} {verb}"
        for option in (word for word in rest if re.fullmatch(r"--[a-z-]+", word)):
            assert re.search(rf"{option}\b", helps[noun]), f"{page}: {noun} {option}"
        checked += 1
    assert checked > 40


@pytest.mark.parametrize("index", [TREE / "README.md", DOCS / "README.md"], ids=["front", "book"])
def test_each_page_is_in_the_index(index):
    links = {
        (index.parent / link.split("#")[0]).resolve()
        for link in re.findall(r"\]\(([^)#:]+)", index.read_text())
    }
    assert {page for page in DOCS.glob("*.md") if page.name != "README.md"} <= links
