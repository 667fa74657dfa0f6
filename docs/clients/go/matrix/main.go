// Sends a known set of metrics, spans and log records to sigpost in two rounds and prints each item
// as the exporter was given it, one line of JSON apiece. For the end-to-end suite.
//
//	SIGPOST_SECRET=... CLIENT_SESSION=... matrix URL protobuf|json none|gzip PAUSE_MS
//
// Of this SDK's exporters only the one for traces can send JSON: "json" sends traces alone.
// Exit 0 when every export was accepted.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/metric"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"sigpost.example/client/signing"
)

type order struct {
	url        string
	json, gzip bool
	pause      time.Duration
	who        signing.Who
}

type providers struct {
	meters  *sdkmetric.MeterProvider // nil when only traces are sent
	tracers *sdktrace.TracerProvider
	loggers *sdklog.LoggerProvider // nil when only traces are sent
}

func connect(ctx context.Context, o order) (p providers, err error) {
	http, err := signing.Client(o.who)
	if err != nil {
		return p, err
	}
	about := resource.NewSchemaless(
		attribute.String("service.name", "matrix-go"),
		attribute.String("service.version", "1.2.3"),
		attribute.String("session.id", o.who.SessionID),
	)
	encoding, gzip := otlptracehttp.EncodingProtobuf, 0
	if o.json {
		encoding = otlptracehttp.EncodingJSON
	}
	if o.gzip {
		gzip = 1
	}
	traces, err := otlptracehttp.New(ctx,
		otlptracehttp.WithEndpointURL(o.url+"/v1/traces"), otlptracehttp.WithHTTPClient(http),
		otlptracehttp.WithEncoding(encoding),
		otlptracehttp.WithCompression(otlptracehttp.Compression(gzip)))
	if err != nil {
		return p, err
	}
	p.tracers = sdktrace.NewTracerProvider(
		sdktrace.WithResource(about), sdktrace.WithBatcher(spanRecorder{traces}))
	if o.json {
		return p, nil
	}
	metrics, err := otlpmetrichttp.New(ctx,
		otlpmetrichttp.WithEndpointURL(o.url+"/v1/metrics"), otlpmetrichttp.WithHTTPClient(http),
		otlpmetrichttp.WithCompression(otlpmetrichttp.Compression(gzip)))
	if err != nil {
		return p, err
	}
	logs, err := otlploghttp.New(ctx,
		otlploghttp.WithEndpointURL(o.url+"/v1/logs"), otlploghttp.WithHTTPClient(http),
		otlploghttp.WithCompression(otlploghttp.Compression(gzip)))
	if err != nil {
		return p, err
	}
	p.meters = sdkmetric.NewMeterProvider(sdkmetric.WithResource(about),
		sdkmetric.WithReader(sdkmetric.NewPeriodicReader(metricRecorder{metrics})))
	p.loggers = sdklog.NewLoggerProvider(sdklog.WithResource(about),
		sdklog.WithProcessor(sdklog.NewBatchProcessor(logRecorder{logs})))
	return p, nil
}

func everyType() []attribute.KeyValue {
	return []attribute.KeyValue{
		attribute.String("text", "ünï \"cödé\" \\ | \n ☃ 🚀"),
		attribute.String("empty", ""),
		attribute.Bool("yes", true),
		attribute.Bool("no", false),
		attribute.Int64("negative", -42),
		attribute.Int64("large", 9007199254740991),
		attribute.Float64("tenth", 0.1),
		attribute.StringSlice("texts", []string{"a", "b"}),
		attribute.Int64Slice("numbers", []int64{1, 2}),
		attribute.Float64Slice("fractions", []float64{0.5, 1.5}),
		attribute.BoolSlice("flags", []bool{true, false}),
	}
}

func measure(ctx context.Context, meters *sdkmetric.MeterProvider) error {
	meter := meters.Meter("matrix", metric.WithInstrumentationVersion("1.0.0"))
	runs, err1 := meter.Int64Counter("matrix.runs",
		metric.WithUnit("runs"), metric.WithDescription("Runs of the matrix"))
	open, err2 := meter.Int64UpDownCounter("matrix.open", metric.WithUnit("files"))
	duration, err3 := meter.Float64Histogram("matrix.duration", metric.WithUnit("ms"))
	temperature, err4 := meter.Float64Gauge("matrix.temperature", metric.WithUnit("Cel"))
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return err
	}
	language := attribute.String("language", "go")
	success := metric.WithAttributes(language, attribute.Bool("success", true))
	runs.Add(ctx, 2, success)
	runs.Add(ctx, 5, success)
	runs.Add(ctx, 1, metric.WithAttributes(language, attribute.Bool("success", false)))
	open.Add(ctx, 5)
	open.Add(ctx, -8)
	for _, value := range []float64{0.5, 12.5, 400.25, 20000} {
		duration.Record(ctx, value, metric.WithAttributes(language))
	}
	temperature.Record(ctx, 21.75, metric.WithAttributes(attribute.String("place", "Küche ☕")))
	return nil
}

func work(ctx context.Context, tracers *sdktrace.TracerProvider) context.Context {
	tracer := tracers.Tracer("matrix", trace.WithInstrumentationVersion("1.0.0"))
	traceID, _ := trace.TraceIDFromHex("0af7651916cd43dd8448eb211c80319c")
	spanID, _ := trace.SpanIDFromHex("b7ad6b7169203331")
	link := trace.Link{
		SpanContext: trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: traceID, SpanID: spanID, TraceFlags: trace.FlagsSampled,
		}),
		Attributes: []attribute.KeyValue{attribute.String("why", "cause")},
	}
	ctx, run := tracer.Start(ctx, "matrix.run", trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(everyType()...))
	inside, step := tracer.Start(ctx, "matrix.step", trace.WithSpanKind(trace.SpanKindClient),
		trace.WithLinks(link))
	step.AddEvent("matrix.event", trace.WithAttributes(attribute.Int64("n", 1)))
	step.SetStatus(codes.Error, "step failed")
	step.End()
	run.SetStatus(codes.Ok, "")
	run.End()
	return inside
}

func note(inside context.Context, loggers *sdklog.LoggerProvider) {
	logger := loggers.Logger("matrix", log.WithInstrumentationVersion("1.0.0"))
	var one, two log.Record
	one.SetTimestamp(time.Now())
	one.SetSeverity(log.SeverityInfo)
	one.SetSeverityText("INFO")
	one.SetBody(attribute.StringValue("one \"record\" ☃"))
	one.AddAttributes(everyType()...)
	logger.Emit(inside, one)
	two.SetTimestamp(time.Now())
	two.SetSeverity(log.SeverityError2)
	two.SetBody(attribute.MapValue(
		attribute.Int64("a", 1),
		attribute.Slice("b", attribute.StringValue("x"), attribute.BoolValue(true)),
	))
	logger.Emit(context.Background(), two)
}

func oneRound(ctx context.Context, p providers) error {
	inside := work(ctx, p.tracers)
	if p.meters == nil {
		return p.tracers.ForceFlush(ctx)
	}
	if err := measure(ctx, p.meters); err != nil {
		return err
	}
	note(inside, p.loggers)
	return errors.Join(
		p.tracers.ForceFlush(ctx), p.meters.ForceFlush(ctx), p.loggers.ForceFlush(ctx))
}

func run(ctx context.Context, o order) error {
	p, err := connect(ctx, o)
	if err != nil {
		return err
	}
	if err := oneRound(ctx, p); err != nil {
		return err
	}
	time.Sleep(o.pause)
	if err := oneRound(ctx, p); err != nil {
		return err
	}
	err = p.tracers.Shutdown(ctx)
	if p.meters != nil {
		err = errors.Join(err, p.meters.Shutdown(ctx), p.loggers.Shutdown(ctx))
	}
	return errors.Join(err, exports.failure)
}

func parse(args []string) (o order, err error) {
	if len(args) != 5 {
		return o, errors.New("usage: matrix URL protobuf|json none|gzip PAUSE_MS")
	}
	pause, err := strconv.Atoi(args[4])
	if err != nil {
		return o, err
	}
	return order{
		url:   args[1],
		json:  args[2] == "json",
		gzip:  args[3] == "gzip",
		pause: time.Duration(pause) * time.Millisecond,
		who: signing.Who{
			Secret:        os.Getenv("SIGPOST_SECRET"),
			SessionID:     os.Getenv("CLIENT_SESSION"),
			ClientVersion: "1.2.3",
		},
	}, nil
}

func main() {
	o, err := parse(os.Args)
	if err == nil {
		err = run(context.Background(), o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
