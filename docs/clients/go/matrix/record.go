package main

// Exporters around the real ones: each prints what it was given, then hands it on. What the SDK
// encodes for the wire and what is printed are so the very same objects, ids and times included.

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strconv"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

type item = map[string]any

// exports remembers the first export that was not accepted: the SDK itself only logs it.
var exports struct {
	sync.Mutex
	failure error
}

func record(err error, items ...item) error {
	exports.Lock()
	defer exports.Unlock()
	out := json.NewEncoder(os.Stdout)
	for _, one := range items {
		err = errors.Join(err, out.Encode(one))
	}
	exports.failure = errors.Join(exports.failure, err)
	return err
}

func integer[N int | int64 | uint64](n N) string { return strconv.FormatInt(int64(n), 10) }

func nanos(t time.Time) string {
	if t.IsZero() {
		return "0"
	}
	return integer(t.UnixNano())
}

func array[T any](values []T, wrap func(T) attribute.Value) item {
	all := []item{}
	for _, one := range values {
		all = append(all, value(wrap(one)))
	}
	return item{"array": all}
}

func value(v attribute.Value) item {
	switch v.Type() {
	case attribute.BOOL:
		return item{"bool": v.AsBool()}
	case attribute.INT64:
		return item{"int": integer(v.AsInt64())}
	case attribute.FLOAT64:
		return item{"double": v.AsFloat64()}
	case attribute.STRING:
		return item{"string": v.AsString()}
	case attribute.BOOLSLICE:
		return array(v.AsBoolSlice(), attribute.BoolValue)
	case attribute.INT64SLICE:
		return array(v.AsInt64Slice(), attribute.Int64Value)
	case attribute.FLOAT64SLICE:
		return array(v.AsFloat64Slice(), attribute.Float64Value)
	case attribute.STRINGSLICE:
		return array(v.AsStringSlice(), attribute.StringValue)
	case attribute.SLICE:
		return array(v.AsSlice(), func(one attribute.Value) attribute.Value { return one })
	case attribute.MAP:
		return item{"map": attributes(v.AsMap())}
	default:
		panic("no such value was sent: " + v.Type().String())
	}
}

func attributes(pairs []attribute.KeyValue) item {
	all := item{}
	for _, pair := range pairs {
		all[string(pair.Key)] = value(pair.Value)
	}
	return all
}

func scope(s instrumentation.Scope) item {
	return item{"name": s.Name, "version": s.Version}
}

// --- metrics ---------------------------------------------------------------------------------------

type metricRecorder struct{ sdkmetric.Exporter }

func (r metricRecorder) Export(ctx context.Context, data *metricdata.ResourceMetrics) error {
	var items []item
	for _, block := range data.ScopeMetrics {
		for _, m := range block.Metrics {
			for _, point := range points(m.Data) {
				point["signal"] = "metrics"
				point["resource"] = attributes(data.Resource.Attributes())
				point["scope"] = scope(block.Scope)
				point["name"], point["unit"], point["description"] = m.Name, m.Unit, m.Description
				items = append(items, point)
			}
		}
	}
	return record(r.Exporter.Export(ctx, data), items...)
}

func points(data metricdata.Aggregation) []item {
	switch data := data.(type) {
	case metricdata.Sum[int64]:
		return numbers("sum", data.IsMonotonic, data.DataPoints, attribute.Int64Value)
	case metricdata.Gauge[float64]:
		return numbers("gauge", false, data.DataPoints, attribute.Float64Value)
	case metricdata.Histogram[float64]:
		return histogram(data)
	default:
		panic("no such instrument was made")
	}
}

func numbers[N int64 | float64](
	kind string, monotonic bool, all []metricdata.DataPoint[N], wrap func(N) attribute.Value,
) (items []item) {
	for _, p := range all {
		items = append(items, item{
			"kind": kind, "monotonic": monotonic, "attributes": attributes(p.Attributes.ToSlice()),
			"start": nanos(p.StartTime), "time": nanos(p.Time), "value": value(wrap(p.Value)),
		})
	}
	return items
}

func histogram(data metricdata.Histogram[float64]) (items []item) {
	for _, p := range data.DataPoints {
		low, _ := p.Min.Value()
		high, _ := p.Max.Value()
		items = append(items, item{
			"kind": "histogram", "attributes": attributes(p.Attributes.ToSlice()),
			"start": nanos(p.StartTime), "time": nanos(p.Time), "count": p.Count, "sum": p.Sum,
			"min": low, "max": high, "buckets": p.BucketCounts, "bounds": p.Bounds,
		})
	}
	return items
}

// --- traces ----------------------------------------------------------------------------------------

type spanRecorder struct{ sdktrace.SpanExporter }

func (r spanRecorder) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	var items []item
	for _, span := range spans {
		items = append(items, spanItem(span))
	}
	return record(r.SpanExporter.ExportSpans(ctx, spans), items...)
}

func spanItem(span sdktrace.ReadOnlySpan) item {
	parent := ""
	if span.Parent().SpanID().IsValid() {
		parent = span.Parent().SpanID().String()
	}
	events, links := []item{}, []item{}
	for _, e := range span.Events() {
		events = append(events, item{
			"name": e.Name, "time": nanos(e.Time), "attributes": attributes(e.Attributes),
		})
	}
	for _, l := range span.Links() {
		links = append(links, item{
			"trace": l.SpanContext.TraceID().String(), "span": l.SpanContext.SpanID().String(),
			"attributes": attributes(l.Attributes),
		})
	}
	// The API's codes are Unset, Error, Ok; on the wire they are unset, ok, error.
	status := map[codes.Code]int{codes.Unset: 0, codes.Ok: 1, codes.Error: 2}[span.Status().Code]
	kind := map[trace.SpanKind]int{trace.SpanKindServer: 2, trace.SpanKindClient: 3}[span.SpanKind()]
	return item{
		"signal": "traces", "resource": attributes(span.Resource().Attributes()),
		"scope": scope(span.InstrumentationScope()), "name": span.Name(), "kind": kind,
		"trace": span.SpanContext().TraceID().String(), "span": span.SpanContext().SpanID().String(),
		"parent": parent, "start": nanos(span.StartTime()), "time": nanos(span.EndTime()),
		"attributes": attributes(span.Attributes()), "events": events, "links": links,
		"status": item{"code": status, "message": span.Status().Description},
	}
}

// --- logs ------------------------------------------------------------------------------------------

type logRecorder struct{ sdklog.Exporter }

func (r logRecorder) Export(ctx context.Context, records []sdklog.Record) error {
	var items []item
	for _, one := range records {
		items = append(items, logItem(&one))
	}
	return record(r.Exporter.Export(ctx, records), items...)
}

func logItem(r *sdklog.Record) item {
	own := item{}
	r.WalkAttributes(func(pair attribute.KeyValue) bool {
		own[string(pair.Key)] = value(pair.Value)
		return true
	})
	traceID, spanID := "", ""
	if r.SpanID().IsValid() {
		traceID, spanID = r.TraceID().String(), r.SpanID().String()
	}
	return item{
		"signal": "logs", "resource": attributes(r.Resource().Attributes()),
		"scope": scope(r.InstrumentationScope()), "time": nanos(r.Timestamp()),
		"observed": nanos(r.ObservedTimestamp()), "severity": int(r.Severity()),
		"severity_text": r.SeverityText(), "body": value(r.Body()), "attributes": own,
		"trace": traceID, "span": spanID,
	}
}
