// matrix.js: sends a known set of metrics, spans and log records to sigpost in two rounds and prints
// each item as the exporter was given it, one line of JSON apiece. For the end-to-end suite.
//
//     SIGPOST_SECRET=... CLIENT_SESSION=... node matrix.js URL protobuf|json none|gzip PAUSE_MS
//
// Exit 0 when every export was accepted.
import { setTimeout as sleep } from 'node:timers/promises';
import { context, diag, DiagConsoleLogger, DiagLogLevel, ROOT_CONTEXT } from '@opentelemetry/api';
import { SpanKind, SpanStatusCode, trace, TraceFlags, ValueType } from '@opentelemetry/api';
import { SeverityNumber } from '@opentelemetry/api-logs';
import { OTLPLogExporter as JsonLogs } from '@opentelemetry/exporter-logs-otlp-http';
import { OTLPLogExporter as ProtobufLogs } from '@opentelemetry/exporter-logs-otlp-proto';
import { OTLPMetricExporter as JsonMetrics } from '@opentelemetry/exporter-metrics-otlp-http';
import { OTLPMetricExporter as ProtobufMetrics } from '@opentelemetry/exporter-metrics-otlp-proto';
import { OTLPTraceExporter as JsonTraces } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as ProtobufTraces } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs';
import {
  DataPointType,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { signedExporter } from '../signing.js';

const EVERY_TYPE = {
  text: 'ünï "cödé" \\ | \n ☃ 🚀',
  empty: '',
  yes: true,
  no: false,
  negative: -42,
  large: Number.MAX_SAFE_INTEGER,
  tenth: 0.1,
  texts: ['a', 'b'],
  numbers: [1, 2],
  fractions: [0.5, 1.5],
  flags: [true, false],
};
const LINKED = {
  traceId: '0af7651916cd43dd8448eb211c80319c',
  spanId: 'b7ad6b7169203331',
  traceFlags: TraceFlags.SAMPLED,
};

// --- exporters that print what they are given, then send it ---------------------------------------

const results = [];

/** The exporter with an `export` that prints the items first and remembers how it went. */
function recorded(exporter, itemsOf) {
  const send = exporter.export.bind(exporter);
  exporter.export = (data, done) => {
    for (const item of itemsOf(data)) console.log(JSON.stringify(item));
    send(data, (result) => {
      results.push(result.code);
      done(result);
    });
  };
  return exporter;
}

const nanos = ([seconds, rest]) => String(BigInt(seconds) * 1_000_000_000n + BigInt(rest));

function value(content) {
  if (typeof content === 'boolean') return { bool: content };
  if (typeof content === 'string') return { string: content };
  if (Number.isInteger(content)) return { int: String(content) };
  if (typeof content === 'number') return { double: content };
  if (Array.isArray(content)) return { array: content.map(value) };
  return { map: attributes(content) };
}

function attributes(pairs = {}) {
  return Object.fromEntries(Object.entries(pairs).map(([key, content]) => [key, value(content)]));
}

function common(signal, resource, { name, version }) {
  return { signal, resource: attributes(resource.attributes), scope: { name, version } };
}

function number(metric, content) {
  const whole = metric.descriptor.valueType === ValueType.INT;
  return whole ? { int: String(content) } : { double: content };
}

function pointItem(metric, point) {
  const item = {
    attributes: attributes(point.attributes),
    start: nanos(point.startTime),
    time: nanos(point.endTime),
  };
  if (metric.dataPointType === DataPointType.HISTOGRAM) {
    const { count, sum, min, max, buckets } = point.value;
    return {
      ...item,
      ...{ kind: 'histogram', count, sum, min, max },
      ...{ buckets: buckets.counts, bounds: buckets.boundaries },
    };
  }
  const gauge = metric.dataPointType === DataPointType.GAUGE;
  return {
    ...item,
    kind: gauge ? 'gauge' : 'sum',
    monotonic: gauge ? false : metric.isMonotonic,
    value: number(metric, point.value),
  };
}

function* metricItems({ resource, scopeMetrics }) {
  for (const { scope, metrics } of scopeMetrics) {
    for (const metric of metrics) {
      const { name, unit, description } = metric.descriptor;
      for (const point of metric.dataPoints) {
        yield {
          ...common('metrics', resource, scope),
          ...{ name, unit, description },
          ...pointItem(metric, point),
        };
      }
    }
  }
}

function spanItem(span) {
  const { traceId, spanId } = span.spanContext();
  return {
    ...common('traces', span.resource, span.instrumentationScope),
    name: span.name,
    // The API counts kinds from 0, the wire from 1 with 0 for "unspecified".
    kind: span.kind + 1,
    trace: traceId,
    span: spanId,
    parent: span.parentSpanContext?.spanId ?? '',
    start: nanos(span.startTime),
    time: nanos(span.endTime),
    attributes: attributes(span.attributes),
    events: span.events.map((event) => ({
      name: event.name,
      time: nanos(event.time),
      attributes: attributes(event.attributes),
    })),
    links: span.links.map((link) => ({
      trace: link.context.traceId,
      span: link.context.spanId,
      attributes: attributes(link.attributes),
    })),
    status: { code: span.status.code, message: span.status.message ?? '' },
  };
}

function logItem(record) {
  return {
    ...common('logs', record.resource, record.instrumentationScope),
    time: nanos(record.hrTime),
    observed: nanos(record.hrTimeObserved),
    severity: record.severityNumber,
    severity_text: record.severityText ?? '',
    body: value(record.body),
    attributes: attributes(record.attributes),
    trace: record.spanContext?.traceId ?? '',
    span: record.spanContext?.spanId ?? '',
  };
}

// --- the known set --------------------------------------------------------------------------------

function instruments(meter) {
  const runs = meter.createCounter('matrix.runs', {
    unit: 'runs',
    description: 'Runs of the matrix',
    valueType: ValueType.INT,
  });
  const open = meter.createUpDownCounter('matrix.open', {
    unit: 'files',
    valueType: ValueType.INT,
  });
  const duration = meter.createHistogram('matrix.duration', { unit: 'ms' });
  const temperature = meter.createGauge('matrix.temperature', { unit: 'Cel' });
  const language = 'javascript';
  return () => {
    runs.add(2, { language, success: true });
    runs.add(5, { language, success: true });
    runs.add(1, { language, success: false });
    open.add(5);
    open.add(-8);
    for (const milliseconds of [0.5, 12.5, 400.25, 20000]) {
      duration.record(milliseconds, { language });
    }
    temperature.record(21.75, { place: 'Küche ☕' });
  };
}

/** Makes two spans and returns the context inside the inner one. */
function work(tracer) {
  const run = tracer.startSpan(
    'matrix.run',
    { kind: SpanKind.SERVER, attributes: EVERY_TYPE },
    ROOT_CONTEXT,
  );
  const step = tracer.startSpan(
    'matrix.step',
    { kind: SpanKind.CLIENT, links: [{ context: LINKED, attributes: { why: 'cause' } }] },
    trace.setSpan(ROOT_CONTEXT, run),
  );
  step.addEvent('matrix.event', { n: 1 });
  step.setStatus({ code: SpanStatusCode.ERROR, message: 'step failed' });
  step.end();
  run.setStatus({ code: SpanStatusCode.OK });
  run.end();
  return trace.setSpan(context.active(), step);
}

function note(logger, inside) {
  logger.emit({
    timestamp: Date.now(),
    context: inside,
    severityNumber: SeverityNumber.INFO,
    severityText: 'INFO',
    body: 'one "record" ☃',
    attributes: EVERY_TYPE,
  });
  logger.emit({
    timestamp: Date.now(),
    context: ROOT_CONTEXT,
    severityNumber: SeverityNumber.ERROR2,
    body: { a: 1, b: ['x', true] },
  });
}

const [url, encoding, compression, pause] = process.argv.slice(2);
if (!pause) {
  console.error('usage: node matrix.js URL protobuf|json none|gzip PAUSE_MS');
  process.exit(2);
}
diag.setLogger(new DiagConsoleLogger(), DiagLogLevel.ERROR);

const sessionId = process.env.CLIENT_SESSION;
const who = { secret: process.env.SIGPOST_SECRET, sessionId, clientVersion: '1.2.3' };
const [Metrics, Traces, Logs] =
  encoding === 'json'
    ? [JsonMetrics, JsonTraces, JsonLogs]
    : [ProtobufMetrics, ProtobufTraces, ProtobufLogs];
const options = (path) => ({ ...signedExporter(url, path, who), compression });
const resource = resourceFromAttributes({
  'service.name': 'matrix-javascript',
  'service.version': '1.2.3',
  'session.id': sessionId,
});
const meters = new MeterProvider({
  resource,
  readers: [
    new PeriodicExportingMetricReader({
      exporter: recorded(new Metrics(options('/v1/metrics')), metricItems),
    }),
  ],
});
const tracers = new BasicTracerProvider({
  resource,
  spanProcessors: [
    new BatchSpanProcessor(
      recorded(new Traces(options('/v1/traces')), (spans) => spans.map(spanItem)),
    ),
  ],
});
const loggers = new LoggerProvider({
  resource,
  processors: [
    new BatchLogRecordProcessor({
      exporter: recorded(new Logs(options('/v1/logs')), (records) => records.map(logItem)),
    }),
  ],
});

const measure = instruments(meters.getMeter('matrix', '1.0.0'));
for (const wait of [Number(pause), 0]) {
  note(loggers.getLogger('matrix', '1.0.0'), work(tracers.getTracer('matrix', '1.0.0')));
  measure();
  for (const provider of [tracers, meters, loggers]) await provider.forceFlush();
  await sleep(wait);
}
for (const provider of [tracers, meters, loggers]) await provider.shutdown();
process.exitCode = results.length > 0 && results.every((code) => code === 0) ? 0 : 1;
