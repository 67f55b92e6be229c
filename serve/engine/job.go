package engine

import (
	"context"
	"sync"
	"time"

	"github.com/docent-ml/docent/internal/lm/grammar"
	"github.com/docent-ml/docent/internal/lm/infer"
	"github.com/docent-ml/docent/internal/lm/text"
	"github.com/docent-ml/docent/serve"
)

// job is one request inside the engine. All but out and the context belongs to the engine's loop.
type job struct {
	e      *Engine
	ctx    context.Context
	cancel context.CancelFunc
	r      serve.Request
	ids    []int32
	start  serve.Start
	out    *mailbox
	taken  chan struct{} // closed when the job leaves the queue
	embed  bool          // only the vector of the text is wanted
	vector []float32
	ready  bool                // to leave the queue: its form is there; mu of the batch guards it
	calls  *grammar.ToolFormat // nil: no calls are looked for
	form   *grammar.Grammar    // nil: any text
	writes *grammar.Vocabulary // with form

	prompt   infer.Prompt // while it is computed and until every choice has a slot
	first    []float32    // logits behind the prompt
	deadline time.Time
	next     int // choice that gets the next slot
	running  int // choices that have one
}

// sequence is one choice of a job in a slot.
type sequence struct {
	job        *job
	choice     int
	slot       int
	last       int32 // token to be computed next
	count      int   // tokens sampled
	sampler    *sampler
	stream     *text.Stream
	thoughts   *thoughtReader
	transcript *transcript
	calls      *callReader // nil: none are looked for

	drafter       drafter
	drafted, kept int // since the last delta
}

func (e *Engine) newJob(ctx context.Context, r serve.Request) *job {
	j := &job{e: e, r: r, out: newMailbox(), taken: make(chan struct{})}
	if len(j.r.Tools.List) > 0 {
		j.calls = &e.calls
	}
	j.ctx, j.cancel = context.WithCancel(ctx)
	return j
}

// admit puts a job in the line, does on the caller's goroutine what needs no device, and returns when the job has left the queue.
func (e *Engine) admit(j *job) error {
	if err := e.enqueue(j); err != nil {
		return err
	}
	if err := e.prepare(j); err != nil {
		return err
	}
	return j.await(e.patience)
}

// prepare makes the prompt of a job that waits and finds the form of its answer, and lets it leave the queue.
func (e *Engine) prepare(j *job) error {
	ctx, cancel := context.WithTimeout(j.ctx, e.patience)
	defer cancel()
	err := e.tokenize(ctx, j)
	if err == nil && (j.calls != nil || j.r.Format.JSON) {
		err = e.constrain(ctx, j)
	}
	if err != nil && ctx.Err() != nil && j.ctx.Err() == nil {
		return serve.ErrQueueTimeout
	}
	if err == nil {
		e.release(j)
	}
	return err
}

// tokenize makes the prompt. Long ones take turns, so that short ones do not wait for them.
func (e *Engine) tokenize(ctx context.Context, j *job) error {
	if textOf(j.r) > longText {
		if err := e.busy.Acquire(ctx, 1); err != nil {
			return err
		}
		defer e.busy.Release(1)
	}
	ids, dropped, err := e.prompt(j.r)
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		return serve.ErrEmptyPrompt
	}
	room := e.context - len(ids)
	if room < 0 || room == 0 && !j.embed {
		return &serve.ContextLengthError{PromptTokens: len(ids), More: len(ids) > 2*e.context, ContextLength: e.context}
	}
	j.r.N = max(j.r.N, 1)
	if j.r.MaxTokens < 1 {
		j.r.MaxTokens = room
	}
	j.ids = ids
	j.start = serve.Start{PromptTokens: len(ids), MaxTokens: min(j.r.MaxTokens, room), DroppedMessages: dropped}
	return nil
}

const longText = 32 << 10 // bytes, which take a few milliseconds

// textOf is about as many bytes as the prompt of a request will have.
func textOf(r serve.Request) (bytes int) {
	if r.Prompt != nil {
		return len(r.Prompt.Text)
	}
	for _, m := range r.Messages {
		bytes += len(m.Content) + len(m.Reasoning)
		for _, c := range m.Calls {
			bytes += len(c.Arguments)
		}
	}
	for _, t := range r.Tools.List {
		bytes += len(t.Description) + len(t.Parameters)
	}
	return bytes
}

// await returns when the job has left the queue.
func (j *job) await(patience time.Duration) error {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-j.taken:
		return nil
	case <-timer.C:
		return serve.ErrQueueTimeout
	case <-j.ctx.Done():
		return j.ctx.Err()
	}
}

// mailbox carries deltas from the loop, which never waits, to one consumer, which may be slow. It holds at most the
// answer.
type mailbox struct {
	mu     sync.Mutex
	deltas []serve.Delta
	err    error
	ended  bool
	fresh  chan struct{} // capacity 1
}

func newMailbox() *mailbox { return &mailbox{fresh: make(chan struct{}, 1)} }

func (m *mailbox) put(d serve.Delta) {
	m.mu.Lock()
	m.deltas = append(m.deltas, d)
	m.mu.Unlock()
	m.signal()
}

// end closes the mailbox; err nil is a complete answer.
func (m *mailbox) end(err error) {
	m.mu.Lock()
	if !m.ended {
		m.ended, m.err = true, err
	}
	m.mu.Unlock()
	m.signal()
}

func (m *mailbox) signal() {
	select {
	case m.fresh <- struct{}{}:
	default:
	}
}

// take waits for news. What came before an error is delivered first.
func (m *mailbox) take(ctx context.Context) (deltas []serve.Delta, err error, ended bool) {
	select {
	case <-m.fresh:
	case <-ctx.Done():
		return nil, ctx.Err(), true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	deltas, m.deltas = m.deltas, nil
	return deltas, m.err, m.ended
}
