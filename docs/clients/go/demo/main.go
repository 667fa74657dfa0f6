// Sends a few metrics and one trace to sigpost, then ends.
//
//	SIGPOST_SECRET=... go run ./demo http://127.0.0.1:8080
//
// Optional: CLIENT_SESSION (else a new one each run).
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"sigpost.example/client/signing"
)

func send(ctx context.Context, url, secret, session string) error {
	http, err := signing.Client(signing.Who{Secret: secret, SessionID: session, ClientVersion: "1.2.3"})
	if err != nil {
		return err
	}
	metrics, err := otlpmetrichttp.New(ctx,
		otlpmetrichttp.WithEndpointURL(url+"/v1/metrics"), otlpmetrichttp.WithHTTPClient(http))
	if err != nil {
		return err
	}
	traces, err := otlptracehttp.New(ctx,
		otlptracehttp.WithEndpointURL(url+"/v1/traces"), otlptracehttp.WithHTTPClient(http))
	if err != nil {
		return err
	}
	about := resource.NewSchemaless(
		attribute.String("service.name", "go-demo"),
		attribute.String("service.version", "1.2.3"),
		attribute.String("service.instance.id", session),
		attribute.String("session.id", session),
		attribute.String("platform", "Linux"),
	)
	meters := sdkmetric.NewMeterProvider(
		sdkmetric.WithResource(about), sdkmetric.WithReader(sdkmetric.NewPeriodicReader(metrics)))
	tracers := sdktrace.NewTracerProvider(
		sdktrace.WithResource(about), sdktrace.WithBatcher(traces))

	meter := meters.Meter("demo", metric.WithInstrumentationVersion("1.0.0"))
	runs, err := meter.Int64Counter("demo.runs",
		metric.WithUnit("runs"), metric.WithDescription("Runs of the demo"))
	if err != nil {
		return err
	}
	duration, err := meter.Float64Histogram("demo.operation.duration",
		metric.WithUnit("ms"), metric.WithDescription("Duration of operations"))
	if err != nil {
		return err
	}
	language := attribute.String("language", "go")
	tracer := tracers.Tracer("demo", trace.WithInstrumentationVersion("1.0.0"))
	_, span := tracer.Start(ctx, "demo.install", trace.WithAttributes(language))
	for i := range 3 {
		runs.Add(ctx, 1, metric.WithAttributes(language, attribute.Bool("success", true)))
		duration.Record(ctx, 12.5*float64(i+1), metric.WithAttributes(language))
	}
	span.End()
	// A batch processor tells of a failed export in ForceFlush, not in Shutdown.
	return errors.Join(tracers.ForceFlush(ctx), meters.ForceFlush(ctx),
		tracers.Shutdown(ctx), meters.Shutdown(ctx))
}

func main() {
	secret := os.Getenv("SIGPOST_SECRET")
	if len(os.Args) != 2 || secret == "" {
		fmt.Fprintln(os.Stderr, "usage: SIGPOST_SECRET=... go run ./demo URL")
		os.Exit(2)
	}
	session := os.Getenv("CLIENT_SESSION")
	if session == "" {
		session = rand.Text()
	}
	if err := send(context.Background(), os.Args[1], secret, session); err != nil {
		fmt.Fprintf(os.Stderr, "sent=failed session=%s: %v\n", session, err)
		os.Exit(1)
	}
	fmt.Printf("sent=ok session=%s\n", session)
}
