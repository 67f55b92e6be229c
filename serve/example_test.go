package serve_test

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/docent-ml/docent/openai"
	"github.com/docent-ml/docent/serve"
)

// echo is a whole model: it says the question again.
type echo struct{}

func (echo) Info() serve.Info { return serve.Info{Fingerprint: "fp_echo", Prompt: serve.PromptChat} }

func (echo) Generate(_ context.Context, r serve.Request) iter.Seq2[serve.Delta, error] {
	return func(yield func(serve.Delta, error) bool) {
		words := strings.Fields(r.Messages[len(r.Messages)-1].Content)
		if !yield(serve.Delta{Start: &serve.Start{PromptTokens: len(words), MaxTokens: r.MaxTokens}}, nil) {
			return
		}
		for _, w := range words {
			if !yield(serve.Delta{Text: w + " ", Sampled: 1}, nil) {
				return
			}
		}
		yield(serve.Delta{Finish: serve.FinishStop, Sampled: 1}, nil)
	}
}

// A handler beside the host's own routes, and a client that reads a stream.
func ExampleNewHandler() {
	h, err := serve.NewHandler(serve.Single("echo", echo{}), serve.HandlerOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer h.Close()
	mux := http.NewServeMux()
	mux.Handle("/ai/", http.StripPrefix("/ai", h))
	host := httptest.NewServer(mux)
	defer host.Close()

	res, err := http.Post(host.URL+"/ai/v1/chat/completions", "application/json",
		strings.NewReader(`{"model":"echo","stream":true,"messages":[{"role":"user","content":"When do you open?"}]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer res.Body.Close()
	for chunk, err := range openai.ReadStream[openai.ChatCompletionChunk](res.Body) {
		if err != nil {
			fmt.Println(err)
			return
		}
		if text := chunk.Choices[0].Delta.Content; text != nil {
			fmt.Print(*text)
		}
	}
	// Output: When do you open?
}

// A pool joins a registry, which knows the names, with what loads a model.
func ExampleNewPool() {
	pool, err := serve.NewPool(
		func(_ context.Context, id string) (serve.Model, error) {
			fmt.Println("loading", id)
			return echo{}, nil
		},
		serve.PoolOptions{
			List: func(context.Context) ([]serve.Entry, error) {
				return []serve.Entry{{ID: "handbook", Ready: true}, {ID: "guides"}}, nil
			},
			MaxModels: 1,
		})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close()
	for _, id := range []string{"handbook", "handbook", "unknown"} {
		model, release, err := pool.Acquire(context.Background(), id)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println("using", model.Info().Fingerprint)
		release()
	}
	// Output:
	// loading handbook
	// using fp_echo
	// using fp_echo
	// serve: no such model
}
