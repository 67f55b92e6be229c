package ci_test

import (
	"context"
	"encoding/json"
	"iter"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/serve"
)

// fake is a model whose answers are known, for clients to be held against: it calls the first function that it may, once,
// and then says how warm it is, in words or in the form that is asked for.
type fake struct{}

const (
	fakeText   = "It is 21 degrees in Bern."
	fakeObject = `{"city":"Bern","degrees":21}`
)

func (fake) Info() serve.Info {
	return serve.Info{Fingerprint: "fp_fake", Prompt: serve.PromptChat, Tools: true, Constrained: true, ContextLength: 4096}
}

func (fake) Generate(_ context.Context, r serve.Request) iter.Seq2[serve.Delta, error] {
	return func(yield func(serve.Delta, error) bool) {
		if !yield(serve.Delta{Start: &serve.Start{PromptTokens: 9, MaxTokens: r.MaxTokens}}, nil) {
			return
		}
		last := len(r.Messages) - 1
		if len(r.Tools.List) > 0 && r.Messages[last].Role != "tool" {
			tool := r.Tools.List[0]
			for _, t := range r.Tools.List {
				if t.Name == r.Tools.Only {
					tool = t
				}
			}
			for _, c := range []serve.CallDelta{{Name: tool.Name}, {Arguments: arguments(tool.Parameters)}} {
				if !yield(serve.Delta{Call: &c, Sampled: 1}, nil) {
					return
				}
			}
			yield(serve.Delta{Finish: serve.FinishToolCalls, Sampled: 1}, nil)
			return
		}
		text := fakeText
		if r.Format.JSON {
			text = fakeObject
		}
		for _, word := range strings.SplitAfter(text, " ") {
			if !yield(serve.Delta{Text: word, Sampled: 1}, nil) {
				return
			}
		}
		yield(serve.Delta{Finish: serve.FinishStop, Sampled: 1}, nil)
	}
}

// arguments are those of what is known that a function wants.
func arguments(schema json.RawMessage) string {
	var want struct{ Properties map[string]any }
	_ = json.Unmarshal(schema, &want) // one without properties gets none
	known := map[string]any{}
	_ = json.Unmarshal([]byte(fakeObject), &known)
	out := map[string]any{}
	for name := range want.Properties {
		if value, ok := known[name]; ok {
			out[name] = value
		}
	}
	data, _ := json.Marshal(out)
	return string(data)
}

func (fake) Embed(_ context.Context, in serve.Prompt) ([]float32, int, error) {
	v := make([]float32, 8)
	v[len(in.Text)%8] = 1
	return v, 1 + len(in.Text)/4, nil
}

// startFake serves the fake model as "fake" and returns the base URL.
func startFake(t *testing.T) string {
	t.Helper()
	h, err := serve.NewHandler(serve.Single("fake", fake{}), serve.HandlerOptions{})
	require.NoError(t, err)
	s := httptest.NewServer(h)
	t.Cleanup(func() {
		s.Close()
		require.NoError(t, h.Close())
	})
	return s.URL + "/v1"
}
