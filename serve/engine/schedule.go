package engine

import (
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/docent-ml/docent/internal/lm/infer"
	"github.com/docent-ml/docent/serve"
)

// loop is the state of the goroutine that owns the device.
type loop struct {
	b      *batch
	active []*sequence
	filled *job // whose prompt is being computed, or whose choices wait for slots
	work   workspace
}

// run serves jobs until the last engine closes. Each turn does at most one piece of one prompt and then one token of every
// running sequence, so that a long prompt slows the others down but never stops them.
func (b *batch) run() {
	l := &loop{b: b}
	for !l.dismiss() {
		l.dropCancelled()
		if l.filled == nil && b.slots.Free() > 0 {
			l.filled = b.dequeue()
		}
		if l.filled == nil && len(l.active) == 0 {
			<-b.wake
			continue
		}
		l.fill()
		l.step()
	}
}

// dismiss ends the requests of engines that were closed and frees what they hold: all, with the last one.
func (l *loop) dismiss() (last bool) {
	gone, waiting, last := l.b.left()
	for _, j := range waiting {
		j.out.end(serve.ErrClosed)
		close(j.taken)
	}
	for _, e := range gone {
		for _, s := range slices.Clone(l.active) {
			if s.job.e == e {
				l.fail(s.job, serve.ErrClosed)
			}
		}
		if l.filled != nil && l.filled.e == e {
			l.fail(l.filled, serve.ErrClosed)
		}
		if e.adapter != nil {
			l.b.slots.Detach(e.adapter)
		}
	}
	if last {
		l.b.free()
	}
	for _, e := range gone {
		close(e.gone)
	}
	return last
}

// dropCancelled frees what belongs to requests that nobody waits for.
func (l *loop) dropCancelled() {
	l.active = slices.DeleteFunc(l.active, func(s *sequence) bool {
		if err := s.job.ctx.Err(); err != nil {
			l.b.slots.Release(s.slot)
			s.job.out.end(err)
			return true
		}
		return false
	})
	if j := l.filled; j != nil && j.ctx.Err() != nil {
		l.fail(j, j.ctx.Err())
	}
}

// fail ends a job and all its choices.
func (l *loop) fail(j *job, err error) {
	l.active = slices.DeleteFunc(l.active, func(s *sequence) bool {
		if s.job == j {
			l.b.slots.Release(s.slot)
		}
		return s.job == j
	})
	l.unfill(j)
	j.out.end(err)
}

func (l *loop) unfill(j *job) {
	if j.prompt != nil {
		j.prompt.Close()
		j.prompt = nil
	}
	if l.filled == j {
		l.filled = nil
	}
}

// fill computes the next piece of the prompt at hand, or gives its choices slots.
func (l *loop) fill() {
	j := l.filled
	if j == nil {
		return
	}
	if err := l.prompt(j); err != nil {
		l.fail(j, err)
	}
}

// prompt, like take and tokens below, makes an error of a panic: it ends one request, or those of one step, and not the
// process.
func (l *loop) prompt(j *job) (err error) {
	defer l.b.rescue(&err)
	if j.embed {
		if err := l.embedding(j); err != nil {
			return err
		}
		l.unfill(j)
		j.out.end(nil)
		return nil
	}
	if j.prompt == nil {
		err = l.begin(j)
	}
	if err == nil && j.first == nil {
		j.first, err = j.prompt.Prefill()
	}
	if err == nil && j.first != nil {
		err = l.admit(j)
	}
	return err
}

// begin sends Start, and so before the prompt is computed: whoever asks hears that a long one is being read.
func (l *loop) begin(j *job) (err error) {
	if j.r.Echo {
		if err := l.echo(j); err != nil {
			return err
		}
	}
	if j.prompt, err = l.b.slots.NewPrompt(j.ids, j.e.adapter); err != nil {
		return err
	}
	j.start.CachedTokens = j.prompt.Len()
	j.out.put(serve.Delta{Start: &j.start})
	if j.r.MaxTime > 0 {
		j.deadline = time.Now().Add(j.r.MaxTime)
	}
	return nil
}

// admit starts as many choices as there are free slots.
func (l *loop) admit(j *job) error {
	for j.next < j.r.N && l.b.slots.Free() > 0 {
		s := &sequence{
			job: j, choice: j.next,
			sampler:    newSampler(j.r, j.next, ints32(j.ids), j.start.MaxTokens),
			stream:     j.e.model.Tokenizer.NewStream(j.calls == nil && !j.e.thinker.special), // calls may be written with special tokens
			drafter:    drafter{size: 2},
			thoughts:   j.e.thoughts(j),
			transcript: newTranscript(j.r, j.e.info.Prompt == serve.PromptQA),
		}
		if j.calls != nil {
			s.calls = newCallReader(*j.calls, j.r)
		}
		s.keepForm()
		var err error
		if s.slot, err = l.b.slots.Admit(j.prompt, j.next < j.r.N-1 || l.b.queued()); err != nil {
			return err
		}
		j.next++
		j.running++
		l.active = append(l.active, s)
		if err := l.sample(s, j.first); err != nil {
			return err
		}
	}
	if j.next == j.r.N {
		l.unfill(j)
	}
	return nil
}

func ints32(ids []int32) []int {
	out := make([]int, len(ids))
	for i, id := range ids {
		out[i] = int(id)
	}
	return out
}

// step computes one token of every running sequence.
func (l *loop) step() {
	if len(l.active) == 0 || l.leap() {
		return
	}
	next := make(map[int]int32, len(l.active))
	for _, s := range l.active {
		next[s.slot] = s.last
	}
	rows, err := l.tokens(next)
	var chosen map[int]int32
	if err == nil {
		chosen, err = l.choose(rows)
	}
	if err != nil {
		// The batch is one: what broke one sequence broke all.
		l.b.log.Error("decode failed", "err", err)
		for len(l.active) > 0 {
			l.fail(l.active[0].job, err)
		}
		return
	}
	for _, s := range slices.Clone(l.active) {
		if slices.Contains(l.active, s) {
			if err := l.take(s, rows, chosen); err != nil {
				l.fail(s.job, err)
			}
		}
	}
}

// take continues s by the token that was chosen for it, or by one of its row.
func (l *loop) take(s *sequence, rows infer.Rows, chosen map[int]int32) (err error) {
	defer l.b.rescue(&err)
	if id, ok := chosen[s.slot]; ok {
		t, err := s.sampler.chosen(id)
		if err != nil {
			return err
		}
		return l.advance(s, t)
	}
	row, err := rows.Row(s.slot)
	if err != nil {
		return err
	}
	return l.sample(s, row)
}

// rescue makes an error of a panic, and logs where it came from.
func (b *batch) rescue(err *error) {
	if v := recover(); v != nil {
		*err = fmt.Errorf("engine: panic: %v", v)
		b.log.Error("panic", "error", *err, "stack", string(debug.Stack()))
	}
}

func (l *loop) tokens(next map[int]int32) (rows infer.Rows, err error) {
	defer l.b.rescue(&err)
	return l.b.slots.Step(next)
}

// sample continues s by a token that it chooses from its logits.
func (l *loop) sample(s *sequence, row []float32) error {
	t, err := s.sampler.next(row, &l.work)
	if err != nil {
		return err
	}
	return l.advance(s, t)
}

// advance hands the text of the next token of s on, and ends s when that was its last.
func (l *loop) advance(s *sequence, t token) error {
	s.last = int32(t.id)
	s.count++
	d := serve.Delta{Choice: s.choice, Sampled: 1, Drafted: s.drafted, Kept: s.kept}
	s.drafted, s.kept = 0, 0
	stopped := false
	switch {
	case s.job.e.eos[s.last] && (!s.job.r.IgnoreEOS || s.sampler.state != nil):
		d.Finish = serve.FinishStop
	default:
		mind, text, lps := s.thoughts.feed(s.stream.Push(s.last), l.logprob(s, t))
		d.Text, d.Tokens, stopped = s.transcript.add(text, lps...)
		if d.Reasoning = mind; s.thoughts.state == thinking || mind != "" {
			d.Thought = 1
		}
		s.keepForm()
		switch {
		case stopped, s.sampler.complete():
			d.Finish = serve.FinishStop
		case s.count >= s.job.start.MaxTokens, !s.job.deadline.IsZero() && time.Now().After(s.job.deadline):
			d.Finish = serve.FinishLength
		}
	}
	if d.Finish != "" && !stopped {
		mind, text, lps := s.thoughts.feed(s.stream.Flush(), nil)
		last, held, more := s.thoughts.rest()
		d.Reasoning += mind + last
		rest, tokens, stopped := s.transcript.end(text+held, append(lps, more...)...)
		d.Text += rest
		d.Tokens = append(d.Tokens, tokens...)
		if stopped {
			d.Finish = serve.FinishStop
		}
	}
	s.put(d)
	if d.Finish != "" {
		l.finish(s)
	}
	return nil
}

// keepForm keeps the answer to its form, and what the model thinks before it free.
func (s *sequence) keepForm() {
	form := s.job.form
	switch free := s.thoughts.state == thinking; {
	case form == nil || free == (s.sampler.state == nil):
	case free:
		s.sampler.keepTo(nil, 0)
	default:
		s.sampler.keepTo(form.Start(s.job.writes), s.job.writes.Words())
	}
}

// put hands a delta on, with the calls found in its text.
func (s *sequence) put(d serve.Delta) {
	if s.calls == nil {
		s.job.out.put(d)
		return
	}
	for _, d := range s.calls.deltas(d) {
		s.job.out.put(d)
	}
}

// logprob describes a token for the answer, when that was asked for and the token has text there.
func (l *loop) logprob(s *sequence, t token) *serve.TokenLogprob {
	if !s.job.r.Logprobs || s.calls == nil && s.job.e.model.Tokenizer.IsSpecial(s.last) {
		return nil
	}
	lp := s.job.e.describeToken(t)
	return &lp
}

func (e *Engine) describeToken(t token) serve.TokenLogprob {
	lp := serve.TokenLogprob{ID: t.id, Bytes: e.model.Tokenizer.Bytes(int32(t.id)), Logprob: t.logprob}
	for _, x := range t.top {
		lp.Top = append(lp.Top, serve.TokenLogprob{ID: x.id, Bytes: e.model.Tokenizer.Bytes(int32(x.id)), Logprob: x.value})
	}
	return lp
}

// finish frees the slot of s, and ends its job with the last choice.
func (l *loop) finish(s *sequence) {
	l.b.slots.Release(s.slot)
	l.active = slices.DeleteFunc(l.active, func(x *sequence) bool { return x == s })
	j := s.job
	j.running--
	if j.running == 0 && j.next == j.r.N {
		j.out.end(nil)
	}
}
