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

// newJob does on the caller's goroutine what needs no device.
func (e *Engine) newJob(ctx context.Context, r serve.Request) (*job, error) {
	ids, dropped, err := e.prompt(r)
	if err != nil {
		return nil, err
	}
	if len(ids) == 0 {
		return nil, serve.ErrEmptyPrompt
	}
	room := e.context - len(ids)
	if room < 1 {
		return nil, &serve.ContextLengthError{PromptTokens: len(ids), ContextLength: e.context}
	}
	r.N = max(r.N, 1)
	if r.MaxTokens < 1 {
		r.MaxTokens = room
	}
	j := &job{e: e, r: r, ids: ids, out: newMailbox(), taken: make(chan struct{})}
	if len(j.r.Tools.List) > 0 {
		j.calls = &e.calls
	}
	j.ready = !j.constrained()
	j.start = serve.Start{PromptTokens: len(ids), MaxTokens: min(r.MaxTokens, room), DroppedMessages: dropped}
	j.ctx, j.cancel = context.WithCancel(ctx)
	return j, nil
}

// constrained tells whether the answer has a form.
func (j *job) constrained() bool { return j.calls != nil || j.r.Format.JSON }

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
