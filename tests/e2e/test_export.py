"""Destinations that refuse, are slow or dead, or lack a pipeline: what goes through, what is held,
what becomes a dead letter, and what sigpostctl shows of it."""

import contextlib
import json
import threading
import time

import pytest

from harness import payload
from harness.process import free_port, wait_until
from harness.sink import Sink
from harness.tool import Tool

EXPORT = {
    "retry_initial": "100ms",
    "retry_max": "500ms",
    "batch_age": "50ms",
    "timeout": "2s",
}


@pytest.fixture
def sinks():
    with contextlib.ExitStack() as stack:

        def make(*args, **options):
            sink = Sink(*args, **options)
            stack.callback(sink.close)
            return sink

        yield make


def gateway_to(house, *destinations, **export):
    listed = [{"type": "otlp", **destination} for destination in destinations]
    return house.gateway({"export": {**EXPORT, **export, "destinations": listed}})


def send_all(gateway, names, threads=4):
    """One request a name, metrics and traces in turn, from several clients."""

    def client(mine):
        for number, name in mine:
            if number % 2 == 0:
                answer = gateway.send("metrics", payload.metrics(name=name))
            else:
                answer = gateway.send("traces", payload.traces(name=name))
            assert answer.status == 200, answer

    numbered = list(enumerate(names))
    failed = []

    def run(mine):
        try:
            client(mine)
        except BaseException as error:  # noqa: BLE001 told below
            failed.append(error)

    clients = [threading.Thread(target=run, args=(numbered[i::threads],)) for i in range(threads)]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()
    assert not failed, failed


def letters(tool):
    return json.loads(tool("spool", "dead", "list", "--json"))


def wait_waiting(tool, wanted):
    """Waits until these cursors have so many records behind them: their files follow within a
    second."""

    def look():
        status = json.loads(tool("spool", "status", "--json"))
        waiting = {cursor["name"]: cursor["waiting_records"] for cursor in status["cursors"]}
        return wanted.items() <= waiting.items()

    wait_until(look, 10, f"cursors at {wanted}", every=0.2)


@pytest.mark.heavy
def test_poison_becomes_dead_letters_and_nothing_else_does(house, sinks):
    """One request in a thousand is answered 400, whatever batch it is in."""
    healed = threading.Event()
    sink = sinks(lambda path, body: 400 if b"poison" in body and not healed.is_set() else 200)
    gateway = gateway_to(house, {"url": sink.url})
    tool = Tool(gateway)
    names = [f"poison.{i}" if i % 1000 == 500 else f"sound.{i}" for i in range(3000)]
    poison = {name for name in names if name.startswith("poison")}
    send_all(gateway, names)
    counts = sink.wait_names(set(names) - poison, 60)
    wait_until(lambda: len(letters(tool)) == 3, 30, "three dead letters")
    wait_until(lambda: gateway.health()["spool_records"] == 0, 20, "an empty spool")
    counts = sink.names()
    assert set(counts) == set(names) - poison
    print("repeated:", sum(n - 1 for n in counts.values()))
    assert all(n == 1 for n in counts.values())
    found = letters(tool)
    assert {(a["status"], a["reason"], a["session"]) for a in found} == {
        (400, "refused", "e2e-session")
    }
    shown = [tool("spool", "dead", "show", letter["name"]) for letter in found]
    assert all(sum(f'"{name}"' in text for text in shown) == 1 for name in poison)
    health = gateway.health()
    assert (health["dead_letters"], health["collector_ok"]) == (3, True)

    healed.set()
    tool("spool", "dead", "retry", "--all")
    counts = sink.wait_names(poison, 20)
    assert all(counts[name] == 1 for name in poison)
    wait_until(lambda: gateway.health()["dead_letters"] == 0, 10, "no dead letter")
    assert letters(tool) == []


def test_too_large_for_the_receiver(house, sinks):
    """Batches are halved until they fit; what does not fit alone is set aside."""
    sink = sinks(lambda path, body: 413 if len(body) > 2000 else 200)
    gateway = gateway_to(house, {"url": sink.url, "compression": "gzip"}, batch_age="300ms")
    names = [f"small.{i}" for i in range(30)]
    send_all(gateway, names)
    answer = gateway.send("metrics", payload.metrics(name="large", attributes={"a": "x" * 3000}))
    assert answer.status == 200
    counts = sink.wait_names(names)
    assert set(counts) == set(names) and all(n == 1 for n in counts.values())
    tool = Tool(gateway)
    wait_until(lambda: len(letters(tool)) == 1, 10, "the large one set aside")
    (letter,) = letters(tool)
    assert (letter["status"], letter["reason"], letter["signal"]) == (413, "too_large", "metrics")
    raw = tool.run("spool", "dead", "show", "--raw", letter["name"], encoding="latin-1")
    assert raw.returncode == 0 and "large" in raw.stdout


def test_letters_that_were_put_back_can_still_be_seen_and_dropped(house, sinks):
    """The receiver went away after it refused: what was put back waits, and takes room."""
    status = [400]
    sink = sinks(lambda path, body: status[0])
    gateway = gateway_to(house, {"url": sink.url})
    tool = Tool(gateway)
    for i in range(3):
        assert gateway.send("metrics", payload.metrics(name=f"refused.{i}")).status == 200
    wait_until(lambda: len(letters(tool)) == 3, 10, "three dead letters")
    status[0] = 503
    before = [letter["name"] for letter in letters(tool)]
    tool("spool", "dead", "retry", "--all")
    found = letters(tool)
    assert [(a["name"], a["put_back"]) for a in found] == [(f"metrics-{b}", True) for b in before]
    names = [letter["name"] for letter in found]
    assert f"{names[0]} (put back)" in tool("spool", "dead", "show", names[0])
    assert tool("spool", "dead", "retry", names[0]) == f"already put back {names[0]}\n"
    assert tool("spool", "dead", "drop", names[0]) == f"dropped {names[0]}\n"
    assert [letter["name"] for letter in letters(tool)] == names[1:]
    tool("spool", "dead", "drop", "--all")
    assert letters(tool) == []
    wait_until(lambda: gateway.health()["dead_letters"] == 0, 10, "no dead letter")
    status[0] = 200
    assert gateway.send("metrics", payload.metrics(name="sound")).status == 200
    sink.wait_names(["sound"])


def without_traces(collector):
    config = collector.dir / "collector.yaml"
    whole = config.read_text()
    head, rest = whole.split("    traces:\n", 1)
    config.write_text(head + rest[rest.index("    logs:\n") :])
    return lambda: config.write_text(whole)


def test_a_collector_without_a_pipeline_for_traces(house):
    collector = house.collector(start=False)
    mend = without_traces(collector)
    collector.start()
    gateway = gateway_to(house, {"url": collector.url})
    names = [f"mixed.{i}" for i in range(200)]
    send_all(gateway, names)
    collector.wait_names(names[0::2], 20)
    wait_until(lambda: gateway.ready().status == 503, 10, "readiness to say so")
    reason = gateway.ready().json()["reason"]
    assert f"{collector.url}/v1/traces: status 404" in reason
    send_all(gateway, ["later.0"])
    collector.wait_names(["later.0"])
    wait_waiting(Tool(gateway), {"otlp.metrics": 0, "otlp.traces": 100})

    collector.stop()
    mend()
    collector.start()
    items = collector.wait_names(names, 20)
    arrived = [item["name"] for item in items]
    assert all(arrived.count(name) == 1 for name in names[1::2])
    wait_until(lambda: gateway.ready().status == 200, 10, "readiness to come back")


def test_an_operator_may_say_what_a_collector_takes(house):
    collector = house.collector(start=False)
    without_traces(collector)
    collector.start()
    gateway = gateway_to(house, {"url": collector.url, "signals": ["metrics", "logs"]})
    assert "none takes traces" in gateway.log()
    names = [f"listed.{i}" for i in range(20)]
    send_all(gateway, names)
    collector.wait_names(names[0::2])
    wait_until(lambda: gateway.health()["spool_records"] == 0, 10, "nothing to wait for")
    assert gateway.ready().status == 200


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_the_collector_reads_each_compression(house, compression):
    collector = house.collector()
    gateway = gateway_to(house, {"url": collector.url, "compression": compression})
    names = [f"{compression}.{i}" for i in range(40)]
    send_all(gateway, names)
    items = collector.wait_names(names)
    assert sorted(item["name"] for item in items) == sorted(names)


def test_a_slow_and_a_dead_destination_slow_no_other(house, sinks):
    slow, good = sinks(pace=0.2), sinks()
    gateway = gateway_to(
        house,
        {"name": "slow", "url": slow.url},
        {"name": "dead", "url": f"http://127.0.0.1:{free_port()}"},
        {"name": "good", "url": good.url},
    )
    for round_number in range(3):
        names = [f"round.{round_number}.{i}" for i in range(100)]
        begin = time.monotonic()
        send_all(gateway, names)
        good.wait_names(names, 10)
        assert time.monotonic() - begin < 8
    assert all(n == 1 for n in good.names().values())
    tool = Tool(gateway)
    wait_waiting(
        tool, {"good.metrics": 0, "good.traces": 0, "dead.metrics": 150, "dead.traces": 150}
    )
    assert json.loads(tool("spool", "status", "--json"))["running"]
    reason = gateway.ready().json()["reason"]
    assert "retrying" in reason
    gateway.terminate()


def test_the_tool_looks_into_a_spool_that_is_written(house, sinks):
    sink = sinks(lambda path, body: 503)
    gateway = gateway_to(house, {"url": sink.url})
    tool = Tool(gateway)
    names = [f"looked.{i}" for i in range(400)]
    sending = threading.Thread(target=send_all, args=(gateway, names))
    sending.start()
    try:
        looks = 0
        while sending.is_alive() or looks == 0:
            assert json.loads(tool("spool", "verify", "--json"))["sound"]
            tool("spool", "status")
            tool("spool", "ls")
            looks += 1
    finally:
        sending.join()
    lines = tool("spool", "dump", "--json").splitlines()
    records = [json.loads(line) for line in lines]
    assert [record["sequence"] for record in records] == list(range(1, 401))
    shown = set()
    for record in records:
        assert (record["session"], record["keyId"]) == ("e2e-session", "env")
        shown |= {item["name"] for item in payload.items(record["request"])}
    assert shown == set(names)
    gateway.kill()
    status = json.loads(tool("spool", "status", "--json"))
    assert not status["running"]
    assert sum(c["waiting_records"] for c in status["cursors"]) == 400
