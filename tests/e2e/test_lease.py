"""Session leases: past the window only a signature that was seen inside it goes on, only where the
operator said so, and only as long as its key does. The window is two seconds here, and the clock the
machine's own."""

import time
from types import SimpleNamespace

import pytest

from harness import payload, wire
from harness.gateway import Clock, write_ring
from harness.process import wait_until
from harness.signing import SECRET, signed

WINDOW = 2
AUTH = {"window": f"{WINDOW}s"}
LEASED = {**AUTH, "session_lease": "1h"}
OTHER = "other-secret-0123456789abcdef0123456789ab"
UNAUTHENTICATED, PERMISSION_DENIED = 16, 7


def post(gateway, headers, body=None, path="/v1/metrics"):
    return wire.post(gateway.port, path, headers, payload.metrics() if body is None else body)


def send_fresh(gateway, headers, body=None, path="/v1/metrics"):
    answer = post(gateway, headers, body, path)
    assert answer.status == 200, answer


def refused(gateway, headers, word="timestamp_drift", status=401, **kw):
    before, stored = gateway.verdicts(word), gateway.stored()
    answer = post(gateway, headers, **kw)
    assert answer.status == status, answer
    message = answer.rpc_status().message
    assert message.startswith(f"{word}: "), message
    assert gateway.verdicts(word) == before + 1
    assert gateway.stored() == stored
    return message


def leased(gateway, headers, **kw):
    before = [gateway.verdicts("leased"), gateway.verdicts("ok"), gateway.stored()]
    answer = post(gateway, headers, **kw)
    assert (answer.status, answer.body) == (200, b""), answer
    after = [gateway.verdicts("leased"), gateway.verdicts("ok"), gateway.stored()]
    assert after == [before[0] + 1, before[1], before[2] + 1]


def write_keys(gateway, state):
    write_ring(
        gateway,
        {"id": "first", "secret": SECRET, "state": "active"},
        {"id": "second", "secret": OTHER, "state": state},
    )


@pytest.fixture(scope="module")
def past(module_house):
    """Gateways that have seen some signatures while these were fresh, now that they no longer are.
    One wait for all tests."""
    on = module_house.gateway({"auth": LEASED})
    off = module_house.gateway({"auth": AUTH})
    open_to_all = module_house.gateway({"auth": {**LEASED, "required": False}})
    rotating = module_house.gateway({"auth": LEASED}, start=False, secret=None)
    write_keys(rotating, "active")
    rotating.start()

    moment = int(time.time())
    make = lambda path="/v1/metrics", **who: signed(  # noqa: E731
        path, timestamp=who.pop("timestamp", moment), **who
    )
    world = SimpleNamespace(
        on=on,
        off=off,
        open_to_all=open_to_all,
        rotating=rotating,
        moment=moment,
        make=make,
        seen=make(session="seen"),
        root=make("/v1/traces", session="root"),
        nameless=make(session=None),
        second=make(secret=OTHER, session="second"),
    )
    for gateway in (on, off, open_to_all):
        send_fresh(gateway, world.seen)
        send_fresh(gateway, world.nameless)
    send_fresh(on, world.root, payload.traces(), "/")
    for headers in (world.seen, world.second):
        send_fresh(rotating, headers)
    for gateway in (on, off, open_to_all, rotating):
        assert gateway.verdicts("leased") == 0
    wait_until(lambda: int(time.time()) - moment > WINDOW, 10, "the window to pass")
    return world


def test_off_a_stale_signature_is_refused(past):
    message = refused(past.off, past.seen)
    assert "behind the server's time" in message and f"allowed are {WINDOW} s" in message
    assert past.off.verdicts("leased") == 0


def test_on_a_session_goes_on_with_its_signature(past):
    for _ in range(3):
        leased(past.on, past.seen)
    past.on.wait_log("[AUTH_SUCCESS] session=seen")


def test_on_the_published_clients_root_path(past):
    leased(past.on, past.root, body=payload.traces(), path="/")


def test_an_exact_repeat_past_the_window_is_stored_once(past):
    body = payload.metrics(value=9)
    leased(past.on, past.seen, body=body)
    stored = past.on.stored()
    assert post(past.on, past.seen, body).status == 200
    assert past.on.stored() == stored


def test_a_session_never_seen_fresh_is_refused(past):
    message = refused(past.on, past.make(session="unseen"))
    assert "behind the server's time" in message
    refused(past.on, past.make(session="unseen"))  # the first try begins no lease


@pytest.mark.parametrize("other", ["timestamp", "path", "root"])
def test_another_signature_of_a_seen_session_is_refused(past, other):
    """Never seen fresh itself: each signature has a lease of its own."""
    if other == "timestamp":
        refused(past.on, past.make(session="seen", timestamp=past.moment - 1))
    else:
        headers = past.make("/v1/traces", session="seen")
        path = "/" if other == "root" else "/v1/traces"
        refused(past.on, headers, body=payload.traces(), path=path)


def test_a_lease_does_not_pass_to_another_path(past):
    refused(
        past.on,
        past.seen,
        word="invalid_signature",
        status=403,
        body=payload.traces(),
        path="/v1/traces",
    )


def test_a_lease_does_not_pass_to_another_session(past):
    stolen = [(k, "thief" if k == "X-KMS-Session-ID" else v) for k, v in past.seen]
    refused(past.on, stolen, word="invalid_signature", status=403)


def test_without_a_session_there_is_no_lease(past):
    refused(past.on, past.nameless)


@pytest.mark.parametrize("session", ["seen", "unseen"])
def test_the_future_is_never_leased(past, session):
    for ahead in (60, 10**9):
        headers = past.make(session=session, timestamp=int(time.time()) + ahead)
        message = refused(past.on, headers)
        assert "ahead of the server's time" in message
        refused(past.on, headers)


def test_a_wrong_signature_of_a_seen_session_is_refused(past):
    headers = past.make(session="seen", secret="w" * 40)
    refused(past.on, headers, word="invalid_signature", status=403)


def test_a_leased_body_is_looked_at_like_any_other(past):
    refused(past.on, past.seen, word="malformed_payload", status=400, body=b"\xff")


def test_a_fresh_one_is_told_as_ok(past):
    ok, passed = past.on.verdicts("ok"), past.on.verdicts("leased")
    send_fresh(past.on, signed("/v1/metrics", session="seen"))
    assert (past.on.verdicts("ok"), past.on.verdicts("leased")) == (ok + 1, passed)


def test_where_signatures_are_not_required(past):
    """The leased one passes as what it proved, one without a lease as nobody."""
    leased(past.open_to_all, past.seen)
    ok = past.open_to_all.verdicts("ok")
    assert post(past.open_to_all, past.make(session="unseen")).status == 200
    assert past.open_to_all.verdicts("ok") == ok + 1


def test_what_ends_a_lease(past):
    """Revoking its key; session_lease = 0 by a reload; a restart. Each is for good."""
    gateway = past.rotating
    leased(gateway, past.seen)
    leased(gateway, past.second)

    write_keys(gateway, "revoked")
    gateway.reload()
    wait_until(lambda: post(gateway, past.second).status == 403, 5, "the key to be gone")
    leased(gateway, past.seen)

    gateway.configure({"auth": {"session_lease": "0"}})
    gateway.reload()
    wait_until(lambda: post(gateway, past.seen).status == 401, 5, "the lease to be off")
    refused(gateway, past.seen)

    gateway.configure({"auth": {"session_lease": "1h"}})
    gateway.reload()
    wait_until(lambda: gateway.log().count("configuration reloaded") == 3, 5, "leases to be on")
    refused(gateway, past.seen)


def test_a_restart_ends_a_lease(house, tmp_path):
    now = 1795230000
    clock = Clock(tmp_path, now)
    gateway = house.gateway({"auth": {"session_lease": "1h"}}, env=clock.env)
    headers = signed("/v1/metrics", timestamp=now)
    send_fresh(gateway, headers)
    clock.set(now + 301)
    leased(gateway, headers)
    gateway.terminate()
    gateway.start()
    refused(gateway, headers)


def test_a_server_clock_that_is_set_back_leases_nothing(house, tmp_path):
    """What was fresh lies in the future then; put right again, the lease is there as before."""
    now = 1795230000
    clock = Clock(tmp_path, now)
    gateway = house.gateway({"auth": {"session_lease": "1h"}}, env=clock.env)
    headers = signed("/v1/metrics", timestamp=now)
    send_fresh(gateway, headers)
    for stands, verdict in ((-301, None), (-300, "ok"), (300, "ok"), (301, "leased"), (-301, None)):
        clock.set(now + stands)
        if verdict is None:
            assert "301 s ahead of the server's time" in refused(gateway, headers)
        else:
            before = gateway.verdicts(verdict)
            assert post(gateway, headers).status == 200
            assert gateway.verdicts(verdict) == before + 1


def test_a_lease_that_helps_nobody_is_no_configuration(house):
    gateway = house.gateway({"auth": {"session_lease": "1m"}}, start=False).launch()
    assert gateway.process.wait(10) == 2
    said = gateway.log().strip()
    assert len(said.splitlines()) == 1, said
    assert "auth.session_lease" in said and "5m to 30d" in said
