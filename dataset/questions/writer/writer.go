// Package writer has the models that write questions for package questions: an [Endpoint] that speaks OpenAI's API, and
// [Served], any model of package serve, docent's own engine among them.
package writer

import (
	"context"
	"fmt"
	"strings"

	"github.com/docent-ml/docent/dataset/questions"
	"github.com/docent-ml/docent/serve"
)

// Served has a loaded model write. Its text is held to the schema of the prompt if the model can be.
func Served(name string, m serve.Model) questions.Generator { return served{name, m} }

type served struct {
	name  string
	model serve.Model
}

func (s served) Name() string { return s.name + " " + s.model.Info().Fingerprint }

func (s served) Generate(ctx context.Context, p questions.Prompt) (questions.Output, error) {
	r := serve.Request{
		Messages:  []serve.Message{{Role: "system", Content: p.System}, {Role: "user", Content: p.User}},
		MaxTokens: p.MaxTokens,
		Sampling:  serve.Sampling{RepetitionPenalty: 1.05},
	}
	if p.Schema != nil && s.model.Info().Constrained {
		r.Format = serve.Format{JSON: true, Schema: p.Schema}
	}
	var out questions.Output
	var text strings.Builder
	for delta, err := range s.model.Generate(ctx, r) {
		if err != nil {
			return out, fmt.Errorf("%s: %w", s.name, err)
		}
		if delta.Start != nil {
			out.PromptTokens = delta.Start.PromptTokens
		}
		out.OutputTokens += delta.Sampled
		text.WriteString(delta.Text)
	}
	out.Text = text.String()
	return out, nil
}
