"""The end of a long outage: a start with a large backlog is quick, the backlog goes out oldest first at
the speed of disk and network, and new data is taken meanwhile."""

import re
import threading
import time
from pathlib import Path

import pytest

from harness import payload
from harness.process import free_port, wait_until
from harness.sink import Sink

BODY = 3 << 20
NUMBER = re.compile(rb"number-(\d{8})")


@pytest.fixture
def sink():
    sink = Sink(keep=lambda body: [int(n) for n in NUMBER.findall(body)])
    yield sink
    sink.close()


def send(gateway, number, filler=0):
    body = payload.metrics(attributes={"number": f"number-{number:08d}", "filler": "x" * filler})
    return gateway.send("metrics", body).status


def peak_rss(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^VmHWM:\s+(\d+) kB", status, re.M)[1]) << 10


def outage(house, sink, total):
    gateway = house.gateway(
        {"spool": {"max_bytes": "8GiB"}},
        env={"SIGPOST_EXPORT_DESTINATIONS": f"otlp=http://127.0.0.1:{free_port()}"},
    )
    backlog = total // BODY
    begin = time.monotonic()
    for number in range(backlog):
        assert send(gateway, number, BODY) == 200
    filled = time.monotonic() - begin
    gateway.kill()
    assert gateway.process.output().count("spool: opened") == 1

    sink.stall()
    gateway.env["SIGPOST_EXPORT_DESTINATIONS"] = f"otlp={sink.url}"
    begin = time.monotonic()
    gateway.launch()
    wait_until(gateway.is_live, 20, "the start", every=0.002)
    started = time.monotonic() - begin
    assert gateway.health()["spool_records"] == backlog

    over, new = threading.Event(), []

    def go_on_sending():
        while not over.is_set():
            number = backlog + len(new)
            new.append(send(gateway, number))

    sender = threading.Thread(target=go_on_sending)
    begin = time.monotonic()
    sink.flow()
    sender.start()
    wait_until(lambda: len(sink.taken) >= backlog, 600, "the backlog to go out", every=0.05)
    drained = time.monotonic() - begin
    over.set()
    sender.join(20)
    wait_until(lambda: gateway.health()["spool_records"] == 0, 60, "the rest")
    arrived = [number for numbers in sink.taken for number in numbers]
    print(
        f"backlog of {total >> 20} MiB: filled in {filled:.1f} s, start {started * 1000:.0f} ms, "
        f"drained in {drained:.1f} s ({(total >> 20) / drained:.0f} MiB/s), {len(new)} new exports "
        f"meanwhile, peak RSS {peak_rss(gateway.process.pid) >> 20} MiB"
    )
    assert started < 1
    assert new and set(new) == {200}
    assert arrived == list(range(backlog + len(new))), "not oldest first, or not all"
    assert (total >> 20) / drained > 20
    assert peak_rss(gateway.process.pid) < 256 << 20
    wait_until(lambda: len(list((gateway.state / "spool").glob("*.seg"))) == 1, 10, "deletion")


@pytest.mark.heavy
def test_a_backlog_goes_out_oldest_first(house, sink):
    outage(house, sink, 300 << 20)


@pytest.mark.long
@pytest.mark.heavy
@pytest.mark.timeout(1200)
def test_a_backlog_of_five_gigabytes(house, sink):
    outage(house, sink, 5 << 30)
