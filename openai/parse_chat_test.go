package openai

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const user = `"messages":[{"role":"user","content":"hi"}]`

// body makes a valid request with one more field.
func body(field string) string { return `{"model":"m",` + user + `,` + field + `}` }

func parse(t *testing.T, body string) (*ChatCompletionRequest, *Error) {
	t.Helper()
	r, err := ParseChatCompletionRequest([]byte(body), Limits{})
	if err == nil {
		return r, nil
	}
	require.Nil(t, r)
	e, ok := errors.AsType[*Error](err)
	require.True(t, ok, "%T", err)
	return nil, e
}

func TestParseReadsEveryField(t *testing.T) {
	r, e := parse(t, `{
		"model":"acme/handbook-qa",
		"messages":[
			{"role":"developer","content":[{"type":"text","text":"A"},{"type":"text","text":"\u00e9\ud83d\ude00\n"}]},
			{"role":"user","content":"hi","name":"ann"},
			{"role":"assistant","content":"yo","refusal":null,"tool_calls":null,"annotations":[],"audio":null},
			{"role":"user","content":""}],
		"max_tokens":5,"max_completion_tokens":7.0,"temperature":0,"top_p":1e-1,"n":2,"stop":["a","b"],"stream":true,
		"stream_options":{"include_usage":true,"include_obfuscation":false},"seed":-9223372036854775808,
		"logprobs":true,"top_logprobs":20,"logit_bias":{"7":-100,"0":2.5},"presence_penalty":-2,"frequency_penalty":2,
		"repetition_penalty":1.1,"no_repeat_ngram_size":3,"top_k":40,"min_p":0.05,"ignore_eos":true,
		"chat_template_kwargs":{"thinking":false,"n":3,"x":[1.5,null,"s",{"y":{}}]},
		"user":"u","metadata":{"a":"b"},"store":false,"service_tier":"auto","safety_identifier":"s","prompt_cache_key":"k",
		"prompt_cache_retention":"24h","prompt_cache_options":{},"verbosity":"low","modalities":["text"],"reasoning_effort":"none",
		"response_format":{"type":"text"},"tools":[],"tool_choice":"auto","parallel_tool_calls":true,
		"audio":null,"functions":null,"temprature":1,"x":{"messages":1}}`)
	require.Nil(t, e)
	p := func(v float64) *float64 { return &v }
	n := func(v int) *int { return &v }
	seed, yes := int64(-9223372036854775808), true
	assert.Equal(t, &ChatCompletionRequest{
		Model: "acme/handbook-qa",
		Messages: []Message{
			{Role: "developer", Content: "Aé😀\n"}, {Role: "user", Content: "hi"}, {Role: "assistant", Content: "yo"}, {Role: "user"},
		},
		MaxCompletionTokens: n(7), Logprobs: true, TopLogprobs: 20,
		ResponseFormat: &ResponseFormat{Type: "text"}, ToolChoice: &ToolChoice{Mode: "auto"}, ParallelToolCalls: &yes,
		ChatTemplateKwargs: map[string]any{"thinking": false, "n": int64(3), "x": []any{1.5, nil, "s", map[string]any{"y": map[string]any{}}}},
		Sampling: Sampling{
			MaxTokens: n(5), Temperature: p(0), TopP: p(0.1), N: n(2), Stop: []string{"a", "b"}, Stream: true,
			StreamOptions: &StreamSettings{IncludeUsage: true}, Seed: &seed, LogitBias: map[int]float64{7: -100, 0: 2.5},
			PresencePenalty: p(-2), FrequencyPenalty: p(2), RepetitionPenalty: p(1.1), NoRepeatNgramSize: n(3), TopK: n(40),
			MinP: p(0.05), IgnoreEOS: true,
		},
		Ignored: []string{"temprature", "x"},
	}, r)
	assert.Equal(t, 7, *r.TokenLimit())
}

func TestParseTools(t *testing.T) {
	r, e := parse(t, `{"model":"m","messages":[{"role":"user","content":"x"},
		{"role":"assistant","tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]},
		{"role":"tool","tool_call_id":"call_1","content":[{"type":"text","text":"42"}]}],
		"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object", "x":1},"strict":true}},
			{"type":"function","function":{"name":"g"}}],
		"tool_choice":{"type":"function","function":{"name":"g"}},"response_format":{"type":"json_schema","json_schema":{"name":"s","schema":{"type":"object"},"strict":true}}}`)
	require.Nil(t, e)
	assert.Equal(t, []Message{
		{Role: "user", Content: "x"},
		{Role: "assistant", ToolCalls: []ToolCall{{ID: "call_1", Type: "function", Function: FunctionCall{Name: "f", Arguments: `{"a":1}`}}}},
		{Role: "tool", ToolCallID: "call_1", Content: "42"},
	}, r.Messages)
	assert.Equal(t, []Tool{
		{Type: "function", Function: Function{Name: "f", Description: "d", Parameters: json.RawMessage(`{"type":"object", "x":1}`), Strict: true}},
		{Type: "function", Function: Function{Name: "g"}},
	}, r.Tools)
	assert.Equal(t, &ToolChoice{Mode: ToolFunction, Name: "g"}, r.ToolChoice)
	assert.Equal(t, &ResponseFormat{Type: "json_schema", JSONSchema: &JSONSchema{Name: "s", Schema: json.RawMessage(`{"type":"object"}`), Strict: true}}, r.ResponseFormat)
	assert.Empty(t, r.Ignored)

	text, err := json.Marshal(r)
	require.NoError(t, err)
	again, e := parse(t, string(text))
	require.Nil(t, e, string(text))
	assert.Equal(t, r.ToolChoice, again.ToolChoice)
	assert.Equal(t, r.Messages, again.Messages)
}

func TestParseMarshalledRequest(t *testing.T) {
	r, e := parse(t, body(`"temperature":0,"logit_bias":{"3":1},"stop":"x","max_tokens":3`))
	require.Nil(t, e)
	text, err := json.Marshal(r)
	require.NoError(t, err)
	again, e := parse(t, string(text))
	require.Nil(t, e)
	assert.Equal(t, r, again)
	assert.Equal(t, 3, *again.TokenLimit())
}

func TestParseNullIsAbsent(t *testing.T) {
	r, e := parse(t, `{"model":"m",`+user+`,"temperature":null,"stop":null,"stream_options":null,"n":null,"store":null,
		"logprobs":null,"top_logprobs":null,"audio":null,"tools":null,"response_format":null,"chat_template_kwargs":null}`)
	require.Nil(t, e)
	assert.Equal(t, &ChatCompletionRequest{Model: "m", Messages: []Message{{Role: "user", Content: "hi"}}}, r)
	_, e = parse(t, `{"model":null,"messages":null}`)
	assert.Equal(t, []string{"model missing", "messages missing"}, told(e))
}

// told lists the details as "field type".
func told(e *Error) []string {
	var out []string
	for _, d := range e.Details {
		out = append(out, d.Field+" "+d.Type)
	}
	return out
}

func TestParseRefuses(t *testing.T) {
	msg := func(m string) string { return `{"model":"m","messages":[` + m + `]}` }
	for _, c := range []struct {
		body string
		code Code
		want string // details as told gives them
	}{
		{`[]`, CodeValidation, "body type"},
		{`"x"`, CodeValidation, "body type"},
		{`null`, CodeValidation, "body type"},
		{`{}`, CodeValidation, "model missing, messages missing"},
		{`{"Model":"m",` + user + `}`, CodeValidation, "model missing"},
		{`{"model":"",` + user + `}`, CodeValidation, "model too_short"},
		{`{"model":1,` + user + `}`, CodeValidation, "model type"},
		{`{"model":"m","messages":{}}`, CodeValidation, "messages type"},
		{`{"model":"m","messages":[]}`, CodeValidation, "messages too_short"},
		{`{"model":"m","messages":[` + strings.Repeat("1,", 2048) + `1]}`, CodeValidation, "messages too_long"},
		{msg(`1`), CodeValidation, "messages[0] type"},
		{msg(`{"role":"assistant","content":"x"}`), CodeValidation, "messages missing"},
		{msg(`{"role":"assistant","content":3}`), CodeValidation, "messages missing, messages[0].content type"},
		{msg(`{"role":"nobody","content":"x"}`), CodeValidation, "messages[0].role enum"},
		{msg(`{"role":true,"content":"x"}`), CodeValidation, "messages[0].role type"},
		{msg(`{"content":"x"}`), CodeValidation, "messages[0].role missing"},
		{msg(`{"role":"user"}`), CodeValidation, "messages[0].content missing"},
		{msg(`{"role":"user","content":null}`), CodeValidation, "messages[0].content missing"},
		{msg(`{"role":"user","content":[]}`), CodeValidation, "messages[0].content too_short"},
		{msg(`{"role":"user","content":["x"]}`), CodeValidation, "messages[0].content[0] type"},
		{msg(`{"role":"user","content":[{"text":"x"}]}`), CodeValidation, "messages[0].content[0].type missing"},
		{msg(`{"role":"user","content":[{"type":"text"}]}`), CodeValidation, "messages[0].content[0].text missing"},
		{msg(`{"role":"user","content":[{"type":"text","text":1}]}`), CodeValidation, "messages[0].content[0].text type"},
		{msg(`{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"data:"}}]}`),
			CodeUnsupportedContent, "messages[0].content[1] unsupported"},
		{msg(`{"role":"user","content":[{"type":"input_audio"}]}`), CodeUnsupportedContent, "messages[0].content[0] unsupported"},
		{msg(`{"role":"user","content":"x"},{"role":"tool","content":"x"}`), CodeValidation, "messages[1].tool_call_id missing"},
		{msg(`{"role":"user","content":"x","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]}`),
			CodeValidation, "messages[0] conflict"},
		{msg(`{"role":"user","content":"x"},{"role":"assistant","content":null,"tool_calls":[]}`), CodeValidation, "messages[1].content missing"},
		{msg(`{"role":"user","content":"x"},{"role":"assistant","tool_calls":[{},{"type":"x"},{"type":"function","id":1,"function":{"name":"a b"}}]}`),
			CodeUnsupportedParameter, "messages[1].tool_calls[1].type unsupported, messages[1].tool_calls[2].id type, " +
				"messages[1].tool_calls[2].function.name format, messages[1].tool_calls[0].type missing, messages[1].tool_calls[2].function.arguments missing"},
		{msg(`{"role":"user","content":"x","name":7}`), CodeValidation, "messages[0].name type"},

		{body(`"temperature":2.1`), CodeValidation, "temperature range"},
		{body(`"temperature":-0.1`), CodeValidation, "temperature range"},
		{body(`"temperature":1e999`), CodeValidation, "temperature range"},
		{body(`"temperature":"1"`), CodeValidation, "temperature type"},
		{body(`"temperature":true`), CodeValidation, "temperature type"},
		{body(`"top_p":1.01`), CodeValidation, "top_p range"},
		{body(`"n":0`), CodeValidation, "n range"},
		{body(`"n":9`), CodeValidation, "n range"},
		{body(`"n":1.5`), CodeValidation, "n type"},
		{body(`"n":"1"`), CodeValidation, "n type"},
		{body(`"max_tokens":0`), CodeValidation, "max_tokens range"},
		{body(`"max_tokens":-1`), CodeValidation, "max_tokens range"},
		{body(`"max_tokens":2.5`), CodeValidation, "max_tokens type"},
		{body(`"max_tokens":-1e300`), CodeValidation, "max_tokens range"},
		{body(`"max_completion_tokens":true`), CodeValidation, "max_completion_tokens type"},
		{body(`"seed":9223372036854775808`), CodeValidation, "seed range"},
		{body(`"seed":0.5`), CodeValidation, "seed type"},
		{body(`"stop":""`), CodeValidation, "stop too_short"},
		{body(`"stop":["a",""]`), CodeValidation, "stop[1] too_short"},
		{body(`"stop":["a",3]`), CodeValidation, "stop[1] type"},
		{body(`"stop":{}`), CodeValidation, "stop type"},
		{body(`"stop":[` + strings.Repeat(`"a",`, 16) + `"a"]`), CodeValidation, "stop too_long"},
		{body(`"stream":"true"`), CodeValidation, "stream type"},
		{body(`"stream_options":true`), CodeValidation, "stream_options type"},
		{body(`"stream_options":{"include_usage":1}`), CodeValidation, "stream_options.include_usage type"},
		{body(`"top_logprobs":3`), CodeValidation, "top_logprobs conflict"},
		{body(`"logprobs":true,"top_logprobs":21`), CodeValidation, "top_logprobs range"},
		{body(`"logit_bias":[]`), CodeValidation, "logit_bias type"},
		{body(`"logit_bias":{"1":101,"x":1,"-1":0,"01":0,"2":"a"}`), CodeValidation,
			"logit_bias.1 range, logit_bias.x format, logit_bias.-1 format, logit_bias.01 format, logit_bias.2 type"},
		{body(`"presence_penalty":2.5,"frequency_penalty":-3`), CodeValidation, "presence_penalty range, frequency_penalty range"},
		{body(`"repetition_penalty":0`), CodeValidation, "repetition_penalty range"},
		{body(`"repetition_penalty":11`), CodeValidation, "repetition_penalty range"},
		{body(`"no_repeat_ngram_size":-1`), CodeValidation, "no_repeat_ngram_size range"},
		{body(`"top_k":-1`), CodeValidation, "top_k range"},
		{body(`"min_p":1.5`), CodeValidation, "min_p range"},
		{body(`"ignore_eos":0`), CodeValidation, "ignore_eos type"},
		{body(`"chat_template_kwargs":[]`), CodeValidation, "chat_template_kwargs type"},
		{body(`"chat_template_kwargs":{"messages":[]}`), CodeValidation, "chat_template_kwargs.messages conflict"},
		{body(`"chat_template_kwargs":{"a":[1e999]}`), CodeValidation, "chat_template_kwargs.a[0] range"},
		{body(`"user":5`), CodeValidation, "user type"},
		{body(`"metadata":{"a":1}`), CodeValidation, "metadata.a type"},
		{body(`"response_format":{"type":"xml"}`), CodeValidation, "response_format.type enum"},
		{body(`"response_format":{}`), CodeValidation, "response_format.type missing"},

		{body(`"response_format":{"type":"json_schema"}`), CodeValidation, "response_format.json_schema missing"},
		{body(`"response_format":{"type":"json_schema","json_schema":{"name":"a b","schema":1}}`), CodeValidation,
			"response_format.json_schema.name format, response_format.json_schema.schema type"},
		{body(`"response_format":{"type":"json_schema","json_schema":{}}`), CodeValidation,
			"response_format.json_schema.name missing, response_format.json_schema.schema missing"},
		{body(`"tools":[{"type":"function"}]`), CodeValidation, "tools[0].function missing"},
		{body(`"tools":[{"type":"custom"},1,{}]`), CodeUnsupportedParameter, "tools[0].type unsupported, tools[1] type, tools[2].type missing"},
		{body(`"tools":[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"f","parameters":[]}}]`), CodeValidation,
			"tools[1] conflict, tools[1].function.parameters type"},
		{body(`"tools":[` + strings.Repeat(`1,`, 128) + `1]`), CodeValidation, "tools too_long"},
		{body(`"tool_choice":"required"`), CodeValidation, "tool_choice conflict"},
		{body(`"tool_choice":"sometimes"`), CodeValidation, "tool_choice enum"},
		{body(`"tool_choice":7`), CodeValidation, "tool_choice type"},
		{body(`"tool_choice":{"type":"allowed_tools"}`), CodeUnsupportedParameter, "tool_choice.type unsupported"},
		{body(`"tool_choice":{"type":"function","function":{"name":"f"}}`), CodeValidation, "tool_choice conflict"},
		{body(`"tool_choice":{"type":"function"}`), CodeValidation, "tool_choice.function missing"},
		{body(`"store":true`), CodeUnsupportedParameter, "store unsupported"},
		{body(`"reasoning_effort":3`), CodeValidation, "reasoning_effort type"},
		{body(`"modalities":["text","audio"]`), CodeUnsupportedParameter, "modalities[1] unsupported"},
		{body(`"audio":{}`), CodeUnsupportedParameter, "audio unsupported"},
		{body(`"functions":{}`), CodeValidation, "functions type"},
		{body(`"functions":[{"name":"f"},{"name":"f"},{"name":"a b"},1]`), CodeValidation, "functions[1] conflict, functions[2].name format, functions[3] type"},
		{body(`"functions":[{"name":"f"}],"tools":[{"type":"function","function":{"name":"f"}}]`), CodeValidation, "functions conflict"},
		{body(`"function_call":{"name":"f"}`), CodeValidation, "function_call conflict"},
		{body(`"function_call":"required"`), CodeValidation, "function_call enum"},
		{body(`"function_call":[]`), CodeValidation, "function_call type"},
		{msg(`{"role":"user","content":"x"},{"role":"function","content":"x"}`), CodeValidation, "messages[1].name missing"},
		{msg(`{"role":"user","content":"x"},{"role":"assistant","function_call":{"name":"f"}}`), CodeValidation, "messages[1].function_call.arguments missing"},
		{body(`"web_search_options":{}`), CodeUnsupportedParameter, "web_search_options unsupported"},
		{body(`"prediction":{}`), CodeUnsupportedParameter, "prediction unsupported"},
		{body(`"moderation":{}`), CodeUnsupportedParameter, "moderation unsupported"},
	} {
		_, e := parse(t, c.body)
		if !assert.NotNil(t, e, c.body) {
			continue
		}
		assert.Equal(t, c.want, strings.Join(told(e), ", "), c.body)
		assert.Equal(t, c.code, e.Code, c.body)
		assert.Equal(t, http.StatusUnprocessableEntity, e.Status, c.body)
		assert.Equal(t, e.Details[0].Field, *e.Param, c.body)
	}
}

// A limit beyond what any server has is not an error: the answer is cut and says so.
func TestParseTakesHugeLimits(t *testing.T) {
	for _, n := range []string{"10000000000", "9223372036854775807", "100000000000000000000", "1e300"} {
		r, e := parse(t, body(`"max_tokens":`+n+`,"top_k":`+n+`,"no_repeat_ngram_size":`+n))
		require.Nil(t, e, n)
		for _, v := range []*int{r.MaxTokens, r.TopK, r.NoRepeatNgramSize} {
			assert.Equal(t, math.MaxInt32, *v, n)
		}
	}
	_, e := parse(t, body(`"max_tokens":0,"seed":1e300`))
	assert.Equal(t, "must be at least 1", e.Details[0].Message)
	assert.Equal(t, "must be between -9223372036854775808 and 9223372036854775807", e.Details[1].Message)
}

func TestParseErrorObject(t *testing.T) {
	_, e := parse(t, `{"temperature":5,"model":"m","messages":[{"role":"nobody","content":"x"}]}`)
	text, err := json.Marshal(ErrorResponse{Error: e})
	require.NoError(t, err)
	assert.Equal(t, `{"error":{"message":"temperature: must be between 0 and 2 (and 1 more)","type":"invalid_request_error",`+
		`"param":"temperature","code":"validation_error","status":422,"path":"","request_id":"",`+
		`"details":[{"field":"temperature","loc":["body","temperature"],"message":"must be between 0 and 2","type":"range"},`+
		`{"field":"messages[0].role","loc":["body","messages",0,"role"],"message":"must be one of developer, system, user, assistant, tool","type":"enum"}]}}`,
		string(text))
}

func TestParseReportsAtMost32Faults(t *testing.T) {
	_, e := parse(t, `{"model":"m","messages":[`+strings.Repeat(`{"role":"user"},`, 1999)+`{"role":"user"}]}`)
	assert.Len(t, e.Details, 32)
	assert.Equal(t, "messages[31].content", e.Details[31].Field)
	assert.Equal(t, "messages[0].content: is required (and 1999 more)", e.Message)
}

func TestParseLimits(t *testing.T) {
	three := []byte(`{"model":"m","messages":[{"role":"user","content":"1"},{"role":"user","content":"2"}],"n":2,"what":1}`)
	_, err := ParseChatCompletionRequest(three, Limits{MaxMessages: 2, MaxN: 2})
	require.NoError(t, err)
	_, err = ParseChatCompletionRequest(three, Limits{MaxMessages: 1, MaxN: 1, StrictFields: true})
	e, _ := errors.AsType[*Error](err)
	assert.Equal(t, []string{"messages too_long", "n range", "what unsupported"}, told(e))

	_, err = ParseChatCompletionRequest([]byte(body(`"what":1`)), Limits{StrictFields: true})
	e, _ = errors.AsType[*Error](err)
	assert.Equal(t, CodeUnknownParameter, e.Code)
}

func TestParseNamesIgnoredFields(t *testing.T) {
	r, e := parse(t, `{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"a","cache_control":{}}],"foo":1}],
		"stream_options":{"bar":2},"`+strings.Repeat("ä", 100)+`":3}`)
	require.Nil(t, e)
	assert.Equal(t, []string{"messages[0].content[0].cache_control", "messages[0].foo", "stream_options.bar", strings.Repeat("ä", 32) + "…"}, r.Ignored)

	var many strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&many, `,"f%d":1`, i)
	}
	r, e = parse(t, `{"model":"m",`+user+many.String()+`}`)
	require.Nil(t, e)
	assert.Len(t, r.Ignored, 32)
}

func TestParseStrictJSON(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "space": " \n", "word": "hello", "cut": `{"model":"m"`, "trailing value": body(`"n":1`) + `{}`,
		"trailing text": body(`"n":1`) + ` x`, "NaN": body(`"temperature":NaN`), "Infinity": body(`"temperature":-Infinity`),
		"comment": body(`"n":1/**/`), "trailing comma": `{"model":"m",}`, "single quotes": `{'model':'m'}`,
		"duplicate": body(`"n":1,"n":1`), "nested duplicate": body(`"metadata":{"a":"b","a":"c"}`),
		"duplicate by escape": body(`"n":1,"\u006e":1`), "UTF-8": body(`"user":"` + "\xff" + `"`), "UTF-8 surrogate": body(`"user":"` + "\xed\xa0\x80" + `"`),
		"half surrogate": body(`"user":"\ud83d"`), "low surrogate": body(`"user":"\ude00"`), "two high": body(`"user":"\ud83d\ud83d"`),
		"depth": body(`"x":` + strings.Repeat("[", 64) + strings.Repeat("]", 64)), "deep": strings.Repeat(`{"a":`, 200000),
		"control character": body(`"user":"` + "\x01" + `"`), "leading zero": body(`"n":01`), "BOM": "\ufeff" + body(`"n":1`),
		"UTF-16": "{\x00}\x00", "plus": body(`"n":+1`),
	} {
		_, err := ParseChatCompletionRequest([]byte(text), Limits{})
		e, ok := errors.AsType[*Error](err)
		if assert.True(t, ok, name) {
			assert.Equal(t, CodeInvalidJSON, e.Code, name)
			assert.Equal(t, http.StatusBadRequest, e.Status, name)
			assert.Nil(t, e.Param, name)
			assert.Equal(t, []Detail{}, e.Details, name)
			assert.Less(t, len(e.Message), 200, name)
		}
	}
	_, e := parse(t, body(`"x":`+strings.Repeat("[", 63)+strings.Repeat("]", 63)))
	assert.Nil(t, e, "64 levels are allowed")
}

// FuzzParse checks against encoding/json: what is accepted there may be refused here, but never the other way round,
// and what both read has the same strings.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		body(`"temperature":0.5,"stop":["\u00e9\ud83d\ude00\\\"\/\b\f\n\r\t"]`), `{}`, `[1,2,{"a":[]}]`, body(`"logit_bias":{"1":2}`),
		body(`"n":1e0`), "\xff", `{"a":1,"a":2}`, `"\ud800"`, ` { "model" : "m" , "messages" : [ { "role" : "user" , "content" : null } ] } `,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := ParseChatCompletionRequest(data, Limits{})
		if err != nil {
			e, ok := errors.AsType[*Error](err)
			require.True(t, ok)
			require.Contains(t, []int{400, 422}, e.Status)
			require.LessOrEqual(t, len(e.Details), 32)
			require.True(t, utf8.ValidString(e.Message))
			return
		}
		require.True(t, json.Valid(data))
		var std struct {
			Model    string
			Messages []struct {
				Role    string
				Content any
			}
		}
		_ = json.Unmarshal(data, &std) // fields in other case may make it fail; then there is nothing to compare
		if len(std.Messages) == len(r.Messages) && std.Model == r.Model {
			for i, m := range std.Messages {
				if text, ok := m.Content.(string); ok && m.Role == r.Messages[i].Role {
					require.Equal(t, text, r.Messages[i].Content)
				}
			}
		}
		again, err := json.Marshal(r)
		require.NoError(t, err)
		r.Ignored = nil
		back, err := ParseChatCompletionRequest(again, Limits{})
		require.NoError(t, err, string(again))
		require.Equal(t, fmt.Sprintf("%+v", r.Messages), fmt.Sprintf("%+v", back.Messages))
	})
}

func BenchmarkParse(b *testing.B) {
	data := []byte(body(`"temperature":0.5,"max_tokens":100,"stop":["\n\n"],"stream":true,"user":"` + strings.Repeat("x", 2000) + `"`))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseChatCompletionRequest(data, Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}
