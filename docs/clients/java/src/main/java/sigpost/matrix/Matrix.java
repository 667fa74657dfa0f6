package sigpost.matrix;

import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.common.KeyValue;
import io.opentelemetry.api.common.Value;
import io.opentelemetry.api.logs.Logger;
import io.opentelemetry.api.logs.Severity;
import io.opentelemetry.api.metrics.DoubleGauge;
import io.opentelemetry.api.metrics.DoubleHistogram;
import io.opentelemetry.api.metrics.LongCounter;
import io.opentelemetry.api.metrics.LongUpDownCounter;
import io.opentelemetry.api.metrics.Meter;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.api.trace.TraceFlags;
import io.opentelemetry.api.trace.TraceState;
import io.opentelemetry.api.trace.Tracer;
import io.opentelemetry.context.Context;
import io.opentelemetry.exporter.otlp.http.logs.OtlpHttpLogRecordExporter;
import io.opentelemetry.exporter.otlp.http.metrics.OtlpHttpMetricExporter;
import io.opentelemetry.exporter.otlp.http.trace.OtlpHttpSpanExporter;
import io.opentelemetry.sdk.common.CompletableResultCode;
import io.opentelemetry.sdk.logs.SdkLoggerProvider;
import io.opentelemetry.sdk.logs.export.BatchLogRecordProcessor;
import io.opentelemetry.sdk.metrics.SdkMeterProvider;
import io.opentelemetry.sdk.metrics.export.PeriodicMetricReader;
import io.opentelemetry.sdk.resources.Resource;
import io.opentelemetry.sdk.trace.SdkTracerProvider;
import io.opentelemetry.sdk.trace.export.BatchSpanProcessor;
import java.time.Instant;
import java.util.concurrent.TimeUnit;
import sigpost.Signer;

/**
 * Sends a known set of metrics, spans and log records to sigpost in two rounds and prints each item
 * as the exporter was given it, one line of JSON apiece. For the end-to-end suite.
 *
 * <pre>SIGPOST_SECRET=... CLIENT_SESSION=... Matrix URL protobuf none|gzip PAUSE_MS</pre>
 *
 * <p>This SDK's exporters over HTTP know protobuf only. Exit 0 when every export was accepted.
 */
public final class Matrix {
  private static final Attributes EVERY_TYPE =
      Attributes.builder()
          .put("text", "\u00fcn\u00ef \"c\u00f6d\u00e9\" \\ | \n \u2603 \ud83d\ude80")
          .put("empty", "")
          .put("yes", true)
          .put("no", false)
          .put("negative", -42)
          .put("large", 9007199254740991L)
          .put("tenth", 0.1)
          .put("texts", "a", "b")
          .put("numbers", 1, 2)
          .put("fractions", 0.5, 1.5)
          .put("flags", true, false)
          .build();

  private final SdkMeterProvider meters;
  private final SdkTracerProvider tracers;
  private final SdkLoggerProvider loggers;

  private Matrix(String url, String compression, Signer signer, Resource resource) {
    meters =
        SdkMeterProvider.builder()
            .setResource(resource)
            .registerMetricReader(
                PeriodicMetricReader.create(
                    new Recording.Metrics(
                        OtlpHttpMetricExporter.builder()
                            .setEndpoint(url + "/v1/metrics")
                            .setCompression(compression)
                            .setHeaders(signer.headersFor("/v1/metrics"))
                            .build())))
            .build();
    tracers =
        SdkTracerProvider.builder()
            .setResource(resource)
            .addSpanProcessor(
                BatchSpanProcessor.builder(
                        new Recording.Spans(
                            OtlpHttpSpanExporter.builder()
                                .setEndpoint(url + "/v1/traces")
                                .setCompression(compression)
                                .setHeaders(signer.headersFor("/v1/traces"))
                                .build()))
                    .build())
            .build();
    loggers =
        SdkLoggerProvider.builder()
            .setResource(resource)
            .addLogRecordProcessor(
                BatchLogRecordProcessor.builder(
                        new Recording.Logs(
                            OtlpHttpLogRecordExporter.builder()
                                .setEndpoint(url + "/v1/logs")
                                .setCompression(compression)
                                .setHeaders(signer.headersFor("/v1/logs"))
                                .build()))
                    .build())
            .build();
  }

  /** The instruments are made once; what is returned measures one round. */
  private Runnable measure() {
    Meter meter = meters.meterBuilder("matrix").setInstrumentationVersion("1.0.0").build();
    LongCounter runs =
        meter
            .counterBuilder("matrix.runs")
            .setUnit("runs")
            .setDescription("Runs of the matrix")
            .build();
    LongUpDownCounter open = meter.upDownCounterBuilder("matrix.open").setUnit("files").build();
    DoubleHistogram duration = meter.histogramBuilder("matrix.duration").setUnit("ms").build();
    DoubleGauge temperature = meter.gaugeBuilder("matrix.temperature").setUnit("Cel").build();
    Attributes language = Attributes.of(AttributeKey.stringKey("language"), "java");
    return () -> {
      runs.add(2, language.toBuilder().put("success", true).build());
      runs.add(5, language.toBuilder().put("success", true).build());
      runs.add(1, language.toBuilder().put("success", false).build());
      open.add(5);
      open.add(-8);
      for (double milliseconds : new double[] {0.5, 12.5, 400.25, 20000}) {
        duration.record(milliseconds, language);
      }
      temperature.set(
          21.75, Attributes.of(AttributeKey.stringKey("place"), "K\u00fcche \u2615"));
    };
  }

  /** Makes two spans and returns the context inside the inner one. */
  private Context work() {
    Tracer tracer = tracers.get("matrix", "1.0.0");
    SpanContext linked =
        SpanContext.create(
            "0af7651916cd43dd8448eb211c80319c",
            "b7ad6b7169203331",
            TraceFlags.getSampled(),
            TraceState.getDefault());
    Span run =
        tracer
            .spanBuilder("matrix.run")
            .setNoParent()
            .setSpanKind(SpanKind.SERVER)
            .setAllAttributes(EVERY_TYPE)
            .startSpan();
    Context outside = Context.root().with(run);
    Span step =
        tracer
            .spanBuilder("matrix.step")
            .setParent(outside)
            .setSpanKind(SpanKind.CLIENT)
            .addLink(linked, Attributes.of(AttributeKey.stringKey("why"), "cause"))
            .startSpan();
    step.addEvent("matrix.event", Attributes.of(AttributeKey.longKey("n"), 1L));
    step.setStatus(StatusCode.ERROR, "step failed");
    step.end();
    run.setStatus(StatusCode.OK);
    run.end();
    return outside.with(step);
  }

  private void note(Context inside) {
    Logger logger =
        loggers.loggerBuilder("matrix").setInstrumentationVersion("1.0.0").build();
    logger
        .logRecordBuilder()
        .setTimestamp(Instant.now())
        .setContext(inside)
        .setSeverity(Severity.INFO)
        .setSeverityText("INFO")
        .setBody("one \"record\" \u2603")
        .setAllAttributes(EVERY_TYPE)
        .emit();
    logger
        .logRecordBuilder()
        .setTimestamp(Instant.now())
        .setContext(Context.root())
        .setSeverity(Severity.ERROR2)
        .setBody(
            Value.of(
                KeyValue.of("a", Value.of(1)),
                KeyValue.of("b", Value.of(Value.of("x"), Value.of(true)))))
        .emit();
  }

  /** One provider after the other: the items are printed in whole lines either way. */
  private static boolean done(CompletableResultCode result) {
    return result.join(30, TimeUnit.SECONDS).isSuccess();
  }

  private boolean run(long pause) throws InterruptedException {
    Runnable measure = measure();
    boolean sent = true;
    for (long wait : new long[] {pause, 0}) {
      note(work());
      measure.run();
      sent &= done(tracers.forceFlush()) & done(meters.forceFlush()) & done(loggers.forceFlush());
      Thread.sleep(wait);
    }
    sent &= done(tracers.shutdown()) & done(meters.shutdown()) & done(loggers.shutdown());
    return sent && Recording.allAccepted();
  }

  public static void main(String[] args) throws InterruptedException {
    if (args.length != 4 || !args[1].equals("protobuf")) {
      System.err.println("usage: Matrix URL protobuf none|gzip PAUSE_MS");
      System.exit(2);
    }
    String session = System.getenv("CLIENT_SESSION");
    Resource resource =
        Resource.create(
            Attributes.builder()
                .put("service.name", "matrix-java")
                .put("service.version", "1.2.3")
                .put("session.id", session)
                .build());
    Signer signer = new Signer(System.getenv("SIGPOST_SECRET"), session, "1.2.3");
    Matrix matrix = new Matrix(args[0], args[2], signer, resource);
    System.exit(matrix.run(Long.parseLong(args[3])) ? 0 : 1);
  }
}
