package sigpost.matrix;

import io.opentelemetry.sdk.common.CompletableResultCode;
import io.opentelemetry.sdk.logs.data.LogRecordData;
import io.opentelemetry.sdk.logs.export.LogRecordExporter;
import io.opentelemetry.sdk.metrics.InstrumentType;
import io.opentelemetry.sdk.metrics.data.AggregationTemporality;
import io.opentelemetry.sdk.metrics.data.MetricData;
import io.opentelemetry.sdk.metrics.export.MetricExporter;
import io.opentelemetry.sdk.trace.data.SpanData;
import io.opentelemetry.sdk.trace.export.SpanExporter;
import java.util.Collection;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Exporters around the real ones: each prints what it was given, then hands it on. What the SDK
 * encodes for the wire and what is printed are so the very same objects, ids and times included.
 */
final class Recording {
  private static final AtomicBoolean FAILED = new AtomicBoolean();

  private Recording() {}

  /** Whether every export so far was accepted. */
  static boolean allAccepted() {
    return !FAILED.get();
  }

  private static void print(Object item) {
    System.out.println(Json.of(item));
  }

  private static CompletableResultCode remember(CompletableResultCode result) {
    return result.whenComplete(
        () -> {
          if (!result.isSuccess()) {
            FAILED.set(true);
          }
        });
  }

  record Metrics(MetricExporter real) implements MetricExporter {
    @Override
    public CompletableResultCode export(Collection<MetricData> metrics) {
      metrics.forEach(metric -> Items.of(metric).forEach(Recording::print));
      return remember(real.export(metrics));
    }

    @Override
    public AggregationTemporality getAggregationTemporality(InstrumentType type) {
      return real.getAggregationTemporality(type);
    }

    @Override
    public CompletableResultCode flush() {
      return real.flush();
    }

    @Override
    public CompletableResultCode shutdown() {
      return real.shutdown();
    }
  }

  record Spans(SpanExporter real) implements SpanExporter {
    @Override
    public CompletableResultCode export(Collection<SpanData> spans) {
      spans.forEach(span -> print(Items.of(span)));
      return remember(real.export(spans));
    }

    @Override
    public CompletableResultCode flush() {
      return real.flush();
    }

    @Override
    public CompletableResultCode shutdown() {
      return real.shutdown();
    }
  }

  record Logs(LogRecordExporter real) implements LogRecordExporter {
    @Override
    public CompletableResultCode export(Collection<LogRecordData> logs) {
      logs.forEach(log -> print(Items.of(log)));
      return remember(real.export(logs));
    }

    @Override
    public CompletableResultCode flush() {
      return real.flush();
    }

    @Override
    public CompletableResultCode shutdown() {
      return real.shutdown();
    }
  }
}
