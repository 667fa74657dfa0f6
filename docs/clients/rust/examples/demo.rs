//! Sends a few metrics and one trace to sigpost, then ends.
//!
//!     SIGPOST_SECRET=... cargo run --example demo http://127.0.0.1:8080
//!
//! Optional: CLIENT_SESSION (else a new one each run).

use std::error::Error;
use std::time::{SystemTime, UNIX_EPOCH};
use std::{env, process};

use opentelemetry::metrics::MeterProvider;
use opentelemetry::trace::{Span, Tracer, TracerProvider};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{MetricExporter, Protocol, SpanExporter};
use opentelemetry_otlp::{WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use opentelemetry_sdk::Resource;
use sigpost_signed_client::{SigningClient, Who};

fn send(url: &str, who: Who) -> Result<(), Box<dyn Error>> {
    let resource = Resource::builder()
        .with_service_name("rust-demo")
        .with_attributes([
            KeyValue::new("service.version", "1.2.3"),
            KeyValue::new("service.instance.id", who.session_id.clone()),
            KeyValue::new("session.id", who.session_id.clone()),
            KeyValue::new("platform", "Linux"),
        ])
        .build();
    let client = || SigningClient::new(reqwest::blocking::Client::new(), who.clone());
    let metrics = MetricExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{url}/v1/metrics"))
        .with_http_client(client()?)
        .build()?;
    let traces = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{url}/v1/traces"))
        .with_http_client(client()?)
        .build()?;
    let meters = SdkMeterProvider::builder()
        .with_resource(resource.clone())
        .with_periodic_exporter(metrics)
        .build();
    let tracers =
        SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(traces).build();

    let scope = InstrumentationScope::builder("demo").with_version("1.0.0").build();
    let meter = meters.meter_with_scope(scope.clone());
    let runs = meter
        .u64_counter("demo.runs")
        .with_unit("runs")
        .with_description("Runs of the demo")
        .build();
    let duration = meter
        .f64_histogram("demo.operation.duration")
        .with_unit("ms")
        .with_description("Duration of operations")
        .build();
    let language = KeyValue::new("language", "rust");
    let tracer = tracers.tracer_with_scope(scope);
    let mut span = tracer.start("demo.install");
    span.set_attribute(language.clone());
    for i in 1..=3 {
        runs.add(1, &[language.clone(), KeyValue::new("success", true)]);
        duration.record(12.5 * f64::from(i), &[language.clone()]);
    }
    span.end();
    tracers.force_flush()?;
    meters.force_flush()?;
    tracers.shutdown()?;
    meters.shutdown()?;
    Ok(())
}

fn main() {
    let (Some(url), Ok(secret)) = (env::args().nth(1), env::var("SIGPOST_SECRET")) else {
        eprintln!("usage: SIGPOST_SECRET=... demo URL");
        process::exit(2);
    };
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let session = env::var("CLIENT_SESSION")
        .unwrap_or_else(|_| format!("{}-{}", since.as_nanos(), process::id()));
    let who = Who {
        secret,
        session_id: session.clone(),
        client_version: "1.2.3".into(),
        ..Who::default()
    };
    if let Err(error) = send(url.trim_end_matches('/'), who) {
        eprintln!("sent=failed session={session}: {error}");
        process::exit(1);
    }
    println!("sent=ok session={session}");
}
