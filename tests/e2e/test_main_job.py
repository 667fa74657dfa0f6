"""What sigpost is for: what a signed client sends arrives, item by item, at the Collector and in
Prometheus, and without a Collector as fleet series under the names that its users know."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness import exposition, payload, wire
from harness.gateway import clock_from
from harness.process import TREE, wait_until
from harness.signing import SECRET, signed

CLIENTS = TREE / "docs" / "clients"
CAPTURES = TREE / "tests" / "data" / "captures"
CAPTURE_SECRET = "capture-secret-0123456789abcdef0123456789"
CAPTURE_SESSION = "5f0c1c9e-7f0e-4a53-9a55-0d4a5a8f7a11"
BOUNDS = [0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000]


def run_client(argv, cwd=None, **env):
    done = subprocess.run(
        [str(word) for word in argv],
        cwd=cwd,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def python_demo(url, directory):
    return run_client(
        [sys.executable, CLIENTS / "python" / "demo.py", url],
        SIGPOST_SECRET=SECRET,
        CLIENT_SESSION="demo-python-1",
        PYTHONDONTWRITEBYTECODE="1",
    )


def javascript_demo(url, directory):
    modules = os.environ.get("SIGPOST_NODE_MODULES", str(CLIENTS / "javascript" / "node_modules"))
    here = directory / "javascript"
    here.mkdir()
    for file in ("package.json", "signing.js", "demo.js"):
        shutil.copy(CLIENTS / "javascript" / file, here)
    (here / "node_modules").symlink_to(modules)
    return run_client(
        ["node", here / "demo.js", url],
        SIGPOST_SECRET=SECRET,
        CLIENT_SESSION="demo-javascript-1",
    )


def last_points(items):
    """The newest point of each cumulative series."""
    newest = {}
    for item in items:
        if item.get("kind"):
            key = (item["name"], tuple(sorted(item["attributes"].items())))
            if key not in newest or item["time"] > newest[key]["time"]:
                newest[key] = item
    return list(newest.values())


@pytest.mark.parametrize(
    "language, demo", [("python", python_demo), ("javascript", javascript_demo)]
)
def test_a_signing_client_through_collector_to_prometheus(house, tmp_path, language, demo):
    collector = house.collector()
    gateway = house.gateway_to(collector)
    prometheus = house.prometheus(collector=(collector.prometheus, "/metrics"))

    assert "sent=ok" in demo(f"http://127.0.0.1:{gateway.port}", tmp_path)

    items = collector.wait_names(["demo.runs", "demo.operation.duration", "demo.install"])
    session = f"demo-{language}-1"
    for item in items:
        assert item["resource"]["service.name"] == f"{language}-demo"
        assert item["resource"]["service.version"] == "1.2.3"
        assert item["resource"]["session.id"] == session
        assert item["scope"] == "demo"
    points = last_points(items)
    assert {point["name"] for point in points} == {"demo.runs", "demo.operation.duration"}
    runs, = (p for p in points if p["name"] == "demo.runs")
    assert (runs["value"], runs["unit"], runs["description"]) == (3, "runs", "Runs of the demo")
    assert runs["attributes"] == {"language": language, "success": True}
    assert 0 < runs["start"] < runs["time"]
    duration, = (p for p in points if p["name"] == "demo.operation.duration")
    assert (duration["count"], duration["sum"], duration["unit"]) == (3, 75.0, "ms")
    assert duration["bounds"] == BOUNDS
    assert {b: n for b, n in zip(BOUNDS, duration["buckets"]) if n} == {25: 2, 50: 1}
    span, = (item for item in items if item["name"] == "demo.install")
    assert span["attributes"] == {"language": language}
    assert len(span["trace"]) == 32 and len(span["span"]) == 16 and span["start"] < span["time"]

    labels = f'{{language="{language}",session_id="{session}"}}'
    prometheus.wait_value(f"demo_runs_total{labels}", 3)
    prometheus.wait_value(f"demo_operation_duration_milliseconds_sum{labels}", 75)
    assert gateway.verdicts("ok") == len(
        re.findall(r"\[AUTH_SUCCESS\].*" + session, gateway.log())
    )
    assert exposition.total(gateway.metrics(), "sigpost_ingest_items_total", signal="traces") == 1


@pytest.mark.parametrize("signal", ["metrics", "traces", "logs"])
def test_every_signal_arrives_as_it_was_sent(house, signal):
    collector = house.collector()
    gateway = house.gateway_to(collector)
    bodies = {
        "metrics": payload.metrics(value=41, attributes={"n": 7, "s": "x|y"}, platform="Unix"),
        "traces": payload.traces(attributes={"deep": "ünïcödé"}, platform="Unix"),
        "logs": payload.logs("one record", platform="Unix"),
    }
    answer = gateway.send(signal, bodies[signal])
    assert (answer.status, answer.body) == (200, b"")
    assert answer.header("Content-Type") == "application/x-protobuf"
    arrived = collector.wait_items(lambda items: items, what="the item")
    assert arrived == payload.stamped(payload.items_of_request(signal, bodies[signal]))


# --- the published .NET client --------------------------------------------------------------------


def dotnet():
    program = os.environ.get("SIGPOST_DOTNET_CLIENT")
    if not program:
        pytest.skip("the .NET row: SIGPOST_DOTNET_CLIENT does not name the client program")
    program = Path(program)
    return program / "dotnet-client" if program.is_dir() else program


def run_dotnet(port, *options, session):
    out = run_client(
        [dotnet(), f"http://127.0.0.1:{port}", 3, *options],
        KOTORMODSYNC_SIGNING_SECRET=SECRET,
        CLIENT_SESSION=session,
    )
    # Three exports of each signal and the last of metrics.
    assert "exports ok=7 failed=0" in out
    assert session in out


@pytest.mark.parametrize("style", [(), ("--resign",)], ids=["plain", "resign"])
def test_dotnet_client_through_collector_to_prometheus(house, style):
    dotnet()
    collector = house.collector()
    gateway = house.gateway_to(collector)
    prometheus = house.prometheus(collector=(collector.prometheus, "/metrics"))
    run_dotnet(gateway.port, "--every", 50, *style, session="dotnet-1")

    items = collector.wait_items(
        lambda items: sum(i["name"] == "mod.install" for i in items) == 3
        and any(i["name"] == "kotormodsync.events" and i["value"] == 3 for i in items),
        what="three spans and the last sum",
    )
    assert [i["attributes"]["index"] for i in items if i["name"] == "mod.install"] == [0, 1, 2]
    newest = {(p["name"], p["attributes"].get("success")): p for p in last_points(items)}
    assert newest["kotormodsync.events", None]["value"] == 3
    assert newest["kotormodsync.errors", None]["value"] == 3
    assert newest["kotormodsync.downloads", True]["value"] == 3
    assert newest["kotormodsync.mods.installed", True]["value"] == 2
    assert newest["kotormodsync.mods.installed", False]["value"] == 1
    assert newest["kotormodsync.operation.duration", True]["sum"] == 25 + 37.5
    assert newest["kotormodsync.download.size", True]["sum"] == 6 * 1048576
    for item in items:
        assert item["resource"]["service.name"] == "KOTORModSync"
        assert item["resource"]["session.id"] == "dotnet-1"

    labels = '{session_id="dotnet-1",platform="Unix"}'
    prometheus.wait_value(f"kotormodsync_events_total{labels}", 3)
    prometheus.wait_value(f"kotormodsync_errors_total{labels}", 3)
    prometheus.wait_value(f"sum(kotormodsync_mods_installed_total{labels})", 3)
    prometheus.wait_value(f"sum(kotormodsync_operation_duration_milliseconds_count{labels})", 3)
    prometheus.wait_value(f"kotormodsync_download_size_bytes_sum{labels}", 6 * 1048576)


def test_dotnet_clients_as_fleet_series_in_prometheus(house):
    dotnet()
    gateway = house.gateway()
    prometheus = house.prometheus(fleet=(gateway.port, "/metrics/clients"))
    run_dotnet(gateway.port, session="dotnet-a")
    run_dotnet(gateway.port, "--resign", session="dotnet-b")
    prometheus.wait_value('kotormodsync_events_total{event_name="session.start"}', 6)
    prometheus.wait_value("sum(kotormodsync_mods_installed_total)", 6)
    prometheus.wait_value("sum(kotormodsync_operation_duration_milliseconds_count)", 6)


# --- requests of the published client, byte for byte ----------------------------------------------


def capture(name):
    """(path, headers, body) of one recorded request."""
    head, body = (CAPTURES / f"{name}.http").read_bytes().split(b"\r\n\r\n", 1)
    first, *lines = head.decode().split("\r\n")
    headers = [tuple(line.split(": ", 1)) for line in lines]
    return first.split(" ")[1], headers, body


def signal_of(name):
    return "metrics" if "metrics" in name else "traces"


NAMES = [
    "root-traces-1",
    "root-metrics-1",
    "root-metrics-2",
    "root-metrics-3",
    "path-traces",
    "path-metrics",
]


def stamped_items(names):
    """What those requests must be at the Collector. Their lengths are padded varints."""
    sent = [i for name in names for i in payload.items_of_request(signal_of(name), capture(name)[2])]
    return payload.stamped(sent, session=CAPTURE_SESSION)


def in_order(items):
    return sorted(items, key=repr)


def test_captured_requests_signed_again(house):
    collector = house.collector()
    gateway = house.gateway_to(collector, secret=CAPTURE_SECRET)
    for name in NAMES:
        path, headers, body = capture(name)
        rest = [h for h in headers if not h[0].startswith(("X-KMS", "Host", "Content-Length"))]
        own = signed(f"/v1/{signal_of(name)}", secret=CAPTURE_SECRET, session=CAPTURE_SESSION)
        answer = wire.exchange(gateway.port, "POST", path, rest + own, body)
        assert answer.status == 200, (name, answer)
    wanted = stamped_items(NAMES)
    arrived = collector.wait_items(lambda items: len(items) >= len(wanted))
    assert in_order(arrived) == in_order(wanted)


def test_captured_requests_with_their_own_bytes(house):
    """One connection a file, exactly what came off the wire; the gateway's clock stands at the
    time of the recording."""
    moments = {name: int(dict(capture(name)[1])["X-KMS-Timestamp"]) for name in NAMES}
    collector = house.collector()
    gateway = house.gateway_to(
        collector, secret=CAPTURE_SECRET, env=clock_from(max(moments.values()) + 1)
    )
    for name in NAMES:
        with wire.connect(gateway.port) as sock:
            sock.sendall((CAPTURES / f"{name}.http").read_bytes())
            answer = wire.read_answer(sock)
        assert (answer.status, answer.body) == (200, b""), name
    wanted = stamped_items(NAMES)
    arrived = collector.wait_items(lambda items: len(items) >= len(wanted))
    assert in_order(arrived) == in_order(wanted)


def test_captured_run_as_fleet_series_without_a_collector(house):
    """Three cumulative exports of one run, and then the same run once more as another session."""
    gateway = house.gateway(secret=CAPTURE_SECRET)
    for session in (CAPTURE_SESSION, "another-session"):
        for name in ("root-metrics-1", "root-metrics-2", "root-metrics-3"):
            body = capture(name)[2].replace(CAPTURE_SESSION.encode(), session.ljust(36).encode())
            answer = gateway.send(
                "metrics", body, path="/", secret=CAPTURE_SECRET, session=session
            )
            assert answer.status == 200, answer

    def total(name, **labels):
        return exposition.total(gateway.client_metrics(), name, **labels)

    wait_until(lambda: total("kotormodsync_events_total") == 6, 5, "both sessions in the series")
    assert total("kotormodsync_events_total", event_name="session.start", platform="Unix") == 6
    assert total("kotormodsync_errors_total") == 6
    assert total("kotormodsync_mods_installed_total") == 6
    assert total("kotormodsync_downloads_total") == 6
    assert total("kotormodsync_operation_duration_milliseconds_count") == 6
    assert total("kotormodsync_operation_duration_milliseconds_sum") == 2 * (12.5 + 25 + 37.5)
    assert total("kotormodsync_operation_duration_milliseconds_bucket", le="+Inf") == 6
    assert total("kotormodsync_download_size_bytes_sum") == 2 * 6 * 1048576
    text = gateway.get("/metrics/clients").body.decode()
    for identity in (CAPTURE_SESSION, "another-session", "session_id", "user_id", "instance"):
        assert identity not in text
    series = [key for key in gateway.client_metrics() if key[0] == "kotormodsync_events_total"]
    assert len(series) == 1, series
