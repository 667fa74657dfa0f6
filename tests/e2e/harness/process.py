"""Child processes that never outlive the test, and waiting by condition."""

import ctypes
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

TREE = Path(__file__).resolve().parents[3]
BIN = Path(os.environ.get("SIGPOST_BIN_DIR", TREE / "build" / "bin"))
SANITIZED = "build-dev" in str(BIN) or "build-tsan" in str(BIN)

_libc = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1

# Every child that was started, for the report of a failed test.
started = []


def wait_until(condition, timeout=10.0, what="the condition", every=0.02):
    """Calls `condition` until it returns something true, and returns that."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout} s in vain for {what}; last seen: {value!r}")
        time.sleep(every)


# Tests run side by side: each of the runners has its own share of the ports. The kernel gives only
# odd ones while it has some: they are told apart by the digits above.
_runners = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_runner = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_given_ports = set()


def free_port():
    """Never the same twice: who was given one may not have bound it yet, or be down for a while."""
    while True:
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        if port // 2 % _runners == _runner and port not in _given_ports:
            _given_ports.add(port)
            return port


def accepts(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


class Process:
    """One child with its output in a file. The kernel kills it if the test run dies."""

    def __init__(self, name, argv, log_path, env=None, cwd=None):
        self.name = name
        self.log_path = Path(log_path)
        with open(self.log_path, "ab") as log:
            self._popen = subprocess.Popen(
                [str(word) for word in argv],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=env,
                cwd=cwd,
                preexec_fn=lambda: _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL),
            )
        self.pid = self._popen.pid
        started.append(self)

    def alive(self):
        return self._popen.poll() is None

    def output(self):
        return self.log_path.read_text(errors="replace")

    def tail(self, lines=60):
        return "\n".join(self.output().splitlines()[-lines:])

    def send(self, number):
        self._popen.send_signal(number)

    def wait(self, timeout=15):
        try:
            return self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not end within {timeout} s\n{self.tail()}")

    def kill(self):
        """kill -9, and wait until it is gone."""
        if self.alive():
            self._popen.kill()
        self._popen.wait()

    def wait_ready(self, condition, timeout=15):
        def look():
            if not self.alive():
                raise AssertionError(
                    f"{self.name} ended with {self._popen.returncode} instead of getting ready\n"
                    f"{self.tail()}"
                )
            return condition()

        wait_until(look, timeout, f"{self.name} to be ready\n{self.tail()}")
