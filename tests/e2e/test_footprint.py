"""What sigpost costs when nothing happens, and how soon it is there."""

import re
import time
from pathlib import Path

import pytest

from harness import payload, wire
from harness.process import SANITIZED, wait_until

pytestmark = pytest.mark.skipif(SANITIZED, reason="a build with sanitizers has other sizes")

IDLE_KIB = 24 * 1024
START_S = 0.200


def rss_kib(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^VmRSS:\s+(\d+) kB", status, re.M)[1])


def test_idle_memory(house):
    """The best of three starts, each after a first export and its way into the series."""
    sizes = []
    for _ in range(3):
        gateway = house.gateway()
        assert gateway.send("metrics", payload.metrics()).status == 200
        wait_until(gateway.client_metrics, 5, "the series")
        sizes.append(rss_kib(gateway.process.pid))
        gateway.terminate()
    print(f"idle RSS: {sizes} KiB")
    assert min(sizes) < IDLE_KIB


def test_headers_that_never_end(house):
    """What the start promises as the bound holds also for those who send nothing but headers."""
    gateway = house.gateway({"server": {"max_body": "1KiB", "max_connections": 64}})
    told = int(re.search(r"buffers_max_bytes=(\d+)", gateway.log())[1])
    assert told == 64 * (1024 + 512 * 1024)
    before = rss_kib(gateway.process.pid)
    socks = [wire.connect(gateway.port) for _ in range(60)]
    for sock in socks:
        sock.sendall(b"POST /v1/metrics HTTP/1.1\r\nHost: a\r\nX-Big: " + b"x" * 410_000)
    grown = lambda: (rss_kib(gateway.process.pid) - before) * 1024  # noqa: E731
    wait_until(lambda: grown() > 60 * 400_000, 10, "the headers to have arrived")
    assert grown() < told
    for sock in socks:
        sock.close()


def test_time_to_the_first_200(house):
    times = []
    for _ in range(3):
        gateway = house.gateway(start=False)
        begin = time.monotonic()
        gateway.launch()
        wait_until(gateway.is_live, 5, "the first 200", every=0.002)
        times.append(time.monotonic() - begin)
        gateway.terminate()
    print(f"start to first 200: {[f'{t * 1000:.0f} ms' for t in times]}")
    assert min(times) < START_S
