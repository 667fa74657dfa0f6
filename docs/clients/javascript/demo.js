// demo.js: sends a few metrics and one trace to sigpost, then ends.
//
//     SIGPOST_SECRET=... node demo.js http://127.0.0.1:8080
//
// Optional: CLIENT_SESSION (else a new one each run).
import { randomUUID } from 'node:crypto';
import { diag, DiagConsoleLogger, DiagLogLevel } from '@opentelemetry/api';
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-proto';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { signedExporter } from './signing.js';

const [url] = process.argv.slice(2);
const secret = process.env.SIGPOST_SECRET;
if (!url || !secret) {
  console.error('usage: SIGPOST_SECRET=... node demo.js URL');
  process.exit(2);
}
// The SDK reports failed exports here and nowhere else.
diag.setLogger(new DiagConsoleLogger(), DiagLogLevel.ERROR);

const sessionId = process.env.CLIENT_SESSION ?? randomUUID();
const who = { secret, sessionId, clientVersion: '1.2.3' };
const resource = resourceFromAttributes({
  'service.name': 'javascript-demo',
  'service.version': '1.2.3',
  'service.instance.id': sessionId,
  'session.id': sessionId,
  platform: 'Linux',
});
const metrics = new MeterProvider({
  resource,
  readers: [
    new PeriodicExportingMetricReader({
      exporter: new OTLPMetricExporter(signedExporter(url, '/v1/metrics', who)),
    }),
  ],
});
const traces = new BasicTracerProvider({
  resource,
  spanProcessors: [
    new BatchSpanProcessor(new OTLPTraceExporter(signedExporter(url, '/v1/traces', who))),
  ],
});

const meter = metrics.getMeter('demo', '1.0.0');
const runs = meter.createCounter('demo.runs', { unit: 'runs', description: 'Runs of the demo' });
const duration = meter.createHistogram('demo.operation.duration', {
  unit: 'ms',
  description: 'Duration of operations',
});
const span = traces.getTracer('demo', '1.0.0').startSpan('demo.install', {
  attributes: { language: 'javascript' },
});
for (let i = 0; i < 3; i++) {
  runs.add(1, { language: 'javascript', success: true });
  duration.record(12.5 * (i + 1), { language: 'javascript' });
}
span.end();

try {
  await traces.shutdown();
  await metrics.shutdown();
  console.log(`sent=ok session=${sessionId}`);
} catch (error) {
  console.error(`sent=failed session=${sessionId}: ${error.message}`);
  process.exitCode = 1;
}
