"""The dashboards of deploy/grafana as lists of queries, and what Grafana puts into them."""

import json
import re

from .process import TREE

DIRECTORY = TREE / "deploy/grafana/dashboards"


def load(name):
    return json.loads((DIRECTORY / f"{name}.json").read_text())


def names():
    return sorted(path.stem for path in DIRECTORY.glob("*.json"))


def panels(board):
    """Those that show something; rows hold their own when collapsed."""
    for panel in board["panels"]:
        if panel["type"] != "row":
            yield panel
        yield from panel.get("panels", [])


def targets(board):
    return [(panel, target) for panel in panels(board) for target in panel["targets"]]


def labels(target):
    """Those by which the series of a query are told apart: in its legend and in its sums. A heatmap
    and a quantile use up their `le`."""
    said = re.findall(r"{{(\w+)}}", target["legendFormat"])
    for group in re.findall(r"\bby \(([\w, ]+)\)", target["expr"]):
        said += [name for name in group.split(", ") if name != "le"]
    return sorted(set(said))


def filled(expression, range_="1m", interval="5s"):
    """As Grafana asks it: everything chosen, over `range_`, scraped so often that rates are taken
    over `interval`."""
    text = expression.replace("$__rate_interval", interval).replace("$__range", range_)
    text = text.replace("[1h]", f"[{range_}]")
    text = re.sub(r'"\$(instance|platform|version)"', '".*"', text)
    assert "$" not in text, text
    return text
