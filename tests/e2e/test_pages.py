"""The pages for people and for probes, also as a real browser shows them."""

import re
import subprocess

import pytest

from harness import payload, wire
from harness.process import wait_until

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


def test_pages_echo_nothing(house):
    gateway = house.gateway()
    for path in ("/?<script>alert(1)</script>", "/waiting?%0d%0aSet-Cookie:x=1"):
        answer = gateway.get(path, [("Cookie", "ksid=<script>")])
        assert answer.status == 200
        assert b"<script>alert" not in answer.body
        assert "x=1" not in (answer.header("Set-Cookie") or "")
