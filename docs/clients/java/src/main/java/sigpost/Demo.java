package sigpost;

import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.metrics.DoubleHistogram;
import io.opentelemetry.api.metrics.LongCounter;
import io.opentelemetry.api.metrics.Meter;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.exporter.otlp.http.metrics.OtlpHttpMetricExporter;
import io.opentelemetry.exporter.otlp.http.trace.OtlpHttpSpanExporter;
import io.opentelemetry.sdk.common.CompletableResultCode;
import io.opentelemetry.sdk.metrics.SdkMeterProvider;
import io.opentelemetry.sdk.metrics.export.PeriodicMetricReader;
import io.opentelemetry.sdk.resources.Resource;
import io.opentelemetry.sdk.trace.SdkTracerProvider;
import io.opentelemetry.sdk.trace.export.BatchSpanProcessor;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.Logger;

/**
 * Sends a few metrics and one trace to sigpost, then ends.
 *
 * <pre>SIGPOST_SECRET=... java -jar target/signed-client-1.0.0.jar http://127.0.0.1:8080</pre>
 *
 * <p>Optional: CLIENT_SESSION (else a new one each run).
 */
public final class Demo {
  /** Held here: the log manager keeps only a weak reference. */
  private static final Logger SDK_LOG = Logger.getLogger("io.opentelemetry");

  private Demo() {}

  private static boolean send(String url, String secret, String session) {
    Signer signer = new Signer(secret, session, "1.2.3");
    Resource resource =
        Resource.create(
            Attributes.builder()
                .put("service.name", "java-demo")
                .put("service.version", "1.2.3")
                .put("service.instance.id", session)
                .put("session.id", session)
                .put("platform", "Linux")
                .build());
    OtlpHttpMetricExporter metrics =
        OtlpHttpMetricExporter.builder()
            .setEndpoint(url + "/v1/metrics")
            .setHeaders(signer.headersFor("/v1/metrics"))
            .build();
    OtlpHttpSpanExporter traces =
        OtlpHttpSpanExporter.builder()
            .setEndpoint(url + "/v1/traces")
            .setHeaders(signer.headersFor("/v1/traces"))
            .build();
    SdkMeterProvider meters =
        SdkMeterProvider.builder()
            .setResource(resource)
            .registerMetricReader(PeriodicMetricReader.create(metrics))
            .build();
    SdkTracerProvider tracers =
        SdkTracerProvider.builder()
            .setResource(resource)
            .addSpanProcessor(BatchSpanProcessor.builder(traces).build())
            .build();

    Meter meter = meters.meterBuilder("demo").setInstrumentationVersion("1.0.0").build();
    LongCounter runs =
        meter.counterBuilder("demo.runs").setUnit("runs").setDescription("Runs of the demo").build();
    DoubleHistogram duration =
        meter
            .histogramBuilder("demo.operation.duration")
            .setUnit("ms")
            .setDescription("Duration of operations")
            .build();
    Attributes language = Attributes.of(AttributeKey.stringKey("language"), "java");
    Attributes success = language.toBuilder().put("success", true).build();
    Span span =
        tracers.get("demo", "1.0.0").spanBuilder("demo.install").setAllAttributes(language).startSpan();
    for (int i = 1; i <= 3; i++) {
      runs.add(1, success);
      duration.record(12.5 * i, language);
    }
    span.end();
    CompletableResultCode done =
        CompletableResultCode.ofAll(List.of(tracers.shutdown(), meters.shutdown()));
    return done.join(30, TimeUnit.SECONDS).isSuccess();
  }

  /** The SDK says of a failed export only a line in its log: it is listened to here. */
  private static AtomicBoolean warnings() {
    AtomicBoolean warned = new AtomicBoolean();
    SDK_LOG.addHandler(
        new Handler() {
          @Override
          public void publish(LogRecord record) {
            if (record.getLevel().intValue() >= Level.WARNING.intValue()) {
              warned.set(true);
            }
          }

          @Override
          public void flush() {}

          @Override
          public void close() {}
        });
    return warned;
  }

  public static void main(String[] args) {
    String secret = System.getenv("SIGPOST_SECRET");
    if (args.length != 1 || secret == null) {
      System.err.println("usage: SIGPOST_SECRET=... java -jar signed-client-1.0.0.jar URL");
      System.exit(2);
    }
    String session = System.getenv().getOrDefault("CLIENT_SESSION", UUID.randomUUID().toString());
    AtomicBoolean warned = warnings();
    boolean sent = send(args[0].replaceAll("/+$", ""), secret, session) && !warned.get();
    System.out.println((sent ? "sent=ok" : "sent=failed") + " session=" + session);
    System.exit(sent ? 0 : 1);
  }
}
