"""The end of the process: in order, within its time, also when the disk hangs; and at once when it is
told twice."""

import signal
import subprocess
import time

import pytest

from harness import payload, wire
from harness.load import Load, expect_all
from harness.process import free_port, wait_until
from harness.signing import signed

# fdatasync hangs for as long as the file is there.
HANGING = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>
int fdatasync(int fd)
{
    while (access(getenv("HANG"), F_OK) == 0) {
        usleep(1000);
    }
    return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd);
}
"""


@pytest.fixture
def hanging_disk(tmp_path):
    """(environment, the file whose presence makes syncs hang)."""
    source, library, flag = tmp_path / "hang.c", tmp_path / "hang.so", tmp_path / "hang"
    source.write_text(HANGING)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return {"LD_PRELOAD": str(library), "HANG": str(flag)}, flag


def send_and_forget(gateway, n):
    """Requests under way on connections that nobody reads from yet."""
    socks = []
    for i in range(n):
        sock = wire.connect(gateway.port)
        headers = [wire.PROTOBUF, *signed("/v1/metrics")]
        body = payload.metrics(name=f"under.way.{i}")
        sock.sendall(wire.head("POST", "/v1/metrics", headers, len(body)) + body)
        socks.append(sock)
    return socks


def to(sink):
    return {"SIGPOST_EXPORT_DESTINATIONS": f"otlp={sink.url}"}


def start_and_hang(house, hanging_disk, drain_timeout, sink):
    """A gateway that has answered some, and then met a disk that hangs with requests under way."""
    env, flag = hanging_disk
    gateway = house.gateway(
        {"server": {"drain_timeout": drain_timeout}},
        env={**env, "SIGPOST_EXPORT_DESTINATIONS": f"otlp=http://127.0.0.1:{free_port()}"},
    )
    answered = Load(gateway, threads=2).wait_answered(50).stop()
    flag.touch()
    socks = send_and_forget(gateway, 5)
    wait_until(lambda: gateway.verdicts("ok") >= len(answered), 5)
    return gateway, answered, socks


def finish(gateway, answered, sink, flag):
    """A start on a sound disk delivers what was answered."""
    flag.unlink()
    gateway.env.update(to(sink))
    gateway.start()
    expect_all(sink, answered)


def test_a_disk_that_hangs_does_not_hold_up_a_stop(house, hanging_disk, sink):
    gateway, answered, socks = start_and_hang(house, hanging_disk, "1s", sink)
    begin = time.monotonic()
    gateway.process.send(signal.SIGTERM)
    assert gateway.process.wait(10) == 1
    took = time.monotonic() - begin
    assert 3 < took < 6, took
    assert "the stop was held up past server.drain_timeout" in gateway.log()
    for sock in socks:
        assert b" 200 " not in sock.recv(100), "answered, and was not on disk"
    finish(gateway, answered, sink, hanging_disk[1])


def test_a_second_signal_ends_at_once(house, hanging_disk, sink):
    gateway, answered, socks = start_and_hang(house, hanging_disk, "60s", sink)
    gateway.process.send(signal.SIGTERM)
    gateway.wait_log("stopping")
    time.sleep(0.2)
    assert gateway.process.alive(), "the first one waits for the requests under way"
    begin = time.monotonic()
    gateway.process.send(signal.SIGTERM)
    assert gateway.process.wait(5) == -signal.SIGTERM
    assert time.monotonic() - begin < 1
    finish(gateway, answered, sink, hanging_disk[1])


def test_requests_under_way_are_answered_when_the_disk_is_slow(house, hanging_disk, sink):
    gateway, answered, socks = start_and_hang(house, hanging_disk, "20s", sink)
    gateway.process.send(signal.SIGTERM)
    gateway.wait_log("stopping")
    hanging_disk[1].unlink()
    for sock in socks:
        assert wire.read_answer(sock).status == 200
    assert gateway.process.wait(25) == 0
    hanging_disk[1].touch()
    names = answered + [f"under.way.{i}" for i in range(len(socks))]
    finish(gateway, names, sink, hanging_disk[1])


def test_what_is_left_at_the_deadline_stays(house, sink):
    """A destination that stalls is waited for until the deadline; its data is there at the next
    start, once: nothing of it was acknowledged, and nothing that was comes again."""
    gateway = house.gateway({"server": {"drain_timeout": "1s"}}, env=to(sink))
    first = [f"first.{i}" for i in range(20)]
    for name in first:
        assert gateway.send("metrics", payload.metrics(name=name)).status == 200
    expect_all(sink, first)
    wait_until(lambda: gateway.health()["spool_records"] == 0, 10)
    sink.stall()
    second = [f"second.{i}" for i in range(20)]
    for name in second:
        assert gateway.send("metrics", payload.metrics(name=name)).status == 200
    begin = time.monotonic()
    gateway.terminate()
    took = time.monotonic() - begin
    assert 0.8 < took < 3.5, took
    sink.flow()
    gateway.start()
    expect_all(sink, second)
    assert all(sink.names()[name] == 1 for name in first)
