"""What is stored, and how often: a client that missed an answer sends the same request again and hears
200 again, and there is one of it; an export of nothing is none."""

import threading
import time

import pytest

from harness import payload, wire
from harness.process import wait_until
from harness.signing import SECRET, sign, signed

MANY = 8


@pytest.fixture(scope="module")
def collector(module_house):
    return module_house.collector()


@pytest.fixture(scope="module")
def gateway(module_house, collector):
    return module_house.gateway_to(collector)


def post(gateway, headers, body, path="/v1/metrics", content_type=wire.PROTOBUF):
    answer = wire.post(gateway.port, path, headers, body, content_type)
    assert answer.status == 200, answer
    return answer


def assert_arrived(gateway, collector, **wanted):
    """Each name that often: counted when a later export has arrived too, for the Collector is sent
    everything in the order in which it was stored."""
    last = f"last {time.time_ns()}"
    post(gateway, signed("/v1/metrics"), payload.metrics(name=last))
    names = [item["name"] for item in collector.wait_names([last])]
    assert {name: names.count(name) for name in wanted} == wanted


# --- exact repeats --------------------------------------------------------------------------------


@pytest.mark.parametrize("content_type", [wire.PROTOBUF, wire.JSON], ids=["protobuf", "json"])
@pytest.mark.parametrize("session", ["repeats", None], ids=["session", "no session"])
def test_the_same_again_is_stored_once(gateway, collector, content_type, session):
    name = f"once_{content_type[1]}_{session}"
    meant = payload.metrics(name=name)
    body = payload.as_json("metrics", meant) if content_type == wire.JSON else meant
    headers = signed("/v1/metrics", session=session)
    stored, verdicts = gateway.stored(), gateway.verdicts("ok")
    first = post(gateway, headers, body, content_type=content_type)
    for _ in range(3):
        again = post(gateway, headers, body, content_type=content_type)
        assert again.body == first.body
        assert again.header("Content-Type") == first.header("Content-Type")
    assert gateway.stored() == stored + 1
    assert gateway.verdicts("ok") == verdicts + 4
    assert_arrived(gateway, collector, **{name: 1})


def test_the_same_again_on_the_same_connection(gateway):
    body = payload.metrics()
    head = wire.head("POST", "/v1/metrics", [wire.PROTOBUF, *signed("/v1/metrics")], len(body))
    stored = gateway.stored()
    with wire.connect(gateway.port) as sock:
        for _ in range(5):
            sock.sendall(head + body)
            assert wire.read_answer(sock).status == 200
    assert gateway.stored() == stored + 1


def test_at_root_and_at_its_own_path_it_is_the_same(gateway):
    """One message was signed, and where it was posted to is no part of it."""
    headers, body = signed("/v1/traces", session="root"), payload.traces("either path")
    stored = gateway.stored()
    post(gateway, headers, body, "/")
    post(gateway, headers, body, "/v1/traces")
    assert gateway.stored() == stored + 1


def test_the_same_signature_with_another_body_is_stored(gateway, collector):
    headers = signed("/v1/metrics", session="published")
    stored = gateway.stored()
    for i in range(3):
        post(gateway, headers, payload.metrics(name=f"other_{i}"))
    assert gateway.stored() == stored + 3
    assert_arrived(gateway, collector, other_0=1, other_1=1, other_2=1)


def test_one_bit_makes_another_body(gateway):
    headers = signed("/v1/metrics")
    body = payload.metrics(value=2)
    stored = gateway.stored()
    post(gateway, headers, body)
    post(gateway, headers, body.replace(b"e2e.requests", b"e2e.requestr"))
    assert gateway.stored() == stored + 2


@pytest.mark.parametrize("other", ["session", "timestamp"])
def test_the_same_body_under_another_signature_is_stored(gateway, other):
    now = int(time.time())
    body = payload.metrics()
    stored = gateway.stored()
    post(gateway, signed("/v1/metrics", session="one", timestamp=now), body)
    second = {"session": "one", "timestamp": now - 1}
    if other == "session":
        second = {"session": "two", "timestamp": now}
    post(gateway, signed("/v1/metrics", **second), body)
    assert gateway.stored() == stored + 2


def test_the_case_of_the_hex_makes_no_other_request(gateway):
    headers = signed("/v1/metrics")
    body = payload.metrics()
    stored = gateway.stored()
    post(gateway, headers, body)
    post(gateway, [(headers[0][0], headers[0][1].upper()), *headers[1:]], body)
    assert gateway.stored() == stored + 1


def test_a_repeat_must_be_signed_too(gateway):
    """That a body was stored tells a stranger nothing: he is refused as ever."""
    now = int(time.time())
    body = payload.metrics()
    headers = signed("/v1/metrics", session="mine", timestamp=now)
    post(gateway, headers, body)
    forged = [("X-KMS-Signature", sign(SECRET + "x", "/v1/metrics", now, "mine")), *headers[1:]]
    assert wire.post(gateway.port, "/v1/metrics", forged, body).status == 403
    assert wire.post(gateway.port, "/v1/metrics", headers[1:], body).status == 401


def test_unsigned_ones_are_never_taken_for_repeats(house):
    """Nothing tells one client's from another's."""
    gateway = house.gateway(env={"REQUIRE_AUTH": "false"})
    body = payload.metrics()
    for _ in range(3):
        post(gateway, [], body)
    assert gateway.stored() == 3


def at_once(work, count=MANY):
    """Runs work(i) in threads that begin together; returns the results."""
    results, barrier = [None] * count, threading.Barrier(count)

    def run(i):
        barrier.wait()
        results[i] = work(i)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return results


def test_many_at_the_same_moment_are_stored_once(house):
    """The disk is slow, so that all are there before the first is answered; each is answered only
    then, and all of them."""
    gateway = house.gateway(
        wrap=["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync"]
        + ["-e", "inject=fdatasync:delay_enter=400000"]
    )
    headers, body = signed("/v1/metrics"), payload.metrics()
    stored = gateway.stored()

    def work(i):
        with wire.connect(gateway.port, timeout=20) as sock:
            sock.sendall(wire.head("POST", "/v1/metrics", [wire.PROTOBUF, *headers], len(body)))
            sock.sendall(body)
            sent = time.monotonic()
            answer = wire.read_answer(sock)
            return sent, time.monotonic(), answer.status

    results = at_once(work)
    assert [status for _, _, status in results] == [200] * MANY
    assert max(sent for sent, _, _ in results) < min(answered for _, answered, _ in results)
    assert min(answered - sent for sent, answered, _ in results) > 0.2
    assert gateway.stored() == stored + 1


def test_many_rounds_at_the_same_moment(gateway, collector):
    """The same without a slow disk: repeats meet the first one at every stage of its way."""
    names = [f"round_{i}" for i in range(40)]
    stored = gateway.stored()
    for name in names:
        headers, body = signed("/v1/metrics"), payload.metrics(name=name)
        statuses = at_once(
            lambda i: wire.post(gateway.port, "/v1/metrics", headers, body).status, 4
        )
        assert statuses == [200] * 4
    assert gateway.stored() == stored + len(names)
    assert_arrived(gateway, collector, **{name: 1 for name in names})


def test_what_was_refused_is_no_repeat(house):
    """No room: 503 again and again, and once there is room 200 and it is there."""
    collector = house.collector(start=False)
    gateway = house.gateway_to(
        collector,
        {"spool": {"max_bytes": "4MiB", "wait": "50ms"}, "server": {"max_body": "512KiB"}},
    )
    for i in range(40):
        headers = signed("/v1/metrics")
        body = payload.metrics(name=f"large_{i}", attributes={"filler": "x" * 400_000})
        if wire.post(gateway.port, "/v1/metrics", headers, body).status != 200:
            break
    again = lambda: wire.post(gateway.port, "/v1/metrics", headers, body).status  # noqa: E731
    assert [again(), again()] == [503, 503]
    stored = gateway.stored()
    assert stored == i
    collector.start()
    wait_until(lambda: again() == 200, 20, "room", every=0.1)
    assert again() == 200
    assert gateway.stored() == i + 1
    assert_arrived(gateway, collector, **{f"large_{n}": 1 for n in range(i + 1)})


def test_after_a_failing_disk_nobody_who_waits_hears_200(house):
    """Those who wait for the first one's sync share its failure."""
    gateway = house.gateway(
        wrap=["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync"]
        + ["-e", "inject=fdatasync:error=EIO:delay_enter=300000:when=8+"]
    )
    statuses = []

    def work(i):
        try:
            return wire.post(gateway.port, "/v1/metrics", headers, body).status
        except (OSError, wire.http.client.HTTPException):
            return None

    for _ in range(20):
        headers, body = signed("/v1/metrics"), payload.metrics()
        statuses = at_once(work, 4)
        if set(statuses) != {200}:
            break
    assert 200 not in statuses and 503 in statuses, statuses
    assert gateway.process.wait(10) == 1


# --- nothing --------------------------------------------------------------------------------------

NOTHING = {
    "no bytes": (wire.PROTOBUF, b""),
    "a resource without points": (wire.PROTOBUF, b"\x0a\x00"),
    "two empty scopes": (wire.PROTOBUF, b"\x0a\x04\x12\x00\x12\x00"),
    "unknown fields only": (wire.PROTOBUF, b"\xa2\x06\x02ab"),
    "an empty object": (wire.JSON, b"{}"),
    "an empty list": (wire.JSON, b'{"resourceMetrics":[]}'),
    "a resource in JSON": (wire.JSON, b'{"resourceMetrics":[{"resource":{"attributes":[]}}]}'),
    "a metric without points": (
        wire.JSON,
        b'{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m","sum":{}}]}]}]}',
    ),
}


@pytest.mark.parametrize("what", NOTHING)
def test_an_export_of_nothing_succeeds_and_is_not_stored(gateway, what):
    content_type, body = NOTHING[what]
    stored, verdicts = gateway.stored(), gateway.verdicts("ok")
    for _ in range(2):
        answer = gateway.send("metrics", body, content_type=content_type)
        assert answer.status == 200, answer
        assert answer.body == (b"{}" if content_type == wire.JSON else b"")
        assert answer.header("Content-Type") == content_type[1]
    assert gateway.stored() == stored
    assert gateway.verdicts("ok") == verdicts + 2


def test_nothing_must_be_signed_too(gateway):
    assert wire.post(gateway.port, "/v1/metrics", [], b"").status == 401
