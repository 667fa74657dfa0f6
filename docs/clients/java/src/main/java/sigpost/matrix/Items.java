package sigpost.matrix;

import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.common.KeyValue;
import io.opentelemetry.api.common.Value;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.sdk.common.InstrumentationScopeInfo;
import io.opentelemetry.sdk.logs.data.LogRecordData;
import io.opentelemetry.sdk.metrics.data.DoublePointData;
import io.opentelemetry.sdk.metrics.data.HistogramPointData;
import io.opentelemetry.sdk.metrics.data.LongPointData;
import io.opentelemetry.sdk.metrics.data.MetricData;
import io.opentelemetry.sdk.metrics.data.PointData;
import io.opentelemetry.sdk.metrics.data.SumData;
import io.opentelemetry.sdk.resources.Resource;
import io.opentelemetry.sdk.trace.data.EventData;
import io.opentelemetry.sdk.trace.data.LinkData;
import io.opentelemetry.sdk.trace.data.SpanData;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What the SDK hands to its exporters, as plain items. */
final class Items {
  private Items() {}

  private static Map<String, Object> map(Object... keysAndValues) {
    Map<String, Object> all = new LinkedHashMap<>();
    for (int i = 0; i < keysAndValues.length; i += 2) {
      all.put((String) keysAndValues[i], keysAndValues[i + 1]);
    }
    return all;
  }

  private static Object value(Object content) {
    if (content instanceof Boolean) {
      return map("bool", content);
    }
    if (content instanceof Long) {
      return map("int", content.toString());
    }
    if (content instanceof Double) {
      return map("double", content);
    }
    if (content instanceof String) {
      return map("string", content);
    }
    if (content instanceof List<?> all) {
      return map("array", all.stream().map(Items::value).toList());
    }
    return switch (((Value<?>) content).getType()) {
      case KEY_VALUE_LIST -> {
        Map<String, Object> pairs = new LinkedHashMap<>();
        for (Object pair : (List<?>) ((Value<?>) content).getValue()) {
          pairs.put(((KeyValue) pair).getKey(), value(((KeyValue) pair).getValue()));
        }
        yield map("map", pairs);
      }
      default -> value(((Value<?>) content).getValue());
    };
  }

  private static Map<String, Object> attributes(Attributes pairs) {
    Map<String, Object> all = new LinkedHashMap<>();
    for (Map.Entry<AttributeKey<?>, Object> pair : pairs.asMap().entrySet()) {
      all.put(pair.getKey().getKey(), value(pair.getValue()));
    }
    return all;
  }

  private static Map<String, Object> common(
      String signal, Resource resource, InstrumentationScopeInfo scope) {
    return map(
        "signal", signal,
        "resource", attributes(resource.getAttributes()),
        "scope", map("name", scope.getName(), "version", orEmpty(scope.getVersion())));
  }

  private static String orEmpty(String text) {
    return text == null ? "" : text;
  }

  private static String nanos(long epochNanos) {
    return Long.toString(epochNanos);
  }

  /** One item for each point. */
  static List<Map<String, Object>> of(MetricData metric) {
    List<Map<String, Object>> items = new ArrayList<>();
    for (PointData point : metric.getData().getPoints()) {
      Map<String, Object> item =
          common("metrics", metric.getResource(), metric.getInstrumentationScopeInfo());
      item.put("name", metric.getName());
      item.put("unit", metric.getUnit());
      item.put("description", metric.getDescription());
      item.put("attributes", attributes(point.getAttributes()));
      item.put("start", nanos(point.getStartEpochNanos()));
      item.put("time", nanos(point.getEpochNanos()));
      item.putAll(measured(metric, point));
      items.add(item);
    }
    return items;
  }

  private static Map<String, Object> measured(MetricData metric, PointData point) {
    if (point instanceof HistogramPointData histogram) {
      return map(
          "kind", "histogram",
          "count", histogram.getCount(),
          "sum", histogram.getSum(),
          "min", histogram.getMin(),
          "max", histogram.getMax(),
          "buckets", List.copyOf(histogram.getCounts()),
          "bounds", List.copyOf(histogram.getBoundaries()));
    }
    Object number =
        point instanceof LongPointData whole
            ? value(whole.getValue())
            : value(((DoublePointData) point).getValue());
    if (metric.getData() instanceof SumData<?> sum) {
      return map("kind", "sum", "monotonic", sum.isMonotonic(), "value", number);
    }
    return map("kind", "gauge", "monotonic", false, "value", number);
  }

  static Map<String, Object> of(SpanData span) {
    Map<String, Object> item =
        common("traces", span.getResource(), span.getInstrumentationScopeInfo());
    item.put("name", span.getName());
    // The API counts kinds from 0, the wire from 1 with 0 for "unspecified".
    item.put("kind", span.getKind().ordinal() + 1);
    item.put("trace", span.getTraceId());
    item.put("span", span.getSpanId());
    item.put("parent", span.getParentSpanContext().isValid() ? span.getParentSpanId() : "");
    item.put("start", nanos(span.getStartEpochNanos()));
    item.put("time", nanos(span.getEndEpochNanos()));
    item.put("attributes", attributes(span.getAttributes()));
    List<Object> events = new ArrayList<>();
    for (EventData event : span.getEvents()) {
      events.add(
          map(
              "name", event.getName(),
              "time", nanos(event.getEpochNanos()),
              "attributes", attributes(event.getAttributes())));
    }
    item.put("events", events);
    List<Object> links = new ArrayList<>();
    for (LinkData link : span.getLinks()) {
      links.add(
          map(
              "trace", link.getSpanContext().getTraceId(),
              "span", link.getSpanContext().getSpanId(),
              "attributes", attributes(link.getAttributes())));
    }
    item.put("links", links);
    item.put(
        "status",
        map(
            "code", span.getStatus().getStatusCode().ordinal(),
            "message", span.getStatus().getDescription()));
    return item;
  }

  static Map<String, Object> of(LogRecordData log) {
    Map<String, Object> item =
        common("logs", log.getResource(), log.getInstrumentationScopeInfo());
    SpanContext context = log.getSpanContext();
    item.put("time", nanos(log.getTimestampEpochNanos()));
    item.put("observed", nanos(log.getObservedTimestampEpochNanos()));
    item.put("severity", log.getSeverity().getSeverityNumber());
    item.put("severity_text", orEmpty(log.getSeverityText()));
    item.put("body", value(log.getBodyValue()));
    item.put("attributes", attributes(log.getAttributes()));
    item.put("trace", context.isValid() ? context.getTraceId() : "");
    item.put("span", context.isValid() ? context.getSpanId() : "");
    return item;
  }
}
