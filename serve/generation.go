package serve

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/docent-ml/docent/openai"
)

type deltaSeq = iter.Seq2[Delta, error]

// generation follows one answer, streamed or not: it counts, measures, and checks that the model keeps to its contract.
type generation struct {
	x       *exchange
	id      string // of the completion
	created int64
	wanted  int        // tokens of each choice, as the client or the default says
	fields  fieldNames // of the route's request, for errors that only the model can find

	functions bool // calls are told in the older form, function_call

	model   Model
	info    Info
	asks    []Request // one for each prompt, all with the same N
	choices int       // of all prompts together
	ignored []string  // fields and keywords

	usage  openai.Usage
	finish []Finish // for each choice, "" while it runs
	times  stopwatch
}

// begin finds the model that a request names, loading it if need be. The exchange gives it back at its end.
func (x *exchange) begin(prefix, model string, ignored []string, limit *int, fields fieldNames) (*generation, error) {
	g := &generation{
		x: x, id: prefix + x.h.newID(), created: time.Now().Unix(), wanted: x.h.o.DefaultMaxTokens, fields: fields, ignored: ignored,
		times: stopwatch{arrived: x.began, asked: time.Now()},
	}
	override(&g.wanted, limit)
	x.model = model
	g.tellIgnored()
	if !x.h.mayUse(x, model) {
		return nil, notAllowed(model)
	}
	lease, waited, err := x.h.pool.acquire(x.ctx, model)
	switch {
	case errors.Is(err, ErrModelNotFound):
		return nil, modelNotFound(model)
	case err != nil && x.ctx.Err() != nil:
		return nil, x.ended()
	case err != nil:
		return nil, err
	}
	if waited {
		g.times.loaded()
	}
	x.lease, g.model, g.info = lease, lease.model, lease.info
	return g, nil
}

// ask sets what the model is asked.
func (g *generation) ask(asks ...Request) {
	g.asks = asks
	g.choices = len(asks) * asks[0].N
	if g.x.h.o.LogContent {
		for _, ask := range asks {
			if ask.Prompt != nil {
				g.x.h.log.Info("prompt", "request_id", g.x.id, "text", ask.Prompt.Text, "tokens", ask.Prompt.Tokens)
			} else {
				g.x.h.log.Info("prompt", "request_id", g.x.id, "messages", ask.Messages)
			}
		}
	}
}

// run goes through the answer. Every delta is passed on after it was counted; the first ones, one for each prompt, have
// Start.
func (g *generation) run(each func(Delta) error) error {
	g.finish = make([]Finish, g.choices)
	started := 0
	g.x.h.waiting.Add(1)
	wait := sync.OnceFunc(func() { g.x.h.waiting.Add(-1) })
	defer wait()
	for d, err := range together(g.x.ctx, g.model, g.asks) {
		if err != nil {
			return g.failed(err)
		}
		if (d.Start != nil) != (started < len(g.asks)) || d.Choice < 0 || d.Choice >= g.choices || g.finish[d.Choice] != "" {
			return g.failed(fmt.Errorf("serve: the model sent a piece of choice %d out of order", d.Choice))
		}
		if d.Start != nil {
			started++
			g.start(*d.Start)
			wait()
		}
		if d.Sampled > 0 {
			if g.times.sampled() {
				g.x.firstToken = time.Since(g.x.began)
			}
			g.usage.CompletionTokens += d.Sampled
			g.usage.TotalTokens += d.Sampled
			g.usage.CompletionTokensDetails.ReasoningTokens += d.Thought
		}
		g.x.drafted, g.x.kept = g.x.drafted+d.Drafted, g.x.kept+d.Kept
		g.finish[d.Choice] = d.Finish
		g.x.tokens = g.usage
		if err := each(d); err != nil {
			return err
		}
	}
	g.times.ended()
	for i, f := range g.finish {
		if f == "" {
			return g.failed(fmt.Errorf("serve: the model ended choice %d without a reason", i))
		}
	}
	return nil
}

func (g *generation) start(s Start) {
	g.times.started(s.Grammar)
	g.x.h.queue.admitted()
	g.usage.PromptTokens += s.PromptTokens
	g.usage.TotalTokens += s.PromptTokens
	g.usage.PromptTokensDetails.CachedTokens += s.CachedTokens
	if len(s.Ignored) > 0 {
		g.ignored = append(g.ignored, g.fields.ignored(s.Ignored)...)
		g.tellIgnored()
	}
	header := g.x.w.Header()
	if s.MaxTokens < g.wanted {
		header.Set("X-Docent-Clamped", "max_tokens="+strconv.Itoa(s.MaxTokens))
	}
	if s.DroppedMessages > 0 {
		header.Set("X-Docent-Dropped-Messages", strconv.Itoa(s.DroppedMessages))
	}
}

// tellIgnored names what of the request has no effect.
func (g *generation) tellIgnored() {
	if len(g.ignored) > 0 {
		g.x.w.Header().Set("X-Docent-Ignored", headerList(g.ignored))
	}
}

// open begins the stream.
func (g *generation) open() {
	x := g.x
	g.headers(g.times.latency(0))
	x.status = http.StatusOK
	x.stream = openai.NewStream(x.w, openai.StreamOptions{WriteTimeout: x.h.o.WriteTimeout, KeepAlive: x.h.o.KeepAlive})
}

// reason is why a choice of a chat ended, as the client knows it.
func (g *generation) reason(f Finish) string {
	if g.functions && f == FinishToolCalls {
		return "function_call"
	}
	return string(f)
}

// conclude sends the last events of a stream: the one with the usage, unless it is nil, and [DONE].
func (g *generation) conclude(usage any) error {
	if usage != nil {
		if err := unsent(g.x.stream.Send(usage)); err != nil {
			return err
		}
	}
	g.x.settle()
	return unsent(g.x.stream.Done())
}

func (g *generation) logText(choice int, text string) {
	if g.x.h.o.LogContent {
		g.x.h.log.Info("answer", "request_id", g.x.id, "choice", choice, "text", text)
	}
}

// failed marks an error of the model, so that one without a meaning of its own becomes generation_failed.
func (g *generation) failed(err error) error {
	if g.x.ctx.Err() != nil {
		return g.x.ended() // it stopped because it was told to
	}
	if errors.Is(err, ErrBusy) {
		g.x.h.queue.full()
	}
	if e, ok := errors.AsType[*SchemaError](err); ok {
		return g.fields.schemaFault(e)
	}
	if errors.Is(err, ErrEmptyPrompt) {
		return openai.Invalid("has no tokens for this model", g.fields.prompt)
	}
	return &generateError{err}
}

// headers tells the times once more, for tools that read headers.
func (g *generation) headers(l openai.Latency) {
	header := g.x.w.Header()
	header.Set("openai-processing-ms", strconv.FormatInt(int64(math.Round(l.TotalMS)), 10))
	var parts []string
	for _, p := range []struct {
		name string
		ms   float64
	}{{"queue", l.QueueMS}, {"grammar", l.GrammarMS}, {"load", l.LoadMS}, {"prompt", l.PromptMS}, {"generate", l.GenerateMS}, {"total", l.TotalMS}} {
		if p.name == "grammar" && p.ms == 0 {
			continue
		}
		parts = append(parts, p.name+";dur="+strconv.FormatFloat(p.ms, 'f', -1, 64))
	}
	header.Set("Server-Timing", strings.Join(parts, ", "))
}

// stopwatch takes the moments between which the time of a request goes.
type stopwatch struct {
	arrived, asked, start, first, end time.Time
	load, grammar                     time.Duration
}

// loaded: there was a load to wait for, and it is over.
func (s *stopwatch) loaded() {
	s.load = time.Since(s.asked)
	s.asked = time.Now()
}

// started: the request is out of the queue.
func (s *stopwatch) started(grammar time.Duration) { s.start, s.grammar = time.Now(), grammar }

// sampled: there is a token. The first one ends the reading of the prompt.
func (s *stopwatch) sampled() (first bool) {
	if s.first.IsZero() {
		s.first = time.Now()
		return true
	}
	return false
}

func (s *stopwatch) ended() { s.end = time.Now() }

// latency is what is known so far; phases that have not ended are 0.
func (s *stopwatch) latency(tokens int) openai.Latency {
	now := s.end
	if now.IsZero() {
		now = time.Now()
	}
	l := openai.Latency{
		TotalMS: ms(now.Sub(s.arrived)), QueueMS: ms(s.start.Sub(s.asked) - s.grammar), GrammarMS: ms(s.grammar), LoadMS: ms(s.load),
	}
	if s.first.IsZero() {
		return l
	}
	l.PromptMS, l.FirstTokenMS, l.GenerateMS = ms(s.first.Sub(s.start)), ms(s.first.Sub(s.arrived)), ms(now.Sub(s.first))
	if l.GenerateMS > 0 {
		l.TokensPerSecond = math.Round(float64(tokens)/l.GenerateMS*1e4) / 10
	}
	return l
}

// ms is in milliseconds, to the microsecond.
func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// headerList joins field names that a stranger chose into a header value.
func headerList(names []string) string {
	list := make([]string, len(names))
	for i, name := range names {
		list[i] = name
		plain := func(r rune) bool { return r > ' ' && r < 0x7f && r != ',' && r != '"' }
		if strings.ContainsFunc(name, func(r rune) bool { return !plain(r) }) {
			list[i] = strconv.QuoteToASCII(name)
		}
	}
	return strings.Join(list, ", ")
}
