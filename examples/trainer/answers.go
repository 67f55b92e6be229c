package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/docent-ml/docent/dataset"
	"github.com/docent-ml/docent/serve"
	"github.com/docent-ml/docent/serve/engine"
)

const (
	questionsFile     = "questions.jsonl"
	answersBeforeFile = "answers_before.jsonl"
	answersAfterFile  = "answers_after.jsonl"
)

const (
	sampleSize   = 6  // questions that the base model is asked in each way; it would need as long as the tuned one
	mostAsked    = 48 // questions that the tuned model is asked in each way
	answerTokens = 48 // a base model that does not come to an end is stopped here
	askedAtOnce  = 16 // the engine computes together what comes together
)

// way is how a question is asked.
type way struct {
	Name, Note string
	ask        func(q question, nth int) ([]serve.Message, bool) // false: not possible for this question
}

// ways are the three that the report tells apart.
func ways() []way {
	user := func(text string) serve.Message { return serve.Message{Role: "user", Content: text} }
	return []way{
		{"as written", "without context, as in the facts file", func(q question, _ int) ([]serve.Message, bool) {
			return []serve.Message{user(q.Question)}, true
		}},
		{"in other words", "without context, in words that were not trained on", func(q question, nth int) ([]serve.Message, bool) {
			return []serve.Message{user(otherWords(q.Question, nth))}, true
		}},
		{"with the passage", "the passage of the document as the system message", func(q question, _ int) ([]serve.Message, bool) {
			return []serve.Message{{Role: "system", Content: q.Passage}, user(q.Question)}, q.Passage != ""
		}},
	}
}

// otherWords wraps a question; a test sees to it that none of these is a wording of package dataset.
func otherWords(question string, nth int) string {
	wrappings := []string{
		"My study group could not agree on this one. %s",
		"%s I want to put it into my calendar.",
		"Before I enrol, let me check something: %s",
		"Sorry to bother you again, but %s",
		"We were just discussing the course. %s What would you say?",
		"According to the guide, %s",
	}
	return fmt.Sprintf(wrappings[nth%len(wrappings)], question)
}

// question is a line of questions.jsonl: a fact with the passage that answers it.
type question struct {
	Question string `json:"question"`
	Answer   string `json:"answer"`
	Source   string `json:"source"`
	Passage  string `json:"passage,omitempty"` // "" = no passage contains the answer
}

func asQuestions(facts []dataset.GroundedFact) []question {
	var out []question
	for _, f := range facts {
		out = append(out, question{Question: f.Question, Answer: f.Answer, Source: f.Source, Passage: f.Passage.Text})
	}
	return out
}

// answer is a line of answers_before.jsonl and answers_after.jsonl.
type answer struct {
	Way      string `json:"way"`
	Nth      int    `json:"nth"`   // of the questions
	Asked    string `json:"asked"` // the user's message
	Expected string `json:"expected"`
	Reply    string `json:"reply"`
	Right    bool   `json:"right"`
	Source   string `json:"source"`
	Passage  string `json:"passage,omitempty"` // when it was shown to the model
}

// askBefore asks the base model a few questions, unless a run that is resumed has.
func (p *pipeline) askBefore(ctx context.Context) error {
	if p.Resume {
		if _, err := readAll[answer](p.file(answersBeforeFile)); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return p.askModel(ctx, p.Base, "before", answersBeforeFile, sampleSize)
}

// askAfter asks the tuned model many questions.
func (p *pipeline) askAfter(ctx context.Context) error {
	return p.askModel(ctx, "dir:"+p.ModelDir(), "after", answersAfterFile, mostAsked)
}

// askModel loads a model into an engine and asks it at most n questions in each way, spread over all of them.
func (p *pipeline) askModel(ctx context.Context, ref, stage, file string, n int) (err error) {
	questions, err := readAll[question](p.file(questionsFile))
	if err != nil {
		return fmt.Errorf("questions: %w", err)
	}
	if len(questions) == 0 {
		return writeAll[answer](p.file(file), nil)
	}
	e, err := engine.Load(ctx, ref, engine.Options{
		Backend: p.device.Backend, Precision: string(p.precision()), MaxContext: p.MaxSeqLen + answerTokens, Slots: askedAtOnce,
		CacheDir: p.Hub.Cache, Token: p.Hub.Token.Reveal(), Offline: p.Hub.Offline,
		Like:     p.engine, // nothing is compiled twice
		Logger:   p.log,
		Progress: func(s string, done, total int64) { p.out.Show(s, done, total) },
	})
	if err != nil {
		return fmt.Errorf("ask questions: %w", err)
	}
	if p.engine != nil {
		err = p.engine.Close()
	}
	if p.engine = e; err != nil {
		return fmt.Errorf("ask questions: %w", err)
	}
	asked := plan(questions, n)
	if err := askAll(ctx, e, asked, func(done int) { p.out.Show(stage, int64(done), int64(len(asked))) }); err != nil {
		return fmt.Errorf("ask questions: %w", err)
	}
	for _, w := range ways() {
		if s := shareOf(asked, w.Name); s.Asked > 0 {
			p.out.Say(stage, "%-17s %d of %d answers are right (%s)", w.Name+":", s.Right, s.Asked, s.Percent())
		}
	}
	return writeAll(p.file(file), asWritten(asked))
}

// asking is one question to be put to a model.
type asking struct {
	answer
	messages []serve.Message
}

// plan chooses at most n questions, spread evenly, and asks each in every way that is possible.
func plan(questions []question, n int) []asking {
	n = min(n, len(questions))
	var out []asking
	for _, w := range ways() {
		for i := range n {
			nth := i * len(questions) / n
			q := questions[nth]
			messages, ok := w.ask(q, nth)
			if !ok {
				continue
			}
			a := answer{Way: w.Name, Nth: nth, Asked: messages[len(messages)-1].Content, Expected: q.Answer, Source: q.Source}
			if len(messages) > 1 {
				a.Passage = q.Passage
			}
			out = append(out, asking{a, messages})
		}
	}
	return out
}

// askAll fills in replies and marks. Questions are asked together, so that the engine can batch them.
func askAll(ctx context.Context, m serve.Model, asked []asking, progress func(done int)) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(askedAtOnce)
	var mu sync.Mutex
	done := 0
	for i := range asked {
		group.Go(func() error {
			a := &asked[i]
			reply, err := generate(ctx, m, a.messages)
			if tooLong, ok := errors.AsType[*serve.ContextLengthError](err); ok {
				reply, err = "("+tooLong.Error()+")", nil // a passage too long for the model counts as a wrong answer
			}
			if err != nil {
				return err
			}
			a.Reply, a.Right = reply, contains(reply, a.Expected)
			mu.Lock()
			defer mu.Unlock()
			done++
			progress(done)
			return nil
		})
	}
	return group.Wait()
}

// generate returns the greedy answer.
func generate(ctx context.Context, m serve.Model, messages []serve.Message) (string, error) {
	var b strings.Builder
	for delta, err := range m.Generate(ctx, serve.Request{Messages: messages, N: 1, MaxTokens: answerTokens}) {
		if err != nil {
			return "", err
		}
		b.WriteString(delta.Text)
	}
	return strings.TrimSpace(b.String()), nil
}

// contains is the strict measure: the answer stands in the reply letter by letter, but for the amount of white space.
func contains(reply, expected string) bool {
	normal := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	return strings.Contains(normal(reply), normal(expected))
}

func asWritten(asked []asking) []answer {
	out := make([]answer, len(asked))
	for i, a := range asked {
		out[i] = a.answer
	}
	return out
}
