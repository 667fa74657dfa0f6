#!/usr/bin/env python3
"""Exports one item with the SDK's exporter over gRPC and TLS: grpc_client.py HOST:PORT SIGNAL NAME,
metadata from CLIENT_HEADERS (name=value, a line each). Exit 0 when it was taken; else 1, after the
exporter's own words."""

import logging
import os
import sys

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

# What each export came to, as the exporter told its caller.
results = []


def remembering(exporter):
    export = exporter.export

    def remember(*args, **kwargs):
        result = export(*args, **kwargs)
        results.append(result.name)
        return result

    exporter.export = remember
    return exporter


def send(signal, name, **options):
    if signal == "metrics":
        exporter = remembering(OTLPMetricExporter(**options))
        provider = MeterProvider([PeriodicExportingMetricReader(exporter, 3_600_000)])
        provider.get_meter("e2e").create_counter(name).add(1)
    elif signal == "traces":
        exporter = remembering(OTLPSpanExporter(**options))
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        provider.get_tracer("e2e").start_span(name).end()
    else:
        exporter = remembering(OTLPLogExporter(**options))
        provider = LoggerProvider()
        provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
        record = LogRecord(body=name, severity_number=SeverityNumber.INFO)
        provider.get_logger("e2e").emit(record)
    provider.shutdown()


def main():
    logging.basicConfig(level=logging.WARNING)
    target, signal, name = sys.argv[1:]
    lines = os.environ["CLIENT_HEADERS"].splitlines()
    headers = tuple(tuple(line.split("=", 1)) for line in lines)
    send(signal, name, endpoint=f"https://{target}", headers=headers, timeout=10)
    print(results)
    sys.exit(0 if results == ["SUCCESS"] else 1)


main()
