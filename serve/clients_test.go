package serve

import (
	"bytes"
	"compress/gzip"
	"context"
	"iter"
	"math"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func zipped(t *testing.T, text string) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return &b
}

func TestGzipBodies(t *testing.T) {
	h := newHandler(t, hello(), HandlerOptions{})
	send := func(encoding string, body *bytes.Buffer) *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", "/v1/chat/completions", body)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Content-Encoding", encoding)
		w, _ := do(h, r)
		return w
	}
	assert.Equal(t, 200, send("gzip", zipped(t, plain)).Code)
	assert.Equal(t, 200, send("X-Gzip", zipped(t, plain)).Code)
	bomb := zipped(t, with(`"user":"`+strings.Repeat("x", 200<<20)+`"`))
	require.Less(t, bomb.Len(), 1<<20)
	for want, body := range map[string]*bytes.Buffer{
		"request_too_large": bomb, "invalid_json": bytes.NewBufferString(plain),
	} {
		assert.Equal(t, want, errorOf(t, send("gzip", body)).Code)
	}
	cut := zipped(t, plain)
	cut.Truncate(cut.Len() - 3)
	assert.Equal(t, "invalid_json", errorOf(t, send("gzip", cut)).Code)
	wrong := zipped(t, plain)
	wrong.Bytes()[wrong.Len()-6]++
	assert.Equal(t, "invalid_json", errorOf(t, send("gzip", wrong)).Code)
	assert.Equal(t, "invalid_json", errorOf(t, send("gzip", zipped(t, ""))).Code)
}

// Without a limit of the host's, a body may be as long as the longest context that is served.
func TestBodiesOfLongContexts(t *testing.T) {
	long := hello()
	long.info.ContextLength = 1 << 17
	long.before = func(context.Context, Request) error {
		return &ContextLengthError{PromptTokens: 200000, ContextLength: 1 << 17}
	}
	body := with(`"user":"` + strings.Repeat("x", 2<<20) + `"`)
	assert.Equal(t, "context_length_exceeded", errorOf(t, chat(t, newHandler(t, long, HandlerOptions{}), body)).Code)
	assert.Equal(t, 413, chat(t, newHandler(t, long, HandlerOptions{MaxBodyBytes: 1 << 20}), body).Code)
	assert.Equal(t, 413, chat(t, newHandler(t, hello(), HandlerOptions{}), body).Code)

	load := func(context.Context, string) (Model, error) { return long, nil }
	p, err := NewPool(load, PoolOptions{Local: []Entry{{ID: "m"}}})
	require.NoError(t, err)
	assert.Equal(t, "context_length_exceeded", errorOf(t, chat(t, handlerOf(t, p, HandlerOptions{}), body)).Code, "not loaded yet")
	p, err = NewPool(load, PoolOptions{Local: []Entry{{ID: "m", ContextLength: 4096}}})
	require.NoError(t, err)
	assert.Equal(t, 413, chat(t, handlerOf(t, p, HandlerOptions{}), body).Code)
}

// scored is a model that tells of its prompt, and would then write on for ever.
type scored struct{ running *int }

func (scored) Info() Info { return Info{} }
func (m scored) Generate(ctx context.Context, r Request) iter.Seq2[Delta, error] {
	return func(yield func(Delta, error) bool) {
		*m.running++
		defer func() { *m.running-- }()
		start := &Start{PromptTokens: 2, MaxTokens: r.MaxTokens, EchoText: r.Prompt.Text}
		if r.Logprobs {
			start.EchoTokens = []TokenLogprob{{Bytes: []byte("a"), Logprob: math.NaN()}, {Bytes: []byte("b"), Logprob: -0.25}}
		}
		for ok := yield(Delta{Start: start}, nil); ok; {
			ok = yield(Delta{Text: "!", Sampled: 1}, nil)
		}
	}
}

// max_tokens 0 with echo scores a text: nothing is generated.
func TestScoring(t *testing.T) {
	running := 0
	h := newHandler(t, scored{&running}, HandlerOptions{})
	w, _ := do(h, post("/v1/completions", `{"model":"m","prompt":"ab","echo":true,"logprobs":1,"max_tokens":0,"n":2}`))
	require.Equal(t, 200, w.Code, w.Body)
	choice := `,"logprobs":{"text_offset":[0,1],"token_logprobs":[null,-0.25],"tokens":["a","b"],"top_logprobs":[null,{}]},"finish_reason":"length"}`
	assert.Contains(t, w.Body.String(), `"choices":[{"text":"ab","index":0`+choice+`,{"text":"ab","index":1`+choice+`]`)
	assert.Contains(t, w.Body.String(), `"usage":{"prompt_tokens":2,"completion_tokens":0,"total_tokens":2`)
	assert.Empty(t, w.Header().Get("X-Docent-Clamped"))
	assert.Zero(t, running)

	w, _ = do(h, post("/v1/completions", `{"model":"m","prompt":"ab","echo":true,"max_tokens":0,"stream":true}`))
	assert.Contains(t, w.Body.String(), `{"text":"ab","index":0,"logprobs":null,"finish_reason":null}`)
	assert.Contains(t, w.Body.String(), `{"text":"","index":0,"logprobs":null,"finish_reason":"length"}`)
	assert.True(t, strings.HasSuffix(w.Body.String(), "data: [DONE]\n\n"))
	assert.Zero(t, running)
}

// truncation auto leaves out the oldest turns, whole ones, and says how many messages.
func TestTruncation(t *testing.T) {
	m := hello()
	var got []Message
	size := func(messages []Message) (n int) {
		for _, m := range messages {
			n += len(m.Content)
		}
		return n
	}
	m.before = func(_ context.Context, r Request) error {
		if n := size(r.Messages); n >= 100 {
			return &ContextLengthError{PromptTokens: n, ContextLength: 100}
		}
		got = r.Messages
		return nil
	}
	h := newHandler(t, m, HandlerOptions{})
	turn := func(role string) string {
		return `{"role":"` + role + `","content":"` + strings.Repeat("x", 30) + `"},`
	}
	input := `"model":"m","instructions":"Be brief.","input":[` + turn("user") + turn("assistant") + turn("user") + turn("assistant") + `{"role":"user","content":"Why?"}]`
	for _, stream := range []string{"", `,"stream":true`} {
		w, _ := do(h, post("/v1/responses", `{`+input+`,"truncation":"auto"`+stream+`}`))
		require.Equal(t, 200, w.Code, w.Body)
		assert.Contains(t, w.Body.String(), `"truncation":"auto"`)
		assert.Equal(t, "2", w.Header().Get("X-Docent-Dropped-Messages"))
		assert.Equal(t, []string{"system", "user", "assistant", "user"}, []string{got[0].Role, got[1].Role, got[2].Role, got[3].Role})
	}
	for _, body := range []string{
		`{` + input + `}`, `{` + input + `,"truncation":"disabled"}`,
		`{"model":"m","input":"` + strings.Repeat("x", 100) + `","truncation":"auto"}`, // there is nothing to leave out
	} {
		w, _ := do(h, post("/v1/responses", body))
		assert.Equal(t, "context_length_exceeded", errorOf(t, w).Code)
	}
}

const twoFunctions = `"functions":[{"name":"f","parameters":{"type":"object"}},{"name":"g"}]`

// A request in the older form of tools is answered in it.
func TestFunctions(t *testing.T) {
	m := calling()
	m.deltas = append(m.deltas[:5:5], m.deltas[6:]...)
	h := newHandler(t, m, HandlerOptions{})
	w := chat(t, h, with(twoFunctions))
	validate(t, "CreateChatCompletionResponse", w.Body.Bytes())
	assert.Contains(t, w.Body.String(), `"content":"Let me see.","refusal":null,"annotations":[],"function_call":{"name":"f","arguments":"{\"a\":1}"}},`+
		`"logprobs":null,"finish_reason":"function_call"}`)
	w = chat(t, h, with(twoFunctions+`,"stream":true`))
	for _, want := range []string{
		`"delta":{"function_call":{"name":"f","arguments":""}}`, `"delta":{"function_call":{"arguments":"{\"a\""}}`, `"delta":{"function_call":{"arguments":":1}"}}`,
		`"delta":{},"logprobs":null,"finish_reason":"function_call"`,
	} {
		assert.Contains(t, w.Body.String(), want)
	}
	assert.NotContains(t, w.Body.String(), "tool_calls")

	var got Request
	f := hello()
	f.info.Tools, f.info.Constrained = true, true
	f.asked = func(r Request) { got = r }
	chat(t, newHandler(t, f, HandlerOptions{}), with(twoFunctions+`,"function_call":{"name":"g"}`))
	assert.Equal(t, "g", got.Tools.Only)
	chat(t, newHandler(t, f, HandlerOptions{}), with(twoFunctions))
	assert.True(t, got.Tools.One)
	f.before = func(context.Context, Request) error { return &SchemaError{Tool: 1, Path: []any{"type"}, Reason: "odd"} }
	e := errorOf(t, chat(t, newHandler(t, f, HandlerOptions{}), with(twoFunctions)))
	assert.Equal(t, "functions[1].parameters.type", *e.Param)
}

func TestIgnoredSettingsAreNamed(t *testing.T) {
	w := chat(t, newHandler(t, hello(), HandlerOptions{}), with(`"reasoning_effort":"high","what":1`))
	assert.Equal(t, 200, w.Code)
	assert.Equal(t, "reasoning_effort, what", w.Header().Get("X-Docent-Ignored"))
}
