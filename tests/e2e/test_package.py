"""The Debian package: what it holds, and its life in a clean root."""

import re
import shutil
import subprocess

import pytest

from harness import clean_root, payload, wire
from harness.clean_root import run
from harness.process import TREE, free_port, wait_until

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600)]

CONFFILES = [
    "/etc/sigpost/sigpost.cfg.sample",
    "/etc/sigpost/templates/index.html",
    "/etc/sigpost/templates/status.html",
    "/etc/sigpost/templates/waiting.html",
]


@pytest.fixture(scope="module")
def deb(tmp_path_factory):
    # By a builder whose umask closes everything: it must not be found again in the package.
    package = [TREE / "deploy" / "package", tmp_path_factory.mktemp("deb")]
    return run("sh", "-c", 'umask 077; exec "$0" "$@"', *package).strip()


def test_it_holds_what_its_lists_say(deb, tmp_path):
    run("dpkg-deb", "-R", deb, tmp_path)
    conffiles = (tmp_path / "DEBIAN" / "conffiles").read_text().split()
    in_etc = [f"/{p.relative_to(tmp_path)}" for p in (tmp_path / "etc").rglob("*") if p.is_file()]
    assert sorted(conffiles) == sorted(in_etc)
    assert set(CONFFILES) <= set(conffiles)
    assert (tmp_path / "etc/sigpost/credentials").stat().st_mode & 0o777 == 0o700
    for place in ("etc/sigpost", "etc/sigpost/templates", "usr/bin", "usr/share/doc/sigpost"):
        assert (tmp_path / place).stat().st_mode & 0o777 == 0o755, place
    unit = (tmp_path / "usr/lib/systemd/system/sigpost.service").read_text()
    program = re.search(r"^ExecStart=(\S+)$", unit, re.M)[1]
    assert (tmp_path / program.lstrip("/")).stat().st_mode & 0o111
    assert "sigpost" in run(tmp_path / program.lstrip("/"), "--version")
    assert (tmp_path / "usr/share/doc/sigpost/copyright").exists()
    size = sum(p.lstat().st_size for p in tmp_path.rglob("*"))
    assert size < 5_000_000, "the package grew beyond what it should hold"


def test_it_needs_only_debian_12(deb):
    depends = run("dpkg-deb", "-f", deb, "Depends")
    for name in re.findall(r"(?:^|, )([a-z0-9.+-]+)", depends):
        assert run("apt-cache", "policy", name), f"{name} is not in this Debian"


@pytest.mark.long
@clean_root.needed
@pytest.mark.timeout(1200)
def test_its_life_in_a_clean_root(deb, tmp_path):
    root = clean_root.debian(tmp_path / "root")
    shutil.copy(deb, root.place / "sigpost.deb")
    root.run("apt-get", "update", "-q")
    said = root.run("apt-get", "install", "-q", "-y", "--no-install-recommends", "/sigpost.deb")
    assert "sigpostctl secret init" in said
    root.run("sigpostctl", "secret", "init")
    root.run("sigpost", "--check")

    port = free_port()
    env = {"SIGPOST_SERVER_LISTEN": f"127.0.0.1:{port}", "PATH": "/usr/sbin:/usr/bin:/bin"}
    daemon = subprocess.Popen(["chroot", root.place, "/usr/bin/sigpost"], env=env)
    try:
        wait_until(lambda: wire.is_live(port), what="the daemon")
        headers = root.run("sigpostctl", "sign", "/v1/metrics")
        signed = [tuple(line.split(": ", 1)) for line in headers.splitlines() if ": " in line]
        assert wire.post(port, "/v1/metrics", signed, payload.metrics()).status == 200
    finally:
        daemon.terminate()
    assert daemon.wait(20) == 0

    root.run("apt-get", "install", "-q", "-y", "--reinstall", "/sigpost.deb")
    root.run("apt-get", "remove", "-q", "-y", "sigpost")
    assert not (root.place / "usr/bin/sigpost").exists()
    assert (root.place / "etc/sigpost/sigpost.cfg.sample").exists(), "removing keeps settings"
    assert "stay in /var/lib/sigpost" in root.run("apt-get", "purge", "-q", "-y", "sigpost")
    assert not (root.place / "etc/sigpost/sigpost.cfg.sample").exists()
    assert (root.place / "var/lib/sigpost/keyring.cfg").exists(), "keys outlive the package"

