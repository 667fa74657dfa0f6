"""Both expositions as Prometheus' own checker sees them, and the names that operators rely on."""

import subprocess

from harness import exposition, payload
from harness.process import TREE, wait_until

CAPTURES = TREE / "tests" / "data" / "captures"
GATEWAY_NAMES = """
sigpost_auth_requests_total sigpost_auth_key_uses_total sigpost_ingest_requests_total
sigpost_ingest_bytes_total sigpost_ingest_items_total sigpost_request_duration_seconds_count
sigpost_spool_bytes sigpost_spool_oldest_seconds sigpost_spool_sync_seconds_count
sigpost_sessions_active sigpost_lobby_slots sigpost_lobby_waiting sigpost_connections sigpost_build_info
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
