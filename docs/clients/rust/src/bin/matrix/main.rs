//! Sends a known set of metrics, spans and log records to sigpost in two rounds and prints each item
//! as the exporter was given it, one line of JSON apiece. For the end-to-end suite.
//!
//!     SIGPOST_SECRET=... CLIENT_SESSION=... matrix URL protobuf|json none|gzip PAUSE_MS
//!
//! Exit 0 when every export was accepted.

mod record;

use std::error::Error;
use std::time::{Duration, SystemTime};
use std::{env, process, thread};

use opentelemetry::logs::{AnyValue, LogRecord, Logger, LoggerProvider, Severity};
use opentelemetry::metrics::{Meter, MeterProvider};
use opentelemetry::trace::{
    Link, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId, TraceState,
    Tracer, TracerProvider,
};
use opentelemetry::{Array, Context, InstrumentationScope, Key, KeyValue, Value};
use opentelemetry_otlp::{Compression, Protocol, WithExportConfig, WithHttpConfig};
use opentelemetry_otlp::{LogExporter, MetricExporter, SpanExporter};
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use opentelemetry_sdk::Resource;
use sigpost_signed_client::{SigningClient, Who};

const TEXT: &str = "ünï \"cödé\" \\ | \n ☃ 🚀";

struct Order {
    url: String,
    json: bool,
    gzip: bool,
    pause: Duration,
    who: Who,
}

/// What the three builders have in common; the signal's path is the endpoint's.
fn set_up<B: WithExportConfig + WithHttpConfig>(builder: B, path: &str, order: &Order) -> B {
    let client = SigningClient::new(reqwest::blocking::Client::new(), order.who.clone())
        .expect("a secret and a session id");
    let builder = builder
        .with_endpoint(format!("{}{path}", order.url))
        .with_protocol(if order.json { Protocol::HttpJson } else { Protocol::HttpBinary })
        .with_http_client(client);
    if order.gzip {
        return builder.with_compression(Compression::Gzip);
    }
    builder
}

fn every_type() -> Vec<KeyValue> {
    vec![
        KeyValue::new("text", TEXT),
        KeyValue::new("empty", ""),
        KeyValue::new("yes", true),
        KeyValue::new("no", false),
        KeyValue::new("negative", -42_i64),
        KeyValue::new("large", 9_007_199_254_740_991_i64),
        KeyValue::new("tenth", 0.1),
        KeyValue::new("texts", Value::Array(Array::String(vec!["a".into(), "b".into()]))),
        KeyValue::new("numbers", Value::Array(Array::I64(vec![1, 2]))),
        KeyValue::new("fractions", Value::Array(Array::F64(vec![0.5, 1.5]))),
        KeyValue::new("flags", Value::Array(Array::Bool(vec![true, false]))),
    ]
}

fn every_type_of_record() -> Vec<(Key, AnyValue)> {
    let list = |values: Vec<AnyValue>| AnyValue::ListAny(Box::new(values));
    vec![
        ("text".into(), TEXT.into()),
        ("empty".into(), "".into()),
        ("yes".into(), true.into()),
        ("no".into(), false.into()),
        ("negative".into(), (-42_i64).into()),
        ("large".into(), 9_007_199_254_740_991_i64.into()),
        ("tenth".into(), 0.1.into()),
        ("texts".into(), list(vec!["a".into(), "b".into()])),
        ("numbers".into(), list(vec![1.into(), 2.into()])),
        ("fractions".into(), list(vec![0.5.into(), 1.5.into()])),
        ("flags".into(), list(vec![true.into(), false.into()])),
    ]
}

fn measure(meter: &Meter) {
    let runs = meter
        .u64_counter("matrix.runs")
        .with_unit("runs")
        .with_description("Runs of the matrix")
        .build();
    let open = meter.i64_up_down_counter("matrix.open").with_unit("files").build();
    let duration = meter.f64_histogram("matrix.duration").with_unit("ms").build();
    let temperature = meter.f64_gauge("matrix.temperature").with_unit("Cel").build();
    let language = KeyValue::new("language", "rust");
    let success = |yes: bool| [language.clone(), KeyValue::new("success", yes)];
    runs.add(2, &success(true));
    runs.add(5, &success(true));
    runs.add(1, &success(false));
    open.add(5, &[]);
    open.add(-8, &[]);
    for milliseconds in [0.5, 12.5, 400.25, 20000.0] {
        duration.record(milliseconds, std::slice::from_ref(&language));
    }
    temperature.record(21.75, &[KeyValue::new("place", "Küche ☕")]);
}

/// Makes two spans and returns the context of the inner one.
fn work(tracer: &impl Tracer<Span: Send + Sync + 'static>) -> SpanContext {
    let linked = SpanContext::new(
        TraceId::from(0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c_u128),
        SpanId::from(0xb7ad_6b71_6920_3331_u64),
        TraceFlags::SAMPLED,
        false,
        TraceState::NONE,
    );
    let run = tracer
        .span_builder("matrix.run")
        .with_kind(SpanKind::Server)
        .with_attributes(every_type())
        .start_with_context(tracer, &Context::new());
    let run = Context::new().with_span(run);
    let step = tracer
        .span_builder("matrix.step")
        .with_kind(SpanKind::Client)
        .with_links(vec![Link::new(linked, vec![KeyValue::new("why", "cause")], 0)])
        .start_with_context(tracer, &run);
    let step = run.with_span(step);
    step.span().add_event("matrix.event", vec![KeyValue::new("n", 1)]);
    step.span().set_status(Status::error("step failed"));
    step.span().end();
    run.span().set_status(Status::Ok);
    run.span().end();
    step.span().span_context().clone()
}

fn note(logger: &impl Logger, inside: &SpanContext) {
    let mut one = logger.create_log_record();
    one.set_timestamp(SystemTime::now());
    one.set_severity_number(Severity::Info);
    one.set_severity_text("INFO");
    one.set_body("one \"record\" ☃".into());
    one.add_attributes(every_type_of_record());
    one.set_trace_context(inside.trace_id(), inside.span_id(), Some(inside.trace_flags()));
    logger.emit(one);
    let mut two = logger.create_log_record();
    two.set_timestamp(SystemTime::now());
    two.set_severity_number(Severity::Error2);
    let list = AnyValue::ListAny(Box::new(vec!["x".into(), true.into()]));
    let pairs: [(Key, AnyValue); 2] = [("a".into(), 1.into()), ("b".into(), list)];
    two.set_body(AnyValue::Map(Box::new(pairs.into_iter().collect())));
    logger.emit(two);
}

fn run(order: &Order) -> Result<(), Box<dyn Error>> {
    let resource = Resource::builder()
        .with_service_name("matrix-rust")
        .with_attribute(KeyValue::new("service.version", "1.2.3"))
        .with_attribute(KeyValue::new("session.id", order.who.session_id.clone()))
        .build();
    let metrics = set_up(MetricExporter::builder().with_http(), "/v1/metrics", order).build()?;
    let traces = set_up(SpanExporter::builder().with_http(), "/v1/traces", order).build()?;
    let logs = set_up(LogExporter::builder().with_http(), "/v1/logs", order).build()?;
    let meters = SdkMeterProvider::builder()
        .with_resource(resource.clone())
        .with_periodic_exporter(record::Metrics(metrics))
        .build();
    let tracers = SdkTracerProvider::builder()
        .with_resource(resource.clone())
        .with_batch_exporter(record::Spans(traces, resource.clone()))
        .build();
    let loggers = SdkLoggerProvider::builder()
        .with_resource(resource.clone())
        .with_batch_exporter(record::Logs(logs, resource))
        .build();

    let scope = InstrumentationScope::builder("matrix").with_version("1.0.0").build();
    let meter = meters.meter_with_scope(scope.clone());
    let tracer = tracers.tracer_with_scope(scope.clone());
    let logger = loggers.logger_with_scope(scope);
    for wait in [order.pause, Duration::ZERO] {
        let inside = work(&tracer);
        note(&logger, &inside);
        measure(&meter);
        tracers.force_flush()?;
        meters.force_flush()?;
        loggers.force_flush()?;
        thread::sleep(wait);
    }
    tracers.shutdown()?;
    meters.shutdown()?;
    loggers.shutdown()?;
    record::outcome()
}

fn read_order() -> Option<Order> {
    let [_, url, encoding, compression, pause] = env::args().collect::<Vec<_>>().try_into().ok()?;
    Some(Order {
        url,
        json: encoding == "json",
        gzip: compression == "gzip",
        pause: Duration::from_millis(pause.parse().ok()?),
        who: Who {
            secret: env::var("SIGPOST_SECRET").ok()?,
            session_id: env::var("CLIENT_SESSION").ok()?,
            client_version: "1.2.3".into(),
            ..Who::default()
        },
    })
}

fn main() {
    let Some(order) = read_order() else {
        eprintln!("usage: matrix URL protobuf|json none|gzip PAUSE_MS");
        process::exit(2);
    };
    if let Err(error) = run(&order) {
        eprintln!("{error}");
        process::exit(1);
    }
}
