"""A spool that is full: requests wait for room, not too many and not too long, are refused with the
time at which room can be hoped for, and memory stays within its bounds all the while."""

import re
import select
import threading
import time
from pathlib import Path

import pytest

from harness import payload, wire
from harness.process import SANITIZED, wait_until
from harness.signing import signed
from harness.sink import Sink

BODY = 256 * 1024
QUEUED = 64 << 20  # what the spool holds in memory at most
FULL = {"server": {"max_body": "512KiB"}, "spool": {"max_bytes": "4MiB", "wait": "1s"}}


@pytest.fixture
def sink():
    sink = Sink()
    yield sink
    sink.close()


def to(sink):
    return {"SIGPOST_EXPORT_DESTINATIONS": f"otlp={sink.url}"}


def peak_rss(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^VmHWM:\s+(\d+) kB", status, re.M)[1]) << 10


def request(name):
    body = payload.metrics(name=name, attributes={"filler": "x" * BODY})
    headers = [wire.PROTOBUF, *signed("/v1/metrics")]
    return wire.head("POST", "/v1/metrics", headers, len(body)) + body


def fill(gateway):
    n = 0
    while True:
        body = payload.metrics(name=f"fill.{n}", attributes={"filler": "x" * BODY})
        answer = gateway.send("metrics", body)
        if answer.status != 200:
            return n, answer
        n += 1


def storm(gateway, name, clients):
    """Requests of so many connections at once; [(seconds until the answer, answer)]."""
    begin = time.monotonic()
    socks = [wire.connect(gateway.port, 30) for _ in range(clients)]
    for i, sock in enumerate(socks):
        sock.sendall(request(f"{name}.{i}"))
    answers = []
    while socks:
        for sock in select.select(socks, [], [], 30)[0]:
            answers.append((time.monotonic() - begin, wire.read_answer(sock)))
            sock.close()
            socks.remove(sock)
    return answers


@pytest.mark.heavy
def test_many_clients_of_a_full_spool_take_bounded_memory(house, sink):
    """Four hundred connections with 100 MiB of bodies, again and again: what exceeds the queue is
    refused at once, the rest after spool.wait; the peak does not depend on how long it goes on."""
    clients, rounds = 400, 4
    gateway = house.gateway(FULL, env=to(sink))
    sink.stall()
    fill(gateway)
    idle = peak_rss(gateway.process.pid)
    peaks, early = [], 0
    for n in range(rounds):
        answers = storm(gateway, f"storm.{n}", clients)
        assert {answer.status for _, answer in answers} == {503}
        assert all(1 <= int(answer.header("Retry-After")) <= 300 for _, answer in answers)
        assert max(seconds for seconds, _ in answers) < 6
        early += sum(b"full" in answer.body and seconds < 1 for seconds, answer in answers)
        peaks.append(peak_rss(gateway.process.pid))
    print(f"peak RSS: idle {idle >> 20} MiB, then {[peak >> 20 for peak in peaks]} MiB; {early} early")
    assert early > 0, "the queue in memory was never full: the test is too small"
    bound = idle + QUEUED + 3 * clients * BODY  # a body, its copy, and what growing leaves
    assert peaks[-1] < bound
    sink.flow()
    wait_until(lambda: gateway.send("metrics", payload.metrics()).status == 200, 20, every=0.3)
    wait_until(lambda: gateway.health()["spool_records"] == 0, 20)


def test_a_request_waits_for_room(house, sink):
    """Room that comes within spool.wait is a 200, not a refusal."""
    config = {**FULL, "spool": {"max_bytes": "4MiB", "wait": "8s"}}
    gateway = house.gateway(config, env=to(sink))
    sink.stall()
    sent, answer = 0, None
    answers = []
    while True:
        waiting = threading.Thread(
            target=lambda: answers.append(
                gateway.send("metrics", payload.metrics(attributes={"filler": "x" * BODY}))
            )
        )
        waiting.start()
        waiting.join(1 if not SANITIZED else 3)
        if waiting.is_alive():
            break
        sent += 1
    assert [answer.status for answer in answers] == [200] * sent and sent > 5
    sink.flow()
    waiting.join(15)
    assert answers[-1].status == 200 and len(answers) == sent + 1


def test_retry_after_follows_the_drain(house, sink):
    """Nothing drained for long: minutes. Draining: seconds."""
    gateway = house.gateway(FULL, env=to(sink))
    sink.stall()
    _, refusal = fill(gateway)
    assert int(refusal.header("Retry-After")) == 300
    sink.flow()
    wait_until(lambda: gateway.send("metrics", payload.metrics()).status == 200, 20, every=0.3)
    wait_until(lambda: gateway.health()["spool_records"] == 0, 20)
    sink.stall()
    _, refusal = fill(gateway)
    assert 1 <= int(refusal.header("Retry-After")) <= 60
