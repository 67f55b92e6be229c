package lora

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/docent-ml/docent/dataset"
	"github.com/docent-ml/docent/internal/lm/text"
)

// Examples are tokenized rows, in the order of the rows.
type Examples struct {
	rows  []example
	stats ExampleStats
}

// example is one sequence. trained[i] says whether token i counts in the loss; trained[0] never does, as nothing
// predicts it.
type example struct {
	ids     []int32
	trained []bool
	soft    [][]target // [len(ids)] what is trained instead of token i, where there is anything; nil = nowhere
	taught  string     // by whom and how Distill got soft; "" = it did not
}

// target is a token that a distribution proposes. The loss of a position is −Σ weight·log p(token) over its targets, so that
// weights of one position that add up to less than 1 let it count for less.
type target struct {
	token  int32
	weight float32
}

// choices are the targets at position i.
func (e example) choices(i int) []target {
	if e.soft != nil && len(e.soft[i]) > 0 {
		return e.soft[i]
	}
	return []target{{e.ids[i], 1}}
}

// targets is the number of trained tokens.
func (e example) targets() int {
	n := 0
	for _, t := range e.trained {
		if t {
			n++
		}
	}
	return n
}

// ExampleStats counts what became of the rows.
type ExampleStats struct {
	Rows          int // examples kept
	Tokens        int
	TrainedTokens int // tokens that count in the loss
	Truncated     int // rows cut to Config.MaxSeqLen, from the end
	Skipped       int // rows without a trained token, or without one before the cut
}

// Stats describes the examples.
func (e *Examples) Stats() ExampleStats { return e.stats }

// add keeps an example if anything in it is trained.
func (e *Examples) add(x example, maxLen int) {
	if len(x.ids) > maxLen {
		x.ids, x.trained = x.ids[:maxLen], x.trained[:maxLen] // soft targets come later
		e.stats.Truncated++
	}
	if len(x.trained) > 0 {
		x.trained[0] = false
	}
	n := x.targets()
	if n == 0 {
		e.stats.Skipped++
		return
	}
	e.rows = append(e.rows, x)
	e.stats.Rows++
	e.stats.Tokens += len(x.ids)
	e.stats.TrainedTokens += n
}

// Tokenize turns rows into examples. Messages go through the model's chat template and train on what the assistant
// says, its end-of-turn token included; without a template, each question with its answer becomes an example of its
// own in a plain question/answer form, which serve uses for such models too. Prompt and completion train on the
// completion, closed by the end-of-sequence token; plain text trains on all of itself. With Config.TrainOnPrompt
// everything is trained on.
//
// Rows longer than Config.MaxSeqLen are cut, rows with nothing to train on are left out; Stats counts both. A row that
// cannot be tokenized ends the call with an error naming it. Without any example the error is ErrNoExamples.
func (t *Trainer) Tokenize(ctx context.Context, rows iter.Seq2[dataset.Row, error]) (*Examples, error) {
	e := &Examples{}
	n := 0
	for row, err := range rows {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, fmt.Errorf("tokenize: %w", err)
		}
		n++
		examples, err := t.examples(row)
		if err != nil {
			return nil, fmt.Errorf("tokenize row %d (%s): %w", n, row.Source, err)
		}
		for _, x := range examples {
			e.add(x, t.config.MaxSeqLen)
		}
	}
	if len(e.rows) == 0 {
		return nil, fmt.Errorf("tokenize: %d rows read, %d skipped: %w", n, e.stats.Skipped, ErrNoExamples)
	}
	return e, nil
}

// examples of one row: one, but for conversations without a chat template.
func (t *Trainer) examples(row dataset.Row) ([]example, error) {
	if err := row.Validate(); err != nil {
		return nil, err
	}
	tok := t.base.model.Tokenizer
	if tok == nil {
		return nil, ErrNoTokenizer
	}
	var out []example
	switch {
	case len(row.Messages) > 0:
		var err error
		if out, err = t.conversation(row); err != nil {
			return nil, err
		}
	case row.Completion != "":
		out = []example{t.completion(tok.EncodeWithSpecial(row.Prompt), row.Completion)}
	default:
		ids := t.terminated(tok.EncodeWithSpecial(row.Text))
		out = []example{{ids: ids, trained: all(len(ids))}}
	}
	if t.config.TrainOnPrompt {
		for i := range out {
			out[i].trained = all(len(out[i].ids))
		}
	}
	return out, nil
}

// conversation renders messages with the chat template or, without one, each question with its answer in the
// question/answer form, which has no place for earlier turns.
func (t *Trainer) conversation(row dataset.Row) ([]example, error) {
	messages := make([]text.Message, len(row.Messages))
	plain := row.Tools == nil
	for i, m := range row.Messages {
		messages[i] = text.Message{Role: m.Role, Content: m.Content, Reasoning: m.Reasoning, ToolCalls: m.ToolCalls, ToolCallID: m.ToolCallID, Name: m.Name, Given: m.Given}
		plain = plain && m.ToolCalls == nil && m.Reasoning == "" && m.Role != "tool"
	}
	if chat := t.base.model.Chat; chat != nil {
		e, err := chat.Example(text.JoinSystem(messages), text.RenderOptions{Tools: row.Tools})
		return []example{{ids: e.IDs, trained: e.Completion}}, err
	}
	if !plain {
		return nil, errors.New("the base model has no chat template: tools and thoughts have no place in its question/answer form")
	}
	var out []example
	for i, m := range messages {
		if m.Role == "assistant" && i > 0 && !m.Given {
			prompt, _ := text.QAPrompt(messages[:i])
			out = append(out, t.completion(t.base.model.Tokenizer.EncodeQA(prompt), text.QACompletion(m.Content)))
		}
	}
	return out, nil
}

// completion trains on what follows the prompt.
func (t *Trainer) completion(prompt []int32, completion string) example {
	x := example{ids: t.terminated(append(prompt, t.base.model.Tokenizer.EncodeOrdinary(completion)...))}
	x.trained = make([]bool, len(x.ids))
	for i := len(prompt); i < len(x.ids); i++ {
		x.trained[i] = true
	}
	return x
}

// terminated ends a sequence with the end-of-sequence token, so that the model learns to stop.
func (t *Trainer) terminated(ids []int32) []int32 {
	end, ok := t.base.model.Tokenizer.EOS() // a model may know more: a list that begins with any
	if eos := t.base.model.EOS(); !ok && len(eos) > 0 {
		end, ok = int32(eos[0]), true
	}
	if !ok || len(ids) > 0 && ids[len(ids)-1] == end {
		return ids
	}
	return append(ids, end)
}

func all(n int) []bool { return slices.Repeat([]bool{true}, n) }

// check guards the calls that take examples.
func (e *Examples) check() error {
	if e == nil || len(e.rows) == 0 {
		return ErrNoExamples
	}
	return nil
}
