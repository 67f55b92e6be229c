package openai

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fault is the error of a parser.
func faultOf(t *testing.T, err error) *Error {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	require.True(t, ok, "%v", err)
	return e
}

func TestParseCompletion(t *testing.T) {
	for prompt, want := range map[string][]Input{
		`"a"`: {{Text: "a"}}, `["a","b"]`: {{Text: "a"}, {Text: "b"}}, `[1,2]`: {{Tokens: []int{1, 2}}}, `[[1],[2,3]]`: {{Tokens: []int{1}}, {Tokens: []int{2, 3}}},
	} {
		r, err := ParseCompletionRequest([]byte(`{"model":"m","prompt":`+prompt+`,"echo":true,"logprobs":5,"n":2,"best_of":1,"suffix":"","user":"u","top_k":3,"what":1}`), Limits{})
		require.NoError(t, err, prompt)
		assert.Equal(t, want, r.Prompt)
		assert.True(t, r.Echo)
		assert.Equal(t, 5, *r.Logprobs)
		assert.Equal(t, 3, *r.TopK)
		assert.Equal(t, []string{"what"}, r.Ignored)
		back, err := json.Marshal(r.Prompt)
		require.NoError(t, err)
		again, err := ParseCompletionRequest([]byte(`{"model":"m","prompt":`+string(back)+`}`), Limits{})
		require.NoError(t, err)
		assert.Equal(t, want, again.Prompt)
	}
	for body, want := range map[string]string{
		`{}`:                                  "model missing, prompt missing",
		`{"model":"m","prompt":""}`:           "prompt too_short",
		`{"model":"m","prompt":[]}`:           "prompt too_short",
		`{"model":"m","prompt":{}}`:           "prompt type",
		`{"model":"m","prompt":["a",1,""]}`:   "prompt[1] type, prompt[2] too_short",
		`{"model":"m","prompt":[1,"a",-1]}`:   "prompt[1] type, prompt[2] range",
		`{"model":"m","prompt":[[1],2,[]]}`:   "prompt[1] type, prompt[2] too_short",
		`{"model":"m","prompt":[true]}`:       "prompt[0] type",
		`{"model":"m","prompt":"a","n":9}`:    "n range",
		`{"model":"m","prompt":"a","echo":1}`: "echo type",
		`{"model":"m","prompt":[` + strings.Repeat(`"a",`, 128) + `"a"]}`: "prompt too_long",
		`{"model":"m","prompt":"a","logprobs":6,"temperature":3}`:         "logprobs range, temperature range",
		`{"model":"m","prompt":"a","logprobs":true}`:                      "logprobs type",
		`{"model":"m","prompt":"a","suffix":"x","best_of":2}`:             "suffix unsupported, best_of unsupported",
	} {
		_, err := ParseCompletionRequest([]byte(body), Limits{})
		assert.Equal(t, want, strings.Join(told(faultOf(t, err)), ", "), body)
	}
	_, err := ParseCompletionRequest([]byte(`{`), Limits{})
	assert.Equal(t, CodeInvalidJSON, faultOf(t, err).Code)
}

func TestParseEmbedding(t *testing.T) {
	r, err := ParseEmbeddingRequest([]byte(`{"model":"m","input":["a"],"encoding_format":"base64","dimensions":3,"user":"u"}`), Limits{})
	require.NoError(t, err)
	three := 3
	assert.Equal(t, &EmbeddingRequest{Model: "m", Input: []Input{{Text: "a"}}, EncodingFormat: "base64", Dimensions: &three}, r)
	for body, want := range map[string]string{
		`{"model":"m"}`: "input missing",
		`{"model":"m","input":"","encoding_format":"x","dimensions":0}`: "input too_short, encoding_format enum, dimensions range",
		`{"model":"m","input":"a","encoding_format":1}`:                 "encoding_format type",
	} {
		_, err := ParseEmbeddingRequest([]byte(body), Limits{})
		assert.Equal(t, want, strings.Join(told(faultOf(t, err)), ", "), body)
	}
}

func TestVector(t *testing.T) {
	for _, v := range []Vector{{Values: []float32{1, -0.5}}, {Values: []float32{1, -0.5}, Base64: true}} {
		text, err := json.Marshal(v)
		require.NoError(t, err)
		assert.Equal(t, map[bool]string{false: `[1,-0.5]`, true: `"AACAPwAAAL8="`}[v.Base64], string(text))
		var back Vector
		require.NoError(t, json.Unmarshal(text, &back))
		assert.Equal(t, v, back)
	}
	for _, bad := range []string{`"AAA="`, `"!"`, `{}`} {
		assert.Error(t, json.Unmarshal([]byte(bad), new(Vector)), bad)
	}
}

func TestParseResponse(t *testing.T) {
	r, err := ParseResponseRequest([]byte(`{"model":"m","instructions":"be brief","input":[
		{"role":"user","content":"a"},
		{"type":"message","role":"assistant","id":"msg_1","status":"completed","content":[{"type":"output_text","text":"b","annotations":[],"logprobs":[]}]},
		{"type":"function_call","call_id":"c1","name":"f","arguments":"{}","id":"fc_1","status":"completed"},
		{"type":"function_call_output","call_id":"c1","output":[{"type":"input_text","text":"7"}]},
		{"role":"user","content":[{"type":"input_text","text":"c"},{"type":"input_text","text":"d"}]}],
		"max_output_tokens":5,"temperature":0,"top_p":0.5,"stream":true,"store":false,"metadata":{"k":"v"},"user":"u","truncation":"disabled",
		"tools":[{"type":"function","name":"f","parameters":{},"strict":true,"description":null}],"tool_choice":{"type":"function","name":"f"},"parallel_tool_calls":false,
		"text":{"format":{"type":"json_schema","name":"s","schema":{}},"verbosity":"low"},"include":[],"background":false,"reasoning":{"effort":"none"},
		"top_k":4,"ignore_eos":true,"seed":3,"stream_options":{"include_obfuscation":false},"nope":1}`), Limits{})
	require.NoError(t, err)
	assert.Equal(t, []Message{
		{Role: "system", Content: "be brief"}, {Role: "user", Content: "a"},
		{Role: "assistant", Content: "b", ToolCalls: []ToolCall{{ID: "c1", Type: "function", Function: FunctionCall{Name: "f", Arguments: "{}"}}}},
		{Role: "tool", ToolCallID: "c1", Content: "7"}, {Role: "user", Content: "cd"},
	}, r.Messages)
	assert.Equal(t, []string{"nope"}, r.Ignored)
	assert.Equal(t, "be brief", *r.Instructions)
	assert.Equal(t, map[string]string{"k": "v"}, r.Metadata)
	assert.Equal(t, "u", *r.User)
	assert.Equal(t, &ToolChoice{Mode: ToolFunction, Name: "f"}, r.ToolChoice)
	assert.Equal(t, &ResponseFormat{Type: "json_schema", JSONSchema: &JSONSchema{Name: "s", Schema: json.RawMessage(`{}`)}}, r.Text)
	assert.Equal(t, 5, *r.MaxOutputTokens)
	assert.True(t, r.Stream && r.IgnoreEOS && !*r.Parallel)

	for body, want := range map[string]string{
		`{}`:                        "model missing, input missing",
		`{"model":"m","input":""}`:  "input too_short",
		`{"model":"m","input":[]}`:  "input too_short",
		`{"model":"m","input":7}`:   "input type",
		`{"model":"m","input":[7]}`: "input[0] type",
		`{"model":"m","input":[{"role":"assistant","content":"x"}]}`:                                                                              "input missing",
		`{"model":"m","input":[{"role":"pirate","content":"x"},{"content":"x"}]}`:                                                                 "input[0].role enum, input[1].role missing",
		`{"model":"m","input":[{"type":"item_reference"}]}`:                                                                                       "input[0] unsupported",
		`{"model":"m","input":[{"type":"reasoning","summary":"x","content":[{"type":"text","text":"x"}]},{"role":"user","content":"x"}]}`:         "input[0].summary type, input[0].content[0] unsupported",
		`{"model":"m","input":[{"role":"user","content":[{"type":"input_image"}]}]}`:                                                              "input[0].content[0] unsupported",
		`{"model":"m","input":[{"type":"function_call","call_id":"x"},{"type":"function_call_output"}]}`:                                          "input[0].name missing, input[0].arguments missing, input[1].call_id missing, input[1].output missing",
		`{"model":"m","input":"x","previous_response_id":"r","conversation":"c","background":true,"store":true}`:                                  "previous_response_id unsupported, conversation unsupported, background unsupported, store unsupported",
		`{"model":"m","input":"x","tools":[{"type":"web_search"}],"include":["x"],"truncation":"some","reasoning":{"effort":1},"top_logprobs":2}`: "tools[0].type unsupported, include[0] unsupported, truncation enum, reasoning.effort type, top_logprobs unsupported",
		`{"model":"m","input":"x","text":{"format":{"type":"xml"}},"max_output_tokens":0,"metadata":{"a":1}}`:                                     "text.format.type enum, max_output_tokens range, metadata.a type",
	} {
		_, err := ParseResponseRequest([]byte(body), Limits{})
		assert.Equal(t, want, strings.Join(told(faultOf(t, err)), ", "), body)
	}
}

// FuzzParseOthers: whatever the bytes, a parser returns a request or one error object that can be shown.
func FuzzParseOthers(f *testing.F) {
	for _, s := range []string{
		`{"model":"m","prompt":[1,2],"echo":true,"logprobs":2}`, `{"model":"m","input":"x","encoding_format":"base64"}`, `{"model":"m","prompt":[["a"]]}`,
		`{"model":"m","input":[{"type":"function_call","call_id":"1","name":"f","arguments":"{}"},{"role":"user","content":[{"type":"input_text","text":"a"}]}],"text":{"format":{"type":"json_schema","name":"n","schema":{"a":[1]}}}}`,
		`{"tools":[{"type":"function","name":"f","function":{"name":"g"}}],"tool_choice":{"type":"function","name":"f"}}`, "{", "\xff", `[]`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		check := func(err error) {
			if err == nil {
				require.True(t, json.Valid(data))
				return
			}
			e := faultOf(t, err)
			require.Contains(t, []int{400, 422}, e.Status)
			require.LessOrEqual(t, len(e.Details), 32)
			require.True(t, utf8.ValidString(e.Message))
		}
		c, err := ParseCompletionRequest(data, Limits{})
		check(err)
		if err == nil {
			require.NotEmpty(t, c.Prompt)
		}
		_, err = ParseEmbeddingRequest(data, Limits{})
		check(err)
		r, err := ParseResponseRequest(data, Limits{StrictFields: true})
		check(err)
		if err == nil && r.Text != nil && r.Text.JSONSchema != nil {
			require.True(t, json.Valid(r.Text.JSONSchema.Schema))
		}
	})
}
