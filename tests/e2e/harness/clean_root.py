"""Directories that are systems of their own, entered by chroot."""

import os
import shutil
import subprocess

import pytest

ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive"}
APT = ["etc/apt/sources.list", "etc/apt/sources.list.d", "etc/apt/apt.conf.d"]


def needed(test):
    """Marks a test that makes such a root."""
    test = pytest.mark.skipif(os.geteuid() != 0, reason="chroot needs root")(test)
    missing = not shutil.which("debootstrap", path=ENV["PATH"])
    return pytest.mark.skipif(missing, reason="debootstrap is not installed")(test)


def run(*command, **options):
    """Runs to the end and returns what was printed; a failure shows all of it."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{command}: {done.stdout[-4000:]}{done.stderr[-4000:]}"
    return done.stdout


class Root:
    def __init__(self, place):
        self.place = place

    def run(self, *command, env=None):
        return run("chroot", self.place, *command, env={**ENV, **(env or {})})


def debian(place):
    """A bare Debian 12, with the package sources of this machine."""
    run("debootstrap", "--variant=minbase", "bookworm", place)
    for name in APT:
        source, target = f"/{name}", place / name
        if os.path.isdir(source):
            shutil.copytree(source, target, dirs_exist_ok=True)
        elif os.path.exists(source):
            shutil.copy(source, target)
    return Root(place)
