package serve

import (
	"net/http"
	"runtime/debug"
	"slices"
	"time"
)

// Degradation is something that is wrong while requests can still be served, as /health tells it. Codes: registry_stale,
// registry_unreachable, model_load_failed, queue_saturated, no_chat_template, and from the program, as examples/server
// raises them, cpu_fallback, low_memory, model_missing and model_update_failed.
type Degradation struct {
	Code      string `json:"code"`
	Message   string `json:"message"`
	Component string `json:"component"`
	Since     int64  `json:"since"` // Unix seconds
}

type healthReport struct {
	Status       string        `json:"status"` // ok, degraded, loading, unavailable
	Ready        bool          `json:"ready"`
	Version      string        `json:"version"`
	UptimeS      int64         `json:"uptime_s"`
	Models       []modelHealth `json:"models"`
	Degradations []Degradation `json:"degradations"`
}

type liveReport struct {
	Status string `json:"status"`
}

type modelHealth struct {
	ID    string  `json:"id"`
	Ready bool    `json:"ready"`
	State string  `json:"state"` // cold, loading, warm, failed
	Error *string `json:"error"`
}

// live tells that the process answers.
func (h *Handler) live(x *exchange) error {
	return x.respond(http.StatusOK, liveReport{"ok"})
}

// health tells whether requests can be served. It waits for nothing: neither for the registry nor for a model.
func (h *Handler) health(x *exchange) error {
	models, listing, wrong := h.condition()
	report := healthReport{
		Version: h.o.Version, UptimeS: int64(time.Since(h.started).Seconds()), Models: []modelHealth{}, Degradations: wrong,
	}
	loading := listing
	for _, m := range models {
		report.Models = append(report.Models, m.health())
		loading = loading || m.state == "loading"
		// A cold model counts although its files may not have been checked: the first request will load it.
		report.Ready = report.Ready || m.ready || m.state == "cold"
	}

	status := http.StatusOK
	switch {
	case h.shuttingDown():
		report.Ready, report.Status, status = false, "unavailable", http.StatusServiceUnavailable
	case !report.Ready && loading:
		report.Status, status = "loading", http.StatusServiceUnavailable
	case !report.Ready:
		report.Status, status = "unavailable", http.StatusServiceUnavailable
	case len(report.Degradations) > 0:
		report.Status = "degraded"
	default:
		report.Status = "ok"
	}
	x.w.Header().Set("Cache-Control", "no-store")
	return x.respond(status, report)
}

// condition is what is known of the models, whether their first list is still being fetched, and all that is wrong.
func (h *Handler) condition() (models []modelState, listing bool, wrong []Degradation) {
	models, wrong, listing = h.pool.status()
	wrong = append([]Degradation{}, wrong...)
	if since, ok := h.queue.state(); ok {
		wrong = append(wrong, Degradation{"queue_saturated", "requests are refused because the queue is full", "engine", since.Unix()})
	}
	for _, m := range models {
		if m.state == "warm" && m.info.Prompt == PromptPlain {
			wrong = append(wrong, Degradation{"no_chat_template", "the model " + m.ID + " has no chat template; a generic prompt is used", "model", m.since.Unix()})
		}
	}
	if h.o.Degradations != nil {
		wrong = append(wrong, h.o.Degradations()...)
	}
	return models, listing, wrong
}

func (m modelState) health() modelHealth {
	out := modelHealth{ID: m.ID, Ready: m.ready, State: m.state}
	if m.state == "failed" { // the cause, which may hold a path, is in the log
		text := "the model could not be loaded"
		out.Error = &text
	}
	return out
}

const modulePath = "github.com/docent-ml/docent"

// moduleVersion is the version of docent that is linked in, "(devel)" in its own tree.
func moduleVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if info.Main.Path == modulePath {
		return info.Main.Version
	}
	if i := slices.IndexFunc(info.Deps, func(m *debug.Module) bool { return m.Path == modulePath }); i >= 0 {
		return info.Deps[i].Version
	}
	return "unknown"
}
