"""Every page of the documents whose commands are marked to be run, block by block, in order, each
beside a running gateway of its own. What a page needs besides, and what must have come of it, is
said by the function of its name."""

import json
import os
import subprocess
import time
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone

import pytest

from harness import collector, payload, runnable_docs
from harness.sink import Sink
from harness.process import TREE, wait_until
from harness.signing import sign
from harness.tool import Tool

PAGES = sorted(filter(runnable_docs.is_marked, [TREE / "README.md", *(TREE / "docs").rglob("*.md")]))
ROTATION = TREE / "docs" / "rotation.md"
TOKEN = "a-token-of-the-documents-0123456789"

# Each call appends what it was given: arguments, then standard input.
RECORDER = """here={place}
printf '%s\\n' "$*" >>"$here/$(basename "$0").arguments"
cat >>"$here/$(basename "$0").input"
"""
SSH = 'shift\nexec sh -c "$*"\n'
JOURNALCTL = '[ "$1 $2" = "-u sigpost" ] || exit 1\nexec cat {log}\n'
COMPOSE = """case "$*" in
"compose config --quiet") exec {reader} . >/dev/null ;;
"compose up -d") pwd >{place}/up ;;
"compose exec sigpost sigpostctl "*) shift 3; exec "$@" ;;
*) echo "docker $*: not known here" >&2; exit 1 ;;
esac
"""


class Desk:
    """What the reader of a page has: a gateway with the key `first`, its tool, the deploy directory,
    a request in a file, the journal. A page's function may add to it before start()."""

    def __init__(self, house, place):
        self.house, self.place = house, place
        self.gateway = house.gateway(start=False, secret=None)
        self.tool = Tool(self.gateway)
        self.env, self.changes, self.programs, self.done = {}, {}, {}, []
        self.dir = place / "desk"
        self.dir.mkdir()
        for name in ("deploy", "tests"):
            (self.dir / name).symlink_to(TREE / name)
        (self.dir / "metrics.pb").write_bytes(payload.metrics())

    def start(self):
        self.tool("secret", "init", "--id", "first")
        self.gateway.start()
        self.secret = self.tool.secret("first")

    def send(self, count=1, body=None, status=200, secret=None, **who):
        for _ in range(count):
            sent = self.gateway.send(
                "metrics", body or payload.metrics(), secret=secret or self.secret, **who
            )
            assert sent.status == status, sent

    def run(self, page):
        log = self.gateway.process.log_path
        programs = {"journalctl": JOURNALCTL.format(log=log), **self.programs}
        path = runnable_docs.place_programs(self.gateway, self.place / "programs", **programs)
        self.done = runnable_docs.run(page, self.gateway, path, self.dir, self.changes, self.env)

    def shown(self):
        return "".join(block.output for block in self.done)


def ask_for_old_keys(desk):
    """What the page's command for cron prints when a key ends in three days: it must fail."""
    (script,) = [text for text in runnable_docs.scripts(ROTATION, "sh") if "days_left" in text]
    path = f"{desk.place / 'programs'}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script], env={**desk.gateway.environment(), "PATH": path},
        capture_output=True, text=True, timeout=20,
    )
    assert done.returncode == 1, done
    return done.stdout


def rotation(desk):
    recorder = RECORDER.format(place=desk.place)
    desk.programs = {"gh": recorder, "docker": recorder, "ssh": SSH}
    desk.start()
    desk.send(3, version="2.0.0.0")
    tool = desk.tool
    wait_until(lambda: tool.keys()["first"]["requests_week"] == 3, 10, "the counts")
    yield
    assert "rotate:" not in desk.shown()
    keys = tool.keys()
    assert keys["spring"]["state"] == "revoked"
    assert keys["before"]["accepted"]
    assert keys["first"]["state"] == "retiring" and keys["first"]["days_left"] in (59, 60)
    # What was handed on are the secrets of the ring, and nothing of them was shown on the way.
    newest = list(keys)[-1]
    handed = (desk.place / "gh.input").read_text().split()
    assert f"KOTORMODSYNC_SIGNING_SECRET={tool.secret(newest)}" in handed
    assert f"KOTORMODSYNC_SIGNING_KEY_ID={newest}" in handed
    assert len((desk.place / "gh.arguments").read_text().splitlines()) == 4
    shown = desk.shown() + (desk.place / "gh.arguments").read_text()
    shown += (desk.place / "docker.arguments").read_text()
    for word in handed:
        if word.startswith("KOTORMODSYNC_SIGNING_SECRET="):
            assert word.split("=", 1)[1] not in shown
    ends = datetime.now(timezone.utc) + timedelta(days=3)
    tool("secret", "retire", newest, "--at", ends.strftime("%Y-%m-%dT%H:%M:%SZ"), "--force")
    assert ask_for_old_keys(desk) == f"rotate: {newest}\n"


def migration(desk):
    """The variables of the old services, and no ring."""
    secret = desk.place / "kotormodsync_signing_secret"
    secret.write_text("the-secret-of-the-old-service-0123456789\n")
    desk.secret = secret.read_text().strip()
    desk.changes = {"/run/secrets/kotormodsync_signing_secret": secret}
    desk.gateway.env |= {
        "KOTORMODSYNC_SECRET_FILE": str(secret),
        "REQUIRE_AUTH": "true",
        "MAX_TIMESTAMP_DRIFT": "300",
        "AUTH_SERVICE_PORT": str(desk.gateway.port),
        "MAX_SESSIONS": "5",
        "INACTIVITY_TIMEOUT": "3600",
        "DATA_FILE": str(desk.place / "sessions"),
    }
    desk.gateway.start()
    desk.send(2)
    yield
    assert 'result="ok"} 2' in desk.shown()
    desk.send()
    assert (desk.gateway.state / "keyring.cfg").exists()


def compose(desk):
    if os.geteuid() != 0:
        pytest.skip("secrets are given to the containers' users")
    target = desk.place / "telemetry"
    reader = TREE / "tests/e2e/tools/compose/build"
    reader = subprocess.check_output([reader], text=True).strip()
    desk.changes = {"/srv/telemetry": target}
    desk.programs = {"docker": COMPOSE.format(reader=reader, place=desk.place)}
    desk.start()
    yield
    assert (desk.place / "up").read_text().strip() == str(target)
    assert (target / "compose.yaml").exists()


def traefik(desk):
    desk.gateway.configure({"server": {"trusted_proxies": ["127.0.0.1"]}})
    desk.start()
    proxy = desk.house.traefik(desk.gateway)
    desk.changes = {"https://telemetry.example.com": proxy.url}
    desk.programs = {"curl": f'exec /usr/bin/curl -sS --cacert {proxy.certificate.file} "$@"\n'}
    yield
    shown = desk.shown()
    assert shown.count("HTTP/2 401") == 2
    assert shown.count("[AUTH_FAILED]") == 2 and "203.0.113.9" not in shown


def operations(desk):
    """A bad night: a request that was refused for good, keys that ended, guessers."""
    receiver = Sink(lambda path, body: 400 if b"a bad one" in body else 200)
    desk.house.keep(lambda _: receiver)
    desk.gateway.env["SIGPOST_EXPORT_DESTINATIONS"] = f"otlp={receiver.url}"
    desk.start()
    desk.tool("secret", "add", "--id", "gone")
    gone = desk.tool.secret("gone")
    desk.tool("secret", "revoke", "gone", "--force")
    desk.send(status=403, secret=gone)
    desk.send(status=403, secret="not-a-secret-of-the-gateway-0123456789")
    desk.send(body=payload.metrics(attributes={"what": "a bad one"}))
    wait_until(lambda: desk.gateway.health()["dead_letters"] == 1, 10, "the dead letter")
    yield
    shown = desk.shown()
    assert "1 reason=retired_key" in shown and "1 reason=invalid_signature" in shown
    assert "a bad one" in shown, "the dead letter's request"
    assert "FIX" not in shown
    assert desk.tool.keys()["first"]["state"] == "retiring"


def waiting(tool):
    """{cursor: records that wait for it}"""
    cursors = json.loads(tool("spool", "status", "--json"))["cursors"]
    return {cursor["name"]: cursor["waiting_records"] for cursor in cursors}


def export(desk):
    """A receiver that refuses two requests and has no time for traces."""
    statuses = {"/v1/metrics": 400, "/v1/traces": 503}
    receiver = Sink(lambda path, body: statuses.get(path, 200))
    desk.house.keep(lambda _: receiver)
    desk.gateway.env["SIGPOST_EXPORT_DESTINATIONS"] = f"otlp={receiver.url}"
    desk.start()
    desk.send(2)
    for _ in range(3):
        assert desk.gateway.send("traces", payload.traces(), secret=desk.secret).status == 200
    wait_until(lambda: desk.gateway.health()["dead_letters"] == 2, 10, "the dead letters")
    # A cursor's file follows what was done by up to a second.
    wait_until(lambda: waiting(desk.tool)["otlp.metrics"] == 0, 10, "the cursor of metrics")
    statuses["/v1/metrics"] = 200
    yield
    wait_until(lambda: desk.gateway.health()["dead_letters"] == 0, 10, "the letter's delivery")


def fleet(desk):
    desk.start()
    resource = {"service.name": "KOTORModSync", "platform": "Unix"}
    body = payload.metrics("kotormodsync.events", 18230, {"event.name": "session.start"}, **resource)
    desk.send(body=body)
    wait_until(lambda: b"kotormodsync" in desk.gateway.get("/metrics/clients").body, what="the series")
    yield


def sessions(desk):
    desk.gateway.env["SIGPOST_PRESENCE_TOKEN"] = desk.env["TOKEN"] = TOKEN
    desk.start()
    yield
    assert '"cleaned": 0' in desk.shown()


def signing(desk):
    desk.start()
    desk.env["SECRET"] = desk.secret
    yield
    assert desk.gateway.verdicts("ok") == 2
    (code,) = runnable_docs.scripts(TREE / "docs" / "signing.md", "python")
    known = {}
    exec(code, known)
    made = known["signing_headers"](f" {desk.secret}\n", "/v1/logs", "session-123")
    assert abs(int(made["X-KMS-Timestamp"]) - time.time()) < 10
    assert made["X-KMS-Signature"] == sign(
        desk.secret, "/v1/logs", made["X-KMS-Timestamp"], "session-123"
    )


def ingest(desk):
    desk.start()
    yield
    assert desk.gateway.stored() == 1


def observability(desk):
    desk.programs = {"otelcol": f'exec {collector.program()} "$@"\n'}
    desk.env["QUEUE_DIR"] = str(desk.place / "queue")
    desk.start()
    yield


def plain(desk):
    desk.start()
    yield


AROUND = {
    "compose": compose,
    "export": export,
    "fleet": fleet,
    "ingest": ingest,
    "migration": migration,
    "observability": observability,
    "operations": operations,
    "rotation": rotation,
    "sessions": sessions,
    "signing": signing,
    "traefik": traefik,
}


@pytest.mark.heavy
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TREE)))
def test_the_commands_of(page, house, tmp_path):
    desk = Desk(house, tmp_path)
    with contextmanager(AROUND.get(page.stem, plain))(desk):
        desk.run(page)


def test_each_page_with_needs_has_commands():
    assert set(AROUND) <= {page.stem for page in PAGES}


def test_a_page_that_is_wrong_is_noticed(tmp_path):
    page = tmp_path / "page.md"

    def fails(text, words):
        page.write_text(text)
        try:
            runnable_docs.run(page, Nowhere(), tmp_path, tmp_path)
        except AssertionError as error:
            assert words in str(error), error
            return
        raise AssertionError(f"not noticed: {text}")

    fails("```sh run\ntrue\nfalse\ntrue\n```\n", "page.md:1: exit 1")
    fails("text\n\n```sh fails\ntrue\n```\n", "page.md:3: exit 1")
    fails("```sh fails\nfalse\ntrue\n```\n```sh run\nexit 3\n```\n", "page.md:5: exit 3")
    fails("```sh run\necho a b\n```\n```text shown\na c\n```\n", "'a c' is not shown")
    fails("```sh run\nfalse | true\n```\n", "exit 1")
    fails("```yaml run\nsteps:\n  - run: |\n      false\n```\n", "exit 1")
    fails("```python run\nassert False\n```\n", "exit 1")
    fails("```sh runs\n```\n", "no known mark")
    fails("```sh\nfalse\n```\n", "no block is marked")
    page.write_text("```sh run\nx=1\necho localhost:8080\n```\n```text shown\n127.0.0.1:…\n```\n"
                    "```sh run\n[ $x = 1 ]\n```\n```sh bare\nfalse\n```\n")
    assert len(runnable_docs.run(page, Nowhere(), tmp_path, tmp_path)) == 2
    assert runnable_docs.scripts(page, "sh", "bare") == ["false\n"]


class Nowhere:
    """In the place of a gateway, for pages that need none."""

    port = 9

    def environment(self):
        return {"PATH": "/usr/bin:/bin"}
