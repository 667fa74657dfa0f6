"""What a client may do while its bytes wait for the disk: talk on, stop talking, go."""

import socket
import time
from pathlib import Path

import pytest

from harness import payload, wire
from harness.process import wait_until
from harness.signing import signed

SLOW_S = 0.3  # what a sync takes here


@pytest.fixture(scope="module")
def slow(module_house):
    """A gateway whose disk is slow, so that there is a while to do it in."""
    return module_house.gateway(
        wrap=["strace", "-D", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync"]
        + ["-e", f"inject=fdatasync:delay_enter={int(SLOW_S * 1e6)}"]
    )


def request(name):
    body = payload.metrics(name=name)
    headers = [wire.PROTOBUF, *signed("/v1/metrics")]
    return wire.head("POST", "/v1/metrics", headers, len(body)) + body


def test_the_next_request_may_come_before_the_answer(slow):
    """Pipelined, in one write and byte by byte while the first waits: each has its answer, in
    order, and each is stored."""
    stored = slow.stored()
    with wire.connect(slow.port) as sock:
        sock.sendall(request("pipelined.1") + request("pipelined.2"))
        assert [wire.read_answer(sock).status for _ in range(2)] == [200, 200]
        sock.sendall(request("pipelined.3"))
        for byte in request("pipelined.4")[:20]:
            sock.sendall(bytes([byte]))
            time.sleep(SLOW_S / 50)
        assert wire.read_answer(sock).status == 200
        sock.sendall(request("pipelined.4")[20:])
        assert wire.read_answer(sock).status == 200
        sock.sendall(wire.head("GET", "/health/live"))
        assert wire.read_answer(sock, "GET").status == 200
    assert slow.stored() == stored + 4


def test_a_client_that_is_done_talking_is_answered(slow):
    stored = slow.stored()
    with wire.connect(slow.port) as sock:
        sock.sendall(request("half.closed"))
        sock.shutdown(socket.SHUT_WR)
        assert wire.read_answer(sock).status == 200
        assert sock.recv(1) == b"", "and then the connection ends"
    assert slow.stored() == stored + 1


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_clients_that_go_are_stored_all_the_same(slow, reset):
    stored = slow.stored()
    for i in range(20):
        with wire.connect(slow.port) as sock:
            if reset:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            sock.sendall(request(f"gone.{reset}.{i}"))
    if not reset:  # a reset may overtake its request
        wait_until(lambda: slow.stored() == stored + 20, 10, "all of them")
    assert slow.send("metrics", payload.metrics(name=f"stays.{reset}")).status == 200


def cpu_seconds(gateway):
    tasks = Path(f"/proc/{gateway.process.pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def test_a_client_that_talks_early_costs_no_processor(slow):
    """Its bytes are left where they are, not looked at again and again until its answer."""
    with wire.connect(slow.port) as sock:
        sock.sendall(request("early.1"))
        time.sleep(SLOW_S / 6)
        sock.sendall(b"POST ")
        before = cpu_seconds(slow)
        assert wire.read_answer(sock).status == 200
        assert cpu_seconds(slow) - before < SLOW_S / 10
