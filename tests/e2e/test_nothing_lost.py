"""Fifty clients, uniquely numbered points, a gateway that is killed with -9 and a Collector that is
restarted, again and again: every point that was answered 200 is at the Collector in the end. Points
that come twice are counted: at least once is what is promised."""

import collections
import re
import threading
import time

import pytest

from harness import wire
from harness.payload import REQUESTS
from harness.process import wait_until
from harness.signing import signed

POINTS_A_REQUEST = 20
TRY_AGAIN_S = 0.02


def numbered(first, count):
    """One export with `count` points whose values are their numbers."""
    request = REQUESTS["metrics"]()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="e2e.numbered")
    now = time.time_ns()
    for number in range(first, first + count):
        metric.gauge.data_points.add(as_int=number, time_unix_nano=now)
    return request.SerializeToString()


class Clients:
    """Each sends its share in order, and each export until it is answered 200, as SDKs do."""

    def __init__(self, port, clients, points):
        self.answered = []  # first numbers of exports answered 200
        self.tries = 0
        self._port = port
        share = points // clients
        self._threads = [
            threading.Thread(target=self._run, args=(1 + i * share, share), daemon=True)
            for i in range(clients)
        ]
        for thread in self._threads:
            thread.start()

    def _run(self, first, share):
        session = f"client-{first}"
        for at in range(first, first + share, POINTS_A_REQUEST):
            body = numbered(at, POINTS_A_REQUEST)
            while self._try(session, body) != 200:
                time.sleep(TRY_AGAIN_S)
            self.answered.append(at)

    def _try(self, session, body):
        self.tries += 1
        try:
            headers = signed("/v1/metrics", session=session)
            return wire.post(self._port, "/v1/metrics", headers, body).status
        except (OSError, wire.http.client.HTTPException):
            return None

    def wait_answered(self, exports, timeout):
        wait_until(lambda: len(self.answered) >= exports, timeout, f"{exports} answers", every=0.01)

    def join(self, timeout):
        for thread in self._threads:
            thread.join(timeout)
            assert not thread.is_alive(), "a client is not done"


def arrived(collector):
    """How often each number was written by the Collector."""
    text = collector.file.read_text()
    return collections.Counter(int(n) for n in re.findall(r'"asInt":"(\d+)"', text))


def ordeal(house, points, kills, clients=50):
    collector = house.collector()
    gateway = house.gateway_to(collector)
    begin = time.monotonic()
    load = Clients(gateway.port, clients, points)
    exports = points // POINTS_A_REQUEST
    for n in range(2 * kills):
        load.wait_answered(exports * (n + 1) // (2 * kills + 1), 60)
        if n % 2:
            gateway.kill()
            gateway.start()
        else:
            collector.stop()
            collector.start()
    load.join(120)
    sent = time.monotonic() - begin
    wait_until(lambda: gateway.health()["spool_records"] == 0, 120, "the spool to be read", every=0.1)
    took = time.monotonic() - begin
    assert gateway.health()["spool_quarantined"] <= 1, "more than a torn tail"
    gateway.terminate()
    collector.stop()
    found = arrived(collector)
    owed = {first + i for first in load.answered for i in range(POINTS_A_REQUEST)}
    assert len(owed) == points
    missing = owed - found.keys()
    twice = sum(count - 1 for count in found.values())
    print(
        f"{points} points from {clients} clients in {exports} exports ({load.tries} tries), "
        f"{kills} kills, {kills} restarts of the Collector: sent in {sent:.1f} s, all there after "
        f"{took:.1f} s, {len(missing)} missing, {twice} extra copies ({100 * twice / points:.2f} %)"
    )
    assert not missing, f"{len(missing)} answered points are missing: {sorted(missing)[:10]}"
    assert found.keys() == owed


@pytest.mark.heavy
@pytest.mark.timeout(300)
def test_two_hundred_thousand_points_survive_ten_kills_and_ten_restarts(house):
    ordeal(house, points=200_000, kills=10)


@pytest.mark.long
@pytest.mark.heavy
@pytest.mark.timeout(1800)
def test_two_million_points_survive_forty_kills_and_forty_restarts(house):
    ordeal(house, points=2_000_000, kills=40)
