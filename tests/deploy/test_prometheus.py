"""deploy/prometheus by Prometheus' own checkers, and the way from an alert to what to do."""

import re
import shutil
import subprocess

import pytest
import yaml
from harness.process import TREE

PROMETHEUS = TREE / "deploy/prometheus"
HERE = TREE / "tests/deploy"


def promtool(*words):
    done = subprocess.run(["promtool", *words], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


def alerts():
    (group,) = yaml.safe_load((PROMETHEUS / "rules/alerts.yml").read_text())["groups"]
    return group["rules"]


@pytest.mark.parametrize("place", [".", "host"])
def test_the_configuration_and_its_rules_are_valid(place, tmp_path):
    shutil.copy(PROMETHEUS / place / "prometheus.yml", tmp_path)
    shutil.copytree(PROMETHEUS / "rules", tmp_path / "rules")
    code, said = promtool("check", "config", tmp_path / "prometheus.yml")
    assert code == 0, said
    assert "SUCCESS: 2 rule files found" in said


def test_on_one_host_the_same_is_scraped_but_for_the_collector():
    shipped, host = (
        yaml.safe_load((PROMETHEUS / place / "prometheus.yml").read_text()) for place in (".", "host")
    )
    jobs = [job for job in shipped["scrape_configs"] if "collector" not in job["job_name"]]
    for job in jobs:
        job["static_configs"] = [{"targets": ["localhost:8080"]}]
    assert host["scrape_configs"] == jobs
    assert {key: host[key] for key in ("global", "rule_files")} == {
        key: shipped[key] for key in ("global", "rule_files")
    }


def test_the_rules_do_what_they_say():
    code, said = promtool("test", "rules", HERE / "alerts_test.yml")
    assert code == 0, said


def test_each_alert_is_tested_firing_and_not_firing():
    cases = yaml.safe_load((HERE / "alerts_test.yml").read_text())["tests"]
    seen = {}
    for case in cases:
        for test in case.get("alert_rule_test", []):
            seen.setdefault(test["alertname"], set()).add(bool(test["exp_alerts"]))
    assert seen == {rule["alert"]: {True, False} for rule in alerts()}


def test_each_alert_is_explained():
    text = (TREE / "docs/operations.md").read_text()
    anchors = {re.sub(r"[^\w-]", "", h.lower()) for h in re.findall(r"^#+ (.+)$", text, re.M)}
    for rule in alerts():
        page, anchor = rule["annotations"]["runbook_url"].split("#")
        assert (page, anchor) == ("docs/operations.md", rule["alert"].lower())
        assert anchor in anchors, anchor
        assert rule["labels"]["severity"] in ("warning", "critical")


def test_each_selector_of_ours_names_its_job():
    """Or a client's series of the same name would be counted."""
    for name in ("alerts", "recording"):
        (group,) = yaml.safe_load((PROMETHEUS / f"rules/{name}.yml").read_text())["groups"]
        for rule in group["rules"]:
            for selector in re.findall(r"\b(?:up\b|sigpost[_:])[\w:]*(?:{[^}]*})?", rule["expr"]):
                assert re.search(r'{job="(sigpost|collector)"[,}]', selector), selector


@pytest.mark.parametrize("place", [".", "host"])
def test_what_clients_name_like_ours_is_dropped(place):
    config = yaml.safe_load((PROMETHEUS / place / "prometheus.yml").read_text())
    rules = {
        job["job_name"]: job["metric_relabel_configs"]
        for job in config["scrape_configs"]
        if "clients" in job["job_name"]
    }
    assert set(rules) == {"sigpost-clients"} | ({"collector-clients"} if place == "." else set())
    ours = set(re.findall(r"`(sigpost_\w+)", (TREE / "docs/observability.md").read_text()))
    ours |= {"sigpost_canary_seconds_count", "sigpost:spool_fill:ratio", "ALERTS", "up"}
    ours |= {"ALERTS_FOR_STATE", "otelcol_exporter_sent_spans", "sigpost_fleet_sessions"}
    for job, relabel in rules.items():
        for name in ours:
            assert dropped(relabel, __name__=name, job="x"), (job, name)
        for name in ("sigpost_canary_total", "kotormodsync_events_total", "uploads", "target_info"):
            assert not dropped(relabel, __name__=name, job="kotormodsync/client"), (job, name)
    if place == ".":
        for claimed in ("sigpost", "sigpost-clients", "collector"):
            assert dropped(rules["collector-clients"], __name__="any", job=claimed)


def dropped(relabel, **labels):
    assert {rule["action"] for rule in relabel} == {"drop"}
    return any(
        re.fullmatch(rule["regex"], ";".join(labels[name] for name in rule["source_labels"]))
        for rule in relabel
    )


def test_ports_and_paths_are_those_of_the_others():
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    targets = {name: job["static_configs"][0]["targets"] for name, job in jobs.items()}
    assert jobs["sigpost-clients"]["metrics_path"] == "/metrics/clients"
    assert jobs["collector-clients"]["honor_labels"] is True
    collector = (TREE / "deploy/collector/config.yaml").read_text()
    assert targets["collector"] == [f"collector:{port(collector, 'SELF_PORT')}"]
    assert targets["collector-clients"] == [f"collector:{port(collector, 'METRICS_PORT')}"]
    listen = re.search(r"0\.0\.0\.0:(\d+)", (TREE / "base/config_table.c").read_text())[1]
    assert targets["sigpost"] == [f"sigpost:{listen}"]


def port(text, name):
    return re.search(rf"\$\{{env:{name}:-(\d+)}}", text)[1]
