"""Every query of the dashboards, asked of a real Prometheus that scrapes a sigpost with traffic of
every kind: each returns something, and knows its labels."""

import contextlib
import re
import time

import pytest
from google.protobuf.json_format import ParseDict
from harness import dashboards, payload, wire
from harness.gateway import write_ring
from harness.kuma import Kuma
from harness.process import TREE, wait_until
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

CAPTURES = TREE / "tests" / "data" / "captures"
SECRET = "dashboard-secret-0123456789abcdef01234567"
RETIRED = "retired-secret-0123456789abcdef0123456789"
KEYS = [
    {"id": "now", "secret": SECRET, "state": "active", "not_after": "2099-01-01T00:00:00Z"},
    {"id": "past", "secret": RETIRED, "state": "retiring", "not_after": "2020-01-01T00:00:00Z"},
]


def captured(number):
    return (CAPTURES / f"root-metrics-{number}.http").read_bytes().split(b"\r\n\r\n", 1)[1]


def rest_of_the_instruments(n):
    """Those that the captures lack: validations and the cache."""
    now = time.time_ns()

    def metric(name, unit, value, **attributes):
        pairs = [{"key": k, "value": v} for k, v in attributes.items()]
        point = {"asInt": str(value), "attributes": pairs, "timeUnixNano": str(now + value)}
        point["startTimeUnixNano"] = "1700000000000000000"
        return {
            "name": f"kotormodsync.{name}",
            "unit": unit,
            "sum": {"dataPoints": [point], "aggregationTemporality": 2, "isMonotonic": True},
        }

    done = {"boolValue": True}
    metrics = [
        metric("mods.validated", "mods", n, **{
            "validation.type": {"stringValue": "full"}, "success": done}),
        metric("cache.hits", "hits", 3 * n, provider={"stringValue": "disk"}),
        metric("cache.misses", "misses", n, provider={"stringValue": "disk"}),
    ]
    resource = {"service.name": "KOTORModSync", "service.version": "2.0.0.0", "platform": "Unix"}
    attributes = [{"key": k, "value": {"stringValue": v}} for k, v in resource.items()]
    document = {"resourceMetrics": [
        {"resource": {"attributes": attributes}, "scopeMetrics": [{"metrics": metrics}]}]}
    return ParseDict(document, ExportMetricsServiceRequest()).SerializeToString()


def send_some_of_everything(gateway, number):
    """One export each, as the number-th of a run; and what is refused."""
    send = lambda *a, **k: gateway.send(*a, **{"secret": SECRET, **k})  # noqa: E731
    assert send("metrics", captured(number), path="/", session="run-1").status == 200
    assert send("metrics", rest_of_the_instruments(number), session="run-1").status == 200
    json_traces = payload.as_json("traces", payload.traces())
    assert send("traces", json_traces, content_type=wire.JSON).status == 200
    assert send("logs", payload.logs()).status == 200
    assert send("metrics", payload.metrics(), secret="w" * 40).status == 403
    assert send("metrics", payload.metrics(), secret=RETIRED).status == 403
    assert send("metrics", payload.metrics(), timestamp=1).status == 401
    assert wire.post(gateway.port, "/v1/logs", [], b"").status == 401
    assert send("traces", b"\xff").status == 400


@pytest.fixture(scope="module")
def watched(module_house):
    """(Prometheus, from when on it has all of it)"""
    with contextlib.closing(Kuma().start()) as kuma:
        collector = module_house.collector()
        gateway = module_house.gateway(
            {
                "health": {"push_url": kuma.url, "push_interval": 1},
                "export": {
                    "destinations": [{"type": "fleet"}, {"type": "otlp", "url": collector.url}],
                    "batch_age": "20ms",
                },
            },
            secret=None,
            start=False,
        )
        write_ring(gateway, *KEYS)
        gateway.start()
        prometheus = module_house.prometheus(
            more={"rule_files": [str(TREE / "deploy/prometheus/rules/*.yml")]},
            sigpost=(gateway.port, "/metrics"),
            **{"sigpost-clients": (gateway.port, "/metrics/clients")},
        )
        prometheus.wait_value('up{job="sigpost-clients"}', 1)
        for number, events in ((1, 1), (2, 2), (3, 3)):
            send_some_of_everything(gateway, number)
            prometheus.wait_value("sum(kotormodsync_events_total)", events)
        prometheus.wait_value('sum(sigpost_auth_requests_total{result="retired_key"})', 3)
        yield prometheus


@pytest.mark.heavy
def test_every_query_returns_something(watched):
    """In one test, so that it costs one look at each and tells all that fail."""
    end = time.time()
    faults = []
    for name in dashboards.names():
        for panel, target in dashboards.targets(dashboards.load(name)):
            asked = dashboards.filled(target["expr"])
            rows = watched.query_range(asked, end - 15, end)
            real = [labels for labels, values in rows if any(v == v for v in values)]
            labels = dashboards.labels(target)
            if not real:
                faults.append(f"{name}: {panel['title']}: nothing: {asked}")
            faults += [
                f"{name}: {panel['title']}: no label {label}: {asked}"
                for label in labels
                if not any(label in row for row in real)
            ]
    assert not faults, "\n".join(faults)


@pytest.mark.heavy
def test_recorded_series_are_there(watched):
    for name in (
        "sigpost:auth_requests:rate5m",
        "sigpost:auth_failures:ratio_rate5m",
        "sigpost:timestamp_drift:ratio_rate1h",
        "sigpost:signature_age_seconds:p10_rate30m",
        "sigpost:signature_age_seconds:p50_rate30m",
        "sigpost:request_duration_seconds:p99_rate5m",
        "sigpost:spool_fill:ratio",
    ):
        wait_until(lambda: watched.query(name), 10, name)
    # 4 of each 9 judged requests of a round, and 1 canary a second beside them.
    assert 0.05 < watched.value("sigpost:auth_failures:ratio_rate5m") < 0.45


@pytest.mark.heavy
def test_every_metric_that_an_alert_asks_for_is_there(watched):
    rules = (TREE / "deploy/prometheus/rules/alerts.yml").read_text()
    names = set(re.findall(r"\bsigpost_[a-z_]+\b", rules))
    assert len(names) >= 8
    for name in names:
        assert watched.query(f"count({name})"), name


@pytest.mark.heavy
def test_the_variables_have_values(watched):
    for name in dashboards.names():
        for variable in dashboards.load(name)["templating"]["list"]:
            if variable["type"] == "query":
                series, label = variable["definition"][len("label_values("):-1].rsplit(", ", 1)
                assert watched.label_values(series, label), variable["definition"]
