package serve

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"golang.org/x/sync/errgroup"

	"github.com/docent-ml/docent/openai"
)

// embeddings is POST /v1/embeddings.
func (h *Handler) embeddings(x *exchange) error {
	req, err := parse(x, openai.ParseEmbeddingRequest)
	if err != nil {
		return err
	}
	g, err := x.begin("", req.Model, req.Ignored, nil, fieldNames{prompt: "input"})
	if err != nil {
		return err
	}
	m, ok := g.model.(Embedder)
	if !ok {
		return openai.Unsupported(openai.CodeUnsupportedOperation, "the model makes no embeddings", "model")
	}
	for i, in := range req.Input {
		if err := g.known(in.Tokens, i, len(req.Input)); err != nil {
			return err
		}
	}
	if h.o.LogContent {
		h.log.Info("input", "request_id", x.id, "input", req.Input)
	}
	g.times.started(0)
	vectors, tokens, err := embed(x.ctx, m, req.Input)
	if err != nil {
		return g.failed(err)
	}
	g.times.ended()
	x.tokens = openai.Usage{PromptTokens: tokens, TotalTokens: tokens}
	if n := req.Dimensions; n != nil && *n != len(vectors[0]) {
		return openai.Unsupported(openai.CodeUnsupportedParameter, fmt.Sprintf("is not supported, except the model's own %d", len(vectors[0])), "dimensions")
	}
	res := openai.EmbeddingResponse{Object: "list", Model: req.Model, Usage: openai.EmbeddingUsage{PromptTokens: tokens, TotalTokens: tokens}}
	for i, v := range vectors {
		res.Data = append(res.Data, openai.Embedding{
			Object: "embedding", Index: i, Embedding: openai.Vector{Values: v, Base64: req.EncodingFormat == "base64"},
		})
	}
	g.headers(g.times.latency(0))
	return x.respond(http.StatusOK, res)
}

// embed asks for a few vectors at a time, so that one request does not fill the queue.
func embed(ctx context.Context, m Embedder, inputs []openai.Input) (vectors [][]float32, tokens int, err error) {
	vectors = make([][]float32, len(inputs))
	counts := make([]int, len(inputs))
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(sideBySide)
	for i, in := range inputs {
		all.Go(func() (err error) {
			defer catch(&err)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			vectors[i], counts[i], err = m.Embed(ctx, Prompt{in.Text, in.Tokens})
			if err == nil && len(vectors[i]) == 0 {
				err = errors.New("serve: the model made an empty embedding")
			}
			return err
		})
	}
	if err := all.Wait(); err != nil {
		return nil, 0, err
	}
	for _, n := range counts {
		tokens += n
	}
	return vectors, tokens, nil
}
