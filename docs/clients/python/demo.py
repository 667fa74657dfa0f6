#!/usr/bin/env python3
"""Sends a few metrics and one trace to sigpost, then ends.

    SIGPOST_SECRET=... python demo.py http://127.0.0.1:8080

Optional: CLIENT_SESSION (else a new one each run).
"""

import os
import sys
import uuid

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from sigpost_signing import signed_session


def main() -> int:
    if len(sys.argv) != 2 or "SIGPOST_SECRET" not in os.environ:
        print(__doc__, file=sys.stderr)
        return 2
    url = sys.argv[1].rstrip("/")
    session_id = os.environ.get("CLIENT_SESSION", str(uuid.uuid4()))
    http = signed_session(os.environ["SIGPOST_SECRET"], session_id, client_version="1.2.3")
    # The SDK says of a failed export only a line in its log: listen to the answers themselves.
    answers = []
    http.hooks["response"].append(lambda answer, **_: answers.append(answer.status_code))

    resource = Resource.create(
        {
            "service.name": "python-demo",
            "service.version": "1.2.3",
            "service.instance.id": session_id,
            "session.id": session_id,
            "platform": "Linux",
        }
    )
    # The exporters are given the full path of their signal: the path is part of what is signed.
    metrics = MeterProvider(
        resource=resource,
        metric_readers=[
            PeriodicExportingMetricReader(
                OTLPMetricExporter(endpoint=f"{url}/v1/metrics", session=http)
            )
        ],
    )
    traces = TracerProvider(resource=resource)
    traces.add_span_processor(
        BatchSpanProcessor(
            OTLPSpanExporter(endpoint=f"{url}/v1/traces", session=http)
        )
    )

    meter = metrics.get_meter("demo", "1.0.0")
    runs = meter.create_counter("demo.runs", unit="runs", description="Runs of the demo")
    duration = meter.create_histogram(
        "demo.operation.duration", unit="ms", description="Duration of operations"
    )
    tracer = traces.get_tracer("demo", "1.0.0")
    with tracer.start_as_current_span("demo.install", attributes={"language": "python"}):
        for i in range(3):
            runs.add(1, {"language": "python", "success": True})
            duration.record(12.5 * (i + 1), {"language": "python"})

    traces.shutdown()
    metrics.shutdown()
    sent = bool(answers) and all(status == 200 for status in answers)
    print(f"sent={'ok' if sent else 'failed'} session={session_id}")
    return 0 if sent else 1


if __name__ == "__main__":
    sys.exit(main())
