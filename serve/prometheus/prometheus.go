// Package prometheus counts and measures what package serve does, with the official client library of Prometheus. Only
// programs that import it pay for that.
//
//	h, err := serve.NewHandler(pool, serve.HandlerOptions{Metrics: prometheus.New()})
//	// GET /metrics of the handler answers from now on
//
// [Metrics] has a registry of its own, which holds nothing of the host: a host that has one registers Metrics there
// instead, as it is a collector. Labels are known model ids, route patterns and codes, so no client can blow them up.
//
// Metrics is safe for concurrent use. It belongs to one handler.
package prometheus

import (
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/docent-ml/docent/serve"
)

// Metrics is a [serve.Metrics] and a collector.
type Metrics struct {
	own  *prometheus.Registry
	page http.Handler

	requests, rejected                   *prometheus.CounterVec
	keyRequests, keyTokens               *prometheus.CounterVec // of keys, which have names
	promptTokens, completionTokens, gone prometheus.Counter
	drafted, kept                        prometheus.Counter
	seconds, firstToken                  *prometheus.HistogramVec
	load                                 prometheus.Histogram
	now                                  *gauges
}

var _ serve.Metrics = (*Metrics)(nil)

// New returns metrics that have counted nothing.
func New() *Metrics {
	own := prometheus.NewRegistry()
	register := promauto.With(own)
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return register.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	single := func(name, help string) prometheus.Counter { return counter(name, help).WithLabelValues() }
	histogram := func(name, help string, labels ...string) *prometheus.HistogramVec {
		// Seconds of an answer, which may be one token or a thousand on a slow machine.
		buckets := []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300}
		return register.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
	}
	gauge := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	now := &gauges{
		queue:    gauge("docent_queue_depth", "Requests that wait for a slot of their model."),
		inflight: gauge("docent_inflight", "Requests that are being served, those that wait among them."),
		models:   gauge("docent_models_loaded", "Models in memory."),
		degraded: gauge("docent_degraded", "1 for each thing that is wrong, as in /health.", "code"),
	}
	own.MustRegister(now)
	return &Metrics{
		own: own, now: now, page: promhttp.HandlerFor(own, promhttp.HandlerOpts{}),
		requests:         counter("docent_requests_total", "Requests that have ended.", "route", "model", "status"),
		rejected:         counter("docent_rejected_total", "Requests that were answered with an error, by its code.", "code"),
		keyRequests:      counter("docent_key_requests_total", "Requests that have ended, by the name of their key.", "key", "status"),
		keyTokens:        counter("docent_key_tokens_total", "Tokens of prompts and answers, by the name of the key.", "key"),
		promptTokens:     single("docent_prompt_tokens_total", "Tokens of prompts."),
		completionTokens: single("docent_completion_tokens_total", "Tokens that were sampled."),
		drafted:          single("docent_draft_tokens_total", "Tokens that were computed ahead, because the answer might quote."),
		kept:             single("docent_draft_tokens_kept_total", "Tokens computed ahead that became the answer's."),
		gone:             single("docent_cancelled_total", "Requests whose client went away."),
		seconds:          histogram("docent_request_seconds", "From the arrival of a request to its end.", "route", "model"),
		firstToken:       histogram("docent_first_token_seconds", "From the arrival of a request to its first token.", "route", "model"),
		load:             histogram("docent_model_load_seconds", "Loads of models.").WithLabelValues().(prometheus.Histogram),
	}
}

// ObserveRequest counts a request.
func (m *Metrics) ObserveRequest(o serve.RequestObservation) {
	m.requests.WithLabelValues(o.Route, o.Model, strconv.Itoa(o.Status)).Inc()
	m.seconds.WithLabelValues(o.Route, o.Model).Observe(o.Took.Seconds())
	if o.FirstToken > 0 {
		m.firstToken.WithLabelValues(o.Route, o.Model).Observe(o.FirstToken.Seconds())
	}
	if o.Key != "" {
		m.keyRequests.WithLabelValues(o.Key, strconv.Itoa(o.Status)).Inc()
		m.keyTokens.WithLabelValues(o.Key).Add(float64(o.Usage.TotalTokens))
	}
	m.promptTokens.Add(float64(o.Usage.PromptTokens))
	m.completionTokens.Add(float64(o.Usage.CompletionTokens))
	m.drafted.Add(float64(o.Drafted))
	m.kept.Add(float64(o.Kept))
	switch {
	case o.Cancelled:
		m.gone.Inc()
	case o.Code != "":
		m.rejected.WithLabelValues(string(o.Code)).Inc()
	}
}

// ObserveLoad measures a load, also one that failed.
func (m *Metrics) ObserveLoad(_ string, took time.Duration, _ error) { m.load.Observe(took.Seconds()) }

// Watch has the gauges look at a handler.
func (m *Metrics) Watch(stats func() serve.Stats) { m.now.stats.Store(&stats) }

// ServeHTTP writes the metrics in Prometheus' text format.
func (m *Metrics) ServeHTTP(w http.ResponseWriter, r *http.Request) { m.page.ServeHTTP(w, r) }

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(to chan<- *prometheus.Desc) { m.own.Describe(to) }

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(to chan<- prometheus.Metric) { m.own.Collect(to) }

// gauges are what goes on in a handler.
type gauges struct {
	queue, inflight, models, degraded *prometheus.Desc
	stats                             atomic.Pointer[func() serve.Stats] // nil until there is a handler
}

func (g *gauges) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{g.queue, g.inflight, g.models, g.degraded} {
		to <- d
	}
}

func (g *gauges) Collect(to chan<- prometheus.Metric) {
	stats := g.stats.Load()
	if stats == nil {
		return
	}
	gauge := func(d *prometheus.Desc, v int, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), labels...)
	}
	s := (*stats)()
	gauge(g.queue, s.Waiting)
	gauge(g.inflight, s.Running)
	gauge(g.models, s.ModelsLoaded)
	told := map[string]bool{} // two models may have the same fault
	for _, d := range s.Degradations {
		if !told[d.Code] {
			told[d.Code] = true
			gauge(g.degraded, 1, d.Code)
		}
	}
}
