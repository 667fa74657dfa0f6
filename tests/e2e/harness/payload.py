"""OTLP payloads with values that a test knows, and OTLP as a plain list of items: the same form for
what a client sent and for what the Collector wrote, so that the two can be compared."""

import base64
import json
import time

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

REQUESTS = {
    "metrics": ExportMetricsServiceRequest,
    "traces": ExportTraceServiceRequest,
    "logs": ExportLogsServiceRequest,
}


def _attribute(holder, key, value):
    item = holder.attributes.add(key=key)
    if isinstance(value, bool):
        item.value.bool_value = value
    elif isinstance(value, int):
        item.value.int_value = value
    else:
        item.value.string_value = value


def _resource(holder, attributes):
    for key, value in {"service.name": "e2e", **attributes}.items():
        _attribute(holder.resource, key, value)


def metrics(name="e2e.requests", value=1, attributes=None, start=None, **resource):
    """One cumulative monotonic sum with one point. Points of one series have one `start`."""
    request = ExportMetricsServiceRequest()
    block = request.resource_metrics.add()
    _resource(block, resource)
    metric = block.scope_metrics.add().metrics.add(
        name=name, unit="1", description="Made for a test"
    )
    metric.sum.is_monotonic = True
    metric.sum.aggregation_temporality = 2
    now = time.time_ns()
    point = metric.sum.data_points.add(
        as_int=value, start_time_unix_nano=start or now - 10**9, time_unix_nano=now
    )
    for key, val in (attributes or {}).items():
        _attribute(point, key, val)
    return request.SerializeToString()


def traces(name="e2e.span", attributes=None, **resource):
    request = ExportTraceServiceRequest()
    block = request.resource_spans.add()
    _resource(block, resource)
    now = time.time_ns()
    span = block.scope_spans.add().spans.add(
        name=name,
        trace_id=bytes(range(16)),
        span_id=bytes(range(8)),
        start_time_unix_nano=now - 10**6,
        end_time_unix_nano=now,
    )
    for key, val in (attributes or {}).items():
        _attribute(span, key, val)
    return request.SerializeToString()


def logs(text="e2e record", **resource):
    request = ExportLogsServiceRequest()
    block = request.resource_logs.add()
    _resource(block, resource)
    record = block.scope_logs.add().log_records.add(time_unix_nano=time.time_ns())
    record.body.string_value = text
    return request.SerializeToString()


def _with_hex_ids(node):
    """Protobuf's own JSON writes ids in base64, OTLP/JSON in hex."""
    if isinstance(node, list):
        return [_with_hex_ids(item) for item in node]
    if not isinstance(node, dict):
        return node
    ids = ("traceId", "spanId", "parentSpanId")
    return {k: _id(v) if k in ids else _with_hex_ids(v) for k, v in node.items()}


def as_json(signal, body):
    """A request's bytes as OTLP/JSON: 64-bit integers are strings, enums numbers, ids hex."""
    document = MessageToDict(REQUESTS[signal].FromString(body), use_integers_for_enums=True)
    return json.dumps(_with_hex_ids(document)).encode()


def _value(value):
    (kind, content), = value.items()
    return int(content) if kind == "intValue" else content


def _attributes(holder):
    return {item["key"]: _value(item["value"]) for item in holder.get("attributes", [])}


def _id(text):
    """Ids are hex in OTLP/JSON and base64 in protobuf's own JSON."""
    return text.lower() if len(text) in (16, 32) else base64.b64decode(text).hex()


def _point(point):
    item = {
        "attributes": _attributes(point),
        "start": int(point.get("startTimeUnixNano", 0)),
        "time": int(point.get("timeUnixNano", 0)),
    }
    if "asInt" in point or "asDouble" in point:
        item["value"] = float(point["asInt"] if "asInt" in point else point["asDouble"])
    if "bucketCounts" in point:
        item["count"] = int(point.get("count", 0))
        item["sum"] = float(point.get("sum", 0))
        item["buckets"] = [int(n) for n in point["bucketCounts"]]
        item["bounds"] = [float(n) for n in point.get("explicitBounds", [])]
    return item


def _metric_items(block, resource):
    for scope in block.get("scopeMetrics", []):
        for metric in scope.get("metrics", []):
            for kind in ("sum", "gauge", "histogram"):
                for point in metric.get(kind, {}).get("dataPoints", []):
                    yield {
                        "resource": resource,
                        "scope": scope.get("scope", {}).get("name", ""),
                        "name": metric["name"],
                        "unit": metric.get("unit", ""),
                        "description": metric.get("description", ""),
                        "kind": kind,
                        **_point(point),
                    }


def _span_items(block, resource):
    for scope in block.get("scopeSpans", []):
        for span in scope.get("spans", []):
            yield {
                "resource": resource,
                "scope": scope.get("scope", {}).get("name", ""),
                "name": span["name"],
                "trace": _id(span["traceId"]),
                "span": _id(span["spanId"]),
                "start": int(span["startTimeUnixNano"]),
                "time": int(span["endTimeUnixNano"]),
                "attributes": _attributes(span),
            }


def _log_items(block, resource):
    for scope in block.get("scopeLogs", []):
        for record in scope.get("logRecords", []):
            yield {
                "resource": resource,
                "name": _value(record["body"]),
                "time": int(record.get("timeUnixNano", 0)),
                "attributes": _attributes(record),
            }


def items(document):
    """The points, spans and records of one OTLP/JSON document."""
    found = []
    for key, walk in (
        ("resourceMetrics", _metric_items),
        ("resourceSpans", _span_items),
        ("resourceLogs", _log_items),
    ):
        for block in document.get(key, []):
            found += walk(block, _attributes(block.get("resource", {})))
    return found


def items_of_request(signal, body):
    return items(MessageToDict(REQUESTS[signal].FromString(body)))


def stamped(found, session="e2e-session", key="env", environment=None, namespace=None):
    """The items as they must arrive: what the gateway proved is in their resources, whatever the
    client claimed under the same names is not."""
    proved = {
        "sigpost.session.id": session,
        "sigpost.key.id": key,
        "deployment.environment": environment,
        "service.namespace": namespace,
    }
    result = []
    for item in found:
        own = {k: v for k, v in item["resource"].items() if k not in proved}
        shown = {k: v for k, v in proved.items() if v is not None}
        result.append({**item, "resource": {**own, **shown}})
    return result
