"""Presence: who is observing what, written with a token, read by everybody."""

import json
import re
import urllib.parse

import pytest

from harness import wire
from harness.process import wait_until

TOKEN = "a token of the observatory, 32 bytes"
BEARER = ("Authorization", f"Bearer {TOKEN}")
FORM = ("Content-Type", "application/x-www-form-urlencoded")
HTML = ("Accept", "text/html")


def observatory(house, **options):
    env = {"SECRET_TOKEN": TOKEN, **options.pop("env", {})}
    return house.gateway(options.pop("config", None), env=env, **options)


def post(gateway, path, body=b"", *headers, auth=BEARER, kind=FORM):
    given = [header for header in (auth, kind if body else None, *headers) if header]
    return wire.exchange(gateway.port, "POST", path, given, body)


def start(gateway, user, target="", **options):
    body = urllib.parse.urlencode({"user": user, "target": target}).encode()
    return post(gateway, "/start", body, **options)


def status(gateway):
    return gateway.get("/status").json()


def test_a_night(house):
    gateway = observatory(house)
    assert status(gateway) == {
        "observing": False,
        "present": 0,
        "current": 0,
        "max": 5,
        "waiting": 0,
        "observers": [],
    }
    answer = start(gateway, "Vera", "M 31")
    assert answer.status == 200 and answer.json() == {"status": "ok"}
    assert answer.header("Set-Cookie") is None
    shown = status(gateway)
    assert shown["observing"] is True and shown["present"] == shown["current"] == 1
    (observer,) = shown["observers"]
    assert (observer["user"], observer["target"]) == ("Vera", "M 31")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", observer["since"])
    assert observer["since_seconds"] in (0, 1)

    body = json.dumps({"user": "Nancy", "target": "Étoile", "more": 1}).encode()
    assert post(gateway, "/start", body, kind=wire.JSON).status == 200
    assert [o["user"] for o in status(gateway)["observers"]] == ["Vera", "Nancy"]
    assert status(gateway)["observers"][1]["target"] == "Étoile"

    several = post(gateway, "/heartbeat")
    assert several.status == 400 and "several" in several.json()["error"]
    assert post(gateway, "/heartbeat", b"user=Vera").json() == {"status": "ok"}
    assert post(gateway, "/heartbeat", b"user=Henrietta").status == 404
    assert post(gateway, "/release", b"user=Vera").json() == {"status": "ok"}
    assert post(gateway, "/release", b"user=Vera").status == 404
    assert post(gateway, "/heartbeat").status == 200, "the only one is meant"
    assert post(gateway, "/release").status == 200
    assert post(gateway, "/release").status == 404
    assert status(gateway)["observing"] is False


def test_silence_ends_it(house):
    gateway = observatory(house, env={"HEARTBEAT_TIMEOUT": "1"})
    start(gateway, "Vera")
    assert status(gateway)["observing"] is True
    wait_until(lambda: not status(gateway)["observing"], 5, "silence")
    assert post(gateway, "/heartbeat", b"user=Vera").status == 404


def test_names_hold_the_same_slots(house):
    gateway = observatory(house, config={"session": {"max": 1}})
    assert start(gateway, "Vera").status == 200
    waiting = start(gateway, "Nancy")
    assert waiting.status == 202
    assert waiting.json() == {"status": "waiting", "position": 1, "available": False}
    assert gateway.get("/new").status == 200, "a browser waits behind them"
    assert gateway.get("/capacity").json()["waiting"] == 2
    assert post(gateway, "/release", b"user=Vera").status == 200
    assert [o["user"] for o in status(gateway)["observers"]] == ["Nancy"], "their turn is enough"
    full = house.gateway(
        {"session": {"max": 1, "max_waiting": 1}}, env={"SECRET_TOKEN": TOKEN}
    )
    assert [start(full, user).status for user in "abc"] == [200, 202, 503]


@pytest.fixture(scope="module")
def shared(module_house):
    return observatory(module_house)


@pytest.mark.parametrize(
    "auth",
    [
        None,
        ("Authorization", "Bearer "),
        ("Authorization", "Bearer"),
        ("Authorization", "Bearer wrong"),
        ("Authorization", f"Bearer {TOKEN}x"),
        ("Authorization", f"Bearer {TOKEN[:-1]}"),
        ("Authorization", f"Bearer {TOKEN.upper()}"),
        ("Authorization", f"Token {TOKEN}"),
        ("Authorization", TOKEN),
    ],
)
def test_without_the_token(shared, auth):
    answer = start(shared, "Mallory", auth=auth)
    assert answer.status == 401 and answer.header("WWW-Authenticate") == "Bearer"
    assert TOKEN.encode() not in answer.body
    assert status(shared)["observing"] is False


def test_the_token_twice(shared):
    body = b"user=Mallory"
    assert post(shared, "/start", body, BEARER).status == 401
    assert post(shared, "/start", body, ("Authorization", "Bearer wrong")).status == 401


def test_the_log_line_for_fail2ban(house):
    gateway = observatory(house)
    start(gateway, "Mallory", auth=("Authorization", "Bearer guess"))
    gateway.wait_log("[AUTH_FAILED] reason=invalid_token ip=127.0.0.1 path=/start")
    assert "guess" not in gateway.log() and TOKEN not in gateway.log()
    wire.exchange(
        gateway.port, "POST", "/heartbeat", [("Authorization", "Bearer x"), ("X-Forwarded-For", "203.0.113.9")], b""
    )
    gateway.wait_log("[AUTH_FAILED] reason=invalid_token ip=203.0.113.9 path=/heartbeat")


def test_guessing_is_slowed_down(house):
    gateway = observatory(
        house,
        config={"rate": {"burst": 3}},
        env={"SIGPOST_RATE_PER_ADDRESS": "1"},
    )
    wrong = ("Authorization", "Bearer guess")
    answers = [start(gateway, "x", auth=wrong) for _ in range(6)]
    assert answers[0].status == 401 and answers[-1].status == 429
    assert int(answers[-1].header("Retry-After")) >= 1


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_is_any_case(shared, scheme):
    auth = ("Authorization", f"{scheme} {TOKEN}")
    assert post(shared, "/release", b"user=nobody", auth=auth).status == 404


@pytest.mark.parametrize(
    "body, kind, code, says",
    [
        (b"", FORM, 400, "user is missing"),
        (b"target=x", FORM, 400, "user is missing"),
        (b"user=", FORM, 400, "user is not 1 to 64"),
        (b"user=%20+%0a", FORM, 400, "user is not 1 to 64"),
        (b"user=a&user=b", FORM, 400, "user comes twice"),
        (b"user=%4", FORM, 400, "broken %-escape"),
        (b"user=%zz", FORM, 400, "broken %-escape"),
        (b"user=a%00b", FORM, 400, "control"),
        (b"user=%ff", FORM, 400, "UTF-8"),
        (b"user=" + b"a" * 65, FORM, 400, "64 bytes"),
        (b"user=a&target=" + b"a" * 129, FORM, 400, "128 bytes"),
        (b"user=a&target=" + b"a" * 2000, FORM, 400, "too long"),
        (b"user=" + b"a" * 5000, FORM, 413, "4096"),
        (b"user=a", ("Content-Type", "text/plain"), 415, "application/json"),
        (b"user=a", None, 415, "application/json"),
        (b"{", wire.JSON, 400, "not JSON"),
        (b"[]", wire.JSON, 400, "not a JSON object"),
        (b'{"user": 1}', wire.JSON, 400, "user is not a string"),
        (b'{"user": "a", "user": "b"}', wire.JSON, 400, "not JSON"),
        (b'{"user": "a\\u0000b"}', wire.JSON, 400, "not JSON"),
        (b'{"user": "a\\nb"}', wire.JSON, 400, "control"),
        (b"[" * 4000, wire.JSON, 400, "not JSON"),
        (b'{"user": "\xff"}', wire.JSON, 400, "not JSON"),
    ],
)
def test_bad_bodies(shared, body, kind, code, says):
    answer = post(shared, "/start", body, kind=kind)
    assert answer.status == code, answer
    assert says in answer.json()["error"]
    assert status(shared)["observing"] is False


def test_the_page_escapes_names(house):
    gateway = observatory(house)
    evil = '<script>alert("1")</script>'
    start(gateway, evil, "' onload='x' &amp;")
    answer = gateway.get("/status", [HTML])
    assert answer.header("Content-Type") == "text/html; charset=utf-8"
    assert answer.header("Vary") == "Accept"
    page = answer.body.decode()
    assert "<script>alert" not in page and "&lt;script&gt;alert(&#34;1&#34;)" in page
    assert "&#39; onload=&#39;x&#39; &amp;amp;" in page
    assert status(gateway)["observers"][0]["user"] == evil, "JSON tells it as it is"


def test_the_page_shows_eight_and_counts_the_rest(house):
    gateway = observatory(house, config={"session": {"max": 12}})
    assert "Nobody is observing" in gateway.get("/status", [HTML]).body.decode()
    for n in range(10):
        start(gateway, f"observer-{n}", f"NGC {n}")
    page = gateway.get("/status", [HTML]).body.decode()
    assert "observer-0" in page and "NGC 7" in page and "observer-8" not in page
    assert "and 2 more" in page
    assert re.search(r"since \d{4}-\d\d-\d\d \d\d:\d\d UTC", page)


def test_an_own_page(house):
    gateway = observatory(house, start=False)
    gateway.templates.mkdir(mode=0o755)
    (gateway.templates / "status.html").write_text("<p>{{ user1 }} at {{ target1 }} {{ base }}</p>")
    gateway.start()
    start(gateway, "Vera", "M 31")
    assert b"<p>Vera at M 31 </p>" in gateway.get("/status", [HTML]).body


def test_a_restart_keeps_it(house, tmp_path):
    data = tmp_path / "presence.data"
    gateway = observatory(house, env={"DATA_FILE": str(data)}, config={"session": {"max": 1}})
    start(gateway, "Vera", "M 31")
    start(gateway, "Nancy", "M 33")
    before = status(gateway)["observers"][0]["since"]
    gateway.kill()
    assert data.exists()
    gateway.start()
    shown = status(gateway)
    (observer,) = shown["observers"]
    assert (observer["user"], observer["target"]) == ("Vera", "M 31")
    assert observer["since"][:16] == before[:16] and shown["waiting"] == 1
    assert post(gateway, "/heartbeat", b"user=Vera").status == 200
    post(gateway, "/release", b"user=Vera")
    assert status(gateway)["observers"][0]["user"] == "Nancy"


def test_the_token_in_a_file(house, tmp_path):
    token = tmp_path / "token"
    token.write_text("the first token of the file\n")
    gateway = house.gateway({"presence": {"token_file": token}})
    first = ("Authorization", "Bearer the first token of the file")
    second = ("Authorization", "Bearer the second token of the file")
    assert start(gateway, "Vera", auth=first).status == 200
    token.write_text("  the second token of the file")
    assert start(gateway, "Vera", auth=second).status == 401
    gateway.reload()
    wait_until(lambda: start(gateway, "Vera", auth=second).status == 200, 5, "the new token")
    assert start(gateway, "Vera", auth=first).status == 401
    token.unlink()
    gateway.reload()
    gateway.wait_log("token not reloaded, the old one stays")
    assert start(gateway, "Vera", auth=second).status == 200


@pytest.mark.parametrize("content, says", [(None, "is missing"), (" \n", "is empty")])
def test_no_start_without_the_token_that_was_promised(house, tmp_path, content, says):
    token = tmp_path / "token"
    if content is not None:
        token.write_text(content)
    gateway = house.gateway({"presence": {"token_file": token}}, start=False).launch()
    assert gateway.process.wait(15) == 2
    assert says in gateway.log() and "presence.token_file" in gateway.log()


def test_without_a_token_nobody_may_write(house):
    gateway = house.gateway()
    for auth in (None, BEARER, ("Authorization", "Bearer ")):
        assert start(gateway, "Vera", auth=auth).status == 401
    assert gateway.get("/status").status == 200


def test_a_proxys_password_is_not_a_token(house):
    """Browsers behind basic authentication send it with everything: the cookie counts."""
    gateway = observatory(house)
    cookie = gateway.get("/new").header("Set-Cookie").split(";")[0]
    basic = ("Authorization", "Basic dmVyYTpydWJpbg==")
    assert post(gateway, "/heartbeat", b"", ("Cookie", cookie), auth=basic).status == 200
    assert post(gateway, "/release", b"", ("Cookie", cookie), auth=basic).status == 200
