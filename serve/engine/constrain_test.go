package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/lm/text"
	"github.com/docent-ml/docent/serve"
)

// TestCallOrAnswer: with functions that may be called and a schema, an answer is calls or a text that fits, whatever the
// model would rather say.
func TestCallOrAnswer(t *testing.T) {
	for name, template := range map[string]string{"hermes": hermesTemplate, "llama": llamaTemplate, "mistral": mistralTemplate} {
		e := toolEngine(t, template)
		calling, answered := 0, 0
		for seed := range uint64(12) {
			r := serve.Request{
				Messages: []serve.Message{{Role: "user", Content: "rain?"}}, N: 1, MaxTokens: 400, IgnoreEOS: true, Sampling: serve.Sampling{Temperature: 1, Seed: &seed},
				Tools:  serve.Tools{List: []serve.Tool{weather}, One: true},
				Format: serve.Format{JSON: true, Schema: json.RawMessage(`{"type":"object","properties":{"name":{"enum":["get_weather","x"]},"n":{"type":"integer"}},"required":["name","n"]}`)},
			}
			calls, text, finish := called(t, e, r)
			if len(calls) > 0 {
				calling++
				assert.Empty(t, text, name)
				assert.Equal(t, serve.FinishToolCalls, finish)
				assert.True(t, json.Valid([]byte(calls[0].Arguments)), calls[0].Arguments)
				continue
			}
			answered++
			var got struct {
				Name string
				N    *int
			}
			require.NoError(t, json.Unmarshal([]byte(text), &got), "%s: %q", name, text)
			assert.Contains(t, []string{"get_weather", "x"}, got.Name)
			assert.NotNil(t, got.N)
			assert.Equal(t, serve.FinishStop, finish)
		}
		t.Log(name, calling, answered)
		assert.Positive(t, answered, name)
	}
}

// TestBestEffort: a schema that is not strict is taken, and the answer tells what of it had no effect.
func TestBestEffort(t *testing.T) {
	e := toolEngine(t, hermesTemplate)
	r := serve.Request{
		Messages: []serve.Message{{Role: "user", Content: "x"}}, N: 1, MaxTokens: 3,
		Tools:  serve.Tools{List: []serve.Tool{weather, {Name: "f", Parameters: json.RawMessage(`{"properties":{"a/b":{"contains":{}}}}`)}}},
		Format: serve.Format{JSON: true, Schema: json.RawMessage(`{"type":"object","zzz":1}`)},
	}
	start := func() *serve.Start {
		for d, err := range e.Generate(t.Context(), r) {
			require.NoError(t, err)
			return d.Start
		}
		return nil
	}
	s := start()
	assert.ElementsMatch(t, []serve.IgnoredKeyword{{Tool: 1, Path: []any{"properties", "a/b", "contains"}}, {Tool: -1, Path: []any{"zzz"}}}, s.Ignored)
	assert.Positive(t, s.Grammar)
	r.Tools.List[1].Parameters, r.Tools.Only = json.RawMessage(`{"properties":{"a":{"zzz":{}}}}`), "f"
	assert.Equal(t, []serve.IgnoredKeyword{{Tool: 1, Path: []any{"properties", "a", "zzz"}}}, start().Ignored)
}

// TestGrammarsWait: whoever waits for a grammar counts as waiting, holds up nobody, and leaves when the client does.
func TestGrammarsWait(t *testing.T) {
	e := tinyChat(t, Options{Slots: 1, MaxQueue: 3})
	atOnce := int64(max(1, runtime.GOMAXPROCS(0)/2))
	require.NoError(t, e.busy.Acquire(t.Context(), atOnce)) // all that compile are busy
	form := serve.Request{
		Messages: []serve.Message{{Role: "user", Content: "x"}}, N: 1, MaxTokens: 300,
		Format: serve.Format{JSON: true, Schema: json.RawMessage(`{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]}`)},
	}
	ctx, leave := context.WithCancel(t.Context())
	gone := make(chan error, 3)
	for range 3 {
		go func() {
			for _, err := range e.Generate(ctx, form) {
				gone <- err
				return
			}
		}()
	}
	require.Eventually(t, func() bool { e.mu.Lock(); defer e.mu.Unlock(); return len(e.waiting) == 3 }, 10*time.Second, time.Millisecond)
	for _, err := range e.Generate(t.Context(), form) {
		assert.ErrorIs(t, err, serve.ErrBusy)
	}
	leave()
	for range 3 {
		assert.ErrorIs(t, <-gone, context.Canceled)
	}
	plain := serve.Request{Messages: form.Messages, N: 1, MaxTokens: 4}
	text, _, _ := answer(t, e, plain)
	assert.NotEmpty(t, text, "it needs no grammar")
	e.busy.Release(atOnce)
	text, _, _ = answer(t, e, form)
	assert.True(t, strings.HasPrefix(text, "{"), text)
}

// TestLongPrompts: what is too long for the context is told after a part of it was read, and those who wait for their turn with a
// long text hold up nobody and leave when the client does; the same for embeddings.
func TestLongPrompts(t *testing.T) {
	e := tinyChat(t, Options{Slots: 1})
	ask := func(words string, n int) serve.Request {
		return serve.Request{Messages: []serve.Message{{Role: "user", Content: strings.Repeat(words, n)}}, N: 1, MaxTokens: 2}
	}
	fault := func(ctx context.Context, r serve.Request) (err error) {
		for _, err = range e.Generate(ctx, r) {
			break
		}
		return err
	}
	for _, words := range []string{"Who taught it? ", "a", " ", "1234567890", "<|im_start|>", "\u00e9\u4e16", "[{(\"\\n"} {
		r := ask(words, 1<<20/len(words))
		_, _, embedded := e.Embed(t.Context(), serve.Prompt{Text: r.Messages[0].Content})
		for _, err := range []error{fault(t.Context(), r), fault(t.Context(), serve.Request{Prompt: &serve.Prompt{Text: r.Messages[0].Content}}), embedded} {
			long, ok := errors.AsType[*serve.ContextLengthError](err)
			require.True(t, ok, "%q: %v", words, err)
			assert.True(t, long.More, words)
			assert.Greater(t, long.PromptTokens, 2*e.context, words)
			assert.Less(t, long.PromptTokens, 40*e.context, "%q: not all of it is read", words)
		}
	}
	for n := 1; ; n += 7 { // whatever fits is told to the token
		ids, _, err := e.prompt(ask("ab ", n))
		require.NoError(t, err)
		full, err := e.model.Chat.Encode(templateMessages(ask("ab ", n).Messages), text.RenderOptions{AddGenerationPrompt: true})
		require.NoError(t, err)
		if len(full) > 2*e.context {
			break
		}
		require.Equal(t, full, ids)
	}

	atOnce := int64(max(1, runtime.GOMAXPROCS(0)/2))
	require.NoError(t, e.busy.Acquire(t.Context(), atOnce))
	ctx, leave := context.WithCancel(t.Context())
	gone := make(chan error, 2)
	go func() { gone <- fault(ctx, ask("x", 2*longText)) }()
	go func() {
		_, _, err := e.Embed(ctx, serve.Prompt{Text: strings.Repeat("x", 2*longText)})
		gone <- err
	}()
	require.Eventually(t, func() bool { e.mu.Lock(); defer e.mu.Unlock(); return len(e.waiting) == 2 }, 10*time.Second, time.Millisecond)
	assert.NoError(t, fault(t.Context(), ask("x", 3)), "a short one does not wait")
	leave()
	assert.ErrorIs(t, <-gone, context.Canceled)
	assert.ErrorIs(t, <-gone, context.Canceled)
}

// TestGrammarPatience: a grammar is waited for as long as a slot is.
func TestGrammarPatience(t *testing.T) {
	e := tinyChat(t, Options{QueueTimeout: 20 * time.Millisecond})
	r := serve.Request{Messages: []serve.Message{{Role: "user", Content: "x"}}, N: 1, MaxTokens: 3}
	var all []string
	for i := range 200 {
		all = append(all, fmt.Sprintf(`{"type":"string","pattern":"^x{1,500}%d$"}`, i))
	}
	r.Format = serve.Format{JSON: true, Schema: json.RawMessage(`{"oneOf":[` + strings.Join(all, ",") + `]}`)}
	for _, err := range e.Generate(t.Context(), r) {
		assert.ErrorIs(t, err, serve.ErrQueueTimeout)
	}
}
