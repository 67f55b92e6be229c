package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/openai"
)

// embedder is a fake that also makes vectors, and echoes prompts.
type embedder struct {
	fakeModel
	asks atomic.Int32
	err  error
}

func (m *embedder) Embed(_ context.Context, in Prompt) ([]float32, int, error) {
	m.asks.Add(1)
	return []float32{0.6, 0.8}, max(len(in.Text), len(in.Tokens)), m.err
}

// send posts a body to a route and wants no abort.
func post200(t testing.TB, h http.Handler, path, body string, into any) *httptest.ResponseRecorder {
	t.Helper()
	w, aborted := do(h, post(path, body))
	require.False(t, aborted)
	require.Equal(t, 200, w.Code, w.Body)
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), into), w.Body)
	return w
}

func TestCompletions(t *testing.T) {
	m := hello()
	var asked []Request
	m.asked = func(r Request) { asked = append(asked, r) }
	h := newHandler(t, m, HandlerOptions{})
	var res openai.CompletionResponse
	w := post200(t, h, "/v1/completions", `{"model":"m","prompt":"Say","n":2,"max_tokens":3,"temperature":0,"logprobs":1,"stop":"x","foo":1}`, &res)
	validate(t, "CreateCompletionResponse", w.Body.Bytes())
	assert.Equal(t, "foo", w.Header().Get("X-Docent-Ignored"))
	require.Len(t, res.Choices, 2)
	assert.Equal(t, "Hello, wörld", res.Choices[1].Text)
	assert.Equal(t, "length", *res.Choices[1].FinishReason)
	assert.Equal(t, []int{0, 5, 6}, res.Choices[0].Logprobs.TextOffset)
	assert.Equal(t, []string{"Hello", ",", " wörld"}, res.Choices[0].Logprobs.Tokens)
	assert.Len(t, res.Choices[0].Logprobs.TopLogprobs, 3)
	assert.True(t, strings.HasPrefix(res.ID, "cmpl-"))
	assert.Equal(t, 13, res.Usage.Value.TotalTokens)
	require.Len(t, asked, 1)
	assert.Equal(t, &Prompt{Text: "Say"}, asked[0].Prompt)
	assert.Equal(t, Sampling{}, asked[0].Sampling)
	assert.Equal(t, 1, asked[0].TopLogprobs)
	assert.Contains(t, w.Body.String(), `"latency"`)

	w = post200(t, h, "/v1/completions", `{"model":"m","prompt":[5,6],"max_tokens":2}`, &res)
	assert.Contains(t, w.Body.String(), `"logprobs":null`)
	assert.Equal(t, []int{5, 6}, asked[1].Prompt.Tokens)
	w, _ = do(h, post("/v1/completions", `{"model":"m","prompt":"x","suffix":"y"}`))
	assert.Equal(t, "unsupported_parameter", errorOf(t, w).Code)
	m.info.VocabSize = 6
	h = newHandler(t, m, HandlerOptions{})
	w, _ = do(h, post("/v1/completions", `{"model":"m","prompt":[5,6]}`))
	assert.Equal(t, "prompt[1]", *errorOf(t, w).Param)
	w, _ = do(h, post("/v1/completions", `{"model":"m","prompt":[[5],[6]]}`))
	assert.Equal(t, "prompt[1][0]", *errorOf(t, w).Param)
}

// Several prompts are several questions to the model, a few at a time, with choices numbered through.
func TestCompletionsOfSeveralPrompts(t *testing.T) {
	noLeaks(t)
	m := hello()
	var inside, most atomic.Int32
	m.before = func(context.Context, Request) error {
		most.Store(max(most.Load(), inside.Add(1)))
		time.Sleep(time.Millisecond)
		inside.Add(-1)
		return nil
	}
	m.each = func(_ context.Context, i int) error { time.Sleep(time.Millisecond); return nil }
	h := newHandler(t, m, HandlerOptions{})
	prompts := `["a"` + strings.Repeat(`,"b"`, 9) + `]`
	var res openai.CompletionResponse
	post200(t, h, "/v1/completions", `{"model":"m","n":2,"prompt":`+prompts+`}`, &res)
	require.Len(t, res.Choices, 20)
	for i, c := range res.Choices {
		assert.Equal(t, i, c.Index)
		assert.Equal(t, "Hello, wörld!", c.Text)
		assert.Equal(t, "stop", *c.FinishReason)
	}
	assert.Equal(t, openai.Usage{PromptTokens: 70, CompletionTokens: 100, TotalTokens: 170}, *res.Usage.Value)
	assert.LessOrEqual(t, most.Load(), int32(sideBySide))

	w, aborted := do(h, post("/v1/completions", `{"model":"m","stream":true,"stream_options":{"include_usage":true},"prompt":`+prompts+`}`))
	require.False(t, aborted)
	texts := [10]string{}
	ends := 0
	for chunk, err := range openai.ReadStream[openai.CompletionResponse](w.Body) {
		require.NoError(t, err)
		for _, c := range chunk.Choices {
			texts[c.Index] += c.Text
			if c.FinishReason != nil {
				ends++
			}
		}
	}
	assert.Equal(t, 10, ends)
	for _, text := range texts {
		assert.Equal(t, "Hello, wörld!", text)
	}

	// One that fails ends all, and before the first byte with its status.
	var n atomic.Int32
	m.before = func(context.Context, Request) error {
		if n.Add(1) == 7 {
			return &ContextLengthError{PromptTokens: 9, ContextLength: 3}
		}
		return nil
	}
	for _, stream := range []string{"true", "false"} {
		n.Store(0)
		w, _ = do(h, post("/v1/completions", `{"model":"m","stream":`+stream+`,"prompt":`+prompts+`}`))
		assert.Equal(t, "context_length_exceeded", errorOf(t, w).Code)
	}
	m.before = func(context.Context, Request) error { panic("boom") }
	w, _ = do(h, post("/v1/completions", `{"model":"m","prompt":`+prompts+`}`))
	assert.Equal(t, "internal_error", errorOf(t, w).Code)
	eventually(t, "all left", func() bool { return m.inside.Load() == 0 })
}

// echoing is what a model says of a prompt that is repeated.
func echoing() Model {
	a, b := TokenLogprob{Bytes: []byte("Grü"), Logprob: math.NaN()}, TokenLogprob{Bytes: []byte("n"), Logprob: -1, Top: []TokenLogprob{{Bytes: []byte("x"), Logprob: -0.1}, {Bytes: []byte{0xc3}, Logprob: -2}, {Bytes: []byte{0xe2}, Logprob: -3}}}
	return scripted([]Delta{
		{Start: &Start{PromptTokens: 2, MaxTokens: 1, EchoText: "Grün", EchoTokens: []TokenLogprob{a, b}}},
		{Text: " ist", Sampled: 1, Tokens: []TokenLogprob{{Bytes: []byte(" ist"), Logprob: -2}}}, {Finish: FinishLength},
	})
}

func TestCompletionsGoldens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHandler(t, echoing(), HandlerOptions{})
		head := `{"id":"cmpl-ABCDEFGHIJKLMNOPQRSTUVWXYZ","object":"text_completion","created":946684800,"model":"m","system_fingerprint":"","choices":[`
		w, _ := do(h, post("/v1/completions", `{"model":"m","prompt":"Grün","echo":true,"logprobs":1,"max_tokens":1}`))
		assert.Equal(t, head+`{"text":"Grün ist","index":0,"logprobs":{"text_offset":[0,3,4],"token_logprobs":[null,-1,-2],"tokens":["Grü","n"," ist"],`+
			`"top_logprobs":[null,{"x":-0.1,"�":-2},{}]},"finish_reason":"length"}],"usage":{"prompt_tokens":2,"completion_tokens":1,"total_tokens":3,"prompt_tokens_details":{"cached_tokens":0}},`+
			`"latency":{"total_ms":0,"queue_ms":0,"load_ms":0,"prompt_ms":0,"first_token_ms":0,"generate_ms":0,"tokens_per_second":0}}`+"\n", w.Body.String())

		w, _ = do(h, post("/v1/completions", `{"model":"m","prompt":"Grün","echo":true,"max_tokens":1,"stream":true,"stream_options":{"include_usage":true}}`))
		assert.Equal(t, "data: "+head+`{"text":"Grün","index":0,"logprobs":null,"finish_reason":null}],"usage":null}`+"\n\n"+
			"data: "+head+`{"text":" ist","index":0,"logprobs":null,"finish_reason":null}],"usage":null}`+"\n\n"+
			"data: "+head+`{"text":"","index":0,"logprobs":null,"finish_reason":"length"}],"usage":null}`+"\n\n"+
			"data: "+head+`],"usage":{"prompt_tokens":2,"completion_tokens":1,"total_tokens":3,"prompt_tokens_details":{"cached_tokens":0}},`+
			`"latency":{"total_ms":0,"queue_ms":0,"load_ms":0,"prompt_ms":0,"first_token_ms":0,"generate_ms":0,"tokens_per_second":0}}`+"\n\n"+
			"data: [DONE]\n\n", w.Body.String())
	})
}

func TestEmbeddings(t *testing.T) {
	m := &embedder{fakeModel: *hello()}
	h := newHandler(t, m, HandlerOptions{})
	var res openai.EmbeddingResponse
	w := post200(t, h, "/v1/embeddings", `{"model":"m","input":["abc","de"],"dimensions":2}`, &res)
	validate(t, "CreateEmbeddingResponse", w.Body.Bytes())
	assert.Equal(t, `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.6,0.8]},{"object":"embedding","index":1,"embedding":[0.6,0.8]}],`+
		`"model":"m","usage":{"prompt_tokens":5,"total_tokens":5}}`+"\n", w.Body.String())
	w = post200(t, h, "/v1/embeddings", `{"model":"m","input":[1,2,3],"encoding_format":"base64"}`, &res)
	assert.Contains(t, w.Body.String(), `"embedding":"mpkZP83MTD8="`)
	assert.Equal(t, 3, res.Usage.PromptTokens)

	w, _ = do(h, post("/v1/embeddings", `{"model":"m","input":"x","dimensions":3}`))
	e := errorOf(t, w)
	assert.Equal(t, []any{422, "unsupported_parameter", "dimensions"}, []any{w.Code, e.Code, *e.Param})
	m.err = &ContextLengthError{PromptTokens: 9, ContextLength: 3}
	w, _ = do(h, post("/v1/embeddings", `{"model":"m","input":"x"}`))
	assert.Equal(t, "context_length_exceeded", errorOf(t, w).Code)
	m.err = errors.New("/secret")
	w, _ = do(h, post("/v1/embeddings", `{"model":"m","input":"x"}`))
	assert.Equal(t, "generation_failed", errorOf(t, w).Code)
	assert.NotContains(t, w.Body.String(), "secret")
	w, _ = do(h, post("/v1/embeddings", `{"model":"none","input":"x"}`))
	assert.Equal(t, 404, w.Code)
	w, _ = do(newHandler(t, hello(), HandlerOptions{}), post("/v1/embeddings", `{"model":"m","input":"x"}`))
	assert.Equal(t, 422, w.Code)
	assert.Equal(t, "unsupported_operation", errorOf(t, w).Code)
}

// TestEmptyPrompts: each route names its own field for a prompt that has no tokens.
func TestEmptyPrompts(t *testing.T) {
	m := &embedder{fakeModel: *hello(), err: ErrEmptyPrompt}
	m.before = func(context.Context, Request) error { return ErrEmptyPrompt }
	h := newHandler(t, m, HandlerOptions{})
	for _, c := range []struct{ path, body, field string }{
		{"/v1/chat/completions", plain, "messages"},
		{"/v1/completions", `{"model":"m","prompt":"x"}`, "prompt"},
		{"/v1/completions", `{"model":"m","prompt":["x","y"],"stream":true}`, "prompt"},
		{"/v1/responses", `{"model":"m","input":"x"}`, "input"},
		{"/v1/embeddings", `{"model":"m","input":["x","y"]}`, "input"},
	} {
		w, _ := do(h, post(c.path, c.body))
		e := errorOf(t, w)
		assert.Equal(t, []any{422, "validation_error", c.field}, []any{w.Code, e.Code, *e.Param}, c.path)
	}
}

// calling is a model that says something and calls two functions.
func calling() deltaModel {
	return deltaModel{
		deltas: []Delta{
			{Start: &Start{PromptTokens: 4, MaxTokens: 9}}, {Text: "Let me see.", Sampled: 1},
			{Call: &CallDelta{Index: 0, Name: "f"}, Sampled: 1}, {Call: &CallDelta{Index: 0, Arguments: `{"a"`}, Sampled: 1}, {Call: &CallDelta{Index: 0, Arguments: `:1}`}},
			{Call: &CallDelta{Index: 1, Name: "g", Arguments: `{}`}}, {Finish: FinishToolCalls, Sampled: 1},
		},
		info: Info{Tools: true, Constrained: true},
	}
}

const twoTools = `"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}},{"type":"function","function":{"name":"g"}}]`

func TestToolCalls(t *testing.T) {
	m := calling()
	h := newHandler(t, m, HandlerOptions{})
	w := chat(t, h, with(twoTools))
	validate(t, "CreateChatCompletionResponse", w.Body.Bytes())
	assert.Contains(t, w.Body.String(), `"message":{"role":"assistant","content":"Let me see.","refusal":null,"annotations":[],"tool_calls":[`+
		`{"id":"call_ABCDEFGHIJKLMNOPQRSTUVWXYZ","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}},`+
		`{"id":"call_ABCDEFGHIJKLMNOPQRSTUVWXYZ","type":"function","function":{"name":"g","arguments":"{}"}}]},"logprobs":null,"finish_reason":"tool_calls"}`)

	w = chat(t, h, with(twoTools+`,"stream":true`))
	var deltas []string
	for line := range strings.SplitSeq(w.Body.String(), "\n\n") {
		if _, rest, ok := strings.Cut(line, `"choices":[{"index":0,`); ok {
			validate(t, "CreateChatCompletionStreamResponse", []byte(strings.TrimPrefix(line, "data: ")))
			deltas = append(deltas, strings.TrimSuffix(rest, "}]}"))
		}
	}
	end := `,"logprobs":null,"finish_reason":null`
	assert.Equal(t, []string{
		`"delta":{"role":"assistant","content":"","refusal":null}` + end, `"delta":{"content":"Let me see."}` + end,
		`"delta":{"tool_calls":[{"index":0,"id":"call_ABCDEFGHIJKLMNOPQRSTUVWXYZ","type":"function","function":{"name":"f","arguments":""}}]}` + end,
		`"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\""}}]}` + end,
		`"delta":{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]}` + end,
		`"delta":{"tool_calls":[{"index":1,"id":"call_ABCDEFGHIJKLMNOPQRSTUVWXYZ","type":"function","function":{"name":"g","arguments":""}}]}` + end,
		`"delta":{"tool_calls":[{"index":1,"function":{"arguments":"{}"}}]}` + end,
		`"delta":{},"logprobs":null,"finish_reason":"tool_calls"`,
	}, deltas)
	assert.True(t, strings.HasSuffix(w.Body.String(), "data: [DONE]\n\n"))

	// Only calls: there is no content.
	m.deltas = slices.Delete(slices.Clone(m.deltas), 1, 2)
	w = chat(t, newHandler(t, m, HandlerOptions{}), with(twoTools))
	assert.Contains(t, w.Body.String(), `"content":null`)
	w = chat(t, newHandler(t, m, HandlerOptions{}), with(twoTools+`,"stream":true`))
	first, _, _ := strings.Cut(w.Body.String(), "\n\n")
	validate(t, "CreateChatCompletionStreamResponse", []byte(strings.TrimPrefix(first, "data: ")))
	assert.Contains(t, first, `"choices":[{"index":0,"logprobs":null,"finish_reason":null,"delta":{"role":"assistant","content":null,"refusal":null}}]`)
	assert.NotContains(t, w.Body.String(), `"content":""`)
}

// TestIgnoredKeywords: what a schema has in vain is named beside the fields that the API does not have.
func TestIgnoredKeywords(t *testing.T) {
	m := hello()
	m.info.Tools, m.info.Constrained = true, true
	var got Request
	m.asked = func(r Request) { got = r }
	m.ignored = []IgnoredKeyword{{1, []any{"properties", "a", "anyOf", 2, "contains"}}, {-1, []any{"not"}}, {-1, nil}}
	h := newHandler(t, m, HandlerOptions{})
	w := chat(t, h, with(`"foo":1,"tools":[{"type":"function","function":{"name":"f","strict":true}},{"type":"function","function":{"name":"g"}}],
		"response_format":{"type":"json_schema","json_schema":{"name":"n","strict":true,"schema":{}}}`))
	assert.Equal(t, 200, w.Code)
	assert.Equal(t, "foo, tools[1].function.parameters.properties.a.anyOf[2].contains, response_format.json_schema.schema.not, response_format.json_schema.schema",
		w.Header().Get("X-Docent-Ignored"))
	assert.True(t, got.Tools.List[0].Strict && !got.Tools.List[1].Strict && got.Format.Strict)
	w, _ = do(h, post("/v1/responses", `{"model":"m","input":"x","tools":[{"type":"function","name":"f"},{"type":"function","name":"g"}],"text":{"format":{"type":"json_schema","name":"n","schema":{}}}}`))
	assert.Equal(t, 200, w.Code)
	assert.Equal(t, "tools[1].parameters.properties.a.anyOf[2].contains, text.format.schema.not, text.format.schema", w.Header().Get("X-Docent-Ignored"))
	assert.True(t, got.Format.JSON && !got.Format.Strict && len(got.Tools.List) == 2)
}

func TestToolsReachTheModel(t *testing.T) {
	m := hello()
	m.info.Tools, m.info.Constrained = true, true
	var got Request
	m.asked = func(r Request) { got = r }
	h := newHandler(t, m, HandlerOptions{})
	list := []Tool{{Name: "f", Parameters: json.RawMessage(`{"type":"object"}`)}, {Name: "g"}}
	for fields, want := range map[string]Tools{
		``:                      {List: list},
		`,"tool_choice":"auto"`: {List: list},
		`,"tool_choice":"none"`: {},
		`,"tool_choice":"required","parallel_tool_calls":false`:          {List: list, Must: true, One: true},
		`,"tool_choice":{"type":"function","function":{"name":"g"}}`:     {List: list, Only: "g", One: true},
		`,"tool_choice":"none","response_format":{"type":"json_object"}`: {},
	} {
		w := chat(t, h, with(twoTools+fields))
		require.Equal(t, 200, w.Code, w.Body)
		assert.Equal(t, want, got.Tools, fields)
	}
	assert.Equal(t, Format{JSON: true}, got.Format.withoutSchema())
	chat(t, h, with(`"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object","a":1}}}`))
	assert.Equal(t, Format{JSON: true, Schema: json.RawMessage(`{"type":"object","a":1}`)}, got.Format)
	chat(t, h, `{"model":"m","messages":[{"role":"user","content":"q"},{"role":"assistant","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"1","content":"r"}]}`)
	assert.Equal(t, []Message{{Role: "user", Content: "q"}, {Role: "assistant", Calls: []Call{{"1", "f", "{}"}}}, {Role: "tool", Content: "r", CallID: "1"}}, got.Messages)
}

func (f Format) withoutSchema() Format { return Format{JSON: f.JSON || f.Schema == nil} }

// What a model cannot do is refused, and names the field.
func TestUnableModels(t *testing.T) {
	none, told := hello(), hello()
	told.info.Tools = true
	for _, c := range []struct {
		m           *fakeModel
		path, body  string
		code, param string
	}{
		{none, "/v1/chat/completions", with(twoTools), "unsupported_parameter", "tools"},
		{none, "/v1/chat/completions", with(twoTools + `,"tool_choice":"required"`), "unsupported_parameter", "tools"},
		{told, "/v1/chat/completions", with(twoTools + `,"tool_choice":"required"`), "unsupported_parameter", "tools"},
		{none, "/v1/chat/completions", with(`"response_format":{"type":"json_object"}`), "unsupported_operation", "response_format"},
		{none, "/v1/chat/completions", `{"model":"m","messages":[{"role":"user","content":"q"},{"role":"tool","tool_call_id":"1","content":"r"}]}`, "unsupported_operation", "messages"},
		{none, "/v1/responses", `{"model":"m","input":"x","text":{"format":{"type":"json_object"}}}`, "unsupported_operation", "text"},
		{none, "/v1/responses", `{"model":"m","input":"x","tools":[{"type":"function","name":"f"}]}`, "unsupported_parameter", "tools"},
	} {
		w, _ := do(newHandler(t, c.m, HandlerOptions{}), post(c.path, c.body))
		assert.Equal(t, 422, w.Code, c.body)
		e := errorOf(t, w)
		assert.Equal(t, c.code, e.Code, c.body)
		assert.Equal(t, c.param, *e.Param, c.body)
	}
	assert.Equal(t, 200, chat(t, newHandler(t, none, HandlerOptions{}), with(twoTools+`,"tool_choice":"none"`)).Code)

	for tool, want := range map[int]string{-1: "response_format.json_schema.schema.properties.a[2]", 1: "tools[1].function.parameters.properties.a[2]"} {
		m := hello()
		m.info.Constrained = true
		m.before = func(context.Context, Request) error {
			return &SchemaError{Tool: tool, Path: []any{"properties", "a", 2}, Reason: "not is not supported"}
		}
		w := chat(t, newHandler(t, m, HandlerOptions{}), with(`"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{}}}`))
		assert.Equal(t, 422, w.Code)
		e := errorOf(t, w)
		assert.Equal(t, "unsupported_schema", e.Code)
		assert.Equal(t, want, *e.Param)
	}
}

func TestResponses(t *testing.T) {
	m := hello()
	var got Request
	m.asked = func(r Request) { got = r }
	h := newHandler(t, m, HandlerOptions{})
	var res openai.Response
	post200(t, h, "/v1/responses", `{"model":"m","instructions":"Be brief.","input":[{"role":"developer","content":"And kind."},{"role":"user","content":"hi"}],
		"temperature":0.5,"max_output_tokens":3,"metadata":{"a":"b"}}`, &res)
	assert.Equal(t, []Message{{Role: "system", Content: "Be brief."}, {Role: "system", Content: "And kind."}, {Role: "user", Content: "hi"}}, got.Messages)
	assert.Equal(t, 3, got.MaxTokens)
	assert.Equal(t, "incomplete", res.Status)
	assert.Equal(t, "max_output_tokens", res.IncompleteDetails.Reason)
	require.Len(t, res.Output, 1)
	assert.Equal(t, "Hello, wörld", res.Output[0].Content[0].Text)
	assert.Equal(t, "incomplete", res.Output[0].Status)
	assert.Equal(t, openai.ResponseUsage{InputTokens: 7, OutputTokens: 3, TotalTokens: 10}, *res.Usage)
	assert.Equal(t, map[string]string{"a": "b"}, res.Metadata)
	assert.Equal(t, "Be brief.", *res.Instructions)

	h = newHandler(t, calling(), HandlerOptions{})
	w := post200(t, h, "/v1/responses", `{"model":"m","input":"x","tools":[{"type":"function","name":"f"},{"type":"function","name":"g"}],"tool_choice":"required"}`, &struct{}{})
	assert.Contains(t, w.Body.String(), `"output":[{"id":"msg_ABCDEFGHIJKLMNOPQRSTUVWXYZ","type":"message","status":"completed","role":"assistant","content":[`+
		`{"type":"output_text","text":"Let me see.","annotations":[],"logprobs":[]}]},`+
		`{"id":"fc_ABCDEFGHIJKLMNOPQRSTUVWXYZ","type":"function_call","status":"completed","call_id":"call_ABCDEFGHIJKLMNOPQRSTUVWXYZ","name":"f","arguments":"{\"a\":1}"},`)
	assert.Contains(t, w.Body.String(), `"tool_choice":"required"`)
	w, _ = do(h, post("/v1/responses", `{"model":"m","input":"x","previous_response_id":"resp_1"}`))
	assert.Equal(t, "previous_response_id", *errorOf(t, w).Param)

	empty := scripted([]Delta{{Start: &Start{MaxTokens: 1}}, {Finish: FinishStop, Sampled: 1}})
	post200(t, newHandler(t, empty, HandlerOptions{}), "/v1/responses", `{"model":"m","input":"x"}`, &res)
	assert.Equal(t, "", res.Output[0].Content[0].Text)
}

// events are the names of a stream, with what each adds.
func events(t *testing.T, body string) (names []string, last map[string]any) {
	t.Helper()
	for i, frame := range strings.Split(strings.TrimSuffix(body, "\n\n"), "\n\n") {
		name, data, ok := strings.Cut(frame, "\n")
		require.True(t, ok, frame)
		last = map[string]any{}
		require.NoError(t, json.Unmarshal([]byte(strings.TrimPrefix(data, "data: ")), &last), data)
		require.Equal(t, name, "event: "+last["type"].(string))
		require.EqualValues(t, i, last["sequence_number"])
		text := last["type"].(string)
		if d, ok := last["delta"]; ok {
			text += fmt.Sprintf(" %v", d)
		}
		if d, ok := last["output_index"]; ok {
			text += fmt.Sprintf(" %v", d)
		}
		names = append(names, text)
	}
	return names, last
}

func TestResponsesStream(t *testing.T) {
	w, aborted := do(newHandler(t, calling(), HandlerOptions{}), post("/v1/responses", `{"model":"m","stream":true,"input":"x","tools":[{"type":"function","name":"f"},{"type":"function","name":"g"}]}`))
	require.False(t, aborted)
	names, last := events(t, w.Body.String())
	assert.Equal(t, []string{
		"response.created", "response.in_progress", "response.output_item.added 0", "response.content_part.added 0", "response.output_text.delta Let me see. 0",
		"response.output_text.done 0", "response.content_part.done 0", "response.output_item.done 0",
		"response.output_item.added 1", `response.function_call_arguments.delta {"a" 1`, `response.function_call_arguments.delta :1} 1`,
		"response.function_call_arguments.done 1", "response.output_item.done 1",
		"response.output_item.added 2", "response.function_call_arguments.delta {} 2", "response.function_call_arguments.done 2", "response.output_item.done 2",
		"response.completed",
	}, names)
	response := last["response"].(map[string]any)
	assert.Equal(t, "completed", response["status"])
	assert.Len(t, response["output"], 3)
	assert.NotContains(t, w.Body.String(), "[DONE]")

	m := hello()
	w, _ = do(newHandler(t, m, HandlerOptions{}), post("/v1/responses", `{"model":"m","stream":true,"input":"x","max_output_tokens":1}`))
	_, last = events(t, w.Body.String())
	assert.Equal(t, "response.incomplete", last["type"])

	m.each = func(_ context.Context, i int) error {
		if i == 2 {
			return errors.New("/secret")
		}
		return nil
	}
	w, aborted = do(newHandler(t, m, HandlerOptions{}), post("/v1/responses", `{"model":"m","stream":true,"input":"x"}`))
	assert.True(t, aborted)
	_, last = events(t, w.Body.String())
	assert.Equal(t, "response.failed", last["type"])
	assert.Equal(t, "failed", last["response"].(map[string]any)["status"])
	assert.NotContains(t, w.Body.String(), "secret")
	m.before = func(context.Context, Request) error { return ErrBusy }
	w, _ = do(newHandler(t, m, HandlerOptions{}), post("/v1/responses", `{"model":"m","stream":true,"input":"x"}`))
	assert.Equal(t, 429, w.Code)
}

func TestResponsesStreamGolden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := scripted([]Delta{{Start: &Start{PromptTokens: 1, MaxTokens: 5}}, {Text: "Hi", Sampled: 1}, {Finish: FinishStop, Sampled: 1}})
		w, _ := do(newHandler(t, m, HandlerOptions{}), post("/v1/responses", `{"model":"m","stream":true,"input":"x"}`))
		res := func(status, output, usage, latency string) string {
			return `{"id":"resp_ABCDEFGHIJKLMNOPQRSTUVWXYZ","object":"response","created_at":946684800,"status":"` + status + `","background":false,"error":null,"incomplete_details":null,` +
				`"instructions":null,"max_output_tokens":null,"model":"m","output":[` + output + `],"parallel_tool_calls":true,"previous_response_id":null,` +
				`"reasoning":{"effort":null,"summary":null},"service_tier":"default","store":false,"temperature":1,"text":{"format":{"type":"text"}},"tool_choice":"auto","tools":[],` +
				`"top_p":1,"truncation":"disabled","usage":` + usage + `,"user":null,"metadata":{},"system_fingerprint":""` + latency + `}`
		}
		item := `"item_id":"msg_ABCDEFGHIJKLMNOPQRSTUVWXYZ"`
		part := func(text string) string {
			return `{"type":"output_text","text":"` + text + `","annotations":[],"logprobs":[]}`
		}
		msg := func(status, content string) string {
			return `{"id":"msg_ABCDEFGHIJKLMNOPQRSTUVWXYZ","type":"message","status":"` + status + `","role":"assistant","content":[` + content + `]}`
		}
		want := ""
		for i, e := range []struct{ name, rest string }{
			{"response.created", `"response":` + res("in_progress", "", "null", "")},
			{"response.in_progress", `"response":` + res("in_progress", "", "null", "")},
			{"response.output_item.added", `"output_index":0,"item":` + msg("in_progress", "")},
			{"response.content_part.added", `"output_index":0,` + item + `,"content_index":0,"part":` + part("")},
			{"response.output_text.delta", `"output_index":0,` + item + `,"content_index":0,"delta":"Hi","logprobs":[]`},
			{"response.output_text.done", `"output_index":0,` + item + `,"content_index":0,"text":"Hi","logprobs":[]`},
			{"response.content_part.done", `"output_index":0,` + item + `,"content_index":0,"part":` + part("Hi")},
			{"response.output_item.done", `"output_index":0,"item":` + msg("completed", part("Hi"))},
			{"response.completed", `"response":` + res("completed", msg("completed", part("Hi")),
				`{"input_tokens":1,"input_tokens_details":{"cached_tokens":0},"output_tokens":2,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":3}`,
				`,"latency":{"total_ms":0,"queue_ms":0,"load_ms":0,"prompt_ms":0,"first_token_ms":0,"generate_ms":0,"tokens_per_second":0}`)},
		} {
			want += fmt.Sprintf("event: %s\ndata: {\"type\":%q,\"sequence_number\":%d,%s}\n\n", e.name, e.name, i, e.rest)
		}
		assert.Equal(t, want, w.Body.String())
	})
}
