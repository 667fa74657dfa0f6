"""The pages for people and for probes, also as a real browser shows them."""

import base64
import hashlib
import re
import subprocess

import pytest

from harness import payload, wire
from harness.process import TREE, free_port, wait_until

HTML = [("Accept", "text/html")]

OWN_INDEX = """<html><body><h1 id="own">Own page</h1>
<p>{{ current }} of {{ max }} {{ 'free' if available else 'full' }} {{ year }}</p>
{% if available %}<b>come in</b>{% else %}<b>please wait</b>{% endif %}</body></html>
"""


def browse(url, directory):
    """The document as Chromium has it after loading."""
    done = subprocess.run(
        [
            "chromium",
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            f"--user-data-dir={directory}",
            "--dump-dom",
            url,
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def text_of(html):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html))


def test_health(house):
    gateway = house.gateway()
    for path in ("/health", "/health/live", "/health/ready", "/health?x=1"):
        answer = gateway.get(path, [("Accept", "text/html")])
        assert answer.status == 200, path
        assert answer.body.startswith(b'{"status": "healthy"'), answer.body
        assert answer.header("Content-Type") == "application/json"
        assert answer.header("Cache-Control") == "no-store"
    health = gateway.health()
    assert health["spool_bytes"] >= 0 and health["spool_oldest_seconds"] == 0
    assert health["collector_ok"] is True
    assert (health["dead_letters"], health["keys_active"]) == (0, 1)
    for value in health.values():
        assert not isinstance(value, (dict, list)), "a probe's query reads flat fields"


def test_sessions_are_counted(house):
    gateway = house.gateway()
    for session in ("a", "b", "a"):
        assert gateway.send("metrics", payload.metrics(), session=session).status == 200
    assert gateway.health()["sessions_active"] == 2
    assert gateway.metrics()[("sigpost_sessions_active", frozenset())] == 2


@pytest.mark.parametrize("path", ["/", "/waiting"])
def test_builtin_pages_in_a_browser(house, tmp_path, path):
    gateway = house.gateway({"session": {"max": 4}})
    gateway.get("/new")
    html = browse(f"http://127.0.0.1:{gateway.port}{path}", tmp_path / "profile")
    assert "<html" in html and "{{" not in html and "{%" not in html
    assert re.search(r"\b1\b.*\b4\b", text_of(html)), html


def test_own_pages_in_a_browser(house, tmp_path):
    gateway = house.gateway({"session": {"max": 1}}, start=False)
    gateway.templates.mkdir(mode=0o755)
    (gateway.templates / "index.html").write_text(OWN_INDEX)
    gateway.start()
    html = browse(f"http://127.0.0.1:{gateway.port}/", tmp_path / "profile")
    assert 'id="own"' in html
    assert re.search(r"0 of 1 free 20\d\d come in", text_of(html)), html
    gateway.get("/new")
    assert "1 of 1 full" in text_of(gateway.get("/").body.decode())
    assert "please wait" in text_of(gateway.get("/").body.decode())


def test_an_edited_page_is_seen_and_a_faulty_one_falls_back(house):
    gateway = house.gateway(start=False)
    gateway.templates.mkdir(mode=0o755)
    page = gateway.templates / "waiting.html"
    page.write_text("<p>first</p>")
    gateway.start()
    body = lambda: gateway.get("/waiting").body  # noqa: E731
    assert b"first" in body()
    page.write_text("<p>second page</p>")
    wait_until(lambda: b"second page" in body(), 5, "the edited page")
    page.write_text("<p>{% if %}</p>")
    wait_until(lambda: b"page" not in body() or b"second page" not in body(), 5, "the fallback")
    assert b"{%" not in body()
    ready = gateway.ready()
    assert ready.status == 503 and "template" in ready.json()["reason"]
    gateway.wait_log("waiting.html:1:")
    page.unlink()
    wait_until(lambda: gateway.ready().status == 200, 5, "readiness without the file")


@pytest.mark.parametrize("what", ["directory", "file"])
def test_what_everybody_may_write_is_refused_and_the_log_says_what_mends_it(house, what):
    gateway = house.gateway(start=False)
    gateway.templates.mkdir(mode=0o755)
    page = gateway.templates / "index.html"
    page.write_text(OWN_INDEX)
    (gateway.templates if what == "directory" else page).chmod(0o1777 if what == "directory" else 0o666)
    gateway.start()
    assert b'id="own"' not in gateway.get("/").body
    ready = gateway.ready()
    assert ready.status == 503 and ready.json()["reason"].startswith("template_fallback: ")
    (command,) = re.findall(r"run: (chmod o-w \S+?)\"?$", gateway.log(), re.M)
    subprocess.run(command.split(), check=True)
    wait_until(lambda: b'id="own"' in gateway.get("/").body, 5, "the operator's page")
    assert gateway.ready().status == 200


@pytest.mark.parametrize("path", ["/", "/waiting", "/new", "/status"])
def test_builtin_pages_are_under_a_strict_policy(house, path):
    gateway = house.gateway({"session": {"max": 1}})
    gateway.get("/new")
    answer = gateway.get(path, HTML)
    policy = answer.header("Content-Security-Policy")
    assert policy.startswith("default-src 'none'; style-src 'sha256-"), policy
    assert "unsafe" not in policy and "*" not in policy
    assert "frame-ancestors 'none'; form-action 'self' https:" in policy
    for kind, text in re.findall(rb"<(style|script)>(.*?)</\1>", answer.body, re.S):
        digest = base64.b64encode(hashlib.sha256(text).digest()).decode()
        assert f"{kind.decode()}-src 'sha256-{digest}'" in policy
    assert answer.header("X-Content-Type-Options") == "nosniff"
    assert answer.header("Referrer-Policy") == "same-origin"


def test_own_pages_may_do_what_they_did(house):
    gateway = house.gateway(start=False)
    gateway.templates.mkdir(mode=0o755)
    (gateway.templates / "index.html").write_text(OWN_INDEX)
    gateway.start()
    answer = gateway.get("/")
    policy = answer.header("Content-Security-Policy")
    assert policy == "object-src 'none'; base-uri 'self'; frame-ancestors 'self'"
    assert answer.header("X-Content-Type-Options") == "nosniff"
    assert "'none'; style-src" in gateway.get("/waiting").header("Content-Security-Policy")


def test_every_variable_is_documented():
    told = set(re.findall(r"`(\w+)`", (TREE / "docs" / "templates.md").read_text()))
    given = set()
    for source in (TREE / "gateway").glob("*.c"):
        given |= set(
            re.findall(r'page_add_(?:text|number|bool)\(\s*&?variables,\s*"(\w+)"', source.read_text())
        )
    assert {"current", "line_full", "observing", "spark_items"} <= given
    assert given <= told


ALL_OF_INDEX = " ".join(
    f"{name}={{{{ {name} }}}};"
    for name in (
        "current max available waiting position inside held free sessions requests_per_minute "
        "items_per_minute peak_requests peak_items history_minutes spark_requests spark_items "
        "version_1 version_1_sessions version_2 version_2_sessions version_3 version_3_sessions "
        "versions_rest_sessions destinations collectors collector_ok spool_ok spool_seconds "
        "spool_minutes spool_requests places_drawn places_width places_height places_taken "
        "places_free places_held"
    ).split()
)


def test_the_variables_of_the_index(house):
    refused = {"type": "otlp", "url": f"http://127.0.0.1:{free_port()}"}
    gateway = house.gateway(
        {"session": {"max": 12}, "export": {"destinations": [refused]}}, start=False
    )
    gateway.templates.mkdir(mode=0o755)
    (gateway.templates / "index.html").write_text(ALL_OF_INDEX)
    gateway.start()

    def variables():
        return dict(re.findall(r"(\w+)=(.*?);", gateway.get("/").body.decode()))

    assert variables()["collector_ok"] == "True"
    gateway.get("/new")
    for n, version in enumerate(["2.0", "2.0", "1.9", None, "<b>"]):
        extra = [("X-KMS-Client-Version", version)] if version else []
        assert gateway.send("metrics", payload.metrics(), session=f"s{n}", extra=extra).status == 200
    shown = wait_until(
        lambda: (now := variables())["collector_ok"] == "False"
        and int(now["spool_seconds"]) >= 1
        and now["requests_per_minute"] == "5"
        and now,
        30,
        "the collector's absence and a first sample",
    )
    assert (shown["current"], shown["max"], shown["held"], shown["free"]) == ("1", "12", "0", "11")
    assert (shown["destinations"], shown["collectors"], shown["spool_ok"]) == ("1", "1", "True")
    assert shown["spool_requests"] == "5" and shown["spool_minutes"] == "0"
    assert shown["sessions"] == "5"
    assert (shown["version_1"], shown["version_1_sessions"]) == ("2.0", "2")
    assert sorted((shown["version_2"], shown["version_3"])) == ["1.9", "none"]
    assert shown["versions_rest_sessions"] == "1"
    assert shown["requests_per_minute"] == shown["peak_requests"] == "5"
    assert int(shown["items_per_minute"]) >= 5
    assert shown["history_minutes"] == "1" and shown["spark_requests"] == "116,2.0 118,2.0"
    assert (shown["places_width"], shown["places_height"]) == ("354", "66")
    assert shown["places_taken"].count("M") == 1 and shown["places_free"].count("M") == 11
    assert shown["places_held"] == ""


def test_pages_echo_nothing(house):
    gateway = house.gateway()
    for path in ("/?<script>alert(1)</script>", "/waiting?%0d%0aSet-Cookie:x=1"):
        answer = gateway.get(path, [("Cookie", "ksid=<script>")])
        assert answer.status == 200
        assert b"<script>alert" not in answer.body
        assert "x=1" not in (answer.header("Set-Cookie") or "")
