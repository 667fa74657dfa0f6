#!/usr/bin/env python3
"""Sends a known set of metrics, spans and log records to sigpost in two rounds and prints each item
as the exporter was given it, one line of JSON apiece. For the end-to-end suite.

    SIGPOST_SECRET=... CLIENT_SESSION=... python matrix.py URL protobuf none|gzip|deflate PAUSE_MS

This SDK's exporters over HTTP know protobuf only. Exit 0 when every export was accepted.
"""

import json
import os
import sys
import time

from opentelemetry import trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import Gauge, Histogram, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from sigpost_signing import signed_session

EVERY_TYPE = {
    "text": 'ünï "cödé" \\ | \n ☃ 🚀',
    "empty": "",
    "yes": True,
    "no": False,
    "negative": -42,
    "large": 9007199254740991,
    "tenth": 0.1,
    "texts": ["a", "b"],
    "numbers": [1, 2],
    "fractions": [0.5, 1.5],
    "flags": [True, False],
}
LINKED = trace.SpanContext(
    0x0AF7651916CD43DD8448EB211C80319C,
    0xB7AD6B7169203331,
    is_remote=False,
    trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED),
)

# What the exporters said of each export; the SDK itself only logs it.
results = []


# --- exporters that print what they are given, then send it ------------------------------------------


def record(result, items):
    for item in items:
        print(json.dumps(item))
    results.append(result.name)
    return result


def value(content):
    if isinstance(content, bool):
        return {"bool": content}
    if isinstance(content, int):
        return {"int": str(content)}
    if isinstance(content, float):
        return {"double": content}
    if isinstance(content, str):
        return {"string": content}
    if isinstance(content, (list, tuple)):
        return {"array": [value(one) for one in content]}
    return {"map": attributes(content)}


def attributes(pairs):
    return {key: value(content) for key, content in (pairs or {}).items()}


def common(signal, resource, scope):
    return {
        "signal": signal,
        "resource": attributes(resource.attributes),
        "scope": {"name": scope.name, "version": scope.version},
    }


def point_item(data, point):
    item = {
        "attributes": attributes(point.attributes),
        "start": str(point.start_time_unix_nano or 0),
        "time": str(point.time_unix_nano),
    }
    if isinstance(data, Histogram):
        return item | {
            "kind": "histogram",
            "count": point.count,
            "sum": point.sum,
            "min": point.min,
            "max": point.max,
            "buckets": list(point.bucket_counts),
            "bounds": list(point.explicit_bounds),
        }
    gauge = isinstance(data, Gauge)
    return item | {
        "kind": "gauge" if gauge else "sum",
        "monotonic": False if gauge else data.is_monotonic,
        "value": value(point.value),
    }


def metric_items(data):
    for block in data.resource_metrics:
        for scope in block.scope_metrics:
            for metric in scope.metrics:
                for point in metric.data.data_points:
                    yield common("metrics", block.resource, scope.scope) | {
                        "name": metric.name,
                        "unit": metric.unit or "",
                        "description": metric.description or "",
                        **point_item(metric.data, point),
                    }


def span_item(span):
    return common("traces", span.resource, span.instrumentation_scope) | {
        "name": span.name,
        # The API counts kinds from 0, the wire from 1 with 0 for "unspecified".
        "kind": span.kind.value + 1,
        "trace": trace.format_trace_id(span.context.trace_id),
        "span": trace.format_span_id(span.context.span_id),
        "parent": trace.format_span_id(span.parent.span_id) if span.parent else "",
        "start": str(span.start_time),
        "time": str(span.end_time),
        "attributes": attributes(span.attributes),
        "events": [
            {
                "name": event.name,
                "time": str(event.timestamp),
                "attributes": attributes(event.attributes),
            }
            for event in span.events
        ],
        "links": [
            {
                "trace": trace.format_trace_id(link.context.trace_id),
                "span": trace.format_span_id(link.context.span_id),
                "attributes": attributes(link.attributes),
            }
            for link in span.links
        ],
        "status": {
            "code": span.status.status_code.value,
            "message": span.status.description or "",
        },
    }


def log_item(data):
    one = data.log_record
    return common("logs", data.resource, data.instrumentation_scope) | {
        "time": str(one.timestamp or 0),
        "observed": str(one.observed_timestamp or 0),
        "severity": one.severity_number.value,
        "severity_text": one.severity_text or "",
        "body": value(one.body),
        "attributes": attributes(one.attributes),
        "trace": trace.format_trace_id(one.trace_id) if one.trace_id else "",
        "span": trace.format_span_id(one.span_id) if one.span_id else "",
    }


class Metrics(OTLPMetricExporter):
    def export(self, metrics_data, *args, **options):
        items = list(metric_items(metrics_data))
        return record(super().export(metrics_data, *args, **options), items)


class Spans(OTLPSpanExporter):
    def export(self, spans):
        return record(super().export(spans), map(span_item, spans))


class Logs(OTLPLogExporter):
    def export(self, batch):
        return record(super().export(batch), map(log_item, batch))


# --- the known set ----------------------------------------------------------------------------------


def measure(meter):
    runs = meter.create_counter("matrix.runs", unit="runs", description="Runs of the matrix")
    opened = meter.create_up_down_counter("matrix.open", unit="files")
    duration = meter.create_histogram("matrix.duration", unit="ms")
    temperature = meter.create_gauge("matrix.temperature", unit="Cel")
    language = {"language": "python"}

    def once():
        runs.add(2, {**language, "success": True})
        runs.add(5, {**language, "success": True})
        runs.add(1, {**language, "success": False})
        opened.add(5)
        opened.add(-8)
        for milliseconds in (0.5, 12.5, 400.25, 20000.0):
            duration.record(milliseconds, language)
        temperature.set(21.75, {"place": "Küche ☕"})

    return once


def work(tracer):
    """Makes two spans and returns the context inside the inner one."""
    kind = trace.SpanKind
    with tracer.start_as_current_span(
        "matrix.run", kind=kind.SERVER, attributes=EVERY_TYPE
    ) as run:
        link = trace.Link(LINKED, {"why": "cause"})
        with tracer.start_as_current_span("matrix.step", kind=kind.CLIENT, links=[link]) as step:
            step.add_event("matrix.event", {"n": 1})
            step.set_status(trace.StatusCode.ERROR, "step failed")
            inside = trace.set_span_in_context(step)
        run.set_status(trace.StatusCode.OK)
    return inside


def note(logger, inside):
    logger.emit(
        LogRecord(
            timestamp=time.time_ns(),
            context=inside,
            severity_number=SeverityNumber.INFO,
            severity_text="INFO",
            body='one "record" ☃',
            attributes=EVERY_TYPE,
        )
    )
    logger.emit(
        LogRecord(
            timestamp=time.time_ns(),
            context=Context(),
            severity_number=SeverityNumber.ERROR2,
            body={"a": 1, "b": ["x", True]},
        )
    )


def main(url, encoding, compression, pause):
    if encoding != "protobuf":
        sys.exit("this SDK's exporters know protobuf only")
    session_id = os.environ["CLIENT_SESSION"]
    how = {
        "session": signed_session(os.environ["SIGPOST_SECRET"], session_id, client_version="1.2.3"),
        "compression": Compression(compression),
    }
    resource = Resource.create(
        {"service.name": "matrix-python", "service.version": "1.2.3", "session.id": session_id}
    )
    reader = PeriodicExportingMetricReader(Metrics(endpoint=f"{url}/v1/metrics", **how))
    meters = MeterProvider(resource=resource, metric_readers=[reader])
    tracers = TracerProvider(resource=resource)
    tracers.add_span_processor(BatchSpanProcessor(Spans(endpoint=f"{url}/v1/traces", **how)))
    loggers = LoggerProvider(resource=resource)
    loggers.add_log_record_processor(
        BatchLogRecordProcessor(Logs(endpoint=f"{url}/v1/logs", **how))
    )

    measure_once = measure(meters.get_meter("matrix", "1.0.0"))
    for wait in (int(pause) / 1000, 0):
        note(loggers.get_logger("matrix", "1.0.0"), work(tracers.get_tracer("matrix", "1.0.0")))
        measure_once()
        for provider in (tracers, meters, loggers):
            provider.force_flush()
        time.sleep(wait)
    for provider in (tracers, meters, loggers):
        provider.shutdown()
    return 0 if results and set(results) == {"SUCCESS"} else 1


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
