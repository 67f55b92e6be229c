// Package evaluate asks a model what it was taught and what it must not have forgotten, and judges the answers without a judge
// model: each question has an answer that stands in the reply or not, or a check that a program can make.
//
//	suite, err := evaluate.Open(os.DirFS("handbooks"), facts)   // or Suite{Facts: facts}.Complete(seed): what is missing is made
//	result, err := evaluate.Run(ctx, model, suite, evaluate.Options{})
//	fmt.Println(result.Shares())                                  // reworded 0.58 (0.51 to 0.65), …
//
// The parts differ in what a model could get by without: asked as the facts are written, a model may know the wording alone;
// with the passage, it may recite instead of reading, which a replaced value tells; and a model that answers everything does well
// until it is asked what nobody told it.
package evaluate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/docent-ml/docent/dataset"
)

// Part is a kind of question.
type Part string

// The parts, in the order of reports.
const (
	AsWritten       Part = "as_written"       // the question of the facts file, which may have been trained on
	Reworded        Part = "reworded"         // in words that were not
	WithPassage     Part = "with_passage"     // as written, with the passage as the system message
	RewordedPassage Part = "reworded_passage" // reworded, with the passage
	Swapped         Part = "swapped"          // with a passage in which the value is another: that is the right one
	Unanswerable    Part = "unanswerable"     // what no document answers: right is to say so, and no value
	General         Part = "general"          // everyday requests
)

// Parts lists them.
func Parts() []Part {
	return []Part{AsWritten, Reworded, WithPassage, RewordedPassage, Swapped, Unanswerable, General}
}

// Case is one question with what is right.
type Case struct {
	Part     Part              `json:"part"`
	Fact     int               `json:"fact"` // index of the fact that it is about; -1 = none
	Source   string            `json:"source,omitempty"`
	Messages []dataset.Message `json:"messages"`
	Right    []string          `json:"right,omitempty"` // any of these stands in a right answer
	Stale    string            `json:"stale,omitempty"` // and this does not
	Check    *Check            `json:"check,omitempty"` // of general prompts
}

// Question is what the user says.
func (c Case) Question() string { return c.Messages[len(c.Messages)-1].Content }

// Model answers one conversation greedily, with at most so many tokens.
type Model interface {
	Answer(ctx context.Context, messages []dataset.Message, maxTokens int) (Reply, error)
}

// Reply is an answer.
type Reply struct {
	Text       string
	Tokens     int
	FirstToken time.Duration
	Elapsed    time.Duration
}

// Options of Run; zero values are the documented defaults.
type Options struct {
	MaxTokens  int // of an answer; 0 = 64
	Concurrent int // questions asked at a time; 0 = 16
	// Known are answers of an earlier run of the same suite and model that was interrupted: they are not asked again.
	Known    []Answer
	Progress func(Answer, int, int) // an answer, how many there are, of how many; not called concurrently
}

// Answer is what a model said to a case.
type Answer struct {
	Case
	Reply string `json:"reply"`
	OK    bool   `json:"ok"`
	// Knows is false where the reply says that it does not know.
	Knows bool `json:"knows"`
}

// Run asks a model every case of a suite. On an error it returns what was answered so far beside it.
func Run(ctx context.Context, m Model, s Suite, o Options) (*Result, error) {
	if o.MaxTokens == 0 {
		o.MaxTokens = 64
	}
	if o.Concurrent == 0 {
		o.Concurrent = 16
	}
	known := map[string]Answer{}
	for _, a := range o.Known {
		known[key(a.Case)] = a
	}
	cases := s.Cases()
	if len(cases) == 0 {
		return nil, fmt.Errorf("evaluate: %w: the suite has no questions", dataset.ErrEmpty)
	}
	answers, done := make([]Answer, len(cases)), make([]bool, len(cases))
	judge := s.judge()
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(o.Concurrent)
	var mu sync.Mutex
	n := 0
	finish := func(i int, a Answer) {
		mu.Lock()
		defer mu.Unlock()
		answers[i], done[i] = a, true
		n++
		if o.Progress != nil {
			o.Progress(a, n, len(cases))
		}
	}
	for i, c := range cases {
		if a, ok := known[key(c)]; ok {
			finish(i, judge.judge(c, a.Reply))
			continue
		}
		group.Go(func() error {
			reply, err := m.Answer(inner, c.Messages, o.MaxTokens)
			if err != nil {
				return fmt.Errorf("evaluate: %s: %q: %w", c.Part, c.Question(), err)
			}
			finish(i, judge.judge(c, reply.Text))
			return nil
		})
	}
	err := group.Wait()
	r := &Result{}
	for i, a := range answers {
		if done[i] {
			r.Answers = append(r.Answers, a)
		}
	}
	return r, errors.Join(err, ctx.Err())
}

func key(c Case) string {
	var b strings.Builder
	b.WriteString(string(c.Part))
	for _, m := range c.Messages {
		b.WriteString("\x00" + m.Role + "\x00" + m.Content)
	}
	return b.String()
}
