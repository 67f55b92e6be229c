// Package tracing tells an OpenTelemetry collector what a program does, and how long it takes.
package tracing

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Tracer makes spans. That of nobody, nil, makes none.
type Tracer struct{ provider *sdk.TracerProvider }

// Start has spans sent to a collector by OTLP over HTTP, until End; nil if url is "". OpenTelemetry's own variables hold beside
// it: OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER, OTEL_EXPORTER_OTLP_HEADERS and so on.
func Start(ctx context.Context, url, service string, log *slog.Logger) (*Tracer, error) {
	if url == "" {
		return nil, nil
	}
	if !strings.HasPrefix(url, "http://") && !strings.HasPrefix(url, "https://") {
		return nil, fmt.Errorf("traces to %s: write the URL of a collector, such as http://localhost:4318", url)
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(strings.TrimRight(url, "/")+"/v1/traces"))
	if err != nil {
		return nil, fmt.Errorf("traces to %s: %w", url, err)
	}
	about, err := resource.New(ctx, resource.WithAttributes(attribute.String("service.name", service)), resource.WithFromEnv(), resource.WithTelemetrySDK())
	if err != nil {
		log.Warn("traces lack some of what describes this program", "error", err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("spans were not sent", "error", err) }))
	return &Tracer{sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithResource(about))}, nil
}

// End sends the last spans.
func (t *Tracer) End() {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		otel.Handle(err)
	}
}

func (t *Tracer) options() []otelhttp.Option {
	return []otelhttp.Option{
		otelhttp.WithTracerProvider(t.provider), otelhttp.WithPropagators(propagation.TraceContext{}),
		otelhttp.WithSpanNameFormatter(func(_ string, r *http.Request) string { return r.Method + " " + r.URL.Path }),
	}
}

// Handler makes a span of each request, within the trace of the client if it names one. The trace's id is the request's, in logs
// and errors too, unless the client gives that an id of its own.
func (t *Tracer) Handler(next http.Handler) http.Handler {
	if t == nil {
		return next
	}
	observed := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		span := trace.SpanFromContext(r.Context())
		if r.Header.Get("X-Request-Id") == "" {
			r.Header.Set("X-Request-Id", span.SpanContext().TraceID().String())
		}
		defer func() { span.SetAttributes(attribute.String("request_id", w.Header().Get("X-Request-Id"))) }()
		next.ServeHTTP(w, r)
	})
	probes := otelhttp.WithFilter(func(r *http.Request) bool {
		return !strings.Contains(r.URL.Path, "/health") && r.URL.Path != "/metrics"
	})
	return otelhttp.NewHandler(observed, "", append(t.options(), probes)...)
}

// Client passes the trace of its requests' contexts on (traceparent), and makes a span of each; nil without a tracer.
func (t *Tracer) Client() *http.Client {
	if t == nil {
		return nil
	}
	return &http.Client{Transport: otelhttp.NewTransport(http.DefaultTransport, t.options()...)}
}

// Span is a piece of work, until end is called with what became of it.
func (t *Tracer) Span(ctx context.Context, name string) (_ context.Context, end func(error)) {
	if t == nil {
		return ctx, func(error) {}
	}
	ctx, span := t.provider.Tracer("docent").Start(ctx, name)
	return ctx, func(err error) {
		if err != nil {
			span.RecordError(err)
			span.SetStatus(codes.Error, err.Error())
		}
		span.End()
	}
}
