package questions

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/docent-ml/docent/dataset"
)

// Generator is a language model that writes questions: an endpoint or docent's own engine, see package writer. Its methods are
// called from several goroutines at once.
type Generator interface {
	// Name tells models apart: what one wrote is never taken for another's.
	Name() string
	// Generate answers a prompt. With a Schema the text should be JSON that fits it; it is checked all the same. An error that
	// wraps ErrStop means that no further prompt will be answered either.
	Generate(ctx context.Context, p Prompt) (Output, error)
}

// Prompt is what a Generator is asked.
type Prompt struct {
	System, User string
	Schema       json.RawMessage // nil: any text
	MaxTokens    int             // of the answer
}

// Output is the answer, and what it took.
type Output struct {
	Text                       string
	PromptTokens, OutputTokens int // 0 if not known
}

// ErrStop is wrapped by errors of a Generator that hold for every prompt: a key that is refused, a model that is not there.
var ErrStop = errors.New("the model cannot be asked")

const (
	droppedProse    = "the model wrote something else than was asked for"
	droppedFailed   = "the model could not be asked"
	droppedBudget   = "the budget was spent before the passage was asked about"
	droppedInvented = "the answer stands nowhere in the passage"
	droppedUnsure   = "the model that reads the passage answers otherwise"
)

// writtenFact is what a model makes of a passage.
type writtenFact struct {
	Answer    string   `json:"answer"`
	Questions []string `json:"questions"`
}

const systemPrompt = `You write questions that people ask about a document, from one passage of it.
For each fact of the passage (a number, a time, a date, a place, a name, a condition, a reason, what to do) give the answer and several questions that have this answer.
The answer is short and copied word for word from the passage. The questions are in the language of the passage. They ask the same thing in truly different words: another question word, other verbs and nouns, a request, a few keywords. Each can be understood without the passage, names what it is about, and does not contain the answer.
Reply with JSON alone: {"facts": [{"answer": "...", "questions": ["...", "..."]}]}. If the passage has no facts: {"facts": []}.`

const readPrompt = `Answer the question from the passage, with words of the passage, as briefly as you can. If the passage does not say it, reply: not said.`

var writtenSchema = json.RawMessage(`{"type":"object","properties":{"facts":{"type":"array","maxItems":12,"items":{"type":"object","properties":{"answer":{"type":"string","maxLength":200},"questions":{"type":"array","minItems":1,"maxItems":8,"items":{"type":"string","maxLength":200}}},"required":["answer","questions"],"additionalProperties":false}}},"required":["facts"],"additionalProperties":false}`)

// modelRun asks a Generator about passages, and counts.
type modelRun struct {
	Options
	mu       sync.Mutex
	report   *Report
	stopped  error
	failures int // in a row
	asked    int
}

// ask returns what the model wrote about each of n things and what holds. Faults are counted, and the run goes on where it can.
func (m *modelRun) ask(ctx context.Context, n int, about func(i int) []writtenFact) ([][]writtenFact, error) {
	out := make([][]writtenFact, n)
	next := make(chan int)
	var workers sync.WaitGroup
	for range m.Concurrency {
		workers.Go(func() {
			for i := range next {
				out[i] = about(i)
				m.mu.Lock()
				m.asked++
				if m.Progress != nil {
					m.Progress(m.asked, n)
				}
				m.mu.Unlock()
			}
		})
	}
	for i := range n {
		select {
		case next <- i:
		case <-ctx.Done():
		}
	}
	close(next)
	workers.Wait()
	return out, ctx.Err()
}

// passage asks about one passage, or takes what was written before.
func (m *modelRun) passage(ctx context.Context, p dataset.Passage, subject string) []writtenFact {
	prompt := Prompt{System: systemPrompt, User: fmt.Sprintf("The document is about: %s\n\nPassage:\n%s", subject, p.Text), Schema: writtenSchema, MaxTokens: 1500}
	name, facts, known := m.recall(prompt)
	if known {
		return facts
	}
	w, ok := write[writtenFact](ctx, m, prompt, "facts", "passage "+p.ID)
	if !ok {
		return nil
	}
	kept, complete := []writtenFact{}, true
	for _, f := range w {
		f.Answer = strings.TrimSpace(f.Answer)
		if f.Answer == "" || !stands(f.Answer, p.Text) {
			m.count(func() { m.report.Dropped[droppedInvented]++ })
			continue
		}
		if !m.Unverified && len(f.Questions) > 0 {
			reply, ok := m.generate(ctx, Prompt{System: readPrompt, User: fmt.Sprintf("Passage:\n%s\n\nQuestion: %s", p.Text, f.Questions[0]), MaxTokens: 80})
			if !ok {
				complete = false
				break
			}
			if !stands(f.Answer, reply) && !(stands(reply, f.Answer) && len(reply) > 0) {
				m.count(func() { m.report.Dropped[droppedUnsure]++ })
				continue
			}
		}
		kept = append(kept, f)
	}
	if complete {
		m.keep(name, kept)
	}
	return kept
}

// recall takes what was written for a prompt before, and tells the name under which keep puts it into the cache.
func (m *modelRun) recall(p Prompt) (name string, facts []writtenFact, known bool) {
	name = m.cached(p)
	if facts, known = readCached(name); known {
		m.count(func() { m.report.Cached++ })
	}
	return name, facts, known
}

// write has the model write a list; a fault names what it is about.
func write[T any](ctx context.Context, m *modelRun, p Prompt, list, about string) ([]T, bool) {
	output, ok := m.generate(ctx, p)
	if !ok {
		return nil, false
	}
	written, err := parseWritten[T](output, list)
	if err != nil {
		m.fault(droppedProse, fmt.Errorf("%s: %w", about, err))
	}
	return written, err == nil
}

// keep puts what was written into the cache.
func (m *modelRun) keep(name string, facts []writtenFact) {
	if name == "" {
		return
	}
	if _, err := dataset.WriteFile(name, dataset.Values(facts)); err != nil {
		m.fault("", fmt.Errorf("what was written cannot be kept: %w", err))
	}
}

// generate asks once, unless the budget is spent or asking was given up.
func (m *modelRun) generate(ctx context.Context, p Prompt) (string, bool) {
	m.mu.Lock()
	stopped := m.stopped != nil
	spent := m.Budget > 0 && m.report.PromptTokens+m.report.OutputTokens >= m.Budget
	m.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return "", false
	case stopped:
		m.count(func() { m.report.Dropped[droppedFailed]++ })
		return "", false
	case spent:
		m.count(func() { m.report.Dropped[droppedBudget]++ })
		return "", false
	}
	output, err := m.Generator.Generate(ctx, p)
	if ctx.Err() != nil {
		return "", false
	}
	m.count(func() {
		m.report.PromptTokens += output.PromptTokens
		m.report.OutputTokens += output.OutputTokens
		if err == nil {
			m.failures = 0
			return
		}
		const patience = 3
		if m.failures++; (errors.Is(err, ErrStop) || m.failures >= patience) && m.stopped == nil {
			m.stopped = err
			m.report.Faults = append(m.report.Faults, fmt.Sprintf("the model is not asked any more: %v", err))
		}
	})
	if err != nil {
		m.fault(droppedFailed, err)
		return "", false
	}
	return strings.TrimSpace(output.Text), true
}

func (m *modelRun) count(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
}

// fault counts a fault and keeps the first messages.
func (m *modelRun) fault(reason string, err error) {
	m.count(func() {
		if reason != "" {
			m.report.Dropped[reason]++
		}
		const most = 5
		if len(m.report.Faults) < most {
			m.report.Faults = append(m.report.Faults, err.Error())
		}
	})
}

// parseWritten reads the list in a model's JSON, in a fence or with prose around it if need be.
func parseWritten[T any](text, list string) ([]T, error) {
	from, to := strings.Index(text, "{"), strings.LastIndex(text, "}")
	if from < 0 || to < from {
		return nil, fmt.Errorf("no JSON in %q", short(text))
	}
	var shape map[string]*[]T
	if err := json.Unmarshal([]byte(text[from:to+1]), &shape); err != nil {
		return nil, fmt.Errorf("not the JSON that was asked for: %w in %q", err, short(text))
	}
	if shape[list] == nil {
		return nil, fmt.Errorf("JSON without %s: %q", list, short(text))
	}
	return *shape[list], nil
}

func short(text string) string {
	const most = 80
	runes := []rune(strings.Join(strings.Fields(text), " "))
	if len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return string(runes)
}

// stands tells whether words stand in a text, whatever their case and the white space between them.
func stands(words, text string) bool {
	plain := func(s string) string {
		return strings.Join(strings.Fields(strings.ToLower(strings.Trim(s, " .\"'"))), " ")
	}
	return strings.Contains(plain(text), plain(words))
}

// cached is the file of what a model writes for a prompt; empty without a cache.
func (m *modelRun) cached(p Prompt) string {
	if m.CacheDir == "" {
		return ""
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%s\x00%s\x00%v", m.Generator.Name(), p.System, p.User, p.Schema, m.Unverified))
	return filepath.Join(m.CacheDir, hex.EncodeToString(sum[:16])+".jsonl")
}

func readCached(name string) ([]writtenFact, bool) {
	if name == "" {
		return nil, false
	}
	if _, err := os.Stat(name); err != nil {
		return nil, false
	}
	facts := []writtenFact{}
	for f, err := range dataset.ReadFile[writtenFact](os.DirFS(filepath.Dir(name)), filepath.Base(name)) {
		if err != nil {
			return nil, false // damaged: it is written anew
		}
		facts = append(facts, f)
	}
	return facts, true
}
