package recipe

import (
	_ "embed"
	"fmt"
	"strings"

	"github.com/docent-ml/docent/dataset"
)

//go:embed general.txt
var generalPrompts string

// GeneralPrompts are everyday requests that have nothing to do with anybody's documents: knowledge, sums, lists, stories,
// translations, small talk, in English and a few in other languages. A base model's own answers to them, in training, keep it
// from forgetting how to answer.
func GeneralPrompts() []string { return strings.Split(strings.TrimSpace(generalPrompts), "\n") }

// Answered are the rows of general prompts with the answers that a model gave; empty answers are left out.
func Answered(prompts, answers []string) (rows []dataset.Row) {
	for i, prompt := range prompts {
		if answer := strings.TrimSpace(answers[i]); answer != "" {
			rows = append(rows, dataset.Row{
				ID: fmt.Sprintf("general#%d", i), Source: General, Meta: map[string]string{"kind": General},
				Messages: []dataset.Message{user(prompt), reply(answer)},
			})
		}
	}
	return rows
}
