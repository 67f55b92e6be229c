package serve

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/testlog"
	"github.com/docent-ml/docent/openai"
)

// slow waits as a real model would, on the test's clock: 2 s in the queue, 3 s for the prompt, 500 ms for each later token.
func slow() *fakeModel {
	m := hello()
	m.before = func(context.Context, Request) error { time.Sleep(2 * time.Second); return nil }
	m.each = func(_ context.Context, i int) error {
		if i == 0 {
			time.Sleep(3 * time.Second)
		} else {
			time.Sleep(500 * time.Millisecond)
		}
		return nil
	}
	return m
}

func TestChatBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHandler(t, slow(), HandlerOptions{})
		w := chat(t, h, plain)
		assert.Equal(t, `{"id":"chatcmpl-ABCDEFGHIJKLMNOPQRSTUVWXYZ","object":"chat.completion","created":946684800,"model":"m",`+
			`"system_fingerprint":"fp_test","service_tier":"default","choices":[{"index":0,"message":{"role":"assistant",`+
			`"content":"Hello, wörld!","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],`+
			`"usage":{"prompt_tokens":7,"completion_tokens":5,"total_tokens":12,"prompt_tokens_details":{"cached_tokens":0}},`+
			`"latency":{"total_ms":6500,"queue_ms":2000,"load_ms":0,"prompt_ms":3000,"first_token_ms":5000,"generate_ms":1500,"tokens_per_second":3.3}}`+"\n",
			w.Body.String())
		assert.Equal(t, http.Header{
			"Content-Type": {"application/json"}, "Content-Length": {strconv.Itoa(w.Body.Len())}, "X-Content-Type-Options": {"nosniff"},
			"X-Request-Id": {"req_ABCDEFGHIJKLMNOPQRSTUVWXYZ"}, "Openai-Processing-Ms": {"6500"},
			"Server-Timing": {"queue;dur=2000, load;dur=0, prompt;dur=3000, generate;dur=1500, total;dur=6500"},
		}, w.Result().Header)
		validate(t, "CreateChatCompletionResponse", w.Body.Bytes())
	})
}

func TestStreamGolden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHandler(t, slow(), HandlerOptions{})
		head := `data: {"id":"chatcmpl-ABCDEFGHIJKLMNOPQRSTUVWXYZ","object":"chat.completion.chunk","created":946684800,"model":"m","system_fingerprint":"fp_test","choices":[`
		w := chat(t, h, with(`"stream":true`))
		assert.Equal(t, head+`{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}]}`+"\n\n"+
			head+`{"index":0,"delta":{"content":"Hello"},"logprobs":null,"finish_reason":null}]}`+"\n\n"+
			head+`{"index":0,"delta":{"content":","},"logprobs":null,"finish_reason":null}]}`+"\n\n"+
			head+`{"index":0,"delta":{"content":" wörld"},"logprobs":null,"finish_reason":null}]}`+"\n\n"+
			head+`{"index":0,"delta":{"content":"!"},"logprobs":null,"finish_reason":null}]}`+"\n\n"+
			head+`{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]}`+"\n\n"+
			"data: [DONE]\n\n", w.Body.String())
		assert.Equal(t, http.Header{
			"Content-Type": {"text/event-stream"}, "Cache-Control": {"no-cache, no-transform"}, "X-Accel-Buffering": {"no"},
			"X-Request-Id": {"req_ABCDEFGHIJKLMNOPQRSTUVWXYZ"}, "Openai-Processing-Ms": {"2000"},
			"Server-Timing": {"queue;dur=2000, load;dur=0, prompt;dur=0, generate;dur=0, total;dur=2000"},
		}, w.Result().Header)

		head = strings.ReplaceAll(head, "946684800", "946684806")
		w = chat(t, h, with(`"stream":true,"stream_options":{"include_usage":true},"n":2,"max_tokens":1,"logprobs":true,"top_logprobs":1`))
		lp := `{"content":[{"token":"Hello","logprob":-0.5,"bytes":[72,101,108,108,111],"top_logprobs":[{"token":"","logprob":0,"bytes":[]}]}],"refusal":null}`
		assert.Equal(t, head+`{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}],"usage":null}`+"\n\n"+
			head+`{"index":1,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}],"usage":null}`+"\n\n"+
			head+`{"index":0,"delta":{"content":"Hello"},"logprobs":`+lp+`,"finish_reason":null}],"usage":null}`+"\n\n"+
			head+`{"index":1,"delta":{"content":"Hello"},"logprobs":`+lp+`,"finish_reason":null}],"usage":null}`+"\n\n"+
			head+`{"index":0,"delta":{},"logprobs":null,"finish_reason":"length"}],"usage":null}`+"\n\n"+
			head+`{"index":1,"delta":{},"logprobs":null,"finish_reason":"length"}],"usage":null}`+"\n\n"+
			head+`],"usage":{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9,"prompt_tokens_details":{"cached_tokens":0}},`+
			`"latency":{"total_ms":8000,"queue_ms":2000,"load_ms":0,"prompt_ms":3000,"first_token_ms":5000,"generate_ms":3000,"tokens_per_second":0.7}}`+"\n\n"+
			"data: [DONE]\n\n", w.Body.String())
		for line := range strings.SplitSeq(strings.TrimSuffix(w.Body.String(), "\n\ndata: [DONE]\n\n"), "\n\n") {
			validate(t, "CreateChatCompletionStreamResponse", []byte(strings.TrimPrefix(line, "data: ")))
		}
	})
}

func TestChatChoicesAndLogprobs(t *testing.T) {
	h := newHandler(t, hello(), HandlerOptions{})
	w := chat(t, h, with(`"n":3,"logprobs":true,"top_logprobs":2`))
	validate(t, "CreateChatCompletionResponse", w.Body.Bytes())
	var res openai.ChatCompletionResponse
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &res))
	require.Len(t, res.Choices, 3)
	for i, c := range res.Choices {
		assert.Equal(t, i, c.Index)
		assert.Equal(t, "Hello, wörld!", *c.Message.Content)
		require.Len(t, c.Logprobs.Content, 4)
		assert.Equal(t, []int{' ', 'w', 0xc3, 0xb6, 'r', 'l', 'd'}, c.Logprobs.Content[2].Bytes)
	}
	assert.Equal(t, openai.Usage{PromptTokens: 7, CompletionTokens: 15, TotalTokens: 22}, res.Usage)
	assert.Equal(t, "\uFFFD", wireLogprobs([]TokenLogprob{{Bytes: []byte{0xc3}}})[0].Token)
}

func TestChatRequestReachesModel(t *testing.T) {
	m := hello()
	var got Request
	m.asked = func(r Request) { got = r }
	h := newHandler(t, m, HandlerOptions{MaxGenerationTime: time.Minute})
	ask := func(body string) Request {
		w := chat(t, h, body)
		require.Equal(t, 200, w.Code, w.Body)
		return got
	}
	assert.Equal(t, Request{
		Messages: []Message{{Role: "user", Content: "hi"}}, Sampling: Sampling{Temperature: 1}, N: 1, MaxTokens: 256, MaxTime: time.Minute,
	}, ask(plain))

	seed := ^uint64(0)
	assert.Equal(t, Request{
		Messages: []Message{{Role: "user", Content: "hi"}}, TemplateArgs: map[string]any{"a": int64(1)},
		Sampling: Sampling{
			TopK: 5, TopP: 0.5, MinP: 0.1, RepetitionPenalty: 1.2, NoRepeatNgram: 3, PresencePenalty: 1, FrequencyPenalty: -1,
			LogitBias: map[int]float64{3: 7}, Seed: &seed,
		},
		N: 2, MaxTokens: 9, MaxTime: time.Minute, Stop: []string{"x"}, IgnoreEOS: true, Logprobs: true, TopLogprobs: 4,
	}, ask(with(`"temperature":0,"top_k":5,"top_p":0.5,"min_p":0.1,"repetition_penalty":1.2,"no_repeat_ngram_size":3,
		"presence_penalty":1,"frequency_penalty":-1,"logit_bias":{"3":7},"seed":-1,"n":2,"max_tokens":100,"max_completion_tokens":9,
		"stop":"x","ignore_eos":true,"logprobs":true,"top_logprobs":4,"chat_template_kwargs":{"a":1}`)))
	assert.Positive(t, ask(with(`"top_p":0`)).Sampling.TopP, "zero would mean off")

	m.info.Defaults = &Sampling{Temperature: 0.6, TopK: 50, RepetitionPenalty: 1.1}
	h = newHandler(t, m, HandlerOptions{})
	assert.Equal(t, Sampling{Temperature: 0.6, TopK: 50, RepetitionPenalty: 1.1}, ask(plain).Sampling)
	assert.Equal(t, Sampling{Temperature: 0, TopK: 0, RepetitionPenalty: 1.1}, ask(with(`"temperature":0,"top_k":0`)).Sampling)
}

func TestConversation(t *testing.T) {
	for _, c := range []struct{ in, want []Message }{
		{[]Message{{Role: "user", Content: "q"}}, []Message{{Role: "user", Content: "q"}}},
		{
			[]Message{{Role: "user", Content: "1"}, {Role: "system", Content: "a"}, {Role: "assistant", Content: "2"}, {Role: "developer", Content: "b"}, {Role: "user", Content: "3"}},
			[]Message{{Role: "user", Content: "1"}, {Role: "system", Content: "a"}, {Role: "assistant", Content: "2"}, {Role: "system", Content: "b"}, {Role: "user", Content: "3"}},
		},
		{[]Message{{Role: "user", Content: "q"}, {Role: "assistant", Content: "so"}}, []Message{{Role: "user", Content: "q"}, {Role: "assistant", Content: "so"}}},
	} {
		var in []openai.Message
		for _, m := range c.in {
			in = append(in, openai.Message{Role: m.Role, Content: m.Content})
		}
		assert.Equal(t, c.want, conversation(in))
	}
}

func TestClamps(t *testing.T) {
	m := hello()
	h := newHandler(t, m, HandlerOptions{MaxTokensCap: 3, DefaultMaxTokens: 2})
	for body, want := range map[string]string{
		plain: "", with(`"max_tokens":3`): "", with(`"max_tokens":4`): "max_tokens=3", with(`"max_completion_tokens":4000`): "max_tokens=3",
	} {
		w := chat(t, h, body)
		assert.Equal(t, want, w.Header().Get("X-Docent-Clamped"), body)
		assert.Contains(t, w.Body.String(), `"finish_reason":"length"`)
	}
	m.info.ContextLength = 8
	h = newHandler(t, m, HandlerOptions{})
	for _, body := range []string{plain, with(`"stream":true`), with(`"max_tokens":2`)} {
		assert.Equal(t, "max_tokens=1", chat(t, h, body).Header().Get("X-Docent-Clamped"))
	}
}

func TestIgnoredFieldsAreNamed(t *testing.T) {
	h := newHandler(t, hello(), HandlerOptions{})
	w := chat(t, h, with(`"foo":1,"a b\r\nX-Evil: 1":2,"ü,":3`))
	assert.Equal(t, 200, w.Code)
	assert.Equal(t, `foo, "a b\r\nX-Evil: 1", "\u00fc,"`, w.Header().Get("X-Docent-Ignored"))
	h = newHandler(t, hello(), HandlerOptions{StrictFields: true, ValidationStatus: 400})
	w = chat(t, h, with(`"foo":1`))
	assert.Equal(t, 400, w.Code)
	assert.Equal(t, "unknown_parameter", errorOf(t, w).Code)
}

// Every way in which a model can fail, before and after the first byte, streamed and not.
func TestModelErrors(t *testing.T) {
	for _, c := range []struct {
		err        error
		status     int
		code       string
		retryAfter string
		noRetry    string
	}{
		{&ContextLengthError{PromptTokens: 5000, ContextLength: 2048}, 400, "context_length_exceeded", "", ""},
		{&TemplateError{Reason: "roles must alternate"}, 400, "template_error", "", ""},
		{ErrBusy, 429, "queue_full", "1", ""},
		{ErrQueueTimeout, 503, "queue_timeout", "5", ""},
		{ErrClosed, 503, "shutting_down", "5", ""},
		{errors.New("open /secret/path: boom"), 500, "generation_failed", "", "false"},
	} {
		var log testlog.Buffer
		m := hello()
		h := newHandler(t, m, HandlerOptions{Logger: log.Logger()})
		m.before = func(context.Context, Request) error { return c.err }
		for _, body := range []string{plain, with(`"stream":true`)} {
			w := chat(t, h, body)
			e := errorOf(t, w)
			assert.Equal(t, c.status, w.Code)
			assert.Equal(t, c.code, e.Code)
			assert.Equal(t, "/v1/chat/completions", e.Path)
			assert.Equal(t, c.retryAfter, w.Header().Get("Retry-After"))
			assert.Equal(t, c.noRetry, w.Header().Get("X-Should-Retry"))
			assert.NotContains(t, w.Body.String(), "/secret")
			assert.NotContains(t, w.Header(), "Cache-Control", "no trace of a stream")
		}
		assert.Contains(t, log.String(), c.err.Error()[:10], "the log has the cause")

		m.before = nil
		m.each = func(_ context.Context, i int) error {
			if i == 2 {
				return c.err
			}
			return nil
		}
		w := chat(t, h, plain)
		assert.Equal(t, c.code, errorOf(t, w).Code)
		w, aborted := do(h, post("/v1/chat/completions", with(`"stream":true`)))
		assert.True(t, aborted, "the connection must be closed")
		assert.Equal(t, 200, w.Code)
		frames := strings.Split(strings.TrimSuffix(w.Body.String(), "\n\n"), "\n\n")
		require.Len(t, frames, 4)
		assert.Contains(t, frames[2], `"content":","`)
		assert.Contains(t, frames[3], `data: {"error":{`)
		assert.Contains(t, frames[3], `"code":"`+c.code+`"`)
		assert.NotContains(t, w.Body.String(), "[DONE]")
		assert.NotContains(t, w.Body.String(), `"finish_reason":"`)
		assert.NotContains(t, w.Body.String(), "/secret")
	}
	e := apiError(&ContextLengthError{PromptTokens: 5000, ContextLength: 2048})
	assert.Contains(t, e.Message, "5000")
	assert.Contains(t, e.Message, "2048")
}

// A model that does not keep to its contract is an error, never a half answer that looks whole.
func TestModelOutOfOrder(t *testing.T) {
	start := Delta{Start: &Start{MaxTokens: 1}}
	end := Delta{Finish: FinishStop}
	for name, deltas := range map[string][]Delta{
		"nothing": {}, "no start": {{Text: "x"}}, "no end": {start, {Text: "x"}}, "two starts": {start, start, end},
		"after the end": {start, end, {Text: "x"}}, "choice": {start, {Choice: 1, Finish: FinishStop}}, "negative": {start, {Choice: -1}},
	} {
		for _, body := range []string{plain, with(`"stream":true`)} {
			h := newHandler(t, scripted(deltas), HandlerOptions{})
			w, aborted := do(h, post("/v1/chat/completions", body))
			assert.Contains(t, w.Body.String(), "generation_failed", name)
			assert.NotContains(t, w.Body.String(), "[DONE]", name)
			assert.Equal(t, w.Code == 200, aborted, name)
		}
	}
}

func TestPanics(t *testing.T) {
	var log testlog.Buffer
	m := hello()
	h := newHandler(t, m, HandlerOptions{Logger: log.Logger()})
	m.before = func(context.Context, Request) error { panic("secret prompt") }
	w := chat(t, h, plain)
	e := errorOf(t, w)
	assert.Equal(t, 500, w.Code)
	assert.Equal(t, "internal_error", e.Code)
	assert.NotContains(t, w.Body.String(), "secret")
	assert.Contains(t, log.String(), "secret prompt")
	assert.Contains(t, log.String(), "chat_test.go", "with the stack")

	m.before = nil
	m.each = func(_ context.Context, i int) error {
		if i == 1 {
			panic(errors.New("again"))
		}
		return nil
	}
	w, aborted := do(h, post("/v1/chat/completions", with(`"stream":true`)))
	assert.True(t, aborted)
	assert.Contains(t, w.Body.String(), "internal_error")
	assert.NotContains(t, w.Body.String(), "[DONE]")

	m.each = func(context.Context, int) error { panic(http.ErrAbortHandler) }
	_, aborted = do(h, post("/v1/chat/completions", plain))
	assert.True(t, aborted, "passed on")
	assert.Zero(t, m.inside.Load())
	assert.Zero(t, h.running)
}

func TestKeepAliveWhileThePromptIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := hello()
		m.each = func(_ context.Context, i int) error {
			if i == 0 {
				time.Sleep(40 * time.Second)
			}
			return nil
		}
		h := newHandler(t, m, HandlerOptions{})
		w := chat(t, h, with(`"stream":true`))
		frames := strings.Split(w.Body.String(), "\n\n")
		assert.Contains(t, frames[0], `"role":"assistant"`)
		assert.Equal(t, []string{": keep-alive", ": keep-alive"}, frames[1:3])
		assert.Contains(t, frames[3], "Hello")
		assert.Equal(t, 2, strings.Count(w.Body.String(), "keep-alive"))
	})
}

func TestUnknownLogitBiasToken(t *testing.T) {
	m := hello()
	m.info.VocabSize = 100
	h := newHandler(t, m, HandlerOptions{})
	assert.Equal(t, 200, chat(t, h, with(`"logit_bias":{"99":1}`)).Code)
	w := chat(t, h, with(`"logit_bias":{"100":1}`))
	assert.Equal(t, 422, w.Code)
	assert.Equal(t, "logit_bias.100", *errorOf(t, w).Param)
}

func TestLogContent(t *testing.T) {
	for _, on := range []bool{false, true} {
		var log testlog.Buffer
		h := newHandler(t, hello(), HandlerOptions{Logger: log.Logger(), LogContent: on, APIKeys: map[string]string{"web": "s3cret"}})
		for _, body := range []string{with(`"user":"x"`), with(`"stream":true`)} {
			r := post("/v1/chat/completions", strings.ReplaceAll(body, "hi", "tell me"))
			r.Header.Set("Authorization", "Bearer s3cret")
			w, _ := do(h, r)
			require.Equal(t, 200, w.Code)
		}
		text := log.String()
		assert.Equal(t, on, strings.Contains(text, "tell me"))
		assert.Equal(t, 2*map[bool]int{true: 1}[on], strings.Count(text, "Hello, wörld!"))
		assert.NotContains(t, text, "s3cret")
		assert.Contains(t, text, "key=web")
		assert.Contains(t, text, "completion_tokens=5")
		assert.Contains(t, text, "request_id=req_ABC")
		assert.Contains(t, text, "status=200 duration=")
		assert.Contains(t, text, "first_token=")
	}
}

// deltaModel plays a script.
type deltaModel struct {
	deltas []Delta
	info   Info
}

func scripted(deltas []Delta) Model { return deltaModel{deltas: deltas} }

func (m deltaModel) Info() Info { return m.info }

func (m deltaModel) Generate(context.Context, Request) deltaSeq {
	return func(yield func(Delta, error) bool) {
		for _, d := range m.deltas {
			if !yield(d, nil) {
				return
			}
		}
	}
}
