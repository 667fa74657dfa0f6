"""OTLP/JSON as a plain list of items with everything that a client can set: types of values, ids,
times, events, links, status. The same form for what a matrix program printed, for what went over the
wire and for what the Collector wrote, so that they can be compared item by item.

A value is {"int": "5"}, {"string": "x"}, {"double": 0.5}, {"bool": true}, {"array": [...]} or
{"map": {...}}; times are decimal strings of nanoseconds; an absent id is the empty string."""

import base64


def _value(value):
    ((kind, content),) = value.items()
    if kind == "intValue":
        return {"int": str(content)}
    if kind == "doubleValue":
        return {"double": float(content)}
    if kind == "arrayValue":
        return {"array": [_value(one) for one in content.get("values", [])]}
    if kind == "kvlistValue":
        return {"map": _pairs(content.get("values", []))}
    return {kind.removesuffix("Value"): content}


def _pairs(pairs):
    found = {}
    for pair in pairs:
        assert pair["key"] not in found, f"twice: {pair['key']}"
        found[pair["key"]] = _value(pair["value"])
    return found


def _attributes(holder):
    return _pairs(holder.get("attributes", []))


def _id(text):
    """Ids are hex in OTLP/JSON and base64 in protobuf's own JSON."""
    return text.lower() if len(text) in (0, 16, 32) else base64.b64decode(text).hex()


def _number(point):
    if "asInt" in point:
        return {"int": str(point["asInt"])}
    return {"double": float(point["asDouble"])}


def _point(kind, data, point):
    item = {
        "kind": kind,
        "attributes": _attributes(point),
        "start": str(point.get("startTimeUnixNano", 0)),
        "time": str(point["timeUnixNano"]),
    }
    if kind == "histogram":
        item["count"] = int(point["count"])
        item.update({key: float(point[key]) for key in ("sum", "min", "max")})
        item["buckets"] = [int(n) for n in point["bucketCounts"]]
        item["bounds"] = [float(n) for n in point.get("explicitBounds", [])]
    else:
        item["monotonic"] = data.get("isMonotonic", False)
        item["value"] = _number(point)
    if kind != "gauge":
        assert data["aggregationTemporality"] == 2, "every client here sends cumulative sums"
    return item


def _metrics(scope):
    for metric in scope.get("metrics", []):
        for kind in ("sum", "gauge", "histogram"):
            for point in metric.get(kind, {}).get("dataPoints", []):
                yield {
                    "name": metric["name"],
                    "unit": metric.get("unit", ""),
                    "description": metric.get("description", ""),
                    **_point(kind, metric[kind], point),
                }


def _spans(scope):
    for span in scope.get("spans", []):
        status = span.get("status", {})
        yield {
            "name": span["name"],
            "kind": span.get("kind", 0),
            "trace": _id(span["traceId"]),
            "span": _id(span["spanId"]),
            "parent": _id(span.get("parentSpanId", "")),
            "start": str(span["startTimeUnixNano"]),
            "time": str(span["endTimeUnixNano"]),
            "attributes": _attributes(span),
            "events": [
                {
                    "name": event["name"],
                    "time": str(event["timeUnixNano"]),
                    "attributes": _attributes(event),
                }
                for event in span.get("events", [])
            ],
            "links": [
                {
                    "trace": _id(link["traceId"]),
                    "span": _id(link["spanId"]),
                    "attributes": _attributes(link),
                }
                for link in span.get("links", [])
            ],
            "status": {"code": status.get("code", 0), "message": status.get("message", "")},
        }


def _records(scope):
    for record in scope.get("logRecords", []):
        yield {
            "time": str(record.get("timeUnixNano", 0)),
            "observed": str(record.get("observedTimeUnixNano", 0)),
            "severity": record.get("severityNumber", 0),
            "severity_text": record.get("severityText", ""),
            "body": _value(record["body"]),
            "attributes": _attributes(record),
            "trace": _id(record.get("traceId", "")),
            "span": _id(record.get("spanId", "")),
        }


_WALKS = {
    "metrics": ("resourceMetrics", "scopeMetrics", _metrics),
    "traces": ("resourceSpans", "scopeSpans", _spans),
    "logs": ("resourceLogs", "scopeLogs", _records),
}


def items(document):
    """The points, spans and records of one OTLP/JSON document."""
    found = []
    for signal, (blocks, scopes, walk) in _WALKS.items():
        for block in document.get(blocks, []):
            resource = _attributes(block.get("resource", {}))
            for scope in block.get(scopes, []):
                about = scope.get("scope", {})
                common = {
                    "signal": signal,
                    "resource": resource,
                    "scope": {
                        "name": about.get("name", ""),
                        "version": about.get("version", ""),
                    },
                }
                found += [{**common, **item} for item in walk(scope)]
    return found
