package engine

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/lm"
	"github.com/docent-ml/docent/internal/lm/infer"
	"github.com/docent-ml/docent/internal/lm/model"
	"github.com/docent-ml/docent/internal/testlog"
	"github.com/docent-ml/docent/internal/testmodel"
	"github.com/docent-ml/docent/serve"
)

// How long the computer of these tests takes, on their clock.
const (
	pieceTokens = 10
	pieceTime   = time.Second // for a piece of a prompt
	tokenTime   = 100 * time.Millisecond
)

// fakeSlots computes nothing and takes its time for that. The answer to everything is "aaa…", or what it is told to say.
type fakeSlots struct {
	infer.Slots
	taken   []bool
	vocab   int
	prompts int
	broken  atomic.Pointer[error] // of the next steps
	poison  int                   // length of a prompt that panics
	closed  bool
	says    string
	said    map[int]int // bytes of it, by slot
}

func (s *fakeSlots) Context() int { return 1000 }
func (s *fakeSlots) Close()       { s.closed = true }

func (s *fakeSlots) Free() (n int) {
	for _, t := range s.taken {
		if !t {
			n++
		}
	}
	return n
}

// row has the byte that comes next.
func (s *fakeSlots) row(said int) []float32 {
	row := make([]float32, s.vocab)
	next := int('a')
	if said < len(s.says) {
		next = int(s.says[said])
	} else if s.says != "" {
		next = s.vocab - 1 // the end
	}
	row[next] = 1
	return row
}

func (s *fakeSlots) NewPrompt(ids []int32, _ infer.Adapter) (infer.Prompt, error) {
	s.prompts++
	if len(ids) == s.poison {
		panic("poison")
	}
	return &fakePrompt{s: s, left: len(ids)}, nil
}

func (s *fakeSlots) Admit(infer.Prompt, bool) (int, error) {
	for slot, t := range s.taken {
		if !t {
			s.taken[slot] = true
			if s.said == nil {
				s.said = map[int]int{}
			}
			s.said[slot] = 0
			return slot, nil
		}
	}
	return 0, infer.ErrFull
}

func (s *fakeSlots) Release(slot int) { s.taken[slot] = false }

func (s *fakeSlots) Step(next map[int]int32) (infer.Rows, error) {
	time.Sleep(tokenTime)
	if err := s.broken.Load(); err != nil {
		return nil, *err
	}
	rows := infer.HostRows{}
	for slot := range next {
		s.said[slot]++
		rows[slot] = s.row(s.said[slot])
	}
	return rows, nil
}

type fakePrompt struct {
	s    *fakeSlots
	left int
}

func (p *fakePrompt) Len() int { return 0 }
func (p *fakePrompt) Close()   {}

func (p *fakePrompt) Prefill() ([]float32, error) {
	time.Sleep(pieceTime)
	if p.left -= pieceTokens; p.left > 0 {
		return nil, nil
	}
	return p.s.row(0), nil
}

// schedule runs f in a bubble, with an engine whose computer is slow but exact.
func schedule(t *testing.T, slots int, o Options, f func(t *testing.T, e *Engine, s *fakeSlots)) {
	t.Helper()
	scheduleModel(t, testmodel.Write(t, 1), slots, o, f)
}

func scheduleModel(t *testing.T, dir string, slots int, o Options, f func(t *testing.T, e *Engine, s *fakeSlots)) {
	t.Helper()
	m, err := model.Open(t.Context(), "dir:"+dir, model.Options{
		Keep: func(lm.Param, func([]float32) error) error { return nil },
	})
	require.NoError(t, err)
	synctest.Test(t, func(t *testing.T) {
		s := &fakeSlots{taken: make([]bool, slots), vocab: m.Config.VocabSize}
		e := newEngine(o.newBatch(m, s), m)
		go e.run()
		f(t, e, s)
		require.NoError(t, e.Close())
		assert.True(t, s.closed)
		assert.Equal(t, slots, s.Free(), "nobody holds a slot")
	})
}

// told is what a request heard, and when.
type told struct {
	start  time.Duration // of Start, from the question on
	tokens []time.Duration
	finish serve.Finish
	err    error
}

// question is a request with a prompt of so many tokens.
func question(prompt, tokens int) serve.Request {
	return serve.Request{Prompt: &serve.Prompt{Tokens: make([]int, prompt)}, N: 1, MaxTokens: tokens}
}

func listen(ctx context.Context, e *Engine, r serve.Request) (out told) {
	began := time.Now()
	for d, err := range e.Generate(ctx, r) {
		now := time.Since(began)
		if err != nil {
			out.err = err
			return out
		}
		if d.Start != nil {
			out.start = now
		}
		if d.Sampled > 0 {
			out.tokens = append(out.tokens, now)
		}
		if d.Finish != "" {
			out.finish = d.Finish
		}
	}
	return out
}

// later asks on the side.
func later(ctx context.Context, e *Engine, r serve.Request) <-chan told {
	out := make(chan told, 1)
	go func() { out <- listen(ctx, e, r) }()
	synctest.Wait()
	return out
}

// A long prompt is read in pieces, between which the others get their tokens, and who asked hears at once that it is read.
func TestLongPromptsDoNotStall(t *testing.T) {
	schedule(t, 2, Options{}, func(t *testing.T, e *Engine, _ *fakeSlots) {
		running := later(t.Context(), e, question(1, 60))
		time.Sleep(3 * time.Second)
		long := listen(t.Context(), e, question(5*pieceTokens, 2))
		assert.LessOrEqual(t, long.start, tokenTime, "before its prompt is read")
		assert.GreaterOrEqual(t, long.tokens[0]-long.start, 5*pieceTime-tokenTime)
		assert.LessOrEqual(t, long.tokens[0], 5*(pieceTime+tokenTime))
		other := <-running
		require.Len(t, other.tokens, 60)
		for i := 1; i < len(other.tokens); i++ {
			assert.LessOrEqual(t, other.tokens[i]-other.tokens[i-1], pieceTime+tokenTime, "token %d", i)
		}
		assert.Equal(t, serve.FinishLength, other.finish)
	})
}

func TestFirstComeFirstServed(t *testing.T) {
	schedule(t, 1, Options{}, func(t *testing.T, e *Engine, _ *fakeSlots) {
		var answers []<-chan told
		for range 4 {
			answers = append(answers, later(t.Context(), e, question(1, 11)))
		}
		for i, a := range answers {
			got := <-a
			turn := pieceTime + 10*tokenTime // prompt and answer
			assert.Equal(t, time.Duration(i)*turn, got.start)
			assert.Equal(t, time.Duration(i)*turn+pieceTime, got.tokens[0])
			assert.Len(t, got.tokens, 11)
		}
	})
}

// Choices that find no slot wait for one, and those who asked later wait behind them.
func TestChoicesWaitForSlots(t *testing.T) {
	schedule(t, 2, Options{}, func(t *testing.T, e *Engine, s *fakeSlots) {
		three := question(1, 5)
		three.N = 3
		first := later(t.Context(), e, three)
		second := <-later(t.Context(), e, question(1, 1))
		assert.Len(t, (<-first).tokens, 15)
		assert.Greater(t, second.start, pieceTime+4*tokenTime, "two choices ended first")
		assert.Equal(t, 2, s.prompts, "one prompt for all choices")
	})
}

// Whoever leaves is gone within a token, from a slot, from the queue and while the prompt is read.
func TestCancelWithinAToken(t *testing.T) {
	schedule(t, 1, Options{}, func(t *testing.T, e *Engine, s *fakeSlots) {
		ctx, leave := context.WithCancel(t.Context())
		running := later(ctx, e, question(1, 900))
		time.Sleep(3 * time.Second)
		queued, leaveQueue := context.WithCancel(t.Context())
		waits := later(queued, e, question(1, 900))
		next := later(t.Context(), e, question(1, 1))
		leaveQueue()
		require.ErrorIs(t, (<-waits).err, context.Canceled)
		leave()
		left := time.Now()
		require.ErrorIs(t, (<-running).err, context.Canceled)
		assert.Zero(t, time.Since(left), "the caller waits for nothing")
		require.NoError(t, (<-next).err)
		assert.LessOrEqual(t, time.Since(left), tokenTime+pieceTime)
		assert.Equal(t, 2, s.prompts, "who left the queue took nothing")

		ctx, leave = context.WithCancel(t.Context())
		reading := later(ctx, e, question(500, 1))
		time.Sleep(pieceTime / 2)
		leave()
		<-reading
		left = time.Now()
		require.NoError(t, listen(t.Context(), e, question(1, 1)).err)
		assert.LessOrEqual(t, time.Since(left), 2*pieceTime, "at most the piece at hand")
	})
}

func TestQueueIsBoundedAndPatient(t *testing.T) {
	schedule(t, 1, Options{MaxQueue: 2, QueueTimeout: 5 * time.Second}, func(t *testing.T, e *Engine, _ *fakeSlots) {
		ctx, leave := context.WithCancel(t.Context())
		running := later(ctx, e, question(1, 900))
		first := later(t.Context(), e, question(1, 1))
		gone, goes := context.WithCancel(t.Context())
		second := later(gone, e, question(1, 1))
		require.ErrorIs(t, listen(t.Context(), e, question(1, 1)).err, serve.ErrBusy)
		goes()
		require.ErrorIs(t, (<-second).err, context.Canceled)
		third := later(t.Context(), e, question(1, 1)) // the place of who left
		began := time.Now()
		require.ErrorIs(t, (<-first).err, serve.ErrQueueTimeout)
		require.ErrorIs(t, (<-third).err, serve.ErrQueueTimeout)
		assert.Equal(t, 5*time.Second, time.Since(began))
		leave()
		<-running
	})
}

func TestTimeLimitEndsAnAnswer(t *testing.T) {
	schedule(t, 1, Options{}, func(t *testing.T, e *Engine, _ *fakeSlots) {
		r := question(1, 900)
		r.MaxTime = 3 * time.Second
		got := listen(t.Context(), e, r)
		require.NoError(t, got.err)
		assert.Equal(t, serve.FinishLength, got.finish)
		assert.InDelta(t, 3, got.tokens[len(got.tokens)-1].Seconds(), 0.2)
	})
}

// What breaks a step ends the answers that ran, and no others.
func TestBrokenStep(t *testing.T) {
	schedule(t, 2, Options{}, func(t *testing.T, e *Engine, s *fakeSlots) {
		one, two := later(t.Context(), e, question(1, 900)), later(t.Context(), e, question(1, 900))
		time.Sleep(5*time.Second + tokenTime/2)
		lost := errors.New("device lost")
		s.broken.Store(&lost)
		require.ErrorIs(t, (<-one).err, lost)
		require.ErrorIs(t, (<-two).err, lost)
		s.broken.Store(nil)
		require.NoError(t, listen(t.Context(), e, question(1, 3)).err)
	})
}

func TestCloseEndsAll(t *testing.T) {
	schedule(t, 1, Options{}, func(t *testing.T, e *Engine, _ *fakeSlots) {
		all := []<-chan told{later(t.Context(), e, question(1, 900)), later(t.Context(), e, question(1, 1)), later(t.Context(), e, question(1, 1))}
		time.Sleep(2 * time.Second)
		require.NoError(t, e.Close())
		for _, x := range all {
			require.ErrorIs(t, (<-x).err, serve.ErrClosed)
		}
		require.ErrorIs(t, listen(t.Context(), e, question(1, 1)).err, serve.ErrClosed)
	})
}

// TestPanicEndsOneRequest: those beside it and behind it are answered.
func TestPanicEndsOneRequest(t *testing.T) {
	var log testlog.Buffer
	schedule(t, 2, Options{Logger: log.Logger()}, func(t *testing.T, e *Engine, s *fakeSlots) {
		s.poison = 7
		beside := make(chan told)
		go func() { beside <- listen(t.Context(), e, question(1, 20)) }()
		time.Sleep(2 * pieceTime)
		out := listen(t.Context(), e, question(s.poison, 5))
		require.EqualError(t, out.err, "engine: panic: poison")
		assert.Contains(t, log.String(), "NewPrompt", "the log tells where")
		out = listen(t.Context(), e, question(1, 5))
		require.NoError(t, out.err)
		assert.Len(t, out.tokens, 5)
		out = <-beside
		require.NoError(t, out.err)
		assert.Len(t, out.tokens, 20)
	})
}
