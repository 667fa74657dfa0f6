"""Rotation by the tool against a running gateway: not one valid request refused, not one revoked
key accepted."""

import calendar
import collections
import concurrent.futures
import http.client
import random
import signal
import threading
import time

import pytest

from harness import payload, wire
from harness.process import SANITIZED, wait_until
from harness.signing import signed
from harness.tool import Tool

RATE = 200  # requests a second
CLIENTS = 8


def start(house, **options):
    gateway = house.gateway(start=False, secret=None, **options)
    tool = Tool(gateway)
    tool("secret", "init", "--id", "first")
    return gateway.start(), tool


class Keys:
    """What clients may sign with. A key is taken out before the tool is told to end it, and comes
    in when the tool has returned: what is asked of the gateway in between is fair."""

    def __init__(self, **keys):
        self._lock = threading.Lock()
        self._keys = dict(keys)
        self._newest = next(reversed(self._keys))
        self._used = collections.Counter()

    def add(self, key_id, secret):
        with self._lock:
            self._keys[key_id] = secret
            self._newest = key_id

    def drop(self, key_id):
        """Returns when no request with it is under way any more."""
        with self._lock:
            secret = self._keys.pop(key_id)
        wait_until(lambda: self._used[key_id] == 0, 10, f"the last request with {key_id}")
        return secret

    def begin(self, choose):
        with self._lock:
            key_id = self._newest if choose.random() < 0.5 else choose.choice(list(self._keys))
            self._used[key_id] += 1
            return key_id, self._keys[key_id]

    def end(self, key_id):
        with self._lock:
            self._used[key_id] -= 1


class Load:
    """Clients on connections that they keep: some name their key, some do not; some have a session
    of their own, some a new one each time."""

    def __init__(self, gateway, keys):
        self.gateway, self.keys = gateway, keys
        self.refused, self.sent, self.late = [], 0, 0
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, args=(i,)) for i in range(CLIENTS)]

    def __enter__(self):
        self.begin = time.monotonic()
        for thread in self._threads:
            thread.start()
        wait_until(lambda: self.sent > 50 or self.refused, 20, "the load to flow")
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self.rate = self.sent / (time.monotonic() - self.begin)

    def _run(self, number):
        choose = random.Random(number)
        body = payload.metrics()
        with wire.connect(self.gateway.port) as sock:
            due = time.monotonic() + choose.random() * CLIENTS / RATE
            while not self._stop.wait(max(0, due - time.monotonic())):
                due += CLIENTS / RATE
                key_id, secret = self.keys.begin(choose)
                named = choose.random() < 0.5
                session = f"s-{number}" if choose.random() < 0.5 else f"n-{choose.random()}"
                headers = signed("/v1/metrics", secret=secret, session=session,
                                 key_id=key_id if named else None)
                try:
                    sock.sendall(wire.head("POST", "/v1/metrics", [wire.PROTOBUF, *headers],
                                           len(body)) + body)
                    answer = wire.read_answer(sock)
                    result = answer.status
                except (OSError, http.client.HTTPException) as error:
                    result = repr(error)
                finally:
                    self.keys.end(key_id)
                with self._lock:
                    self.sent += 1
                    if result != 200:
                        self.refused.append((key_id, named, result))


def turn(tool, keys, ids, verb):
    """Rotates once, and ends the oldest key when three are in use. Returns the one that may not be
    accepted any more, or None."""
    key_id, secret = tool.rotate("--force", "--grace", "1h")
    keys.add(key_id, secret)
    ids.append(key_id)
    if len(ids) <= 3:
        return None
    oldest = ids.pop(0)
    ended = keys.drop(oldest)
    tool("secret", verb, oldest, "--force")
    return oldest, ended


def rotate_under_load(house, seconds, turns):
    gateway, tool = start(house)
    ids, still = ["first"], []
    keys = Keys(first=tool.secret("first"))
    body = payload.metrics()
    done = 0
    with Load(gateway, keys) as load:
        end = time.monotonic() + seconds
        while done < turns and time.monotonic() < end:
            ended = turn(tool, keys, ids, "retire" if done % 4 == 0 else "revoke")
            done += 1 if ended is None else 2
            if ended is not None:
                # The command has returned: not a second later, now.
                key_id, secret = ended
                for named in (key_id, None):
                    status = gateway.send("metrics", body, secret=secret, key_id=named).status
                    if status != 403:
                        still.append((key_id, named, status))
    assert load.refused == [], (load.refused[:5], len(load.refused))
    assert still == [], still[:5]
    assert SANITIZED or load.rate > RATE / 2, f"{load.rate:.0f} requests a second"
    return done, load


@pytest.mark.heavy
def test_rotations_under_load(house):
    done, load = rotate_under_load(house, seconds=90, turns=500)
    assert done >= 500, f"{done} rotations and revocations in 90 seconds"
    assert load.sent > 1000


def test_some_rotations_under_load(house):
    done, _ = rotate_under_load(house, seconds=6, turns=30)
    assert done >= 10


def test_a_client_that_learns_the_key_from_the_tool_is_never_too_early(house):
    """Fifty times: the request leaves as soon as the tool has returned."""
    gateway, tool = start(house)
    body = payload.metrics()
    for _ in range(50):
        key_id, secret = tool.rotate("--force")
        assert gateway.send("metrics", body, secret=secret, key_id=key_id).status == 200


def test_tools_at_the_same_time_do_not_undo_each_other(house):
    gateway, tool = start(house)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: tool.rotate("--force"), range(16)))
    keys = tool.keys()
    assert set(keys) == {"first", *(key_id for key_id, _ in made)} and len(keys) == 17
    assert [key["state"] for key in keys.values()].count("active") == 1
    body = payload.metrics()
    for key_id, secret in made:
        assert gateway.send("metrics", body, secret=secret, key_id=key_id).status == 200


def test_a_pending_key_answers_503_until_it_is_promoted(house):
    gateway, tool = start(house)
    tool("secret", "add", "--id", "next", "--state", "pending")
    first, secret, body = tool.secret("first"), tool.secret("next"), payload.metrics()
    answer = gateway.send("metrics", body, secret=secret, key_id="next")
    assert answer.status == 503 and answer.header("Retry-After")
    tool("secret", "promote", "next")
    assert gateway.send("metrics", body, secret=secret, key_id="next").status == 200
    tool("secret", "retire", "first", "--force")
    assert gateway.send("metrics", body, secret=first).status == 403


def test_use_is_shown_and_stands_in_the_way(house):
    gateway, tool = start(house)
    body, first = payload.metrics(), tool.secret("first")
    for _ in range(20):
        assert gateway.send("metrics", body, secret=first, version="2.0.0.0").status == 200
    wait_until(lambda: tool.keys()["first"]["requests_week"] >= 20, 10, "the counts")
    key = tool.keys()["first"]
    assert key["share_week"] == 1 and key["share_day"] == 1
    assert key["client_versions"][0]["version"] == "2.0.0.0"
    assert abs(time.time() - _unix(key["last_used"])) < 30
    assert "2.0.0.0" in tool("secret", "list")
    tool.rotate()
    said = tool.refused("secret", "revoke", "first")
    assert "100 % of the week's requests (20) used key first" in said and "--force" in said
    assert tool.keys()["first"]["state"] == "retiring"
    assert gateway.send("metrics", body, secret=first).status == 200
    tool("secret", "revoke", "first", "--force")
    assert gateway.send("metrics", body, secret=first).status == 403


def _unix(iso):
    return calendar.timegm(time.strptime(iso, "%Y-%m-%dT%H:%M:%SZ"))


def test_a_gateway_that_cannot_take_the_ring_is_told(house):
    """The tool's configuration knows no secret file; the gateway's is gone: its reload fails."""
    gateway = house.gateway(start=False, secret=None)
    file = gateway.dir / "secret"
    file.write_text("a-secret-of-a-file-0123456789abcdef")
    gateway.configure({"secrets": {"secret_file": str(file)}})
    tool = Tool(gateway)
    tool("secret", "init")
    gateway.start()
    file.unlink()
    gateway.configure({"secrets": {"secret_file": "/nonexistent"}})
    said = tool.refused("secret", "add")
    assert "the ring is changed, but the running gateway keeps its old keys: " in said
    assert str(file) in said


def test_without_a_gateway_the_tool_does_not_wait(house):
    gateway = house.gateway(start=False, secret=None)
    tool = Tool(gateway)
    begin = time.monotonic()
    assert "no gateway runs on" in tool("secret", "init")
    assert time.monotonic() - begin < 4
    gateway.start()
    assert "the running gateway has taken it" in tool("secret", "rotate")
    gateway.kill()
    assert "no gateway runs on" in tool("secret", "rotate", "--force")


@pytest.mark.skipif(SANITIZED, reason="strace and sanitizers do not go together")
def test_where_no_events_come_the_files_are_looked_at(house):
    """As on network file systems, or in folders shared with a virtual machine."""
    blind = ["strace", "-D", "-f", "-o", "/dev/null", "-e", "inject=inotify_init1:error=ENOSYS"]
    gateway, tool = start(house, wrap=blind)
    assert "cannot watch the key files" in gateway.log()
    first, body = tool.secret("first"), payload.metrics()
    key_id, secret = tool.rotate("--force")
    assert gateway.send("metrics", body, secret=secret, key_id=key_id).status == 200
    begin = time.monotonic()
    tool("secret", "revoke", "first")
    assert time.monotonic() - begin < 3
    assert gateway.send("metrics", body, secret=first).status == 403


def test_a_stopped_gateway_is_waited_for_and_said(house):
    gateway, tool = start(house)
    gateway.process.send(signal.SIGSTOP)
    try:
        said = tool.refused("secret", "rotate")
    finally:
        gateway.process.send(signal.SIGCONT)
    assert "has not taken it within 5 s" in said
    assert len(tool.keys()) == 2


def failing_sync(which):
    return ["strace", "-f", "-o", "/dev/null", "-e", f"inject=fsync:error=EIO:when={which}"]


@pytest.mark.skipif(SANITIZED, reason="strace and sanitizers do not go together")
def test_a_write_that_fails_says_what_has_become_of_the_ring(house):
    """The first sync is that of the new file, the second that of the directory it is renamed in."""
    gateway, tool = start(house)
    ring = gateway.state / "keyring.cfg"
    for verb in (["add"], ["rotate"], ["revoke", "first", "--force"]):
        before = ring.read_bytes()
        said = tool.refused("secret", *verb, wrap=failing_sync(1))
        assert said.endswith(": cannot write: Input/output error; the ring is not changed\n"), said
        assert ring.read_bytes() == before
    said = tool.refused("secret", "add", "--id", "second", wrap=failing_sync(2))
    assert said.endswith("; the ring is changed, but a power cut may undo it\n"), said
    assert set(tool.keys()) == {"first", "second"}


def test_a_lost_ring_is_not_begun_anew(house):
    gateway, tool = start(house)
    assert gateway.send("metrics", payload.metrics(), secret=tool.secret("first")).status == 200
    gateway.terminate()
    ring = gateway.state / "keyring.cfg"
    backup = ring.read_bytes()
    ring.unlink()
    done = tool.run("secret", "list")
    assert done.returncode == 0 and "is missing, though requests were verified" in done.stderr
    assert "with its key first: restore it" in tool.refused("secret", "add")
    assert not ring.exists()
    ring.touch(mode=0o600)
    ring.write_bytes(backup)
    assert tool.run("secret", "list").stderr == ""
    tool("secret", "add")


def test_no_key_more_than_a_gateway_can_load(house):
    gateway = house.gateway(start=False, secret="the-one-in-the-environment-0123456789")
    tool = Tool(gateway)
    keys = ",".join(
        f'{{ id = "k{i}"; secret = "secret-of-key-{i:020}"; state = "active"; }}' for i in range(127)
    )
    gateway.state.mkdir(0o700)
    ring = gateway.state / "keyring.cfg"
    ring.touch(mode=0o600)
    ring.write_text(f"keys = ( {keys} );\n")
    assert "a ring holds at most 128 keys, the secret of the" in tool.refused("secret", "add")
    gateway.start()
    gateway.terminate()
    del gateway.env["KOTORMODSYNC_SIGNING_SECRET"]
    tool("secret", "add", "--id", "k127")
    gateway.env["KOTORMODSYNC_SIGNING_SECRET"] = "the-one-in-the-environment-0123456789"
    assert gateway.launch().process.wait(10) == 2
    assert "take it away, or a key that has ended out of" in gateway.log()
