package main

import (
	"context"
	"iter"
	"sync/atomic"

	"github.com/docent-ml/docent/serve"
)

// fakeModel gives out its deltas for each choice. The hooks make it slow, or fail.
type fakeModel struct {
	info   serve.Info
	deltas []serve.Delta
	before func() error  // in the queue
	each   func() error  // before each delta
	got    serve.Request // the last one
	inside atomic.Int32  // Generate loops that run
}

func (m *fakeModel) Info() serve.Info { return m.info }

func (m *fakeModel) Embed(context.Context, serve.Prompt) ([]float32, int, error) {
	return []float32{0.6, 0.8}, 1, nil
}

func (m *fakeModel) Generate(ctx context.Context, r serve.Request) iter.Seq2[serve.Delta, error] {
	return func(yield func(serve.Delta, error) bool) {
		m.inside.Add(1)
		defer m.inside.Add(-1)
		m.got = r
		if err := call(m.before); err != nil {
			yield(serve.Delta{}, err)
			return
		}
		if !yield(serve.Delta{Start: &serve.Start{PromptTokens: 7, MaxTokens: r.MaxTokens}}, nil) {
			return
		}
		for _, d := range m.deltas {
			for d.Choice = range r.N {
				err := call(m.each)
				if err == nil {
					err = ctx.Err()
				}
				if err != nil {
					yield(serve.Delta{}, err)
					return
				}
				d.Tokens = nil
				if r.Logprobs && d.Text != "" {
					d.Tokens = []serve.TokenLogprob{{Bytes: []byte(d.Text), Logprob: -0.5, Top: make([]serve.TokenLogprob, r.TopLogprobs)}}
				}
				if !yield(d, nil) {
					return
				}
			}
		}
	}
}

func call(hook func() error) error {
	if hook == nil {
		return nil
	}
	return hook()
}

func hello() *fakeModel {
	return &fakeModel{
		info: serve.Info{Fingerprint: "fp_test", Prompt: serve.PromptChat},
		deltas: []serve.Delta{
			{Text: "Hello", Sampled: 1}, {Text: ",", Sampled: 1}, {Text: " wörld", Sampled: 1}, {Text: "!", Sampled: 1},
			{Finish: serve.FinishStop, Sampled: 1},
		},
	}
}

// calling says a word and calls two functions.
func calling() *fakeModel {
	return &fakeModel{
		info: serve.Info{Tools: true, Constrained: true},
		deltas: []serve.Delta{
			{Text: "Let me see.", Sampled: 1},
			{Call: &serve.CallDelta{Index: 0, Name: "f"}, Sampled: 1}, {Call: &serve.CallDelta{Index: 0, Arguments: `{"a"`}, Sampled: 1},
			{Call: &serve.CallDelta{Index: 0, Arguments: `:1}`}}, {Call: &serve.CallDelta{Index: 1, Name: "g", Arguments: `{}`}},
			{Finish: serve.FinishToolCalls, Sampled: 1},
		},
	}
}
