package engine

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gomlx/compute"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/golden"
	"github.com/docent-ml/docent/internal/testmodel"
	"github.com/docent-ml/docent/serve"
)

// tinyChat is a model of 2 layers with a byte tokenizer and a chat template, made for these tests.
func tinyChat(t *testing.T, o Options) *Engine {
	t.Helper()
	if o.Backend == nil {
		o.Backend = golden.Backend(t)
	}
	e, err := Load(t.Context(), "dir:"+testmodel.Write(t, 1), o)
	require.NoError(t, err)
	t.Cleanup(func() { e.Close() })
	return e
}

// answer is the whole text of choice 0.
func answer(t *testing.T, m serve.Model, r serve.Request) (text string, finish serve.Finish, sampled int) {
	t.Helper()
	for d, err := range m.Generate(t.Context(), r) {
		require.NoError(t, err)
		if d.Choice == 0 {
			text += d.Text
			sampled += d.Sampled
			if d.Finish != "" {
				finish = d.Finish
			}
		}
	}
	return text, finish, sampled
}

func ask(question string, tokens int) serve.Request {
	return serve.Request{Messages: []serve.Message{{Role: "user", Content: question}}, N: 1, MaxTokens: tokens, IgnoreEOS: true}
}

// TestEngineAloneAndTogether: a greedy answer does not depend on what else runs, nor on when it joins.
func TestEngineAloneAndTogether(t *testing.T) {
	e := tinyChat(t, Options{Slots: 4})
	questions := []string{"one", "a second question", strings.Repeat("long ", 80), "4", "five", "and six"}
	alone := make([]string, len(questions))
	for i, q := range questions {
		alone[i], _, _ = answer(t, e, ask(q, 70+i))
		require.NotEmpty(t, alone[i])
	}
	var wg sync.WaitGroup
	together := make([]string, len(questions))
	for i, q := range questions {
		wg.Go(func() {
			time.Sleep(time.Duration(i) * 3 * time.Millisecond)
			together[i], _, _ = answer(t, e, ask(q, 70+i))
		})
	}
	wg.Wait()
	assert.Equal(t, alone, together)
}

func TestEngineChoicesAndSeeds(t *testing.T) {
	e := tinyChat(t, Options{Slots: 2})
	seed := uint64(7)
	r := ask("draw", 20)
	r.N, r.Sampling = 3, serve.Sampling{Temperature: 1.5, Seed: &seed}
	draw := func(r serve.Request) []string {
		out := make([]string, r.N)
		for d, err := range e.Generate(t.Context(), r) {
			require.NoError(t, err)
			out[d.Choice] += d.Text
		}
		return out
	}
	first := draw(r)
	assert.Equal(t, first, draw(r), "the same seed gives the same choices")
	assert.NotEqual(t, first[0], first[1])
	next := seed + 1
	r.N, r.Sampling.Seed = 1, &next
	assert.Equal(t, first[1], draw(r)[0], "choice i draws with seed + i")
}

func TestEngineEnds(t *testing.T) {
	e := tinyChat(t, Options{MaxContext: 256})
	full, finish, sampled := answer(t, e, ask("x", 30))
	assert.Equal(t, serve.FinishLength, finish)
	assert.Equal(t, 30, sampled)

	runes := []rune(full)
	require.Greater(t, len(runes), 4)
	r := ask("x", 30)
	r.Stop = []string{string(runes[2:4])}
	text, finish, _ := answer(t, e, r)
	assert.Equal(t, serve.FinishStop, finish)
	assert.Equal(t, full[:strings.Index(full, r.Stop[0])], text)

	r = ask(strings.Repeat("y", 300), 5)
	for _, err := range e.Generate(t.Context(), r) {
		var tooLong *serve.ContextLengthError
		require.ErrorAs(t, err, &tooLong)
		assert.Equal(t, 256, tooLong.ContextLength)
	}
	_, finish, sampled = answer(t, e, ask("x", 1000))
	assert.Equal(t, serve.FinishLength, finish, "the context is full")
	assert.Less(t, sampled, 256)

	r = ask("x", 1000)
	r.MaxTime = time.Nanosecond
	_, finish, sampled = answer(t, e, r)
	assert.Equal(t, serve.FinishLength, finish)
	assert.Equal(t, 1, sampled)
}

// TestEngineCancelFreesItsSlot does so with slots that compute; how long it takes is in schedule_test.go.
func TestEngineCancelFreesItsSlot(t *testing.T) {
	e := tinyChat(t, Options{Slots: 1})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	for d, err := range e.Generate(ctx, ask("forever", 100_000)) {
		if last = err; d.Sampled > 0 {
			cancel()
		}
	}
	require.ErrorIs(t, last, context.Canceled)
	_, finish, _ := answer(t, e, ask("next", 2))
	assert.Equal(t, serve.FinishLength, finish)
	assert.Equal(t, 1, e.slots.Free())
}

func TestEngineClose(t *testing.T) {
	before := runtime.NumGoroutine()
	backend, err := compute.NewWithConfig("go")
	require.NoError(t, err)
	defer backend.Finalize()
	e, err := Load(t.Context(), "dir:"+testmodel.Write(t, 1), Options{Backend: backend})
	require.NoError(t, err)
	ended := make(chan error, 1)
	started := make(chan struct{})
	go func() {
		first := true
		var last error
		for _, err := range e.Generate(context.Background(), ask("forever", 100_000)) {
			if first {
				close(started)
				first = false
			}
			last = err
		}
		ended <- last
	}()
	<-started
	require.NoError(t, e.Close())
	require.NoError(t, e.Close())
	require.ErrorIs(t, <-ended, serve.ErrClosed)
	for _, err := range e.Generate(t.Context(), ask("x", 1)) {
		require.ErrorIs(t, err, serve.ErrClosed)
	}
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= before+8 }, 5*time.Second, 10*time.Millisecond)
}

// TestOwnCode: without a backend, and with weights of 8 bits, docent's own code computes.
func TestOwnCode(t *testing.T) {
	ref := "dir:" + testmodel.Write(t, 3)
	answers := map[string]string{}
	var sizes []int64
	prints := map[string]bool{}
	for _, o := range []Options{{Backend: golden.Backend(t), Precision: "f32"}, {}, {Precision: "int8"}, {Precision: "int4"}, {Precision: "bf16"}} {
		e, err := Load(t.Context(), ref, o)
		require.NoError(t, err)
		sizes = append(sizes, e.Info().Bytes)
		prints[e.Info().Fingerprint] = true
		r := ask("abc", 20)
		r.Logprobs = true
		for _, token := range generated(t, e, r) {
			answers[string(o.Precision)] += fmt.Sprintln(token.ID)
		}
		require.NoError(t, e.Close())
	}
	assert.Equal(t, answers["f32"], answers[""])
	assert.NotEmpty(t, answers["int8"])
	assert.NotContains(t, prints, "")
	assert.GreaterOrEqual(t, len(prints), 2, "rounded weights have another fingerprint")
	assert.Less(t, sizes[2], sizes[1]/2)
	assert.NotEmpty(t, answers["bf16"])
	assert.NotEmpty(t, answers["int4"])
	assert.Less(t, sizes[3], sizes[2])
	assert.Less(t, sizes[4], sizes[1]*6/10)
}

func TestLoadSaysWhatIsWrong(t *testing.T) {
	backend := golden.Backend(t)
	_, err := Load(t.Context(), "./nowhere", Options{Backend: backend})
	require.ErrorContains(t, err, "config.json")
	_, err = Load(t.Context(), "./nowhere", Options{Backend: backend, Precision: "int3"})
	require.ErrorContains(t, err, "int3")
	_, err = Load(t.Context(), "dir:"+filepath.Join(golden.Tiny(t)[0], "model"), Options{Backend: backend})
	require.ErrorIs(t, err, serve.ErrBadModel)
	require.ErrorContains(t, err, "tokenizer.json")
}

func TestEngineTellsWhatWasCached(t *testing.T) {
	e := tinyChat(t, Options{})
	r := ask("a question that is long enough", 30)
	fresh, _, _ := answer(t, e, r)
	again := start(t, e, r)
	assert.Equal(t, again.PromptTokens-1, again.CachedTokens, "the last token is always computed")
	cached, _, _ := answer(t, e, r)
	assert.Equal(t, fresh, cached, "what was computed before changes nothing")
	assert.Zero(t, start(t, e, ask("something else altogether", 1)).CachedTokens)
}

// A sampled token that is special has no text in the answer, and so no logprob.
func TestEngineGivesNoLogprobWithoutText(t *testing.T) {
	e := tinyChat(t, Options{})
	r := ask("x", 4)
	r.Logprobs = true
	for id := range e.eos {
		r.Sampling.LogitBias = map[int]float64{int(id): 100}
	}
	sampled := 0
	for d, err := range e.Generate(t.Context(), r) {
		require.NoError(t, err)
		assert.Empty(t, d.Text)
		assert.Empty(t, d.Tokens)
		sampled += d.Sampled
	}
	assert.Equal(t, 4, sampled)
}

// TestZeroRequest: a request that says nothing of choices and length gets one choice, as long as the context allows.
func TestZeroRequest(t *testing.T) {
	e := tinyChat(t, Options{MaxContext: 64})
	messages := []serve.Message{{Role: "user", Content: "x"}}
	_, finish, sampled := answer(t, e, serve.Request{Messages: messages, IgnoreEOS: true})
	assert.Equal(t, serve.FinishLength, finish)
	assert.Equal(t, 64, start(t, e, serve.Request{Messages: messages}).PromptTokens+sampled)
	assert.Equal(t, sampled, start(t, e, serve.Request{Messages: messages, N: -1, MaxTokens: -1}).MaxTokens)
	for _, err := range e.Generate(t.Context(), serve.Request{Prompt: &serve.Prompt{}}) {
		require.ErrorIs(t, err, serve.ErrEmptyPrompt)
	}
}

// TestSystemMessages: wherever they stand, the model sees one, in front.
func TestSystemMessages(t *testing.T) {
	e := tinyChat(t, Options{})
	user, said := serve.Message{Role: "user", Content: "q"}, serve.Message{Role: "assistant", Content: "a"}
	system := func(text string) serve.Message { return serve.Message{Role: "system", Content: text} }
	want, _, err := e.prompt(serve.Request{Messages: []serve.Message{system("one\n\ntwo"), user, said, user}})
	require.NoError(t, err)
	got, _, err := e.prompt(serve.Request{Messages: []serve.Message{user, system("one"), said, system("two"), user}})
	require.NoError(t, err)
	assert.Equal(t, want, got)
}

// TestSystemMessageAlone: it is answered, also where the template has a place for it only before a user's message.
func TestSystemMessageAlone(t *testing.T) {
	alone := serve.Request{Messages: []serve.Message{{Role: "system", Content: "Name a "}, {Role: "system", Content: "colour."}}, MaxTokens: 2, IgnoreEOS: true}
	asked := serve.Request{Messages: []serve.Message{{Role: "user", Content: "Name a \n\ncolour."}}}
	shown := `{% for m in messages %}[{{ m.role }}] {{ m.content }}{% endfor %}`
	for template, own := range map[string]bool{
		shown: true,
		`{% if messages[0].role == 'system' %}{% set messages = messages[1:] %}{% endif %}` + shown:                          false,
		`{% if messages[-1].role != 'user' %}{{ raise_exception('the last message must be of a user') }}{% endif %}` + shown: false,
	} {
		e := toolEngine(t, template)
		got, _, err := e.prompt(alone)
		require.NoError(t, err, template)
		want, _, err := e.prompt(asked)
		require.NoError(t, err)
		assert.Equal(t, own, !slices.Equal(want, got), template)
		_, finish, sampled := answer(t, e, alone)
		assert.Equal(t, serve.FinishLength, finish)
		assert.Equal(t, 2, sampled)
	}
}
