"""The container image: linted, and its steps followed in a bare Debian."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness import clean_root, payload, wire
from harness.clean_root import run
from harness.dockerfile import Image, instructions
from harness.process import TREE, free_port, wait_until
from harness.signing import SECRET, signed

DOCKERFILE = TREE / "deploy" / "Dockerfile"
SIZE_MAX = 40_000_000

pytestmark = pytest.mark.heavy


def test_hadolint_has_nothing_to_say():
    run(Path(sys.executable).parent / "hadolint", DOCKERFILE)


def test_the_image_has_no_shell_and_is_nobody():
    last = [word for word, _ in instructions(DOCKERFILE.read_text())]
    settings = dict(instructions(DOCKERFILE.read_text()))
    assert last.count("FROM") == 2
    assert settings["FROM"] == "scratch"
    assert settings["USER"].split(":")[0] not in ("0", "root")
    assert json.loads(settings["ENTRYPOINT"]) == ["/usr/bin/sigpost"]


def size(place):
    return sum(p.lstat().st_size for p in place.rglob("*") if p.is_file() and not p.is_symlink())


@pytest.fixture
def context(tmp_path):
    """What `docker build .` would send: the tree as committed and changed, without builds."""
    place = tmp_path / "context"
    ignored = [line for line in (TREE / ".dockerignore").read_text().split() if line]
    shutil.copytree(TREE, place, symlinks=True, ignore=shutil.ignore_patterns(*ignored))
    return place


@pytest.mark.long
@clean_root.needed
@pytest.mark.timeout(1800)
def test_the_steps_give_an_image_that_works(context, tmp_path):
    image = Image(DOCKERFILE, context, tmp_path)
    assert size(image.root.place) < SIZE_MAX
    assert not list(image.root.place.glob("**/bin/*sh"))

    port = free_port()
    env = {
        **clean_root.ENV,
        **image.env,
        "SIGPOST_SERVER_LISTEN": f"127.0.0.1:{port}",
        "KOTORMODSYNC_SIGNING_SECRET": SECRET,
    }
    daemon = subprocess.Popen(image.command(), env=env)
    try:
        wait_until(lambda: wire.is_live(port), what="the daemon")
        answer = wire.post(port, "/v1/metrics", signed("/v1/metrics"), payload.metrics())
        assert answer.status == 200
    finally:
        daemon.terminate()
    assert daemon.wait(20) == 0
    stored = list((image.root.place / "var/lib/sigpost/spool").glob("*.seg"))
    assert stored and stored[0].stat().st_uid == 65532
