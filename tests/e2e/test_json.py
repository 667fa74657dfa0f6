"""OTLP/JSON over a real socket: every digit and every id arrives, and what is malformed is told with
its place."""

import json

import pytest

from harness import payload, wire
from harness.encodings import encoded

INVALID_ARGUMENT = 3  # google.rpc.Code
MAKE = {"metrics": payload.metrics, "traces": payload.traces, "logs": payload.logs}


@pytest.fixture(scope="module")
def collector(module_house):
    return module_house.collector()


@pytest.fixture(scope="module")
def gateway(module_house, collector):
    return module_house.gateway_to(collector)


@pytest.mark.parametrize("signal", ["traces", "logs"])
@pytest.mark.parametrize("encoding", ["none", "gzip", "zstd"])
def test_json_of_the_other_signals(gateway, collector, signal, encoding):
    name = f"json {signal} {encoding}"
    meant = MAKE[signal](name, platform="Unix")
    body, extra = encoded(encoding, payload.as_json(signal, meant))
    answer = gateway.send(signal, body, extra=extra, content_type=wire.JSON)
    assert (answer.status, answer.body) == (200, b"{}")
    sent = payload.items_of_request(signal, meant)
    assert collector.named(name) == payload.stamped(sent)


def test_json_at_root(gateway, collector):
    meant = payload.traces("json at root")
    body = payload.as_json("traces", meant)
    assert gateway.send("traces", body, path="/", content_type=wire.JSON).status == 200
    sent = payload.items_of_request("traces", meant)
    assert collector.named("json at root") == payload.stamped(sent)


def json_metric(name, **point):
    """One gauge with one point, its fields as given."""
    metric = {"name": name, "gauge": {"dataPoints": [point]}}
    return {"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}


def send_json(gateway, signal, document):
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    return gateway.send(signal, text, content_type=wire.JSON)


@pytest.mark.parametrize("form", [str, int], ids=["strings", "numbers"])
def test_64_bit_integers_keep_every_digit(gateway, collector, form):
    """As strings, and as numbers past what a double holds."""
    name = f"64 bits as {form.__name__}"
    extremes = {"least": -(2**63), "most": 2**63 - 1, "odd": 2**53 + 1}
    attributes = [{"key": k, "value": {"intValue": form(v)}} for k, v in extremes.items()]
    document = json_metric(
        name, timeUnixNano=form(1795230000123456789), asInt=form(7), attributes=attributes
    )
    answer = send_json(gateway, "metrics", document)
    assert (answer.status, answer.body) == (200, b"{}")
    (item,) = collector.named(name)
    assert item["attributes"] == extremes
    assert item["time"] == 1795230000123456789
    assert item["value"] == 7


@pytest.mark.parametrize("case", [str.lower, str.upper], ids=["lower", "upper"])
def test_ids_in_hex_arrive_as_the_same_bytes(gateway, collector, case):
    name = f"ids in {case.__name__}"
    trace, span = "5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174"
    times = {"startTimeUnixNano": "1", "endTimeUnixNano": "2"}
    spans = [{"name": name, "traceId": case(trace), "spanId": case(span), "kind": 2, **times}]
    document = {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}
    answer = send_json(gateway, "traces", document)
    assert (answer.status, answer.body) == (200, b"{}")
    (item,) = collector.named(name)
    assert (item["trace"], item["span"]) == (trace, span)


def test_unknown_names_are_ignored(gateway, collector):
    document = json_metric("unknown names", asDouble=1.5, timeUnixNano="5", futureField=[{"a": 1}])
    document["resource_metrics"] = "not lowerCamelCase, so unknown"
    assert send_json(gateway, "metrics", document).status == 200
    (item,) = collector.named("unknown names")
    assert (item["value"], item["time"]) == (1.5, 5)


WRONG_JSON = {
    "cut short": (b'{"resourceMetrics":[{', "resourceMetrics[0]"),
    "not JSON": (b"resource=1", "byte "),
    "empty": (b"", "byte "),
    "a list": (b"[]", "byte "),
    "a number for a list": (b'{"resourceMetrics":7}', "resourceMetrics"),
    "deep": (
        json_metric("m", asInt="12x"),
        "resourceMetrics[0].scopeMetrics[0].metrics[0].gauge.dataPoints[0].asInt",
    ),
    "too large": (
        json_metric("m", asInt=str(2**63)),
        "resourceMetrics[0].scopeMetrics[0].metrics[0].gauge.dataPoints[0].asInt",
    ),
    "an enum by its name": (
        {
            "resourceMetrics": [
                {"scopeMetrics": [{"metrics": [{"sum": {"aggregationTemporality": "DELTA"}}]}]}
            ]
        },
        "resourceMetrics[0].scopeMetrics[0].metrics[0].sum.aggregationTemporality",
    ),
    "twice": (b'{"resourceMetrics":[],"resourceMetrics":[]}', "resourceMetrics"),
    "more behind it": (b"{} {}", "byte "),
    "protobuf": (payload.metrics(), "byte "),
}


@pytest.mark.parametrize("wrong", WRONG_JSON)
def test_malformed_json_says_where(gateway, wrong):
    document, where = WRONG_JSON[wrong]
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    message = gateway.refuses(
        400, "malformed_payload", INVALID_ARGUMENT, text, content_type=wire.JSON
    )
    assert where in message, message


@pytest.mark.parametrize(
    "trace", ["5b8e", "5b8efff798038103d269b633813fc60g", "W47/95gDgQPSabYzgT/GDA=="]
)
def test_ids_that_are_not_hex_are_refused(gateway, trace):
    spans = [{"name": "s", "traceId": trace, "spanId": "eee19b7ec3c1b174"}]
    answer = send_json(gateway, "traces", {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]})
    assert answer.status == 400
    code, message = answer.told()
    assert code == INVALID_ARGUMENT
    assert "resourceSpans[0].scopeSpans[0].spans[0].traceId" in message


def test_json_read_as_protobuf_is_refused(gateway):
    text = payload.as_json("metrics", payload.metrics())
    gateway.refuses(400, "malformed_payload", INVALID_ARGUMENT, text)


def test_nesting_without_end_is_refused(gateway):
    """Neither as text nor, once converted, does it reach anybody's stack."""
    value = '{"arrayValue":{"values":[' * 100_000
    text = b'{"resourceMetrics":[{"resource":{"attributes":[{"key":"k","value":' + value.encode()
    gateway.refuses(400, "malformed_payload", INVALID_ARGUMENT, text, content_type=wire.JSON)
