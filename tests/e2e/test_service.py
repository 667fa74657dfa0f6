"""The daemon under systemd: what it tells its manager, and what its unit allows."""

import os
import re
import signal
import socket
import subprocess

import pytest

from harness import payload
from harness.gateway import write_ring
from harness.process import BIN, TREE, wait_until
from harness.signing import SECRET

EXPOSURE_MAX = "15"  # tenths; systemd-analyze security


class Manager:
    """The listening end of NOTIFY_SOCKET."""

    def __init__(self, name):
        self.name = name
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + name[1:] if name.startswith("@") else name)
        self._socket.settimeout(15)

    def hear(self):
        return dict(line.split("=", 1) for line in self._socket.recv(4096).decode().split("\n"))

    def close(self):
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    name = str(tmp_path / "notify") if request.param == "path" else f"@sigpost-{os.getpid()}"
    manager = Manager(name)
    yield manager
    manager.close()


def test_the_manager_hears_of_start_reload_and_stop(house, manager):
    gateway = house.gateway(env={"NOTIFY_SOCKET": manager.name})
    assert manager.hear() == {"READY": "1", "STATUS": "taking requests"}
    gateway.reload()
    reloading = manager.hear()
    assert reloading["RELOADING"] == "1" and int(reloading["MONOTONIC_USEC"]) > 0
    assert manager.hear()["READY"] == "1"
    gateway.process.send(signal.SIGTERM)
    assert manager.hear() == {"STOPPING": "1", "STATUS": "draining"}
    assert gateway.process.wait() == 0


@pytest.mark.parametrize("name", ["relative", "@", "/" + "x" * 200])
def test_a_socket_that_cannot_be_is_passed_over(house, name):
    house.gateway(env={"NOTIFY_SOCKET": name}).terminate()


def test_a_credential_is_the_secret(house, tmp_path):
    secret = "a-credential-of-thirty-two-bytes"
    (tmp_path / "sigpost_secret").write_text(secret + "\n")
    gateway = house.gateway(secret=None, env={"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert gateway.send("metrics", payload.metrics(), secret=secret).status == 200


def unit(tmp_path):
    """The unit as it is installed under a prefix of our own."""
    build = tmp_path / "build"
    subprocess.run(["cmake", "-S", TREE, "-B", build, "-G", "Ninja"], check=True, capture_output=True)
    return build / "deploy" / "sigpost.service"


@pytest.mark.heavy
def test_the_unit_gives_the_daemon_little(tmp_path):
    command = ["systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE_MAX}"]
    said = subprocess.run([*command, unit(tmp_path)], capture_output=True, text=True)
    assert said.returncode == 0, said.stdout + said.stderr


def test_systemd_never_gives_up_on_it():
    """docs/systemd.md: everything but a wrong setting is tried again, after a second."""
    sections = (TREE / "deploy/systemd/sigpost.service.in").read_text().split("\n[")
    said = {section.split("]")[0].strip("["): section.split("\n") for section in sections}
    assert "StartLimitIntervalSec=0" in said["Unit"]
    assert {"Restart=always", "RestartSec=1", "RestartPreventExitStatus=2"} <= set(said["Service"])


def calls_of(group):
    """The system calls of a systemd filter group, groups within it unfolded."""
    said = subprocess.check_output(["systemd-analyze", "syscall-filter", group], text=True)
    names = {line.strip() for line in said.splitlines()[1:] if line.startswith("    ")}
    names = {name for name in names if not name.startswith("#")}
    inner = [calls_of(name) for name in names if name.startswith("@")]
    return {name for name in names if not name.startswith("@")}.union(*inner)


def allowed_calls(text):
    allowed = set()
    for line in re.findall(r"^SystemCallFilter=(.*)$", text, re.M):
        groups = set().union(*(calls_of(group) for group in line.lstrip("~").split()))
        allowed = allowed - groups if line.startswith("~") else allowed | groups
    return allowed


@pytest.mark.heavy
def test_the_daemon_needs_no_call_that_its_unit_denies(house, tmp_path):
    log = tmp_path / "calls"
    sink = house.collector()
    # -D: the daemon stays our child, and hears our signals; strace is a grandchild.
    gateway = house.gateway_to(sink, wrap=["strace", "-D", "-f", "-qq", "-o", log])
    assert gateway.send("metrics", payload.metrics("unit.calls")).status == 200
    sink.wait_names({"unit.calls"})
    gateway.reload()
    wait_until(lambda: "configuration reloaded" in gateway.process.output())
    gateway.terminate()
    used = set(re.findall(r"^\d+ +([a-z0-9_]+)\(", log.read_text(), re.M)) - {"execve"}
    assert {"fdatasync", "accept4", "openat"} <= used, "strace saw the daemon at work"
    denied = used - allowed_calls((TREE / "deploy/systemd/sigpost.service.in").read_text())
    assert not denied


def health(gateway, *arguments):
    command = [BIN / "sigpostctl", "-c", gateway.config_path, "health", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=gateway.environment())


def test_the_tool_asks_where_the_daemon_listens(house):
    gateway = house.gateway()
    said = health(gateway)
    assert (said.returncode, said.stderr) == (0, "") and '"status":' in said.stdout
    assert health(gateway, "--ready", f"http://127.0.0.1:{gateway.port}/").returncode == 0
    gateway.configure({"server": {"listen": f":{gateway.port}"}})
    assert health(gateway).returncode == 0
    gateway.terminate()
    assert health(gateway).returncode == 1


def test_the_tool_says_that_a_gateway_is_not_ready(house):
    gateway = house.gateway(secret=None, start=False)
    write_ring(gateway, {"id": "k", "secret": SECRET, "state": "active"})
    gateway.start()
    assert health(gateway, "--ready").returncode == 0
    write_ring(gateway, text="keys = (")
    wait_until(lambda: gateway.ready().status == 503, what="the broken ring to be noticed")
    assert health(gateway).returncode == 0
    said = health(gateway, "--ready")
    assert said.returncode == 1 and "degraded" in said.stdout
    assert "/health/ready answered 503" in said.stderr
