"""Both expositions as Prometheus' own checker sees them, and the names that operators rely on."""

import subprocess

from harness import exposition, payload
from harness.gateway import frozen_clock, write_ring
from harness.process import TREE, wait_until
from harness.signing import SECRET

CAPTURES = TREE / "tests" / "data" / "captures"
GATEWAY_NAMES = """
sigpost_auth_requests_total sigpost_auth_key_uses_total sigpost_ingest_requests_total
sigpost_ingest_bytes_total sigpost_ingest_items_total sigpost_request_duration_seconds_count
sigpost_spool_bytes sigpost_spool_oldest_seconds sigpost_spool_sync_seconds_count
sigpost_sessions_active sigpost_sessions_by_version sigpost_lobby_slots sigpost_lobby_waiting sigpost_connections sigpost_build_info
""".split()

EXPORT_NAMES = """
sigpost_export_requests_total sigpost_export_items_total
""".split()


def promtool(text):
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, timeout=20
    )
    return done.returncode, (done.stdout + done.stderr).decode()


def test_promtool_on_the_gateways_own(house):
    collector = house.collector()
    gateway = house.gateway_to(collector)
    gateway.send("metrics", payload.metrics())
    gateway.send("traces", payload.traces())
    gateway.send("metrics", payload.metrics(), secret="w" * 40)
    collector.wait_items(lambda items: len(items) == 2)
    answer = gateway.get("/metrics")
    assert answer.header("Content-Type").startswith("text/plain; version=0.0.4")
    code, said = promtool(answer.body)
    assert (code, said) == (0, "")


def test_promtool_on_the_fleet_series(house):
    gateway = house.gateway()
    gateway.send("metrics", payload.metrics(attributes={"k": 'quo"te\\back\nline', "ü": 1}))
    wait_until(gateway.client_metrics, 5, "the series")
    code, said = promtool(gateway.get("/metrics/clients").body)
    assert (code, said) == (0, "")


def test_promtool_on_what_the_published_client_sends(house):
    """Its names and units are its own; of the wishes of Prometheus' checker only the one for base
    units is left, for a histogram in milliseconds."""
    gateway = house.gateway()
    body = (CAPTURES / "root-metrics-3.http").read_bytes().split(b"\r\n\r\n", 1)[1]
    assert gateway.send("metrics", body, path="/").status == 200
    wait_until(gateway.client_metrics, 5, "the series")
    _, said = promtool(gateway.get("/metrics/clients").body)
    for line in said.splitlines():
        assert line.startswith("kotormodsync_operation_duration_milliseconds "), said
        assert "base unit" in line, said


def test_every_name_is_there(house):
    collector = house.collector()
    gateway = house.gateway_to(collector)
    body = payload.metrics()
    assert gateway.send("metrics", body).status == 200
    assert gateway.send("logs", payload.logs()).status == 200
    collector.wait_items(lambda items: len(items) == 2)
    wait_until(
        lambda: exposition.total(gateway.metrics(), "sigpost_export_items_total") == 2, 5, "counts"
    )
    series = gateway.metrics()
    names = {name for name, _ in series}
    for name in GATEWAY_NAMES + EXPORT_NAMES:
        assert name in names, name
    total = lambda name, **labels: exposition.total(series, name, **labels)  # noqa: E731
    assert total("sigpost_auth_requests_total", result="ok") == 2
    assert total("sigpost_auth_key_uses_total", key_id="env") == 2
    assert total("sigpost_ingest_items_total", signal="metrics") == 1
    assert total("sigpost_ingest_items_total", signal="logs") == 1
    assert total("sigpost_ingest_requests_total", signal="metrics") == 1
    assert total("sigpost_ingest_bytes_total") > len(body)
    assert total("sigpost_request_duration_seconds_count") >= 2
    assert total("sigpost_spool_sync_seconds_count") >= 1
    assert total("sigpost_export_requests_total", code="200") == 2
    assert total("sigpost_build_info") == 1
    for result in ("missing_headers", "invalid_signature", "timestamp_drift", "rate_limited"):
        assert total("sigpost_auth_requests_total", result=result) == 0


def test_a_scrape_is_seen_by_prometheus(house):
    gateway = house.gateway()
    prometheus = house.prometheus(sigpost=(gateway.port, "/metrics"))
    gateway.send("metrics", payload.metrics())
    prometheus.wait_value('sigpost_auth_requests_total{result="ok"}', 1)
    prometheus.wait_value('up{job="sigpost"}', 1)


def test_how_old_signatures_are(house):
    """Of requests that verified within the window, by either clock."""
    now = 1_800_000_000
    gateway = house.gateway(env=frozen_clock(now))
    for age in (-100, 0, 3, 151, 299):
        assert gateway.send("metrics", payload.metrics(), timestamp=now - age).status == 200
    assert gateway.send("metrics", payload.metrics(), timestamp=now - 301).status == 401
    assert gateway.send("metrics", payload.metrics(), timestamp=now, secret="w" * 40).status == 403
    series = gateway.metrics()
    bucket = "sigpost_signature_age_seconds_bucket"
    bounds = ("-120", "-60", "0", "5", "150", "180", "240", "+Inf")
    counted = [exposition.total(series, bucket, le=le) for le in bounds]
    assert counted == [0, 1, 2, 3, 3, 4, 4, 5]


def test_keys_and_templates_show(house):
    gateway = house.gateway(start=False, secret=None)
    key = {"secret": SECRET, "state": "active"}
    write_ring(
        gateway,
        {"id": "a", **key, "not_after": "2099-01-01T00:00:00Z"},
        {"id": "b", "secret": "b" * 40, "state": "revoked"},
    )
    gateway.templates.mkdir()
    gateway.start()
    series = gateway.metrics()
    total = lambda name, **labels: exposition.total(series, name, **labels)  # noqa: E731
    assert total("sigpost_key_not_after_seconds", key_id="a") == 4070908800
    assert total("sigpost_key_not_after_seconds", key_id="b") == float("inf")
    states = {s: total("sigpost_keys", state=s) for s in ("accepted", "pending", "ended")}
    assert states == {"accepted": 1, "pending": 0, "ended": 1}
    assert total("sigpost_spool_max_bytes") == 1 << 30
    assert total("sigpost_template_fallback") == 0
    for reason in ("refused", "too_large", "unsupported"):
        assert total("sigpost_dead_letters_total", reason=reason) == 0
    (gateway.templates / "index.html").write_text("{{ unfinished")
    wait_until(
        lambda: exposition.total(gateway.metrics(), "sigpost_template_fallback") == 1, 5, "fallback"
    )


def test_sessions_by_version_stay_few(house):
    """Versions are the clients' own words: whatever they say, /metrics shows at most twenty."""
    gateway = house.gateway({"rate": {"per_address": 0}})
    seen = lambda **labels: exposition.total(  # noqa: E731
        gateway.metrics(), "sigpost_sessions_by_version", **labels
    )

    def send(session, version):
        answer = gateway.send("metrics", payload.metrics(), session=session, version=version)
        assert answer.status == 200

    for n in range(3):
        send(f"run-{n}", "2.0.0.0")
    send("run-2", "2.0.1.0")
    send("silent", None)
    send("quoted", '2"}\\ 1')
    assert seen(version="2.0.0.0") == 2
    assert seen(version="2.0.1.0") == seen(version="none") == seen(version="other") == 1
    for n in range(300):
        send(f"made-up-{n}", f"9.{n}")
    series = [key for key in gateway.metrics() if key[0] == "sigpost_sessions_by_version"]
    assert len(series) == 20
    assert seen(version="2.0.0.0") == 2
    assert seen() == exposition.total(gateway.metrics(), "sigpost_sessions_active") == 305
    code, said = promtool(gateway.get("/metrics").body)
    assert (code, said) == (0, "")
