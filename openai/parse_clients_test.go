package openai

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What clients send and other servers take.
func TestParseTakesWhatClientsSend(t *testing.T) {
	r, e := parse(t, `{"model":"m","messages":[{"role":"system","content":"Name a colour."}],"reasoning_effort":"xhigh"}`)
	require.Nil(t, e)
	assert.Equal(t, []Message{{Role: "system", Content: "Name a colour."}}, r.Messages)
	assert.Equal(t, []string{"reasoning_effort"}, r.Ignored)

	r, e = parse(t, `{"model":"m","messages":[{"role":"user","content":"x"},
		{"role":"assistant","content":null,"reasoning_content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"files.delete","arguments":"{}"}}]},
		{"role":"tool","tool_call_id":"1","content":null}],"tools":[{"type":"function","function":{"name":"files.delete","description":null}}]}`)
	require.Nil(t, e)
	assert.Empty(t, r.Messages[1].ReasoningContent, "null is no text")
	assert.Empty(t, r.Tools[0].Function.Description)
	assert.Equal(t, Message{Role: "tool", ToolCallID: "1"}, r.Messages[2])
	assert.Equal(t, "files.delete", r.Tools[0].Function.Name)

	// What a model thought is sent back as it came, under either name that is in use.
	for _, field := range []string{"reasoning_content", "reasoning"} {
		r, e = parse(t, `{"model":"m","messages":[{"role":"user","content":"x","`+field+`":null},{"role":"assistant","content":"y","`+field+`":"z"},{"role":"user","content":"x"}]}`)
		require.Nil(t, e)
		assert.Equal(t, Message{Role: "assistant", Content: "y", ReasoningContent: "z"}, r.Messages[1])
	}
	back, err := ParseResponseRequest([]byte(`{"model":"m","input":[{"role":"user","content":"x"},
		{"type":"reasoning","id":"rs_1","summary":[],"content":[{"type":"reasoning_text","text":"a"}],"encrypted_content":null,"status":"completed"},
		{"type":"message","role":"assistant","content":[{"type":"output_text","text":"y"}]},
		{"type":"reasoning","id":"rs_2","summary":[{"type":"summary_text","text":"b"}]},
		{"type":"function_call","call_id":"1","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"1","output":"2"},
		{"type":"reasoning","summary":[],"encrypted_content":"gAAAA"}]}`), Limits{})
	require.NoError(t, err)
	assert.Equal(t, Message{Role: "assistant", Content: "y", ReasoningContent: "ab", ToolCalls: []ToolCall{{ID: "1", Type: "function", Function: FunctionCall{Name: "f", Arguments: "{}"}}}}, back.Messages[1])
	assert.Equal(t, []string{"input[6].encrypted_content"}, back.Ignored)

	for _, input := range []string{`[{"role":"developer","content":"x"}]`, `[{"role":"system","content":"x"}]`} {
		r, err := ParseResponseRequest([]byte(`{"model":"m","input":`+input+`,"truncation":"auto","reasoning":{"effort":"low","summary":"auto"},
			"include":["reasoning.encrypted_content"]}`), Limits{StrictFields: true})
		require.NoError(t, err)
		assert.True(t, r.Truncate)
		assert.ElementsMatch(t, []string{"reasoning.effort", "reasoning.summary", "include[0]"}, r.Ignored)
	}

	c, err := ParseCompletionRequest([]byte(`{"model":"m","prompt":"x","echo":true,"max_tokens":0,"logprobs":1}`), Limits{})
	require.NoError(t, err)
	assert.Equal(t, 0, *c.MaxTokens)
	_, err = ParseCompletionRequest([]byte(`{"model":"m","prompt":"x","max_tokens":0}`), Limits{})
	require.NoError(t, err)
	_, err = ParseCompletionRequest([]byte(`{"model":"m","prompt":"x","max_tokens":-1}`), Limits{})
	assert.Equal(t, []string{"max_tokens range"}, told(faultOf(t, err)))
}

// The older form of tools means the same.
func TestParseFunctions(t *testing.T) {
	r, e := parse(t, `{"model":"m","messages":[{"role":"user","content":"x"},
		{"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{}"}},{"role":"function","name":"f","content":"1"},
		{"role":"assistant","content":"So.","function_call":{"name":"f","arguments":"{\"a\":2}"}},{"role":"function","name":"f","content":null},
		{"role":"function","name":"g","content":"nobody asked"}],
		"functions":[{"name":"f","description":"d","parameters":{"type":"object"}},{"name":"g"}],"function_call":{"name":"g"}}`)
	require.Nil(t, e)
	call := func(id, arguments string) []ToolCall {
		return []ToolCall{{ID: id, Type: "function", Function: FunctionCall{Name: "f", Arguments: arguments}}}
	}
	assert.Equal(t, []Message{
		{Role: "user", Content: "x"}, {Role: "assistant", ToolCalls: call("call_1_0", `{}`)}, {Role: "tool", ToolCallID: "call_1_0", Content: "1"},
		{Role: "assistant", Content: "So.", ToolCalls: call("call_3_0", `{"a":2}`)}, {Role: "tool", ToolCallID: "call_3_0"},
		{Role: "tool", ToolCallID: "call_g", Content: "nobody asked"},
	}, r.Messages)
	assert.Equal(t, []Tool{
		{Type: "function", Function: Function{Name: "f", Description: "d", Parameters: json.RawMessage(`{"type":"object"}`)}},
		{Type: "function", Function: Function{Name: "g"}},
	}, r.Tools)
	assert.Equal(t, &ToolChoice{Mode: ToolFunction, Name: "g"}, r.ToolChoice)
	assert.True(t, r.Functions)
	assert.Empty(t, r.Ignored)

	r, e = parse(t, body(`"functions":[],"function_call":"auto"`))
	require.Nil(t, e)
	assert.Empty(t, r.Tools)
}
