"""Strangers can take only so much, and a stop lets those finish who have begun."""

import signal
import socket
import threading
import time

import pytest

from harness import payload, wire
from harness.gateway import Clock
from harness.process import wait_until
from harness.signing import signed

BODY = payload.metrics()


def request(body=BODY):
    head = wire.head("POST", "/v1/metrics", [wire.PROTOBUF, *signed("/v1/metrics")], len(body))
    return head, body


def silent(sock, seconds):
    """No byte and no end within that time."""
    sock.settimeout(seconds)
    try:
        sock.recv(1, socket.MSG_PEEK)
        return False
    except TimeoutError:
        return True
    finally:
        sock.settimeout(15)


def test_past_the_cap_a_connection_waits_and_is_then_served(house):
    # One worker: with several, the kernel decides whose backlog the waiting one is in.
    gateway = house.gateway({"server": {"max_connections": 4, "workers": 1}})
    holders = []
    for _ in range(4):
        sock = wire.connect(gateway.port)
        sock.sendall(b"".join(request()))
        assert wire.read_answer(sock).status == 200
        holders.append(sock)
    waiting = wire.connect(gateway.port)
    waiting.sendall(b"".join(request()))
    assert silent(waiting, 0.5)
    holders.pop().close()
    assert wire.read_answer(waiting).status == 200
    for sock in [*holders, waiting]:
        sock.close()


def test_the_cap_holds_over_all_workers(house):
    gateway = house.gateway({"server": {"max_connections": 6, "workers": 3}})
    socks = [wire.connect(gateway.port) for _ in range(12)]
    for sock in socks:
        sock.sendall(b"".join(request()))
    served, deadline = 0, time.monotonic() + 20
    while socks and time.monotonic() < deadline:
        for sock in list(socks):
            if not silent(sock, 0.05):
                assert wire.read_answer(sock).status == 200
                served += 1
                sock.close()
                socks.remove(sock)
    assert served == 12


def test_a_clock_that_is_set_back_keeps_no_connection(house, tmp_path):
    """Idle ones are closed after their time by the new clock, not when the old one is caught up
    with, and whoever waited at the cap has a place then."""
    now = 1795230000
    clock = Clock(tmp_path, now)
    server = {"max_connections": 3, "workers": 1, "request_timeout": "3s"}
    gateway = house.gateway({"server": server}, env=clock.env)
    before = wire.connect(gateway.port)
    wait_until(lambda: b"sigpost_connections 2" in gateway.get("/metrics").body, 5, "the first")
    clock.set(now - 120)
    assert gateway.is_live()  # a turn of the loop by the new clock
    after = [wire.connect(gateway.port) for _ in range(2)]
    waiting = wire.connect(gateway.port)
    waiting.sendall(wire.head("GET", "/health/live", [], 0))
    assert silent(waiting, 0.5)
    clock.set(now - 119)
    assert silent(before, 0.5) and silent(after[0], 0.1), "too early"
    clock.set(now - 116)
    for sock in (before, *after):
        sock.settimeout(5)
        assert sock.recv(1) == b"", "the idle connection is not closed"
        sock.close()
    assert wire.read_answer(waiting).status == 200
    waiting.close()


def test_a_slow_client_is_served(house):
    gateway = house.gateway()
    head, body = request()
    with wire.connect(gateway.port) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        data = head + body
        for i in range(0, len(data), 16):
            sock.sendall(data[i : i + 16])
            time.sleep(0.005)
        assert wire.read_answer(sock).status == 200


@pytest.mark.parametrize("cut", ["in the head", "in the body"])
def test_a_client_that_never_finishes_is_let_go(house, cut):
    gateway = house.gateway({"server": {"request_timeout": "1s"}})
    head, body = request()
    with wire.connect(gateway.port) as sock:
        sock.sendall(head[:40] if cut == "in the head" else head + body[:10])
        begin = time.monotonic()
        assert b"200" not in sock.recv(4096)
        assert time.monotonic() - begin < 4
    assert gateway.is_live()


@pytest.mark.parametrize("kilobytes", [16, 64, 400, 2000])
@pytest.mark.parametrize("part", ["name", "value"])
def test_a_big_header_hurts_nobody(house, kilobytes, part):
    gateway = house.gateway({"server": {"request_timeout": "3s"}})
    big = "x" * (kilobytes * 1024)
    header = (big, "1") if part == "name" else ("X-Big", big)
    try:
        answer = wire.get(gateway.port, "/health", [header])
        assert answer.status in (200, 400, 413, 414, 431)
    except (OSError, wire.http.client.HTTPException):
        pass
    assert gateway.process.alive()
    assert gateway.send("metrics", BODY).status == 200


def test_many_headers(house):
    gateway = house.gateway()
    try:
        answer = wire.get(gateway.port, "/health", [(f"X-{i}", "v") for i in range(5000)])
        assert answer.status in (200, 400, 413, 431)
    except (OSError, wire.http.client.HTTPException):
        pass
    assert gateway.is_live()


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00" * 200 + b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"POST /v1/metrics HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/metrics HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"POST /v1/metrics HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /v1/metrics HTTP/1.1\r\nHost: a\r\n folded: b\r\nContent-Length: 0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_garbage_gets_no_200(house, garbage):
    gateway = house.gateway({"server": {"request_timeout": "1s"}})
    with wire.connect(gateway.port) as sock:
        sock.sendall(garbage)
        try:
            said = sock.recv(4096)
        except ConnectionError:
            said = b""
    assert b" 200 " not in said[:16]
    assert gateway.is_live()


def test_no_upgrade_to_http2(house):
    gateway = house.gateway()
    upgrade = [("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c")]
    answer = wire.get(gateway.port, "/health", [*upgrade, ("HTTP2-Settings", "AAMAAABkAAQAAP__")])
    assert answer.status == 200


def test_clients_that_hang_up(house):
    """While their bytes wait for the disk; what they sent is still whole or not there."""
    gateway = house.gateway()
    for i in range(200):
        head, body = request(payload.metrics())
        sock = wire.connect(gateway.port)
        sock.sendall(head + body)
        if i % 2:
            # RST instead of FIN
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        sock.close()
    assert gateway.send("metrics", BODY).status == 200
    gateway.terminate()


@pytest.mark.parametrize("cut", ["in the head", "in the body"])
def test_a_request_in_flight_gets_its_200_at_a_stop(house, cut):
    gateway = house.gateway({"server": {"workers": 1}})
    head, body = request()
    at = 40 if cut == "in the head" else len(head) + len(body) // 2
    data = head + body
    with wire.connect(gateway.port) as sock:
        sock.sendall(data[:at])
        # An answer on another connection: by then the worker has read what came before it.
        assert gateway.is_live()
        gateway.process.send(signal.SIGTERM)
        gateway.wait_log("stopping")
        time.sleep(0.3)
        sock.sendall(data[at:])
        answer = wire.read_answer(sock)
        assert answer.status == 200
    assert gateway.process.wait(10) == 0
    gateway.start()
    wait_until(lambda: gateway.client_metrics(), 5, "the point in the series after the restart")


def test_idle_connections_do_not_hold_a_stop_up(house):
    gateway = house.gateway()
    idle = [wire.connect(gateway.port) for _ in range(5)]
    kept = wire.connect(gateway.port)
    kept.sendall(wire.head("GET", "/health"))
    assert wire.read_answer(kept, "GET").status == 200
    begin = time.monotonic()
    gateway.terminate()
    assert time.monotonic() - begin < 3
    for sock in [*idle, kept]:
        sock.close()


def test_a_stop_under_load_breaks_no_answered_request(house):
    """Requests end with 200, or are never answered: no 5xx and no half answer."""
    gateway = house.gateway()
    statuses = []

    def load():
        while True:
            try:
                statuses.append(gateway.send("metrics", payload.metrics()).status)
            except (OSError, wire.http.client.HTTPException):
                return

    threads = [threading.Thread(target=load) for _ in range(6)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(statuses) > 100, 20, "some load")
    gateway.terminate()
    for thread in threads:
        thread.join(10)
    assert set(statuses) == {200}
