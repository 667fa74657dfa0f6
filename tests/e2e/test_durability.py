"""200 means durable: what was answered arrives, whatever dies in between, and a full
spool says so. What needs a failing disk is in tests/faults."""

import threading
import time

import pytest

from harness import payload, wire
from harness.process import wait_until


def names_sent(gateway, prefix, count):
    """Sends `count` exports, each with a metric of its own name, and returns the names."""
    names = [f"{prefix}.{i}" for i in range(count)]
    for name in names:
        answer = gateway.send("metrics", payload.metrics(name=name))
        assert answer.status == 200, answer
    return names


def test_collector_down_and_back(house):
    collector = house.collector(start=False)
    gateway = house.gateway_to(collector)
    names = names_sent(gateway, "while.down", 20)
    wait_until(lambda: not gateway.health()["collector_ok"], 10, "the failing destination to show")
    ready = gateway.ready()
    assert (ready.status, ready.json()["status"]) == (503, "degraded")
    assert collector.url in ready.json()["reason"]
    assert gateway.health()["spool_bytes"] > 0
    collector.start()
    items = collector.wait_names(names, 20)
    assert sorted(i["name"] for i in items) == sorted(names)
    wait_until(lambda: gateway.ready().status == 200, 10, "readiness to come back")
    wait_until(lambda: gateway.health()["spool_records"] == 0, 10, "the spool to be read")


def test_kill_9_while_the_collector_is_down(house):
    collector = house.collector(start=False)
    gateway = house.gateway_to(collector)
    names = names_sent(gateway, "before.kill", 50)
    gateway.kill()
    gateway.start()
    names += names_sent(gateway, "after.kill", 5)
    collector.start()
    collector.wait_names(names, 20)


def test_kill_9_under_load_loses_nothing_that_was_answered(house):
    collector = house.collector(start=False)
    gateway = house.gateway_to(collector)
    answered, stop = [], threading.Event()

    def load(thread):
        n = 0
        while not stop.is_set():
            name = f"load.{thread}.{n}"
            n += 1
            try:
                if gateway.send("metrics", payload.metrics(name=name)).status == 200:
                    answered.append(name)
            except (OSError, wire.http.client.HTTPException):
                return

    threads = [threading.Thread(target=load, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(answered) > 100, 20, "a hundred answers")
    gateway.kill()
    stop.set()
    for thread in threads:
        thread.join()
    gateway.start()
    collector.start()
    collector.wait_names(answered, 30)


def test_a_stop_in_between_loses_and_repeats_nothing(house):
    collector = house.collector()
    gateway = house.gateway_to(collector)
    first = names_sent(gateway, "first", 10)
    collector.wait_names(first)
    gateway.terminate()
    collector.stop()
    gateway.start()
    second = names_sent(gateway, "second", 10)
    gateway.terminate()
    collector.start()
    gateway.start()
    items = collector.wait_names(first + second, 20)
    assert sorted(i["name"] for i in items) == sorted(first + second)


def test_fleet_series_survive_kill_9(house):
    gateway = house.gateway()

    def total():
        series = gateway.client_metrics()
        return sum(v for (name, _), v in series.items() if name.startswith("e2e_requests"))

    start = time.time_ns()
    for value in (1, 2, 5):
        body = payload.metrics(value=value, start=start, **{"session.id": "s1"})
        assert gateway.send("metrics", body, session="s1").status == 200
    wait_until(lambda: total() == 5, 5, "the series")
    gateway.kill()
    gateway.start()
    wait_until(lambda: total() == 5, 5, "the series after the restart")
    gateway.terminate()
    gateway.start()
    wait_until(lambda: total() == 5, 5, "the series after an orderly restart")


def test_a_full_spool_says_so_and_recovers(house):
    """Refused with 503 and Retry-After, degraded, and at work again once the Collector is back."""
    collector = house.collector(start=False)
    gateway = house.gateway_to(
        collector, {"spool": {"max_bytes": "4MiB", "wait": "100ms"}, "server": {"max_body": "512KiB"}}
    )

    def send_large():
        """Each with a time of its own, for an exact repeat takes no room."""
        large = payload.metrics(name="large", attributes={"filler": "x" * 400_000})
        return gateway.send("metrics", large)

    for _ in range(40):
        answer = send_large()
        if answer.status != 200:
            break
    assert answer.status == 503, answer
    assert answer.rpc_status().message.startswith("spool_unavailable: ")
    assert int(answer.header("Retry-After")) >= 1
    assert gateway.verdicts("spool_unavailable") >= 1
    ready = gateway.ready()
    assert ready.status == 503 and ready.json()["reason"]
    collector.start()
    wait_until(lambda: send_large().status == 200, 20, "room", every=0.3)
