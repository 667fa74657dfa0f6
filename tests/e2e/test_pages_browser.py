"""The pages for people as Chromium shows them: the line, the policy, keyboard, accessibility.

With SIGPOST_SCREENSHOTS=DIRECTORY every page is pictured there, in both colour schemes, on a desktop
and on a phone.
"""

import os
import urllib.parse

import pytest

from harness import browser, payload, wire
from harness.process import free_port, wait_until

pytestmark = pytest.mark.heavy

TOKEN = "a token of the observatory, 32 bytes"
IMAGE = "<img src=x onerror=window.broken=1>"
SCRIPT = "\"'></p><script>window.broken=1</script>"
LONG = "W" * 64


def url_of(gateway, path=""):
    return f"http://127.0.0.1:{gateway.port}{path}"


def lobby(house, **session):
    return house.gateway({"session": {"redirect": "/inside", **session}})


def join(gateway, path="/waiting"):
    """Somebody new in line, or inside with /new; returns the cookie."""
    answer = wire.exchange(gateway.port, "GET", path)
    return answer.header("Set-Cookie").split(";")[0].removeprefix("ksid=")


def observe(gateway, user, target):
    body = urllib.parse.urlencode({"user": user, "target": target}).encode()
    headers = [
        ("Authorization", f"Bearer {TOKEN}"),
        ("Content-Type", "application/x-www-form-urlencoded"),
    ]
    assert wire.exchange(gateway.port, "POST", "/start", headers, body).status in (200, 202)


def test_five_browsers_and_two_slots(house):
    gateway = lobby(house, max=2, idle_timeout="5s")
    browser.run("line", url=url_of(gateway))


def test_who_leaves_the_line_and_who_lost_the_place(house):
    gateway = lobby(house, max=1, patience="8s")
    browser.run("leaving", url=url_of(gateway))


def test_without_javascript(house):
    gateway = lobby(house, max=1, idle_timeout="6s")
    browser.run("plain", url=url_of(gateway))


def test_the_policy_holds(house):
    browser.run("policy", url=url_of(lobby(house)))


def test_the_form_may_lead_to_another_server(house):
    """Browsers hold redirects against the policy of the page with the form."""
    other = house.gateway()
    for host in ("127.0.0.1", "localhost"):
        gateway = lobby(house, redirect=f"http://{host}:{other.port}/health")
        browser.run("enter", url=url_of(gateway), expected=f"http://{host}:{other.port}/health")


def test_keyboard(house):
    gateway = lobby(house, max=1)
    browser.run("keyboard", url=url_of(gateway))


def test_hostile_texts(house):
    gateway = house.gateway(env={"SECRET_TOKEN": TOKEN}, start=False)
    gateway.templates.mkdir(mode=0o755)
    gateway.start()
    observe(gateway, IMAGE, SCRIPT)
    built_in = {"url": url_of(gateway, "/status"), "texts": [IMAGE, SCRIPT]}
    for n, version in enumerate((IMAGE, SCRIPT, "x" * 33)):
        extra = [("X-KMS-Client-Version", version)]
        assert gateway.send("metrics", payload.metrics(), session=f"s{n}", extra=extra).status == 200
    versions = {"url": url_of(gateway), "texts": ["Versions in use", "others\t3"]}
    browser.run("hostile", pages=[built_in, versions])
    (gateway.templates / "status.html").write_text(
        "<main><p title=\"{{ user1 }}\">{{ target1 }}</p><p title='{{ user1 }}'>{{ user1 }}</p></main>"
    )
    wait_until(lambda: b"<main><p" in gateway.get("/status", [("Accept", "text/html")]).body, 5)
    browser.run("hostile", pages=[built_in])


# The page of the session manager that sigpost replaces polls like this.
DEPLOYED = """<!DOCTYPE html><html lang="en"><title>Wait</title>
<style>h1 { color: rgb(1, 2, 3) }</style><body>
<h1 style="font-style: italic">{{ current }} of {{ max }}</h1>
<button onclick="this.textContent = 'clicked'">click</button>
<script>
setInterval(function () {
  fetch('/capacity').then(function (r) { return r.json(); }).then(function (c) {
    if (c.available) {
      fetch('/new', {method: 'POST'}).then(function () { window.location.href = '/inside'; });
    }
  });
}, 2000);
</script></body></html>
"""


def test_own_pages_keep_their_inline_scripts_and_styles(house):
    gateway = house.gateway({"session": {"max": 1}}, start=False)
    gateway.templates.mkdir(mode=0o755)
    (gateway.templates / "waiting.html").write_text(DEPLOYED)
    gateway.start()
    holder = join(gateway, "/new")
    browser.run("deployed", url=url_of(gateway), holder=holder)


def send_telemetry(gateway):
    versions = ["2.4.1", "2.4.0", "2.3.9-rc.1+build.20260131.f00dca", None, "0.9", "x" * 33]
    for i, version in enumerate(versions):
        for n in range(6 - i):
            extra = [("X-KMS-Client-Version", version)] if version else []
            answer = gateway.send("metrics", payload.metrics(), session=f"s{i}-{n}", extra=extra)
            assert answer.status == 200


def busy(house):
    """Two slots taken, one of them just given up; people in line; a collector that is down."""
    gateway = house.gateway(
        {
            "session": {"max": 3, "hold": "1h"},
            "export": {
                "destinations": [{"type": "otlp", "url": f"http://127.0.0.1:{free_port()}"}]
            },
        },
        env={"SECRET_TOKEN": TOKEN},
    )
    send_telemetry(gateway)
    holders = [join(gateway, "/new") for _ in range(3)]
    waiting = [join(gateway) for _ in range(4)]
    cookie = ("Cookie", f"ksid={holders[0]}")
    assert wire.exchange(gateway.port, "POST", "/release", [cookie], b"").status == 200
    wait_until(lambda: gateway.ready().status == 503, 10, "the collector's absence")
    return gateway, holders, waiting


def crowded(house):
    """Room for many, observers with names as long as they may be."""
    gateway = house.gateway({"session": {"max": 80}}, env={"SECRET_TOKEN": TOKEN})
    observe(gateway, "Vera", "M 31")
    observe(gateway, LONG, "Ω" * 64)
    for i in range(9):
        observe(gateway, f"Observer {i}", "" if i % 2 else "the Horsehead Nebula, Barnard 33")
    return gateway


def page(name, gateway, path, **more):
    return {"name": name, "url": url_of(gateway, path), **more}


def test_pictures(house):
    quiet = house.gateway()
    gateway, holders, waiting = busy(house)
    many = crowded(house)
    full = house.gateway({"session": {"max": 1, "max_waiting": 1}})
    join(full, "/new")
    join(full)
    seats = house.gateway({"session": {"max": 23}})
    for _ in range(12):
        join(seats, "/new")
    wait_until(lambda: b"spark" in gateway.get("/").body.partition(b"</style>")[2], 30, "a history")
    pages = [
        page("index-quiet", quiet, "/"),
        page("index-busy", gateway, "/", hour=True),
        page("index-in-line", gateway, "/", cookie=waiting[2]),
        page("index-inside", gateway, "/", cookie=holders[1]),
        page("index-23", seats, "/"),
        page("index-80", many, "/"),
        page("waiting-third", gateway, "/waiting", cookie=waiting[2]),
        page("waiting-turn", gateway, "/waiting", cookie=waiting[0], stay=True),
        page("waiting-full", full, "/waiting"),
        page("status-nobody", quiet, "/status"),
        page("status-many", many, "/status"),
    ]
    browser.run("pictures", 300, pages=pages, directory=os.environ.get("SIGPOST_SCREENSHOTS"))
