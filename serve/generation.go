package serve

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/docent-ml/docent/openai"
)

type deltaSeq = iter.Seq2[Delta, error]

// generation follows one answer, streamed or not: it counts, measures, and checks that the model keeps to its contract.
type generation struct {
	x           *exchange
	req         *openai.ChatCompletionRequest
	ask         Request
	id          string // of the completion
	created     int64
	fingerprint string

	usage  openai.Usage
	finish []Finish // for each choice, "" while it runs
	times  stopwatch
}

func newGeneration(x *exchange, req *openai.ChatCompletionRequest) *generation {
	return &generation{
		x: x, req: req, id: "chatcmpl-" + x.h.newID(), created: time.Now().Unix(),
		times: stopwatch{arrived: x.began, asked: time.Now()},
	}
}

// run goes through the answer. Every delta is passed on after it was counted; the first has Start.
func (g *generation) run(deltas deltaSeq, each func(Delta) error) error {
	g.finish = make([]Finish, g.ask.N)
	started := false
	for d, err := range deltas {
		if err != nil {
			return g.failed(err)
		}
		if (d.Start != nil) == started || d.Choice < 0 || d.Choice >= g.ask.N || g.finish[d.Choice] != "" {
			return g.failed(fmt.Errorf("serve: the model sent a piece of choice %d out of order", d.Choice))
		}
		if !started {
			started = true
			g.start(*d.Start)
		}
		if d.Sampled > 0 {
			g.times.sampled()
			g.usage.CompletionTokens += d.Sampled
			g.usage.TotalTokens += d.Sampled
		}
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
	g.times.started()
	g.x.h.queue.admitted()
	g.usage = openai.Usage{
		PromptTokens: s.PromptTokens, TotalTokens: s.PromptTokens,
		PromptTokensDetails: openai.PromptTokensDetails{CachedTokens: s.CachedTokens},
	}
	header := g.x.w.Header()
	wanted := g.x.h.o.DefaultMaxTokens
	if n := g.req.TokenLimit(); n != nil {
		wanted = *n
	}
	if s.MaxTokens < wanted {
		header.Set("X-Docent-Clamped", "max_tokens="+strconv.Itoa(s.MaxTokens))
	}
	if s.DroppedMessages > 0 {
		header.Set("X-Docent-Dropped-Messages", strconv.Itoa(s.DroppedMessages))
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
	}{{"queue", l.QueueMS}, {"load", l.LoadMS}, {"prompt", l.PromptMS}, {"generate", l.GenerateMS}, {"total", l.TotalMS}} {
		parts = append(parts, p.name+";dur="+strconv.FormatFloat(p.ms, 'f', -1, 64))
	}
	header.Set("Server-Timing", strings.Join(parts, ", "))
}

// stopwatch takes the moments between which the time of a request goes.
type stopwatch struct {
	arrived, asked, start, first, end time.Time
	load                              time.Duration
}

// loaded: there was a load to wait for, and it is over.
func (s *stopwatch) loaded() {
	s.load = time.Since(s.asked)
	s.asked = time.Now()
}

// started: the request is out of the queue.
func (s *stopwatch) started() { s.start = time.Now() }

// sampled: there is a token. The first one ends the reading of the prompt.
func (s *stopwatch) sampled() {
	if s.first.IsZero() {
		s.first = time.Now()
	}
}

func (s *stopwatch) ended() { s.end = time.Now() }

// latency is what is known so far; phases that have not ended are 0.
func (s *stopwatch) latency(tokens int) openai.Latency {
	now := s.end
	if now.IsZero() {
		now = time.Now()
	}
	l := openai.Latency{
		TotalMS: ms(now.Sub(s.arrived)), QueueMS: ms(s.start.Sub(s.asked)), LoadMS: ms(s.load),
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

// wireLogprobs writes token bytes as the API wants them.
func wireLogprobs(tokens []TokenLogprob) []openai.TokenLogprob {
	out := make([]openai.TokenLogprob, len(tokens))
	for i, t := range tokens {
		out[i] = openai.TokenLogprob{Token: lossy(t.Bytes), Logprob: t.Logprob, Bytes: ints(t.Bytes), TopLogprobs: make([]openai.TopLogprob, len(t.Top))}
		for j, alt := range t.Top {
			out[i].TopLogprobs[j] = openai.TopLogprob{Token: lossy(alt.Bytes), Logprob: alt.Logprob, Bytes: ints(alt.Bytes)}
		}
	}
	return out
}

// lossy is the text of a token, with U+FFFD for what is only a part of a character.
func lossy(b []byte) string { return strings.ToValidUTF8(string(b), string(utf8.RuneError)) }

func ints(b []byte) []int {
	out := make([]int, len(b))
	for i, c := range b {
		out[i] = int(c)
	}
	return out
}
