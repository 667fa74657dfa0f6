//! Exporters around the real ones: each prints what it was given, then hands it on. What the SDK
//! encodes for the wire and what is printed are so the very same objects, ids and times included.

use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry::logs::AnyValue;
use opentelemetry::trace::{SpanId, SpanKind, Status};
use opentelemetry::{Array, InstrumentationScope, KeyValue, Value};
use opentelemetry_otlp::{LogExporter, MetricExporter, SpanExporter};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogBatch, SdkLogRecord};
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, Histogram, MetricData, ResourceMetrics};
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::trace::SpanData;
use opentelemetry_sdk::Resource;
use serde_json::{json, Map, Value as Json};

/// The SDK only logs what was not accepted.
static FAILED: AtomicBool = AtomicBool::new(false);

pub fn outcome() -> Result<(), Box<dyn Error>> {
    if FAILED.load(Ordering::SeqCst) {
        return Err("an export was not accepted".into());
    }
    Ok(())
}

fn remember(result: OTelSdkResult) -> OTelSdkResult {
    if let Err(error) = &result {
        eprintln!("{error}");
        FAILED.store(true, Ordering::SeqCst);
    }
    result
}

fn nanos(time: SystemTime) -> String {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos().to_string()
}

fn value(content: &Value) -> Json {
    match content {
        Value::Bool(v) => json!({ "bool": v }),
        Value::I64(v) => json!({ "int": v.to_string() }),
        Value::F64(v) => json!({ "double": v }),
        Value::String(v) => json!({ "string": v.as_str() }),
        Value::Array(Array::Bool(all)) => array(all, |v| Value::Bool(*v)),
        Value::Array(Array::I64(all)) => array(all, |v| Value::I64(*v)),
        Value::Array(Array::F64(all)) => array(all, |v| Value::F64(*v)),
        Value::Array(Array::String(all)) => array(all, |v| Value::String(v.clone())),
        other => panic!("no such value was sent: {other:?}"),
    }
}

fn array<T>(all: &[T], wrap: impl Fn(&T) -> Value) -> Json {
    let values: Vec<Json> = all.iter().map(|one| value(&wrap(one))).collect();
    json!({ "array": values })
}

fn attributes<'a>(pairs: impl IntoIterator<Item = &'a KeyValue>) -> Json {
    let all = pairs.into_iter().map(|pair| (pair.key.to_string(), value(&pair.value)));
    Json::Object(all.collect())
}

/// One object of the members of both.
fn with(mut item: Json, more: Json) -> Json {
    if let (Json::Object(item), Json::Object(more)) = (&mut item, more) {
        item.extend(more);
    }
    item
}

fn common(signal: &str, resource: &Resource, scope: &InstrumentationScope) -> Json {
    let about: Map<String, Json> =
        resource.iter().map(|(key, content)| (key.to_string(), value(content))).collect();
    json!({
        "signal": signal,
        "resource": about,
        "scope": { "name": scope.name(), "version": scope.version().unwrap_or("") },
    })
}

// --- metrics --------------------------------------------------------------------------------------

pub struct Metrics(pub MetricExporter);

impl PushMetricExporter for Metrics {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        for block in metrics.scope_metrics() {
            for metric in block.metrics() {
                let about = json!({
                    "name": metric.name(),
                    "unit": metric.unit(),
                    "description": metric.description(),
                });
                let about = with(common("metrics", metrics.resource(), block.scope()), about);
                for point in points(metric.data()) {
                    println!("{}", with(about.clone(), point));
                }
            }
        }
        remember(self.0.export(metrics).await)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.0.temporality()
    }
}

fn points(data: &AggregatedMetrics) -> Vec<Json> {
    match data {
        AggregatedMetrics::U64(data) => numbers(data, |v| json!({ "int": v.to_string() })),
        AggregatedMetrics::I64(data) => numbers(data, |v| json!({ "int": v.to_string() })),
        AggregatedMetrics::F64(MetricData::Histogram(data)) => histogram(data),
        AggregatedMetrics::F64(data) => numbers(data, |v| json!({ "double": v })),
    }
}

fn numbers<T: Copy>(data: &MetricData<T>, wrap: impl Fn(T) -> Json) -> Vec<Json> {
    match data {
        MetricData::Sum(sum) => sum
            .data_points()
            .map(|point| {
                json!({
                    "kind": "sum", "monotonic": sum.is_monotonic(),
                    "attributes": attributes(point.attributes()),
                    "start": nanos(sum.start_time()), "time": nanos(sum.time()),
                    "value": wrap(point.value()),
                })
            })
            .collect(),
        MetricData::Gauge(gauge) => gauge
            .data_points()
            .map(|point| {
                json!({
                    "kind": "gauge", "monotonic": false,
                    "attributes": attributes(point.attributes()),
                    "start": gauge.start_time().map_or("0".into(), nanos),
                    "time": nanos(gauge.time()), "value": wrap(point.value()),
                })
            })
            .collect(),
        _ => panic!("no such instrument was made"),
    }
}

fn histogram(data: &Histogram<f64>) -> Vec<Json> {
    data.data_points()
        .map(|point| {
            json!({
                "kind": "histogram", "attributes": attributes(point.attributes()),
                "start": nanos(data.start_time()), "time": nanos(data.time()),
                "count": point.count(), "sum": point.sum(),
                "min": point.min(), "max": point.max(),
                "buckets": point.bucket_counts().collect::<Vec<_>>(),
                "bounds": point.bounds().collect::<Vec<_>>(),
            })
        })
        .collect()
}

// --- traces ---------------------------------------------------------------------------------------

#[derive(Debug)]
pub struct Spans(pub SpanExporter, pub Resource);

impl opentelemetry_sdk::trace::SpanExporter for Spans {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        for span in &batch {
            println!("{}", span_item(span, &self.1));
        }
        remember(self.0.export(batch).await)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}

fn span_item(span: &SpanData, resource: &Resource) -> Json {
    let events: Vec<Json> = span
        .events
        .iter()
        .map(|event| {
            json!({
                "name": event.name, "time": nanos(event.timestamp),
                "attributes": attributes(&event.attributes),
            })
        })
        .collect();
    let links: Vec<Json> = span
        .links
        .iter()
        .map(|link| {
            json!({
                "trace": link.span_context.trace_id().to_string(),
                "span": link.span_context.span_id().to_string(),
                "attributes": attributes(&link.attributes),
            })
        })
        .collect();
    let (code, message) = match &span.status {
        Status::Unset => (0, ""),
        Status::Ok => (1, ""),
        Status::Error { description } => (2, description.as_ref()),
    };
    let kind = match span.span_kind {
        SpanKind::Internal => 1,
        SpanKind::Server => 2,
        SpanKind::Client => 3,
        SpanKind::Producer => 4,
        SpanKind::Consumer => 5,
    };
    let parent = match span.parent_span_id {
        SpanId::INVALID => String::new(),
        id => id.to_string(),
    };
    let own = json!({
        "name": span.name, "kind": kind,
        "trace": span.span_context.trace_id().to_string(),
        "span": span.span_context.span_id().to_string(), "parent": parent,
        "start": nanos(span.start_time), "time": nanos(span.end_time),
        "attributes": attributes(&span.attributes), "events": events, "links": links,
        "status": { "code": code, "message": message },
    });
    with(common("traces", resource, &span.instrumentation_scope), own)
}

// --- logs -----------------------------------------------------------------------------------------

#[derive(Debug)]
pub struct Logs(pub LogExporter, pub Resource);

impl opentelemetry_sdk::logs::LogExporter for Logs {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        for (record, scope) in batch.iter() {
            println!("{}", with(common("logs", &self.1, scope), log_item(record)));
        }
        remember(self.0.export(batch).await)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}

fn any(content: &AnyValue) -> Json {
    match content {
        AnyValue::Int(v) => json!({ "int": v.to_string() }),
        AnyValue::Double(v) => json!({ "double": v }),
        AnyValue::String(v) => json!({ "string": v.as_str() }),
        AnyValue::Boolean(v) => json!({ "bool": v }),
        AnyValue::ListAny(all) => json!({ "array": all.iter().map(any).collect::<Vec<_>>() }),
        AnyValue::Map(pairs) => {
            let all: Map<String, Json> =
                pairs.iter().map(|(key, content)| (key.to_string(), any(content))).collect();
            json!({ "map": all })
        }
        other => panic!("no such value was sent: {other:?}"),
    }
}

fn log_item(record: &SdkLogRecord) -> Json {
    let (trace, span) = record.trace_context().map_or_else(Default::default, |context| {
        (context.trace_id.to_string(), context.span_id.to_string())
    });
    let own: Map<String, Json> =
        record.attributes_iter().map(|(key, content)| (key.to_string(), any(content))).collect();
    json!({
        "time": record.timestamp().map_or("0".into(), nanos),
        "observed": record.observed_timestamp().map_or("0".into(), nanos),
        "severity": record.severity_number().map_or(0, |number| number as i32),
        "severity_text": record.severity_text().unwrap_or(""),
        "body": record.body().map(any), "attributes": own, "trace": trace, "span": span,
    })
}
