package questions

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/docent-ml/docent/dataset"
)

const rewordPrompt = `You reword a question that people ask about a document.
Give eight questions that ask the same thing and have the same answer, as eight different people would ask who have not seen the document: other verbs and nouns, everyday words in place of official ones, another structure of the sentence, a situation ("I have just moved in: ..."), a request, a few keywords.
They are in the language of the question, can be understood without the document, and do not contain the answer.
Reply with JSON alone: {"questions": ["...", "..."]}.`

var rewordSchema = json.RawMessage(`{"type":"object","properties":{"questions":{"type":"array","minItems":1,"maxItems":12,"items":{"type":"string","maxLength":200}}},"required":["questions"],"additionalProperties":false}`)

// RewordAll gives each fact wordings until it has o.Wordings: the fact's own, then those that the Generator writes, if there is
// one, then those of Reword. What a Generator writes is left out where it has the answer in it, or is the question of another
// fact; all that is said of a Generator at FromDocuments holds here too. Facts stay in their order. The error is that of ctx.
func RewordAll(ctx context.Context, facts []dataset.GroundedFact, o Options) ([]dataset.GroundedFact, Report, error) {
	o = o.withDefaults()
	report := Report{Dropped: map[string]int{}}
	out := slices.Clone(facts)
	if o.Generator != nil {
		run := modelRun{Options: o, report: &report}
		all, err := run.ask(ctx, len(facts), func(i int) []writtenFact {
			if len(facts[i].Wordings()) >= o.Wordings {
				return nil
			}
			return run.fact(ctx, facts[i])
		})
		if err != nil {
			return nil, report, err
		}
		asked := map[string]int{} // the first fact with a question
		key := func(q string) string { return strings.Join(slices.Collect(tokenSeq(q)), " ") }
		for i, f := range facts {
			for _, q := range f.Wordings() {
				asked[key(q)] = i
			}
		}
		for i, written := range all {
			for _, w := range written {
				for _, q := range w.Questions {
					if q = strings.TrimSpace(q); len(out[i].Wordings()) >= o.Wordings {
						break
					}
					_, twice := asked[key(q)]
					switch {
					case q == "" || twice:
						report.Dropped[droppedTwice]++
					case stands(facts[i].Answer, q):
						report.Dropped[droppedGivenAway]++
					default:
						asked[key(q)] = i
						out[i].Questions = append(slices.Clip(out[i].Questions), q)
					}
				}
			}
		}
	}
	texts := map[string]string{} // of documents, as far as facts show them
	for _, f := range facts {
		if !strings.Contains(texts[f.DocID], f.Passage.Text) {
			texts[f.DocID] += f.Passage.Text + "\n"
		}
	}
	for i, f := range out {
		if missing := o.Wordings - len(f.Wordings()); missing > 0 {
			out[i].Questions = append(slices.Clip(f.Questions), reword(f.Fact, texts[f.DocID], missing)...)
		}
	}
	return out, report, nil
}

// fact has the model reword the question of a fact, or takes what was written before.
func (m *modelRun) fact(ctx context.Context, f dataset.GroundedFact) []writtenFact {
	said := f.Quote
	if said == "" {
		said = f.Passage.Text
	}
	prompt := Prompt{System: rewordPrompt, User: fmt.Sprintf("Question: %s\nAnswer: %s\nThe document says: %s", f.Question, f.Answer, said), Schema: rewordSchema, MaxTokens: 600}
	name, facts, known := m.recall(prompt)
	if known {
		return facts
	}
	questions, ok := write[string](ctx, m, prompt, "questions", fmt.Sprintf("%q", f.Question))
	if !ok {
		return nil
	}
	written := []writtenFact{{Answer: f.Answer, Questions: questions}}
	m.keep(name, written)
	return written
}
