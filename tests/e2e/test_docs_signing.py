"""Each `sigpostctl` command of docs/signing.md says what the page says that it says."""

import re
import subprocess

import pytest

from harness.process import BIN, TREE

PAGE = (TREE / "docs" / "signing.md").read_text()
SECRET = re.search(r"has the secret `([^`]+)`", PAGE).group(1)


def examples():
    """(command, output) of each line behind a prompt."""
    for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            yield command, output


EXAMPLES = list(examples())


def run(place, words):
    """As a shell in that directory, with sigpostctl in its path and the page's key in the ring."""
    env = {"PATH": f"{BIN}:/usr/bin:/bin", "SIGPOST_STATE_DIR": str(place / "state")}
    return subprocess.run(["sh", "-c", words], cwd=place, env=env, capture_output=True, text=True)


@pytest.fixture
def place(tmp_path):
    made = run(tmp_path, f"printf %s {SECRET} | sigpostctl secret add --id doc --stdin")
    assert made.returncode == 0, made.stderr
    return tmp_path


def test_there_are_examples():
    nouns = [command.split()[1] for command, _ in EXAMPLES]
    assert {"sign", "verify", "explain"} <= set(nouns)


@pytest.mark.parametrize("command, output", EXAMPLES, ids=[c[:60] for c, _ in EXAMPLES])
def test_what_the_page_shows(place, command, output):
    """`headers` is what the first example prints, `command` what the second does, to a path of its
    own."""
    (place / "metrics.pb").write_bytes(b"")
    (place / "headers").write_text(EXAMPLES[0][1])
    (place / "command").write_text(EXAMPLES[1][1].replace("8080/v1/metrics", "8080/v1/traces"))
    ran = run(place, command)
    assert ran.stdout == output, ran.stderr
