"""deploy/collector: valid for the real Collector, and run from sigpost to Prometheus."""

import os
import re
import subprocess
import urllib.request

import pytest
import yaml
from harness import collector as collector_module
from harness import payload
from harness.collector import config_options
from harness.process import TREE, Process, wait_until

OVERLAYS = [(), ("remote-write",), ("backend",), ("remote-write", "backend")]


@pytest.mark.heavy
@pytest.mark.parametrize("overlays", OVERLAYS, ids=lambda names: "+".join(names) or "alone")
def test_it_is_valid(overlays, tmp_path):
    done = subprocess.run(
        [collector_module.program(), "validate", *config_options(*overlays)],
        env={**os.environ, "QUEUE_DIR": str(tmp_path / "queue")},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.heavy
def test_a_fault_is_told(tmp_path):
    """That the test above can fail: an exporter that is not there."""
    bad = tmp_path / "bad.yaml"
    bad.write_text("service: { pipelines: { metrics: { exporters: [nowhere] } } }\n")
    done = subprocess.run(
        [collector_module.program(), "validate", *config_options(), "--config", bad],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode != 0 and "nowhere" in done.stderr


def send_three(gateway):
    """One of each signal; the metric as the published client names it."""
    resource = {"service.name": "KOTORModSync", "platform": "Unix", "user.id": "u-1"}
    body = payload.metrics("kotormodsync.events", 7, {"event.name": "session.start"}, **resource)
    assert gateway.send("metrics", body).status == 200
    assert gateway.send("traces", payload.traces("a span")).status == 200
    assert gateway.send("logs", payload.logs("a record")).status == 200


SERIES = (
    'kotormodsync_events_total{event_name="session.start",platform="Unix",user_id="u-1",'
    'sigpost_session_id="e2e-session",service_namespace="kotormodsync"}'
)


@pytest.mark.heavy
def test_scraped(house):
    collector = house.deployed_collector()
    gateway = house.gateway_to(collector)
    prometheus = house.prometheus(
        collector=(collector.own, "/metrics"), clients=(collector.prometheus, "/metrics")
    )
    send_three(gateway)
    prometheus.wait_value(SERIES, 7)
    # job and instance are the Collector's targets; with honor_labels they would be the client's.
    labels = prometheus.query(SERIES)[0][0]
    assert labels["exported_job"] == "kotormodsync/KOTORModSync"
    prometheus.wait_value('up{job="collector"}', 1)
    prometheus.wait_value(
        'sum({__name__=~"otelcol_receiver_accepted_(metric_points|spans|log_records).*"})', 3
    )
    wait_until(lambda: gateway.health()["spool_records"] == 0, 10, "all three to be taken")
    assert gateway.ready().status == 200


def shipped_jobs(gateway, collector):
    """The scrape jobs of deploy/prometheus, with the ports of these."""
    ports = {
        "sigpost:8080": gateway.port,
        "collector:8888": collector.own,
        "collector:8889": collector.prometheus,
    }
    jobs = yaml.safe_load((TREE / "deploy/prometheus/prometheus.yml").read_text())["scrape_configs"]
    for job in jobs:
        (target,) = job["static_configs"][0]["targets"]
        job["static_configs"] = [{"targets": [f"127.0.0.1:{ports[target]}"]}]
    return jobs


def shown(port, path):
    """The names of the series that are there to be scraped."""
    page = urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5).read().decode()
    return set(re.findall(r"^(\w+){", page, re.M))


@pytest.mark.heavy
def test_no_client_passes_for_the_gateway(house):
    """Well signed, under the gateway's names and under its job: it reaches what is scraped, both
    ways, and Prometheus leaves it there."""
    collector = house.deployed_collector()
    destinations = [{"type": "fleet"}, {"type": "otlp", "url": collector.url}]
    gateway = house.gateway({"export": {"destinations": destinations, "batch_age": "50ms"}})
    prometheus = house.prometheus(more={"scrape_configs": shipped_jobs(gateway, collector)})
    forged = {"job": "sigpost", "instance": "forged"}
    for name in ("sigpost_spool_refused_total", "claims.a.job"):
        body = payload.metrics(name, 7, forged).replace(b"service.name", b"service.none")
        assert gateway.send("metrics", body).status == 200
    for port, path in ((collector.prometheus, "/metrics"), (gateway.port, "/metrics/clients")):
        wait_until(lambda: {"sigpost_spool_refused_total", "claims_a_job_total"} <= shown(port, path))
    # Where Prometheus has these, it was shown those.
    send_three(gateway)
    for job in ("kotormodsync/KOTORModSync", "sigpost-clients"):
        prometheus.wait_value(f'kotormodsync_events_total{{job="{job}"}}', 7)
    prometheus.wait_value('up{job="sigpost"}', 1)
    assert prometheus.query('claims_a_job_total{job="sigpost"}') == []
    refused = [labels for labels, _ in prometheus.query("sigpost_spool_refused_total")]
    assert refused and all(labels["job"] == "sigpost" for labels in refused)
    assert {labels["instance"] for labels in refused} == {f"127.0.0.1:{gateway.port}"}


@pytest.mark.heavy
def test_written_to_prometheus(house):
    prometheus = house.prometheus(
        options=["--web.enable-remote-write-receiver"],
        more={"storage": {"tsdb": {"out_of_order_time_window": "1d"}}},
    )
    collector = house.deployed_collector(
        "remote-write", REMOTE_WRITE_URL=f"http://127.0.0.1:{prometheus.port}/api/v1/write"
    )
    gateway = house.gateway_to(collector)
    send_three(gateway)
    prometheus.wait_value(SERIES, 7)
    assert prometheus.query(SERIES)[0][0]["job"] == "kotormodsync/KOTORModSync"


@pytest.mark.heavy
def test_the_queue_on_disk_outlives_a_kill(house):
    """The backend is away; what the Collector answered 200 is delivered after a kill -9, though
    sigpost has let go of it."""
    backend = house.collector(start=False)
    collector = house.deployed_collector("backend", BACKEND_URL=backend.url)
    gateway = house.gateway_to(collector)
    gateway.send("traces", payload.traces("held"))
    gateway.send("logs", payload.logs("held too"))
    wait_until(lambda: gateway.health()["spool_records"] == 0, 10, "sigpost to let go")
    collector.process.kill()
    backend.start()
    assert backend.items() == []
    collector.start()
    backend.wait_names(["held", "held too"], timeout=20)


@pytest.mark.heavy
def test_each_write_of_the_queue_is_synced(house):
    """fsync: true is what the test above cannot see: a kill leaves the page cache alone."""
    backend = house.collector(start=False)
    collector = house.deployed_collector("backend", BACKEND_URL=backend.url)
    trace = collector.dir / "strace"
    gateway = house.gateway_to(collector)
    strace = Process(
        "strace",
        ["strace", "-f", "-e", "trace=fsync,fdatasync", "-o", trace, "-p", collector.process.pid],
        collector.dir / "strace.log",
    )
    try:
        wait_until(lambda: "attached" in strace.output(), 5, "strace to be attached")
        gateway.send("logs", payload.logs("synced"))
        wait_until(lambda: gateway.health()["spool_records"] == 0, 10, "sigpost to let go")
        wait_until(lambda: re.search(r"f(data)?sync\(", trace.read_text()), 5, "a sync")
    finally:
        strace.kill()
