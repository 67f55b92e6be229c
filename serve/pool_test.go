package serve

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// loader makes a fake model for each load, which takes a second.
type loader struct {
	mu    sync.Mutex
	loads []string
	made  map[string][]*fakeModel
	err   error
	bytes map[string]int64
}

func (l *loader) load(_ context.Context, id string) (Model, error) {
	time.Sleep(time.Second)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.loads = append(l.loads, id)
	if l.err != nil {
		return nil, l.err
	}
	m := hello()
	m.info.Bytes = l.bytes[id]
	if l.made == nil {
		l.made = map[string][]*fakeModel{}
	}
	l.made[id] = append(l.made[id], m)
	return m, nil
}

// open is which of the models that were made are not closed.
func (l *loader) open() (ids []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range []string{"a", "b", "c", "d"} {
		for _, m := range l.made[id] {
			if !m.closed.Load() {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

func entries(ids ...string) (list []Entry) {
	for _, id := range ids {
		list = append(list, Entry{ID: id})
	}
	return list
}

// poolTest runs f in a bubble with a pool of models a to d, which is closed at the end.
func poolTest(t *testing.T, o PoolOptions, f func(t *testing.T, p *Pool, l *loader)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := &loader{}
		o.Local = entries("a", "b", "c", "d")
		p, err := NewPool(l.load, o)
		require.NoError(t, err)
		f(t, p, l)
		require.NoError(t, p.Close())
		assert.Empty(t, l.open(), "all are closed in the end")
		assert.Zero(t, p.alive+p.leaving+p.reserved)
	})
}

func acquire(t *testing.T, p *Pool, id string) (m *fakeModel, release func()) {
	t.Helper()
	got, release, err := p.Acquire(t.Context(), id)
	require.NoError(t, err)
	return got.(*fakeModel), release
}

func TestPoolLoadsOnce(t *testing.T) {
	poolTest(t, PoolOptions{}, func(t *testing.T, p *Pool, l *loader) {
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				_, release := acquire(t, p, "a")
				release()
				release() // harmless
			})
		}
		wg.Wait()
		_, release := acquire(t, p, "a")
		release()
		assert.Equal(t, []string{"a"}, l.loads)
		assert.Zero(t, p.models["a"].refs)
	})
}

func TestPoolUnknownModel(t *testing.T) {
	poolTest(t, PoolOptions{}, func(t *testing.T, p *Pool, l *loader) {
		_, _, err := p.Acquire(t.Context(), "x")
		require.ErrorIs(t, err, ErrModelNotFound)
		assert.Empty(t, l.loads, "nothing is loaded, or unloaded, for a made-up name")
	})
}

func TestPoolLeaverDoesNotCancelTheLoad(t *testing.T) {
	poolTest(t, PoolOptions{}, func(t *testing.T, p *Pool, l *loader) {
		ctx, leave := context.WithCancel(t.Context())
		left := make(chan error)
		go func() { _, _, err := p.Acquire(ctx, "a"); left <- err }()
		synctest.Wait()
		stayed := make(chan struct{})
		go func() { _, release := acquire(t, p, "a"); release(); close(stayed) }()
		synctest.Wait()
		leave()
		require.ErrorIs(t, <-left, context.Canceled)
		<-stayed

		// Also when nobody stays: the work is not thrown away.
		ctx, leave = context.WithCancel(t.Context())
		go func() { _, _, err := p.Acquire(ctx, "b"); left <- err }()
		synctest.Wait()
		leave()
		<-left
		time.Sleep(2 * time.Second)
		synctest.Wait()
		assert.Equal(t, []string{"a", "b"}, l.loads)
		assert.Equal(t, []string{"a", "b"}, l.open())
		assert.Zero(t, p.models["b"].refs)
	})
}

func TestPoolRemembersFailure(t *testing.T) {
	poolTest(t, PoolOptions{}, func(t *testing.T, p *Pool, l *loader) {
		l.err = errors.New("disk on fire")
		try := func() *loadError {
			_, _, err := p.Acquire(t.Context(), "a")
			require.ErrorIs(t, err, l.err)
			e, ok := errors.AsType[*loadError](err)
			require.True(t, ok)
			return e
		}
		assert.Equal(t, 5*time.Second, try().retry)
		time.Sleep(3 * time.Second)
		assert.Equal(t, 2*time.Second, try().retry)
		assert.Len(t, l.loads, 1)
		time.Sleep(2 * time.Second)
		try()
		assert.Len(t, l.loads, 2)
		l.err = nil
		time.Sleep(5 * time.Second)
		_, release := acquire(t, p, "a")
		release()
		assert.Len(t, l.loads, 3)
	})
}

func TestPoolFailuresOnTheWire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var err error
		p, e := NewPool(func(context.Context, string) (Model, error) {
			if err == nil {
				panic("secret")
			}
			return nil, err
		}, PoolOptions{Local: entries("m")})
		require.NoError(t, e)
		h := handlerOf(t, p, HandlerOptions{})
		for _, c := range []struct {
			err        error
			status     int
			code       string
			retry, not string
		}{
			{errors.New("open /secret"), 503, "model_unavailable", "5", ""},
			{fmt.Errorf("%w: tensor /secret", ErrBadModel), 503, "model_unavailable", "60", "false"},
			{fmt.Errorf("%w: /secret", ErrModelNotFound), 404, "model_not_found", "", ""},
			{nil, 503, "model_unavailable", "5", ""},
		} {
			err = c.err
			for range 2 { // the second is from memory
				w := chat(t, h, with(`"stream":true`))
				assert.Equal(t, c.status, w.Code)
				assert.Equal(t, c.code, errorOf(t, w).Code)
				assert.Equal(t, c.retry, w.Header().Get("Retry-After"))
				assert.Equal(t, c.not, w.Header().Get("X-Should-Retry"))
				assert.NotContains(t, w.Body.String(), "secret")
			}
			time.Sleep(6 * time.Second)
		}
	})
}

func TestPoolUnloadsLeastRecentlyUsed(t *testing.T) {
	poolTest(t, PoolOptions{}, func(t *testing.T, p *Pool, l *loader) {
		for _, id := range []string{"a", "b", "a", "c"} {
			_, release := acquire(t, p, id)
			release()
		}
		assert.Equal(t, []string{"a", "c"}, l.open())
		m, release := acquire(t, p, "a") // in use
		for _, id := range []string{"b", "d", "b"} {
			_, release := acquire(t, p, id)
			release()
		}
		assert.Equal(t, []string{"a", "b"}, l.open())
		assert.False(t, m.closed.Load())
		release()
	})
}

func TestPoolUnloadsByBytes(t *testing.T) {
	poolTest(t, PoolOptions{MaxModels: 4, MaxBytes: 100}, func(t *testing.T, p *Pool, l *loader) {
		l.bytes = map[string]int64{"a": 40, "b": 50, "c": 60, "d": 500}
		_, releaseA := acquire(t, p, "a")
		_, releaseB := acquire(t, p, "b")
		_, releaseC := acquire(t, p, "c")
		assert.Equal(t, []string{"a", "b", "c"}, l.open(), "all in use")
		releaseB()
		synctest.Wait()
		assert.Equal(t, []string{"a", "c"}, l.open(), "what is released goes while there is too much")
		releaseA()
		releaseC()
		_, release := acquire(t, p, "d")
		release()
		synctest.Wait()
		assert.Equal(t, []string{"d"}, l.open(), "larger than the limit, but it is the one that is asked for")
	})
}

func TestPoolWaitsForRoom(t *testing.T) {
	poolTest(t, PoolOptions{MaxModels: 1}, func(t *testing.T, p *Pool, l *loader) {
		_, release := acquire(t, p, "a")
		got := make(chan time.Time)
		go func() { _, release := acquire(t, p, "b"); got <- time.Now(); release() }()
		time.Sleep(10 * time.Second)
		assert.Equal(t, []string{"a"}, l.open(), "in use: not unloaded")
		freed := time.Now()
		release()
		assert.Equal(t, freed.Add(time.Second), <-got)
		assert.Equal(t, []string{"b"}, l.open())

		_, release = acquire(t, p, "b")
		_, _, err := p.Acquire(t.Context(), "c")
		require.ErrorIs(t, err, ErrQueueTimeout)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, _, err = p.Acquire(ctx, "d")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		synctest.Wait()
		assert.Empty(t, p.flights, "nobody waits, so nothing will be unloaded for it")
		release()
		assert.Equal(t, []string{"b"}, l.open())
		assert.Empty(t, p.failures)
	})
}

func TestPoolReload(t *testing.T) {
	poolTest(t, PoolOptions{MaxModels: 1}, func(t *testing.T, p *Pool, l *loader) {
		require.NoError(t, p.Reload(t.Context(), "a"))
		assert.Empty(t, l.loads, "not loaded: nothing to replace")

		old, release := acquire(t, p, "a")
		require.NoError(t, p.Reload(t.Context(), "a"))
		assert.Equal(t, []string{"a", "a"}, l.open(), "the old one is in use")
		current, release2 := acquire(t, p, "a")
		assert.NotSame(t, old, current)
		release()
		synctest.Wait()
		assert.True(t, old.closed.Load())
		assert.False(t, current.closed.Load())

		l.err = errors.New("bad version")
		require.ErrorIs(t, p.Reload(t.Context(), "a"), l.err)
		again, release3 := acquire(t, p, "a")
		assert.Same(t, current, again, "the old one stays")
		release2()
		release3()
		l.err = nil

		// Two at once, one gives up.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		go func() { assert.NoError(t, p.Reload(t.Context(), "a")) }()
		synctest.Wait()
		require.ErrorIs(t, p.Reload(ctx, "a"), context.DeadlineExceeded)

		// A load that runs may be of the version before: it is waited for and replaced.
		go func() { _, release := acquire(t, p, "b"); release() }()
		synctest.Wait()
		time.Sleep(time.Second / 2)
		require.NoError(t, p.Reload(t.Context(), "b"))
		synctest.Wait()
		assert.Len(t, l.made["b"], 2)
		assert.Equal(t, []string{"b"}, l.open())
	})
	p := Single("m", hello())
	require.Error(t, p.Reload(t.Context(), "m"))
	require.NoError(t, p.Close())
}

func TestPoolClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &loader{}
		p, err := NewPool(l.load, PoolOptions{Local: entries("a", "b")})
		require.NoError(t, err)
		_, release := acquire(t, p, "a")
		loading := make(chan error)
		go func() { _, _, err := p.Acquire(t.Context(), "b"); loading <- err }()
		synctest.Wait()
		closed := make(chan struct{})
		for range 2 {
			go func() { assert.NoError(t, p.Close()); closed <- struct{}{} }()
		}
		require.ErrorIs(t, <-loading, ErrClosed)
		time.Sleep(time.Minute)
		assert.Equal(t, []string{"a"}, l.open(), "in use")
		release()
		<-closed
		<-closed
		assert.Empty(t, l.open())
		_, _, err = p.Acquire(t.Context(), "a")
		require.ErrorIs(t, err, ErrClosed)
		require.ErrorIs(t, p.Reload(t.Context(), "a"), ErrClosed)
	})
}

func TestListIsCached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		var list atomic.Pointer[[]Entry]
		var fail atomic.Bool
		set := func(ids ...string) { e := entries(ids...); list.Store(&e) }
		set("a", "b", "a", "")
		p, err := NewPool((&loader{}).load, PoolOptions{Local: []Entry{{ID: "local", BaseModel: "x"}}, List: func(context.Context) ([]Entry, error) {
			calls.Add(1)
			time.Sleep(time.Second)
			if fail.Load() {
				return nil, errors.New("down")
			}
			return *list.Load(), nil
		}})
		require.NoError(t, err)
		names := func() string {
			var ids []string
			for _, m := range p.list(t.Context()) {
				ids = append(ids, m.ID)
			}
			return strings.Join(ids, " ")
		}
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() { assert.Equal(t, "local a b", names()) })
		}
		wg.Wait()
		assert.EqualValues(t, 1, calls.Load(), "shared")
		created := p.list(t.Context())[1].Created
		time.Sleep(9 * time.Second)
		names()
		assert.EqualValues(t, 1, calls.Load(), "cached")

		set("b", "a", "c")
		time.Sleep(time.Second)
		began := time.Now()
		assert.Equal(t, "local a b", names(), "from what is known, while the registry is asked")
		assert.Zero(t, time.Since(began))
		time.Sleep(time.Second)
		synctest.Wait()
		assert.Equal(t, "local b a c", names())
		assert.Equal(t, created, p.list(t.Context())[2].Created, "stable")

		fail.Store(true)
		time.Sleep(10 * time.Second)
		assert.Equal(t, "local b a c", names(), "the last good list")
		time.Sleep(time.Second)
		synctest.Wait()
		assert.Equal(t, "local b a c", names(), "also when it cannot be asked")
		assert.EqualValues(t, 3, calls.Load(), "a failure is remembered as long")

		// A known model does not wait for a registry that hangs, an unknown one does.
		time.Sleep(10 * time.Second)
		began = time.Now()
		require.NoError(t, p.catalog.lookup(t.Context(), "a"))
		assert.Zero(t, time.Since(began))
		require.ErrorIs(t, p.catalog.lookup(t.Context(), "new"), ErrModelNotFound)
		assert.Equal(t, time.Second, time.Since(began))
		fail.Store(false)
		set("new")
		time.Sleep(10 * time.Second)
		_, release := acquire(t, p, "new")
		release()
		require.NoError(t, p.Close())
	})
}

func TestListThatHangsOrPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		p, err := NewPool((&loader{}).load, PoolOptions{Local: entries("local"), List: func(context.Context) ([]Entry, error) {
			<-free // ignores its context
			panic("registry client")
		}})
		require.NoError(t, err)
		began := time.Now()
		assert.Len(t, p.list(t.Context()), 1)
		assert.Equal(t, listTimeout, time.Since(began))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, p.catalog.lookup(ctx, "x"), context.DeadlineExceeded)
		require.NoError(t, p.catalog.lookup(t.Context(), "local"))
		close(free)
		synctest.Wait()
		require.ErrorIs(t, p.catalog.lookup(t.Context(), "x"), errListFailed)
		require.NoError(t, p.Close())
	})
}

// Random use: never more models than allowed, never one closed while in use, nothing left behind.
func TestPoolRandomUse(t *testing.T) {
	poolTest(t, PoolOptions{MaxModels: 2}, func(t *testing.T, p *Pool, l *loader) {
		var wg sync.WaitGroup
		for i := range 30 {
			rng := rand.New(rand.NewPCG(uint64(i), 1))
			wg.Go(func() {
				for range 30 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rng.IntN(8000))*time.Millisecond)
					m, release, err := p.Acquire(ctx, []string{"a", "b", "c", "d"}[rng.IntN(4)])
					if err == nil {
						time.Sleep(time.Duration(rng.IntN(1500)) * time.Millisecond)
						assert.False(t, m.(*fakeModel).closed.Load())
						assert.LessOrEqual(t, len(l.open()), 2)
						release()
					} else {
						assert.ErrorIs(t, err, context.DeadlineExceeded)
					}
					cancel()
				}
			})
		}
		wg.Wait()
	})
}
