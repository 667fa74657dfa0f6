"""Manual pages and completion, as a user who installed sigpost meets them."""

import os
import subprocess

import pytest

from harness.process import BIN, SANITIZED, TREE
from harness.tool import Tool

pytestmark = pytest.mark.skipif(SANITIZED, reason="they are made by the release build only")

BUILD = BIN.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """What `cmake --install` lays down."""
    place = tmp_path_factory.mktemp("install")
    subprocess.run(["cmake", "--build", BUILD, "--target", "manual"], check=True,
                   capture_output=True)
    done = subprocess.run(["cmake", "--install", BUILD, "--prefix", "/usr"],
                          env={**os.environ, "DESTDIR": str(place)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return place / "usr"


PAGES = ["man1/sigpostctl.1", "man5/sigpost.cfg.5", "man8/sigpost.8"]


@pytest.mark.parametrize("page", PAGES)
def test_pages_are_clean_for_mandoc_and_groff(installed, page):
    path = installed / "share/man" / page
    done = subprocess.run(["mandoc", "-Tlint", "-Wwarning", path], capture_output=True, text=True)
    # A page that the build makes has no date but that of the build, which would make builds differ.
    said = [line for line in done.stdout.splitlines() if "missing date" not in line]
    assert said == []
    shown = subprocess.run(["groff", "-man", "-Tutf8", "-Kutf8", "-ww", path], capture_output=True,
                           text=True)
    assert shown.returncode == 0 and shown.stderr == ""
    assert len(shown.stdout.splitlines()) > 30


def test_pages_say_what_the_program_says(installed):
    text = subprocess.run(["mandoc", "-Tascii", "-O", "width=200",
                           installed / "share/man/man1/sigpostctl.1"],
                          capture_output=True, text=True, check=True).stdout
    plain = "".join(after for after in _without_overstrikes(text))
    for words in ("sigpostctl secret rotate [--grace LENGTH]", "sigpostctl secret revoke ID [--force]",
                  "sigpostctl sign PATH", "Exit status: 0 done, 1 refused or failed, 2 wrong use."):
        assert words in plain


def _without_overstrikes(text):
    """Terminals of old print bold and underlined by striking twice."""
    for at, char in enumerate(text):
        if char != "\b" and text[at + 1 : at + 2] != "\b":
            yield char


SCRIPT = r"""
set -u
. "$COMPLETION"
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_sigpostctl
printf '%s\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def gateway(house):
    return house.gateway(start=False, secret=None)


@pytest.fixture
def complete(installed, gateway):
    """What bash offers for the last word of a command line."""
    tool = Tool(gateway)
    tool("secret", "init", "--id", "first")
    tool("secret", "add", "--id", "second")
    (gateway.dir / "secret file").write_text("x")
    script = installed / "share/bash-completion/completions/sigpostctl"
    config = ["-c", str(gateway.config_path)]

    def offered(*words, behind=config):
        done = subprocess.run(
            ["bash", "-c", SCRIPT, "bash", str(tool.program), *behind, *words],
            env={**gateway.environment(), "COMPLETION": str(script)},
            cwd=gateway.dir, capture_output=True, text=True, timeout=30,
        )
        assert done.stderr == ""
        return [line for line in done.stdout.splitlines() if line]

    return offered


def test_nouns_verbs_and_options(complete):
    assert {"secret", "sign", "verify"} <= set(complete(""))
    assert complete("sec") == ["secret"]
    assert complete("spool", "dead", "") == ["list", "show", "retry", "drop"]
    assert "--raw" in complete("spool", "dead", "show", "--")
    assert complete("secret", "r") == ["rotate", "retire", "revoke"]
    assert complete("secret", "rotate", "--g") == ["--grace"]
    assert complete("secret", "re", "--f") == []
    assert {"--help", "--json", "--ids"} == set(complete("secret", "list", "--"))
    assert sorted(complete("sign", "--")) == [
        "--client-version", "--curl", "--help", "--key", "--session", "--timestamp"]
    assert complete("--c", behind=[]) == ["--config"]


def test_values_and_operands(complete):
    assert complete("secret", "revoke", "") == ["first", "second"]
    assert complete("secret", "revoke", "s") == ["second"]
    assert complete("secret", "retire", "--at", "1d", "f") == ["first"]
    assert complete("secret", "export", "first", "--format", "") == [
        "raw", "dotenv", "docker", "github"]
    assert complete("secret", "add", "--state", "p") == ["pending"]
    assert complete("secret", "add", "--id", "") == []
    assert complete("sign", "--key", "fi") == ["first"]
    assert complete("secret", "import", "sec") == ["secret file"]
    assert "sigpost.cfg" in complete("sig", behind=["-c"])


LETTER = "sigpost-dead-letter 1\nsignal: logs\nsequence: 1\narrived-ns: 1\npayload-bytes: 0\n\n"


def test_signals_and_dead_letters(complete, gateway, tmp_path):
    assert complete("spool", "dump", "--signal", "") == ["metrics", "traces", "logs", "profiles"]
    assert complete("spool", "dump", "--signal", "t") == ["traces"]
    assert complete("spool", "dump", "--session", "") == []
    assert complete("spool", "dead", "show", "") == []
    dead = gateway.dir / "state" / "dead"
    (dead / "retry").mkdir(parents=True)
    (dead / "a-1.otlp.dead").write_text(LETTER)
    (dead / "retry" / "logs-a-2.otlp.dead").write_text(LETTER)
    for verb in ("show", "retry", "drop"):
        assert complete("spool", "dead", verb, "") == ["a-1.otlp.dead", "logs-a-2.otlp.dead"]
    assert complete("spool", "dead", "drop", "a-1.otlp.dead", "l") == ["logs-a-2.otlp.dead"]
    assert complete("spool", "dead", "retry", "--") == ["--help", "--all", "--dir"]
    copy = tmp_path / "a copy" / "dead"
    copy.mkdir(parents=True)
    (copy / "$(touch bad) b.dead").write_text(LETTER)
    shown = complete("spool", "dead", "show", "--dir", str(copy.parent), "")
    assert shown == ["$(touch bad) b.dead"]
    assert not (gateway.dir / "bad").exists()
    assert complete("spool", "dead", "show", "--dir", "/nowhere", "") == []


def test_the_script_is_clean(installed):
    path = installed / "share/bash-completion/completions/sigpostctl"
    done = subprocess.run(["shellcheck", "-s", "bash", "-e", "SC2016", path], capture_output=True,
                          text=True)
    assert done.returncode == 0, done.stdout
    assert (TREE / "cmake" / "manual.cmake").exists()
