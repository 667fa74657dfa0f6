"""The dashboards and their provisioning, as far as files tell. What their queries return is asked of
a real Prometheus in tests/e2e/test_dashboards.py."""

import itertools
import re

import pytest
import yaml
from harness.dashboards import DIRECTORY, labels, load, names, panels, targets

KINDS = {"row", "timeseries", "stat", "table", "bargauge", "piechart", "heatmap"}


@pytest.fixture(params=names())
def board(request):
    return load(request.param)


def test_both_are_there():
    assert names() == ["fleet", "gateway"]
    boards = [load(name) for name in names()]
    assert len({board["uid"] for board in boards}) == 2
    assert len({board["title"] for board in boards}) == 2


def test_frame(board):
    assert isinstance(board["schemaVersion"], int) and board["schemaVersion"] >= 36
    assert re.fullmatch(r"[a-z-]{1,40}", board["uid"])
    assert "id" not in board, "an id is given by each Grafana"
    first = board["templating"]["list"][0]
    assert (first["name"], first["type"], first["query"]) == ("datasource", "datasource", "prometheus")
    variables = [variable["name"] for variable in board["templating"]["list"]]
    assert len(set(variables)) == len(variables)


def test_links_lead_to_the_other(board):
    uids = {load(name)["uid"] for name in names()}
    for link in board["links"]:
        assert link["url"].removeprefix("/d/") in uids - {board["uid"]}


def test_panels(board):
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids) and all(isinstance(number, int) for number in ids)
    for panel in panels(board):
        assert panel["type"] in KINDS, panel["title"]
        assert panel["title"] and panel["targets"], panel
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        refs = [target["refId"] for target in panel["targets"]]
        assert len(set(refs)) == len(refs), panel["title"]
    titles = [(panel["title"], panel["type"]) for panel in panels(board)]
    assert len(set(titles)) == len(titles)


def test_nothing_overlaps(board):
    places = [(panel["title"], panel["gridPos"]) for panel in board["panels"]]
    for title, at in places:
        assert 0 <= at["x"] and at["x"] + at["w"] <= 24 and at["h"] > 0, title
    for (one, a), (other, b) in itertools.combinations(places, 2):
        apart = (
            a["x"] + a["w"] <= b["x"]
            or b["x"] + b["w"] <= a["x"]
            or a["y"] + a["h"] <= b["y"]
            or b["y"] + b["h"] <= a["y"]
        )
        assert apart, f"{one} and {other}"


def test_targets(board):
    variables = {variable["name"] for variable in board["templating"]["list"]}
    grafanas_own = {"__rate_interval", "__range"}
    for panel, target in targets(board):
        assert target["datasource"] == panel["datasource"], panel["title"]
        used = set(re.findall(r"\$(\w+)", target["expr"]))
        assert used <= variables | grafanas_own, (panel["title"], used)
        said = re.findall(r"{{(\w+)}}", target["legendFormat"])
        kept = re.search(r"\bby \(([\w, ]+)\)", target["expr"])
        if kept and said:
            assert set(said) <= set(kept[1].split(", ")), (panel["title"], labels(target))


def test_provisioning():
    base = DIRECTORY.parent / "provisioning"
    (source,) = yaml.safe_load((base / "datasources/prometheus.yaml").read_text())["datasources"]
    assert source["type"] == "prometheus" and source["isDefault"]
    prometheus = yaml.safe_load((DIRECTORY.parents[1] / "prometheus/prometheus.yml").read_text())
    assert source["jsonData"]["timeInterval"] == prometheus["global"]["scrape_interval"]
    (provider,) = yaml.safe_load((base / "dashboards/sigpost.yaml").read_text())["providers"]
    assert provider["type"] == "file" and provider["options"]["path"]
