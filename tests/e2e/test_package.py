"""The Debian package: what it holds, and its life in a clean root."""

import os
import re
import shutil
import subprocess

import pytest

from harness import payload, wire
from harness.process import TREE, free_port, wait_until

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600)]

CONFFILES = [
    "/etc/sigpost/sigpost.cfg.sample",
    "/etc/sigpost/templates/index.html",
    "/etc/sigpost/templates/waiting.html",
]


def run(*command, **options):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def deb(tmp_path_factory):
    return run(TREE / "deploy" / "package", tmp_path_factory.mktemp("deb")).strip()


def test_it_holds_what_its_lists_say(deb, tmp_path):
    run("dpkg-deb", "-R", deb, tmp_path)
    conffiles = (tmp_path / "DEBIAN" / "conffiles").read_text().split()
    in_etc = [f"/{p.relative_to(tmp_path)}" for p in (tmp_path / "etc").rglob("*") if p.is_file()]
    assert sorted(conffiles) == sorted(in_etc)
    assert set(CONFFILES) <= set(conffiles)
    assert (tmp_path / "etc/sigpost/credentials").stat().st_mode & 0o777 == 0o700
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


class Root:
    """A clean Debian 12, made by debootstrap."""

    def __init__(self, place):
        self.place = place
        run("debootstrap", "--variant=minbase", "bookworm", place)
        for name in ["etc/apt/sources.list", "etc/apt/sources.list.d", "etc/apt/apt.conf.d"]:
            source, target = f"/{name}", place / name
            if os.path.isdir(source):
                shutil.copytree(source, target, dirs_exist_ok=True)
            elif os.path.exists(source):
                shutil.copy(source, target)

    def run(self, *command, **options):
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive"}
        return run("chroot", self.place, *command, env=env, **options)


@pytest.mark.long
@pytest.mark.skipif(not shutil.which("debootstrap"), reason="debootstrap is not installed")
@pytest.mark.skipif(os.geteuid() != 0, reason="chroot needs root")
@pytest.mark.timeout(1200)
def test_its_life_in_a_clean_root(deb, tmp_path):
    root = Root(tmp_path / "root")
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
        wait_until(lambda: is_live(port), what="the daemon")
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


def is_live(port):
    try:
        return wire.get(port, "/health/live").status == 200
    except OSError:
        return False
