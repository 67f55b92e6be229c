// Package dataset makes and stores what a model is trained on: rows of text, prompts with completions, or conversations.
//
// The files are JSON Lines. A line of train.jsonl is a [Row]; a line of chunks.jsonl is a [Passage], or any type of the
// caller with more fields. [ReadFile] and [WriteFile] stream them, and a file is replaced whole or not at all.
//
// Rows come from passages ([Build] with [Continuation] or the caller's own [Builder]) and from questions with known answers
// ([Ground] finds the passage that answers each, package recipe makes the rows). [Split] holds some of them back for evaluation, so
// that no document is on both sides.
//
//	rows := dataset.Build(ctx, dataset.ReadFile[dataset.Passage](dir, "chunks.jsonl"), dataset.Continuation{})
//	if n, err := dataset.WriteFile("data/train.jsonl", rows); err != nil {
//		return fmt.Errorf("after %d rows: %w", n, err)
//	}
//	stored := dataset.ReadFile[dataset.Row](dir, "train.jsonl") // can be ranged once per epoch
//	train, eval := dataset.Split{}.Train(stored), dataset.Split{}.Eval(stored)
//
// Sequences follow one rule: a [LineError] belongs to its item and the sequence goes on behind it; any other error is the last
// element. A sequence can be ranged again, if those it was made of can, unless its doc says "single use".
//
// The package does not tokenize, shuffle or call a model, and depends on the standard library only. It keeps no state: its
// functions are safe for concurrent use; a sequence is ranged by one goroutine at a time.
package dataset

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"unicode/utf8"
)

var (
	// ErrRow is wrapped by every error about the content of a row, fact or passage.
	ErrRow = errors.New("bad row")
	// ErrEmpty is wrapped where there is nothing to train on or to evaluate.
	ErrEmpty = errors.New("empty dataset")
	// ErrOptions is wrapped by the errors of Validate methods about settings.
	ErrOptions = errors.New("bad options")
)

// LineError tells what is wrong with one line of a file. The lines after it are still read.
type LineError struct {
	Name string // the file; empty when it is not known
	Line int    // counts from 1; 0 when the item did not come from a file
	Err  error
}

func (e *LineError) Error() string {
	switch {
	case e.Line == 0:
		return e.Err.Error()
	case e.Name == "":
		return fmt.Sprintf("line %d: %v", e.Line, e.Err)
	default:
		return fmt.Sprintf("%s:%d: %v", e.Name, e.Line, e.Err)
	}
}

func (e *LineError) Unwrap() error { return e.Err }

// Message is one turn of a conversation.
type Message struct {
	Role    string `json:"role"` // system, developer, user, assistant or tool
	Content string `json:"content"`
	// Of the assistant: what it thought before, the tools it calls, as a list of {id, type, function: {name, arguments}} whose
	// arguments are an object, and whether the answer is given, so that it is read and not learned.
	Reasoning string          `json:"reasoning_content,omitempty"`
	ToolCalls json.RawMessage `json:"tool_calls,omitempty"`
	Given     bool            `json:"given,omitempty"`
	// Of a tool: its name, and the call that it answers.
	Name       string `json:"name,omitempty"`
	ToolCallID string `json:"tool_call_id,omitempty"`
}

// Row is one training example. It has exactly one of three forms: Text, all of which is learned; Prompt and Completion, of
// which the completion is learned; or Messages, of which the assistant's are.
type Row struct {
	ID         string            `json:"id,omitempty"`
	Source     string            `json:"source,omitempty"` // the document it came from
	Text       string            `json:"text,omitempty"`
	Prompt     string            `json:"prompt,omitempty"`
	Completion string            `json:"completion,omitempty"`
	Messages   []Message         `json:"messages,omitempty"`
	Tools      json.RawMessage   `json:"tools,omitempty"` // functions that the assistant may call, a list in OpenAI's form
	Meta       map[string]string `json:"meta,omitempty"`  // anything the builder wants to be remembered
}

// Validate reports every fault of the row; each wraps ErrRow. A conversation ends with the assistant: a question after it
// would be read and never learned from.
func (r Row) Validate() error {
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("%w: "+format, append([]any{ErrRow}, args...)...))
	}
	check := func(field, content string) {
		switch {
		case !utf8.ValidString(content):
			fault("%s is not UTF-8", field)
		case strings.TrimSpace(content) == "":
			fault("%s is empty", field)
		}
	}
	hasText, hasPair, hasMessages := r.Text != "", r.Prompt != "" || r.Completion != "", len(r.Messages) > 0
	switch {
	case !hasText && !hasPair && !hasMessages:
		fault("it has neither text, nor prompt and completion, nor messages")
	case hasText && hasPair || hasText && hasMessages || hasPair && hasMessages:
		fault("it has more than one of text, prompt and completion, and messages")
	case hasText:
		check("text", r.Text)
	case hasPair:
		check("prompt", r.Prompt)
		check("completion", r.Completion)
	default:
		for i, m := range r.Messages {
			switch m.Role {
			case "system", "developer", "user", "assistant", "tool":
			default:
				fault("messages[%d].role is %q, must be system, developer, user, assistant or tool", i, m.Role)
			}
			if m.Content != "" || m.ToolCalls == nil && m.Reasoning == "" && m.Role != "tool" {
				check(fmt.Sprintf("messages[%d].content", i), m.Content)
			}
		}
		if last := r.Messages[len(r.Messages)-1]; last.Role != "assistant" || last.Given {
			fault("the last message is from %q, must be from assistant, and not given", last.Role)
		}
	}
	return errors.Join(faults...)
}

// Passage is a piece of a document, small enough for a row. Lines of chunks.jsonl may have more fields.
type Passage struct {
	ID        string `json:"id"`
	Source    string `json:"source"` // the document, usually its path
	Text      string `json:"text"`
	FirstPage int    `json:"first_page,omitempty"` // 0 when the document has no pages
	LastPage  int    `json:"last_page,omitempty"`
}

// Validate reports a passage without text or source; the error wraps ErrRow.
func (p Passage) Validate() error {
	var faults []error
	if strings.TrimSpace(p.Text) == "" {
		faults = append(faults, fmt.Errorf("%w: text is empty", ErrRow))
	}
	if p.Source == "" {
		faults = append(faults, fmt.Errorf("%w: source is empty", ErrRow))
	}
	return errors.Join(faults...)
}

// Values yields the values of a list.
func Values[T any](list []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, v := range list {
			if !yield(v, nil) {
				return
			}
		}
	}
}

// Spread takes at most n values of a list, at equal distances; 0 or less sets no limit.
func Spread[T any](list []T, n int) []T {
	if n <= 0 || len(list) <= n {
		return list
	}
	out := make([]T, n)
	for i := range out {
		out[i] = list[i*len(list)/n]
	}
	return out
}

// Concat returns the elements of one sequence after those of another: the rows of passages and then those of questions. Errors
// are passed on in their place; a caller that stops at an error that ends its sequence never sees the next one.
func Concat[T any](seqs ...iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, seq := range seqs {
			for v, err := range seq {
				if !yield(v, err) {
					return
				}
			}
		}
	}
}
