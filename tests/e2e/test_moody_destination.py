"""A destination in every mood a receiver can have, at random, while sigpost is killed and started
again: whatever was answered 200 arrives or is a dead letter, and nothing stands still for good."""

import contextlib
import json
import random
import threading

import pytest

from harness import payload
from harness.load import Load
from harness.process import wait_until
from harness.sink import Sink
from harness.tool import Tool

EXPORT = {
    "retry_initial": "10ms",
    "retry_max": "10ms",
    "batch_age": "10ms",
    "batch_requests": 8,
    "timeout": "1s",
    "dead_letters_max": "1GiB",
}
HTML = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>"
MOODS = {  # answer: how often
    200: 40,
    400: 12,
    413: 6,
    422: 3,
    429: 4,
    503: 8,
    500: 3,
    404: 2,
    302: 1,
    HTML: 1,
    b"HTTP/1.1 429 Told\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n": 1,
    b"HTTP/1.1 503 Told\r\nRetry-After: soon\r\nContent-Length: 9\r\n\r\nshort": 2,
    b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf": 2,
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n": 1,
    b"HTTP/1.1 2": 1,
    b"not HTTP at all\r\n\r\n": 1,
    b"": 4,
}


class Moods:
    """A judge for Sink. `alone` has the items that it refused for good with no others beside."""

    def __init__(self, seed):
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self.alone = set()
        self.asked = 0
        self.kind = False

    def __call__(self, path, body):
        with self._lock:
            answer = 200
            self.asked += 1
            if not self.kind:
                (answer,) = self._random.choices(list(MOODS), MOODS.values())
            if answer in (400, 413, 422):
                items = payload.items_of_request(path.rsplit("/", 1)[1], body)
                if len(items) == 1:
                    self.alone.add(items[0]["name"])
            return answer


def letters(tool):
    return json.loads(tool("spool", "dead", "list", "--json"))


def is_drained(gateway):
    return gateway.health()["spool_records"] == 0


def kill_again_and_again(gateway, prefix):
    """What was answered 200 to the load of three lives."""
    answered = []
    for life, count in enumerate((300, 1000, 50)):
        load = Load(gateway, f"{prefix}.{life}", signals=("metrics", "traces"))
        load.wait_answered(count, 60)
        gateway.kill()
        answered += load.stop()
        gateway.start()
    return answered


def endure(house, seed, asked):
    moods = Moods(seed)
    with contextlib.closing(Sink(moods)) as sink:
        destination = {"type": "otlp", "url": sink.url}
        gateway = house.gateway({"export": {**EXPORT, "destinations": [destination]}})
        tool = Tool(gateway)
        answered = kill_again_and_again(gateway, f"seed{seed}")
        wait_until(lambda: moods.asked > asked or is_drained(gateway), 120, "answers", every=0.1)
        moods.kind = True
        wait_until(lambda: is_drained(gateway), 60, "an empty spool", every=0.1)
        missing = set(answered) - sink.names().keys()
        assert missing <= moods.alone, "neither delivered nor refused for good"
        assert len(letters(tool)) >= len(missing) > 0

        tool("spool", "dead", "retry", "--all")
        counts = sink.wait_names(answered, 60)
        wait_until(lambda: gateway.health()["dead_letters"] == 0, 20, "no dead letter")
        print(f"answered {len(answered)}, set aside {len(missing)}, asked {moods.asked} times,")
        print(f"came again {sum(counts.values()) - len(counts)}")


@pytest.mark.slow
def test_nothing_is_lost_in_a_moody_destination(house):
    endure(house, seed=1, asked=600)


@pytest.mark.long
@pytest.mark.heavy
@pytest.mark.parametrize("seed", range(2, 42))
def test_nothing_is_lost_in_any_mood(house, seed):
    endure(house, seed, asked=3000)
