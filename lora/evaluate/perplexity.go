package evaluate

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/docent-ml/docent/serve"
)

//go:embed prose.txt
var prose string

// Prose returns paragraphs of general English, which no document of an organisation has.
func Prose() []string { return strings.Split(strings.TrimSpace(prose), "\n\n") }

// Perplexity is exp of the mean negative log-likelihood of a token of texts, each read from its beginning, but for the first token
// of each, which nothing predicts. It is at least 1; that of general prose rises when a model forgets its language. The model has to
// tell the likelihood of its prompt's tokens, as those of the engine do.
func Perplexity(ctx context.Context, m serve.Model, texts []string) (float64, error) {
	sum, n := 0.0, 0
	for i, text := range texts {
		for delta, err := range m.Generate(ctx, serve.Request{Prompt: &serve.Prompt{Text: text}, Echo: true, Logprobs: true, MaxTokens: 1}) {
			if err != nil {
				return 0, fmt.Errorf("evaluate: perplexity of text %d: %w", i+1, err)
			}
			if delta.Start == nil {
				continue
			}
			for _, t := range delta.Start.EchoTokens {
				if !math.IsNaN(t.Logprob) {
					sum, n = sum-t.Logprob, n+1
				}
			}
		}
	}
	if n == 0 {
		return 0, errors.New("evaluate: perplexity: the model does not tell how likely its prompt is")
	}
	return math.Exp(sum / float64(n)), nil
}
