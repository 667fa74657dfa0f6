"""Rotation has no bad minute: keys come and go in the ring file while clients keep sending."""

import contextlib
import threading
import time

from harness import payload, wire
from harness.gateway import ring, write_ring
from harness.process import wait_until
from harness.signing import SECRET

NEXT = "next-secret-0123456789abcdef0123456789abcd"
OLD_KEY = {"id": "old", "secret": SECRET, "state": "active", "label": "production"}
NEXT_KEY = {"id": "next", "secret": NEXT, "state": "active", "label": "production"}


def start(house, *keys):
    gateway = house.gateway(start=False, secret=None)
    write_ring(gateway, *keys)
    return gateway.start()


def status(gateway, secret, **who):
    return gateway.send("metrics", payload.metrics(), secret=secret, **who).status


@contextlib.contextmanager
def load(gateway, secret):
    """Requests without a pause on four threads, from before the block until well after it; every
    one of them must be answered 200."""
    stop, answers = threading.Event(), []

    def run(thread):
        while not stop.is_set():
            try:
                answers.append(status(gateway, secret, session=f"load-{thread}"))
            except (OSError, wire.http.client.HTTPException) as error:
                answers.append(repr(error))

    threads = [threading.Thread(target=run, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: len(answers) > 50, 10, "the load to flow")
        yield
        before = len(answers)
        wait_until(lambda: len(answers) > before + 200, 10, "the load to go on")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert set(answers) == {200}, [a for a in answers if a != 200][:5]


def seconds_until(condition):
    begin = time.monotonic()
    wait_until(condition, 5, "the new ring", every=0.01)
    return time.monotonic() - begin


def test_a_new_key_within_a_second_under_load(house):
    gateway = start(house, OLD_KEY)
    assert status(gateway, NEXT) == 403
    with load(gateway, SECRET):
        write_ring(gateway, OLD_KEY, NEXT_KEY)
        assert seconds_until(lambda: status(gateway, NEXT) == 200) < 1
        assert status(gateway, NEXT, key_id="next") == 200


def test_a_revoked_key_within_a_second_under_load(house):
    gateway = start(house, OLD_KEY, NEXT_KEY)
    assert status(gateway, NEXT) == 200
    with load(gateway, SECRET):
        write_ring(gateway, OLD_KEY, {**NEXT_KEY, "state": "revoked"})
        assert seconds_until(lambda: status(gateway, NEXT) == 403) < 1
    assert gateway.verdicts("retired_key") >= 1


def test_many_rewrites_under_load(house):
    gateway = start(house, OLD_KEY)
    with load(gateway, SECRET):
        for i in range(30):
            write_ring(gateway, OLD_KEY, *([NEXT_KEY] if i % 2 == 0 else []))
            time.sleep(0.02)
        write_ring(gateway, OLD_KEY, NEXT_KEY)
        wait_until(lambda: status(gateway, NEXT) == 200, 2, "the last ring")


def test_a_key_ends_on_its_day(house):
    end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3))
    gateway = start(house, OLD_KEY, {**NEXT_KEY, "state": "retiring", "not_after": end})
    assert status(gateway, NEXT) == 200
    wait_until(lambda: status(gateway, NEXT) == 403, 6, "the key's end", every=0.1)
    assert status(gateway, SECRET) == 200


def test_a_key_begins_on_its_day(house):
    begin = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3))
    gateway = start(house, OLD_KEY, {**NEXT_KEY, "state": "active", "not_before": begin})
    assert status(gateway, NEXT, key_id="next") == 503
    wait_until(lambda: status(gateway, NEXT, key_id="next") == 200, 6, "the day", every=0.1)


def test_a_broken_file_keeps_the_old_ring(house):
    gateway = start(house, OLD_KEY)
    assert gateway.ready().status == 200
    write_ring(gateway, text="keys = ( { id = \"half\"; secret = ")
    wait_until(lambda: gateway.ready().status == 503, 2, "the problem to show")
    ready = gateway.ready().json()
    assert ready["status"] == "degraded"
    assert "keyring.cfg" in ready["reason"]
    assert status(gateway, SECRET) == 200
    write_ring(gateway, OLD_KEY, NEXT_KEY)
    wait_until(lambda: gateway.ready().status == 200, 2, "the mended file")
    assert status(gateway, NEXT) == 200


def test_a_file_that_others_may_read_is_refused(house):
    gateway = start(house, OLD_KEY)
    path = gateway.state / "keyring.cfg"
    aside = gateway.state / "aside"
    aside.write_text(ring(OLD_KEY, NEXT_KEY))
    aside.chmod(0o644)
    aside.rename(path)
    wait_until(lambda: gateway.ready().status == 503, 2, "the problem to show")
    assert "chmod" in gateway.ready().json()["reason"]
    assert status(gateway, NEXT) == 403 and status(gateway, SECRET) == 200
    path.chmod(0o600)
    gateway.reload()
    wait_until(lambda: status(gateway, NEXT) == 200, 2, "the mended rights")


def test_a_ring_file_that_goes_keeps_the_ring(house):
    """A slip of the hand must not refuse every client; they would drop what they hold."""
    gateway = start(house, OLD_KEY)
    path = gateway.state / "keyring.cfg"
    with load(gateway, SECRET):
        path.unlink()
        wait_until(lambda: gateway.ready().status == 503, 3, "the problem to show")
        reason = gateway.ready().json()["reason"]
        assert str(path) in reason and "the ring file is gone" in reason
        gateway.reload()
        gateway.wait_log("configuration reloaded")
    write_ring(gateway, OLD_KEY, {**NEXT_KEY, "state": "revoked"})
    wait_until(lambda: gateway.ready().status == 200, 3, "the file that came back")
    assert status(gateway, SECRET) == 200 and status(gateway, NEXT) == 403
    refusals = [line for line in gateway.log().splitlines() if "keys not reloaded" in line]
    assert len(refusals) == 1 and "the ring file is gone" in refusals[0]


def test_uses_are_counted_by_key(house):
    gateway = start(house, OLD_KEY, NEXT_KEY)
    for _ in range(3):
        assert status(gateway, NEXT) == 200
    uses = gateway.metrics()
    assert uses[("sigpost_auth_key_uses_total", frozenset({("key_id", "next")}))] == 3


def test_no_secret_is_ever_shown(house):
    gateway = start(house, OLD_KEY, NEXT_KEY)
    status(gateway, NEXT)
    status(gateway, "wrong-secret-0123456789abcdef0123456789")
    write_ring(gateway, text=ring(OLD_KEY) + f'oops = "{NEXT}";\n')
    wait_until(lambda: gateway.ready().status == 503, 2, "the problem to show")
    shown = gateway.log() + gateway.ready().body.decode() + gateway.get("/metrics").body.decode()
    with open(f"/proc/{gateway.process.pid}/cmdline") as line:
        shown += line.read()
    assert SECRET not in shown and NEXT not in shown


def test_a_receipt_that_cannot_be_written_is_tried_again(house):
    """As on a full disk. The attempts themselves, beside the ring, are no reason to load it."""
    gateway = house.gateway(start=False)
    in_the_way = gateway.state / "keyring.loaded.tmp"
    in_the_way.mkdir(parents=True)
    gateway.state.chmod(0o700)
    gateway.start()
    gateway.reload()
    gateway.wait_log("configuration reloaded")
    said = "sigpostctl cannot be told that the keys are loaded"
    assert gateway.log().count(said) == 1
    in_the_way.rmdir()
    wait_until((gateway.state / "keyring.loaded").exists, 5, "the receipt")
    assert gateway.log().count(said) == 1
