package serve

import (
	"context"
	"time"
)

// modelState is what /health and /v1/models tell of a model.
type modelState struct {
	Entry
	state string    // cold, loading, warm, failed
	since time.Time // when warm or failed
	ready bool
	info  Info // when warm
}

// list is the list of models with their states.
func (p *Pool) list(ctx context.Context) []modelState { return p.states(p.catalog.all(ctx)) }

// status is the same at once, from what is known, and what is wrong. A fetch that is due is only started.
func (p *Pool) status() ([]modelState, []Degradation, bool) {
	c := p.catalog
	fetching := c.refresh() != nil
	c.mu.Lock()
	entries, good, failing := c.entries, c.good, c.failing
	c.mu.Unlock()

	var wrong []Degradation
	if !failing.IsZero() {
		d := Degradation{"registry_stale", "the list of models cannot be fetched; the last one stands", "registry", failing.Unix()}
		if !good {
			d.Code, d.Message = "registry_unreachable", "the list of models cannot be fetched, and never was"
		}
		wrong = append(wrong, d)
	}
	models := p.states(entries)
	for _, m := range models {
		if m.state == "failed" {
			wrong = append(wrong, Degradation{"model_load_failed", "the model " + m.ID + " could not be loaded", "model", m.since.Unix()})
		}
	}
	return models, wrong, fetching && !good
}

func (p *Pool) states(entries []Entry) []modelState {
	p.mu.Lock()
	defer p.mu.Unlock()
	models := make([]modelState, len(entries))
	for i, e := range entries {
		m := modelState{Entry: e, state: "cold", ready: e.Ready}
		if h := p.models[e.ID]; h != nil {
			m.state, m.ready, m.since, m.info = "warm", true, h.at, h.info
		} else if p.flights[e.ID] != nil {
			m.state, m.ready = "loading", false
		} else if f, ok := p.failures[e.ID]; ok {
			m.state, m.ready, m.since = "failed", false, f.at
		} else if e.Pending {
			m.state, m.ready = "loading", false
		}
		models[i] = m
	}
	return models
}
