"""deploy/quickstart, as a newcomer runs it."""

import os
import subprocess

import pytest

from harness.process import TREE, free_port

QUICKSTART = TREE / "deploy" / "quickstart"


@pytest.mark.skipif(not QUICKSTART.exists(), reason="deploy/quickstart is not in this tree")
@pytest.mark.timeout(300)
def test_quickstart_shows_a_series(tmp_path):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("SIGPOST_", "KOTOR"))}
    done = subprocess.run(
        [QUICKSTART, "--once", "--port", str(free_port()), "--state", tmp_path / "state"],
        env=clean,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "answer: 200" in done.stdout
    assert "kotormodsync_events_total" in done.stdout
    assert not list((TREE).glob("build.log"))
