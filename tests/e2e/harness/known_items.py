"""What every matrix program of docs/clients is known to send, in two rounds, and the checks that the
items which arrived are these. The items are those of harness/items.py."""

TEXT = 'ünï "cödé" \\ | \n ☃ 🚀'
EVERY_TYPE = {
    "text": {"string": TEXT},
    "empty": {"string": ""},
    "yes": {"bool": True},
    "no": {"bool": False},
    "negative": {"int": "-42"},
    "large": {"int": "9007199254740991"},
    "tenth": {"double": 0.1},
    "texts": {"array": [{"string": "a"}, {"string": "b"}]},
    "numbers": {"array": [{"int": "1"}, {"int": "2"}]},
    "fractions": {"array": [{"double": 0.5}, {"double": 1.5}]},
    "flags": {"array": [{"bool": True}, {"bool": False}]},
}
LINKS = [
    {
        "trace": "0af7651916cd43dd8448eb211c80319c",
        "span": "b7ad6b7169203331",
        "attributes": {"why": {"string": "cause"}},
    }
]
SERVER, CLIENT = 2, 3
OK, ERROR = 1, 2
# Node starts each span's clock at a whole millisecond: two of its spans may be off by one.
CLOCK = 10**6


def check_common(row, run, item):
    assert item["resource"]["service.name"] == {"string": f"matrix-{row.language}"}
    assert item["resource"]["service.version"] == {"string": "1.2.3"}
    assert item["scope"]["version"] == "1.0.0"
    assert run.begin - CLOCK <= int(item["time"]) <= run.end + CLOCK


def first_and_last(points, name, **attributes):
    """The points of the first and of the last export of one series."""
    own = [p for p in points if p["name"] == name and p["attributes"] == attributes]
    assert own, f"no point of {name} with {attributes}"
    assert len({p["time"] for p in own}) == len(own), "each export has a time of its own"
    own.sort(key=lambda p: int(p["time"]))
    assert all(int(p["start"]) <= int(p["time"]) for p in own)
    return own[0], own[-1]


def check_sum(points, name, unit, monotonic, values, **attributes):
    for point, value in zip(first_and_last(points, name, **attributes), values):
        assert (point["kind"], point["unit"]) == ("sum", unit)
        assert point["monotonic"] == monotonic
        assert point["value"] == {"int": str(value)}


def check_metrics(row, points):
    language = {"string": row.language}
    yes, no = {"bool": True}, {"bool": False}
    check_sum(points, "matrix.runs", "runs", True, (7, 14), language=language, success=yes)
    check_sum(points, "matrix.runs", "runs", True, (1, 2), language=language, success=no)
    check_sum(points, "matrix.open", "files", False, (-3, -6))
    for point, rounds in zip(first_and_last(points, "matrix.duration", language=language), (1, 2)):
        assert (point["kind"], point["unit"]) == ("histogram", "ms")
        assert (point["count"], point["sum"]) == (4 * rounds, 20413.25 * rounds)
        assert (point["min"], point["max"]) == (0.5, 20000)
        inside = {
            low: n for low, n in zip([None, *point["bounds"]], point["buckets"], strict=True) if n
        }
        assert inside == {0: rounds, 10: rounds, 250: rounds, 10000: rounds}
    for point in first_and_last(points, "matrix.temperature", place={"string": "Küche ☕"}):
        assert (point["kind"], point["unit"]) == ("gauge", "Cel")
        assert point["value"] == {"double": 21.75}
    assert {p["description"] for p in points if p["name"] == "matrix.runs"} == {
        "Runs of the matrix"
    }


def check_traces(row, spans):
    assert sorted(span["name"] for span in spans) == ["matrix.run"] * 2 + ["matrix.step"] * 2
    runs = {span["span"]: span for span in spans if span["name"] == "matrix.run"}
    assert len(runs) == len({span["trace"] for span in runs.values()}) == 2
    for run in runs.values():
        assert (run["kind"], run["parent"], run["attributes"]) == (SERVER, "", EVERY_TYPE)
        assert run["status"] == {"code": OK, "message": ""}
        assert (run["events"], run["links"]) == ([], [])
    for step in (span for span in spans if span["name"] == "matrix.step"):
        run = runs.pop(step["parent"])
        assert step["trace"] == run["trace"] and step["span"] != run["span"]
        assert int(run["start"]) <= int(step["start"]) + CLOCK
        assert int(step["start"]) <= int(step["time"]) <= int(run["time"]) + CLOCK
        assert (step["kind"], step["links"], step["attributes"]) == (CLIENT, LINKS, {})
        assert step["status"] == {"code": ERROR, "message": "step failed"}
        (event,) = step["events"]
        assert (event["name"], event["attributes"]) == ("matrix.event", {"n": {"int": "1"}})
        assert int(step["start"]) <= int(event["time"]) <= int(step["time"]) + CLOCK


def check_logs(row, records):
    one = [record for record in records if record["severity_text"] == "INFO"]
    two = [record for record in records if record["severity_text"] != "INFO"]
    assert (len(one), len(two)) == (2, 2)
    for record in one:
        assert (record["severity"], record["body"]) == (9, {"string": 'one "record" ☃'})
        assert record["attributes"] == EVERY_TYPE
        assert len(record["trace"]) == 32 and len(record["span"]) == 16
    for record in two:
        assert (record["severity"], record["attributes"]) == (18, {})
        assert record["body"] == {
            "map": {"a": {"int": "1"}, "b": {"array": [{"string": "x"}, {"bool": True}]}}
        }
        assert (record["trace"], record["span"]) == ("", "")


def check(row, run, signal, items):
    for item in items:
        check_common(row, run, item)
    {"metrics": check_metrics, "traces": check_traces, "logs": check_logs}[signal](row, items)
