"""docs/rotation.md, block by block, against a running gateway."""

from harness import payload, runnable_docs
from harness.process import TREE, wait_until
from harness.tool import Tool

PAGE = TREE / "docs" / "rotation.md"

# Each call appends what it was given: arguments, then standard input.
RECORDER = """here={place}
printf '%s\\n' "$*" >>"$here/$(basename "$0").arguments"
cat >>"$here/$(basename "$0").input"
"""
SSH = 'shift\nexec sh -c "$*"\n'


def test_the_runbook(house, tmp_path):
    gateway = house.gateway(start=False, secret=None)
    tool = Tool(gateway)
    tool("secret", "init", "--id", "first")
    gateway.start()
    first = tool.secret("first")
    for _ in range(3):
        sent = gateway.send("metrics", payload.metrics(), secret=first, version="2.0.0.0")
        assert sent.status == 200
    wait_until(lambda: tool.keys()["first"]["requests_week"] == 3, 10, "the counts")
    recorder = RECORDER.format(place=tmp_path)
    programs = runnable_docs.place_programs(
        gateway, tmp_path / "programs", gh=recorder, docker=recorder, ssh=SSH
    )
    done = runnable_docs.run(PAGE, gateway, programs, tmp_path)
    assert len(done) >= 12

    keys = tool.keys()
    assert keys["spring"]["state"] == "revoked"
    assert keys["before"]["accepted"]
    assert keys["first"]["state"] == "retiring" and keys["first"]["days_left"] in (59, 60)
    # What was handed on are the secrets of the ring, and nothing of them was shown on the way.
    newest = list(keys)[-1]
    handed = (tmp_path / "gh.input").read_text().split()
    assert f"KOTORMODSYNC_SIGNING_SECRET={tool.secret(newest)}" in handed
    assert f"KOTORMODSYNC_SIGNING_KEY_ID={newest}" in handed
    assert len((tmp_path / "gh.arguments").read_text().splitlines()) == 4
    shown = "".join(block.output for block in done) + (tmp_path / "gh.arguments").read_text()
    shown += (tmp_path / "docker.arguments").read_text()
    for word in handed:
        if word.startswith("KOTORMODSYNC_SIGNING_SECRET="):
            assert word.split("=", 1)[1] not in shown


def test_a_page_that_is_wrong_is_noticed(tmp_path):
    page = tmp_path / "page.md"

    def fails(text, words):
        page.write_text(text)
        try:
            runnable_docs.run(page, Nowhere(), tmp_path, tmp_path)
        except AssertionError as error:
            assert words in str(error), error
            return
        raise AssertionError(f"not noticed: {text}")

    fails("```sh run\ntrue\nfalse\ntrue\n```\n", "page.md:1: exit 1")
    fails("text\n\n```sh fails\ntrue\n```\n", "page.md:3: exit 1")
    fails("```sh fails\nfalse\ntrue\n```\n```sh run\nexit 3\n```\n", "page.md:5: exit 3")
    fails("```sh run\necho a b\n```\n```text shown\na c\n```\n", "'a c' is not shown")
    fails("```sh run\nfalse | true\n```\n", "exit 1")
    fails("```yaml run\nsteps:\n  - run: |\n      false\n```\n", "exit 1")
    fails("```sh runs\n```\n", "no known mark")
    fails("```sh\nfalse\n```\n", "no block is marked")
    page.write_text("```sh run\nx=1\necho localhost:8080\n```\n```text shown\n127.0.0.1:…\n```\n"
                    "```sh run\n[ $x = 1 ]\n```\n")
    assert len(runnable_docs.run(page, Nowhere(), tmp_path, tmp_path)) == 2


class Nowhere:
    """In the place of a gateway, for pages that need none."""

    port = 9

    def environment(self):
        return {"PATH": "/usr/bin:/bin"}
