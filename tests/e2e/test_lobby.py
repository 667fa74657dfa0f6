"""The lobby over a socket: slots, the line, cookies, the gate, and what a restart keeps."""

import re
import signal
import time

import pytest

from harness import exposition, wire
from harness.process import SANITIZED, wait_until

COOKIE = re.compile(r"ksid=([0-9a-f]{32}); Path=/; HttpOnly; SameSite=Lax")
HTML = ("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")


class Visitor:
    """A browser as far as the lobby is concerned: it keeps its cookie."""

    def __init__(self, gateway, cookie=None):
        self.gateway = gateway
        self.cookie = cookie

    def ask(self, method, path, headers=(), body=None):
        if self.cookie:
            headers = [("Cookie", f"ksid={self.cookie}"), *headers]
        answer = wire.exchange(self.gateway.port, method, path, headers, body)
        given = answer.header("Set-Cookie")
        if given:
            match = COOKIE.match(given)
            self.cookie = match.group(1) if match else None
        return answer

    def new(self, method="POST"):
        return self.ask(method, "/new", body=b"" if method == "POST" else None)

    def post(self, path, headers=()):
        return self.ask("POST", path, headers, b"")

    def capacity(self):
        answer = self.ask("GET", "/capacity")
        assert answer.status == 200
        return answer.json()

    def available(self):
        return self.capacity()["available"]

    def gate(self, *headers, method="GET"):
        return self.ask(method, "/auth/session", headers, None if method == "GET" else b"")


def lobby(house, **session):
    return house.gateway({"session": {"max": 1, **session}})


def test_the_way_through(house):
    gateway = house.gateway({"session": {"max": 2, "redirect": "/inside"}})
    nobody = Visitor(gateway)
    assert nobody.capacity() == {
        "current": 0,
        "max": 2,
        "available": True,
        "waiting": 0,
        "position": None,
        "wait_seconds": 0,
    }
    first, second, third, fourth = (Visitor(gateway) for _ in range(4))
    answer = first.new("GET")
    assert answer.status == 303 and answer.header("Location") == "/inside"
    assert COOKIE.fullmatch(answer.header("Set-Cookie"))
    again = first.new()
    assert again.status == 303 and again.header("Set-Cookie") is None
    assert second.new().status == 303
    assert second.cookie != first.cookie

    answer = third.new()
    assert answer.status == 200 and COOKIE.fullmatch(answer.header("Set-Cookie"))
    assert answer.header("Content-Type") == "text/html; charset=utf-8"
    kept = third.cookie
    assert third.new().status == 200 and third.cookie == kept
    assert fourth.ask("GET", "/waiting").status == 200 and fourth.cookie
    assert third.capacity()["position"] == 1
    assert fourth.capacity() == {
        "current": 2,
        "max": 2,
        "available": False,
        "waiting": 2,
        "position": 2,
        "wait_seconds": None,
    }

    assert first.post("/heartbeat").json() == {"status": "ok"}
    waiting = third.post("/heartbeat")
    assert waiting.status == 202
    assert waiting.json() == {"status": "waiting", "position": 1, "available": False}
    released = first.post("/release")
    assert released.status == 200
    assert released.header("Set-Cookie").startswith("ksid=; Path=/; Max-Age=0; HttpOnly")

    assert not nobody.available() and not fourth.available()
    assert fourth.new().status == 200, "nobody goes before the first in line"
    assert Visitor(gateway).new().status == 200
    assert third.available() and third.new().status == 303
    assert third.cookie == kept, "the place in line becomes the slot"
    assert fourth.capacity()["position"] == 1
    assert fourth.post("/release").status == 200, "one may leave the line"
    assert nobody.capacity()["wait_seconds"] is not None


def test_a_free_slot_is_held_for_the_first_then_for_the_next(house):
    gateway = lobby(house, hold="1s")
    holder, first, second = (Visitor(gateway) for _ in range(3))
    holder.new()
    first.ask("GET", "/waiting")
    second.ask("GET", "/waiting")
    holder.post("/release")
    assert first.available() and not second.available()
    wait_until(second.available, 5, "the turn of the next")
    assert first.capacity()["position"] == 2
    assert second.new().status == 303


def test_a_free_slot_and_the_waiting_page(house):
    gateway = lobby(house)
    visitor = Visitor(gateway)
    assert b"You can enter now" in visitor.ask("GET", "/waiting").body
    assert visitor.available()
    assert not Visitor(gateway).available(), "who opened the page has the turn"
    assert visitor.new().status == 303


def test_silence_ends_slots_and_places(house):
    gateway = lobby(house, idle_timeout="1s", patience="1s")
    holder, waiting = Visitor(gateway), Visitor(gateway)
    holder.new()
    waiting.new()
    nobody = Visitor(gateway)
    wait_until(
        lambda: (nobody.capacity()["current"], nobody.capacity()["waiting"]) == (0, 0), 5, "silence"
    )
    assert holder.post("/heartbeat").status == 404
    assert holder.gate().status == 401


def test_head_takes_nothing(house):
    gateway = lobby(house)
    for path in ("/", "/waiting", "/new", "/capacity", "/status"):
        answer = wire.exchange(gateway.port, "HEAD", path)
        assert answer.status == 200 and answer.body == b"", path
        assert answer.header("Set-Cookie") is None
    assert Visitor(gateway).available()


@pytest.mark.parametrize(
    "path, allow, wrong",
    [
        ("/new", "GET, HEAD, POST", "PUT"),
        ("/waiting", "GET, HEAD", "POST"),
        ("/capacity", "GET, HEAD", "POST"),
        ("/heartbeat", "POST", "GET"),
        ("/release", "POST", "GET"),
        ("/cleanup-orphaned", "POST", "GET"),
        ("/start", "POST", "GET"),
        ("/status", "GET, HEAD", "POST"),
    ],
)
def test_wrong_methods(module_gateway, path, allow, wrong):
    answer = wire.exchange(module_gateway.port, wrong, path, body=b"")
    assert answer.status == 405 and answer.header("Allow") == allow


@pytest.fixture(scope="module")
def module_gateway(module_house):
    return module_house.gateway({"session": {"max": 3}})


@pytest.mark.parametrize(
    "value",
    [
        "0" * 32,
        "f" * 32,
        "0" * 31,
        "0" * 33,
        "A" * 32,
        "x" * 4000,
        "../../etc/passwd",
        "%00",
        '"' + "0" * 32 + '"',
        "",
    ],
)
def test_guessed_and_malformed_cookies_are_nobody(module_gateway, value):
    guess = [("Cookie", f"ksid={value}")]
    for path in ("/heartbeat", "/release"):
        answer = wire.exchange(module_gateway.port, "POST", path, guess, b"")
        assert answer.status == 404
        assert value == "" or value.encode() not in answer.body
    assert module_gateway.get("/auth/session", guess).status == 401
    assert module_gateway.get("/capacity", guess).json()["position"] is None
    visitor = Visitor(module_gateway)
    assert wire.exchange(module_gateway.port, "POST", "/release", guess, b"").status == 404
    answer = visitor.ask("POST", "/new", guess, b"")
    assert answer.status == 303 and visitor.cookie != value, "and is replaced at the door"
    assert visitor.post("/release").status == 200


def test_a_released_cookie_is_nobody(house):
    gateway = lobby(house)
    visitor = Visitor(gateway)
    visitor.new()
    old = visitor.cookie
    assert visitor.gate().status == 200
    visitor.post("/release")
    replay = Visitor(gateway, old)
    assert replay.post("/heartbeat").status == 404
    assert replay.post("/release").status == 404
    replay.cookie = old
    assert replay.gate().status == 401
    replay.new()
    assert replay.cookie != old, "its id is never used again"


@pytest.mark.parametrize("split", [False, True])
def test_a_doubled_cookie_is_refused(house, split):
    gateway = lobby(house)
    visitor = Visitor(gateway)
    visitor.new()
    own, other = f"ksid={visitor.cookie}", "ksid=" + "0" * 32
    doubled = [("Cookie", own), ("Cookie", other)] if split else [("Cookie", f"{own}; {other}")]
    for path in ("/heartbeat", "/release", "/new"):
        answer = wire.exchange(gateway.port, "POST", path, doubled, b"")
        assert answer.status == 400 and "more than once" in answer.json()["error"]
        assert answer.header("Set-Cookie") is None
    assert gateway.get("/waiting", doubled).status == 400
    assert gateway.get("/auth/session", doubled).status == 401
    assert gateway.get("/capacity", doubled).json()["available"] is False
    assert visitor.post("/heartbeat").status == 200


def test_secure_behind_https_by_a_trusted_proxy_only(house):
    gateway = house.gateway({"session": {"max": 9}})
    https = [("X-Forwarded-Proto", "https")]
    assert gateway.get("/new", https).header("Set-Cookie").endswith("; SameSite=Lax; Secure")
    assert "Secure" in gateway.get("/waiting", https).header("Set-Cookie")
    assert "Secure" not in gateway.get("/new", https * 2).header("Set-Cookie")
    other = house.gateway({"server": {"trusted_proxies": "10.0.0.0/8"}})
    assert "Secure" not in other.get("/new", https).header("Set-Cookie")


def test_what_other_sites_send_is_refused(house):
    gateway = house.gateway({"session": {"max": 9}})
    cross = ("Sec-Fetch-Site", "cross-site")
    link = [cross, ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")]
    frame = [cross, ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "iframe")]
    for path in ("/new", "/heartbeat", "/release"):
        for headers in ([cross], link):
            assert wire.exchange(gateway.port, "POST", path, headers, b"").status == 403
    assert gateway.get("/new", [cross]).status == 403, "an image"
    assert gateway.get("/waiting", frame).status == 403
    assert gateway.get("/capacity").json()["current"] == 0
    assert gateway.get("/new", link).status == 303, "a link is fine"
    same = [("Sec-Fetch-Site", "same-origin")]
    assert wire.exchange(gateway.port, "POST", "/new", same, b"").status == 303


def test_the_line_is_bounded_and_one_address_cannot_fill_it(house):
    gateway = lobby(house, max_waiting=2)
    Visitor(gateway).new()
    waiting = [Visitor(gateway) for _ in range(2)]
    for visitor in waiting:
        assert visitor.new().status == 200
    for path in ("/new", "/waiting"):
        answer = gateway.get(path)
        assert answer.status == 503 and answer.header("Retry-After") == "30"
        assert answer.header("Set-Cookie") is None
        assert b"<html" in answer.body
    assert waiting[1].capacity()["position"] == 2
    strict = house.gateway(
        {"session": {"max": 9}, "rate": {"per_address": 1, "burst": 2}},
        env={"SIGPOST_RATE_PER_ADDRESS": "1"},
    )
    answers = [strict.get("/new") for _ in range(4)]
    assert [answer.status for answer in answers][:2] == [303, 303]
    assert answers[3].status == 429 and int(answers[3].header("Retry-After")) >= 1


def test_the_gate(house):
    gateway = house.gateway(
        {"session": {"max": 1, "redirect": "/s/{id}/", "lobby_url": "https://lobby.example/x"}}
    )
    holder, waiting = Visitor(gateway), Visitor(gateway)
    answer = holder.new()
    public = re.fullmatch(r"/s/([0-9a-f]{16})/", answer.header("Location")).group(1)
    assert public not in holder.cookie
    waiting.new()

    passed = holder.gate(HTML, ("X-Forwarded-Uri", "/s/x/"), ("X-Forwarded-Method", "POST"))
    assert passed.status == 200 and passed.header("X-Session-Slot") == public
    assert passed.header("Cache-Control") == "no-store"
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert holder.gate(method=method).status == 200
    for visitor in (waiting, Visitor(gateway)):
        sent = visitor.gate(HTML)
        assert sent.status == 302 and sent.header("Location") == "https://lobby.example/x"
        assert visitor.gate().status == 401
        assert visitor.gate(("Accept", "*/*")).status == 401
        assert visitor.gate(("Accept", "application/json, text/html;q=0")).status == 401
        assert visitor.gate(method="PUT").status == 401


@pytest.mark.heavy
def test_passing_the_gate_is_activity(house):
    gateway = lobby(house, idle_timeout="2s")
    active, end = Visitor(gateway), time.monotonic() + 3
    active.new()
    while time.monotonic() < end:
        assert active.gate().status == 200
        time.sleep(0.2)
    wait_until(lambda: Visitor(gateway).capacity()["current"] == 0, 6, "the end of silence")
    assert active.gate().status == 401


def test_cleanup_is_for_the_operator(house):
    gateway = house.gateway({"session": {"max": 2}}, env={"SECRET_TOKEN": "an operator's token"})
    visitor = Visitor(gateway)
    visitor.new()

    def clean(*headers, query=""):
        return wire.exchange(gateway.port, "POST", f"/cleanup-orphaned{query}", headers, b"")

    for sign in (
        ("X-Forwarded-For", "127.0.0.1"),
        ("X-Forwarded-Port", "443"),
        ("x-forwarded-ssl", "on"),
        ("Forwarded", "for=127.0.0.1"),
        ("X-Real-IP", "127.0.0.1"),
        ("Via", "1.1 proxy"),
        ("Origin", "http://evil.example"),
        ("Sec-Fetch-Site", "cross-site"),
    ):
        refused = clean(sign)
        assert refused.status == 401, sign
        assert refused.header("WWW-Authenticate") == "Bearer"
        assert clean(sign, ("Authorization", "Bearer an operator's token")).status == 200
        assert clean(sign, ("Authorization", "Bearer an operator's toke")).status == 401
    assert clean().json() == {"status": "ok", "cleaned": 0}
    assert clean(query="?silent=3600").json()["cleaned"] == 0
    for query in ("?silent=", "?silent=-1", "?silent=1h", "?silent=1&x=2", "?x", "?silent=9999999999"):
        assert clean(query=query).status == 400, query
    assert visitor.gate().status == 200
    assert clean(query="?silent=0").json()["cleaned"] == 1
    assert visitor.gate().status == 401


def fill(gateway):
    """Two inside, two in line."""
    visitors = [Visitor(gateway) for _ in range(4)]
    for visitor in visitors:
        visitor.new()
    return visitors


@pytest.mark.parametrize("how", ["terminate", "kill"])
def test_a_restart_keeps_slots_and_line(house, how):
    gateway = house.gateway({"session": {"max": 2}})
    first, second, third, fourth = fill(gateway)
    second.post("/release")
    getattr(gateway, how)()
    gateway.start()
    assert second.gate().status == 401
    assert first.gate().status == 200
    assert fourth.capacity()["position"] == 2 and not fourth.available()
    assert third.available() and third.new().status == 303
    assert (gateway.state / "lobby").stat().st_mode & 0o777 == 0o600


@pytest.mark.heavy
def test_the_time_away_counts(house):
    gateway = house.gateway({"session": {"max": 2, "idle_timeout": "3s"}})
    first, _, third, _ = fill(gateway)
    gateway.terminate()
    time.sleep(3)
    gateway.start()
    assert first.gate().status == 401
    assert third.capacity()["position"] == 1 and third.available()


@pytest.mark.parametrize("damage", ["torn", "flipped", "foreign", "empty"])
def test_a_damaged_state_is_set_aside(house, damage):
    gateway = house.gateway({"session": {"max": 2}})
    fill(gateway)
    gateway.terminate()
    state = gateway.state / "lobby"
    good = state.read_bytes()
    bad = {
        "torn": good[:-20],
        "flipped": good[:30] + bytes([good[30] ^ 1]) + good[31:],
        "foreign": b'{"user": "Vera", "target": "M 31"}\n',
        "empty": b"",
    }[damage]
    state.write_bytes(bad)
    gateway.start()
    gateway.wait_log("the lobby's state cannot be used")
    assert (gateway.state / "lobby.damaged").read_bytes() == bad
    assert Visitor(gateway).capacity()["current"] == 0
    visitor = Visitor(gateway)
    assert visitor.new().status == 303
    gateway.kill()
    gateway.start()
    assert visitor.gate().status == 200


@pytest.mark.skipif(SANITIZED, reason="strace and sanitizers do not go together")
def test_the_answer_comes_after_the_disk(house, tmp_path):
    trace = tmp_path / "trace"
    calls = "trace=fsync,rename,renameat,renameat2,write,writev"
    gateway = lobby(house)
    gateway.terminate()
    gateway.wrap = ["strace", "-D", "-f", "-qq", "-s", "300", "-o", trace, "-e", calls]
    gateway.start()
    first, second = Visitor(gateway), Visitor(gateway)
    first.new()
    second.new()
    first.post("/release")
    gateway.terminate()
    lines = trace.read_text().splitlines()
    last = 0
    for told in ("ksid=", "ksid=", "ksid=; "):
        reply = next(n for n, x in enumerate(lines) if n > last and "write" in x and told in x)
        steps = [
            "fsync" if "fsync" in line else "rename"
            for line in lines[last:reply]
            if re.search(r"(fsync|rename\w*)[( ].*= 0$", line) and "/spool/" not in line
        ]
        assert steps[-3:] == ["fsync", "rename", "fsync"], steps
        last = reply


def test_a_disk_that_fails_stops_nobody(house):
    gateway = house.gateway({"session": {"max": 2}})
    beside = gateway.state / "lobby.tmp"
    beside.mkdir()
    visitor = Visitor(gateway)
    assert visitor.new().status == 303 and visitor.gate().status == 200
    gateway.wait_log("the lobby cannot be written")
    ready = gateway.ready()
    assert ready.status == 503 and "lobby_store" in ready.json()["reason"]
    beside.rmdir()
    wait_until(lambda: gateway.ready().status == 200, 5, "the next try")
    gateway.kill()
    gateway.start()
    assert visitor.gate().status == 200


def test_metrics(house):
    gateway = house.gateway({"session": {"max": 2}})
    visitors = fill(gateway)
    visitors[0].post("/release")

    def slots(state):
        return exposition.total(gateway.metrics(), "sigpost_lobby_slots", state=state)

    assert (slots("taken"), slots("held"), slots("free")) == (1, 1, 0)
    assert exposition.total(gateway.metrics(), "sigpost_lobby_waiting") == 2


def test_limits_are_reloaded(house):
    gateway = lobby(house)
    first, second = Visitor(gateway), Visitor(gateway)
    first.new()
    second.new()
    gateway.configure({"session": {"max": 2}})
    gateway.reload()
    wait_until(second.available, 5, "the second slot")
    assert second.new().status == 303


def test_the_base_path(house):
    gateway = house.gateway(
        {"session": {"max": 1}}, env={"BASE_PATH": "/ost_status/", "SECRET_TOKEN": "x" * 32}
    )
    for path in ("/ost_status", "/ost_status/", "/ost_status/capacity", "/ost_status/status"):
        assert gateway.get(path).status == 200, path
        assert gateway.get(path + "?q=1").status == 200, path
    assert gateway.get("/capacity").status == 200
    for path in ("/ost_statusx", "/ost_status/nothing", "/ost_status//capacity", "/ost_status/v1/metrics"):
        assert gateway.get(path).status == 404, path
    for path in ("/metrics", "/metrics/clients", "/auth", "/cleanup-orphaned"):
        assert gateway.get("/ost_status" + path).status == 404, path
        assert gateway.get(path).status != 404, path
    answer = wire.exchange(gateway.port, "POST", "/ost_status/", body=b"")
    assert answer.status == 405 and answer.header("Allow") == "GET, HEAD"
    assert b'action="/ost_status/new"' in gateway.get("/ost_status/").body
    visitor = Visitor(gateway)
    assert b'="/ost_status/capacity"' in visitor.ask("GET", "/waiting").body
    assert visitor.ask("POST", "/ost_status/new", body=b"").status == 303
    assert visitor.ask("GET", "/ost_status/auth/session").status == 200


def test_many_at_once_get_no_more_than_there_is(house):
    """Several connections at once on several workers."""
    gateway = house.gateway({"session": {"max": 3}})
    socks = [wire.connect(gateway.port) for _ in range(24)]
    for sock in socks:
        sock.sendall(wire.head("POST", "/new", length=0))
    answers = [wire.read_answer(sock) for sock in socks]
    for sock in socks:
        sock.close()
    assert sorted(answer.status for answer in answers) == [200] * 21 + [303] * 3
    cookies = {COOKIE.match(answer.header("Set-Cookie")).group(1) for answer in answers}
    assert len(cookies) == 24
    capacity = Visitor(gateway).capacity()
    assert (capacity["current"], capacity["waiting"]) == (3, 21)


def test_a_client_that_hangs_up_while_the_disk_works(house):
    gateway = house.gateway({"session": {"max": 100}})
    for _ in range(40):
        sock = wire.connect(gateway.port)
        sock.sendall(wire.head("POST", "/new", length=0))
        sock.close()
    wait_until(lambda: Visitor(gateway).capacity()["current"] == 40, 10, "all of them")
    gateway.process.send(signal.SIGTERM)
    assert gateway.process.wait(20) == 0
