package engine

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/golden"
	"github.com/docent-ml/docent/internal/lm/grammar"
	"github.com/docent-ml/docent/internal/testmodel"
	"github.com/docent-ml/docent/serve"
)

// Templates as families have them, cut down to what matters for calls.
const (
	hermesTemplate = `{% if tools %}<|im_start|>system
# serve.Tools
<tools>{% for tool in tools %}
{{ tool | tojson }}{% endfor %}
</tools><|im_end|>
{% endif %}{% for message in messages %}<|im_start|>{{ message.role }}
{{ message.content or '' }}{% if message.tool_calls %}{% for tool_call in message.tool_calls %}{% if not loop.first or message.content %}{{ '\n' }}{% endif %}<tool_call>
{"name": "{{ tool_call.function.name }}", "arguments": {{ tool_call.function.arguments | tojson }}}
</tool_call>{% endfor %}{% endif %}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}`
	llamaTemplate = `{% for message in messages %}{% if message.tool_calls %}{% if message.tool_calls | length != 1 %}{{ raise_exception("only one call") }}{% endif %}<|im_start|>assistant

{"name": "{{ message.tool_calls[0].function.name }}", "parameters": {{ message.tool_calls[0].function.arguments | tojson }}}<|im_end|>{% else %}<|im_start|>{{ message.role }}

{% if loop.first and tools %}{{ tools | tojson }}{% endif %}{{ message.content }}<|im_end|>{% endif %}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant

{% endif %}`
	mistralTemplate = `{% for message in messages %}{% if message.tool_calls %}[TOOL_CALLS] [{% for c in message.tool_calls %}{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}{% if not loop.last %}, {% endif %}{% endfor %}]<|im_end|>{% else %}{% if tools %}[AVAILABLE_TOOLS] {{ tools | tojson }}[/AVAILABLE_TOOLS]{% endif %}[INST] {{ message.content }} [/INST]{% endif %}{% endfor %}`
)

// toolEngine is the tiny model with a chat template that knows tools.
func toolEngine(t *testing.T, template string) *Engine {
	t.Helper()
	e, err := Load(t.Context(), "dir:"+templated(t, template), Options{Backend: golden.Backend(t), Slots: 2})
	require.NoError(t, err)
	t.Cleanup(func() { e.Close() })
	return e
}

// templated is a folder of the tiny model with a chat template.
func templated(t *testing.T, template string) string {
	t.Helper()
	dir := testmodel.Write(t, 1)
	file := filepath.Join(dir, "tokenizer_config.json")
	config := golden.JSON[map[string]any](t, dir, "tokenizer_config.json")
	config["chat_template"] = template
	data, err := json.Marshal(config)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, data, 0o644))
	return dir
}

func TestToolFormatOfTemplates(t *testing.T) {
	for name, c := range map[string]struct {
		template string
		want     grammar.ToolFormat
	}{
		"hermes": {hermesTemplate, grammar.ToolFormat{
			Open: "<tool_call>\n", Name: `{"name": "`, Arguments: `", "arguments": `, Close: "}\n</tool_call>", Next: "\n<tool_call>\n",
		}},
		"llama": {llamaTemplate, grammar.ToolFormat{Name: `{"name": "`, Arguments: `", "parameters": `, Close: "}"}},
		"mistral": {mistralTemplate, grammar.ToolFormat{
			Open: "[TOOL_CALLS] [", Name: `{"name": "`, Arguments: `", "arguments": `, Close: "}", Next: ", ", End: "]",
		}},
		"none": {`{% for m in messages %}{{ m.role + m.content }}{% endfor %}`, ownCalls},
		// What is shown of a thought in front of a call is not part of it.
		"thinking": {strings.ReplaceAll(hermesTemplate, "{{ message.content or '' }}{% if message.tool", `{% if message.role == "assistant" %}<think>

</think>

{% endif %}{{ message.content or '' }}{% if message.tool`), grammar.ToolFormat{
			Open: "<tool_call>\n", Name: `{"name": "`, Arguments: `", "arguments": `, Close: "}\n</tool_call>", Next: "\n<tool_call>\n",
		}},
	} {
		e := toolEngine(t, c.template)
		assert.Equal(t, c.want, e.calls, name)
		assert.Equal(t, name != "none", e.told, name)
		assert.True(t, e.Info().Tools, name)
	}
}

var weather = serve.Tool{Name: "get_weather", Description: "the weather", Parameters: json.RawMessage(
	`{"type":"object","properties":{"city":{"enum":["Bern","Oslo"]},"days":{"type":"integer","minimum":1,"maximum":7}},"required":["city","days"],"additionalProperties":false}`)}

// called collects the calls of an answer.
func called(t *testing.T, m serve.Model, r serve.Request) (calls []serve.Call, text string, finish serve.Finish) {
	t.Helper()
	for d, err := range m.Generate(t.Context(), r) {
		require.NoError(t, err)
		text += d.Text
		if d.Call != nil {
			if d.Call.Name != "" {
				require.Equal(t, len(calls), d.Call.Index)
				calls = append(calls, serve.Call{Name: d.Call.Name})
			}
			calls[d.Call.Index].Arguments += d.Call.Arguments
		}
		if d.Finish != "" {
			finish = d.Finish
		}
	}
	return calls, text, finish
}

// TestForcedCalls: whatever the model would rather say, a call that is demanded has a known name and arguments that fit.
func TestForcedCalls(t *testing.T) {
	for name, template := range map[string]string{
		"hermes": hermesTemplate, "llama": llamaTemplate, "mistral": mistralTemplate, "none": `{% for m in messages %}{{ m.role + m.content }}{% endfor %}`,
	} {
		e := toolEngine(t, template)
		for seed := range uint64(3) {
			r := serve.Request{
				Messages: []serve.Message{{Role: "user", Content: "rain?"}}, N: 1, MaxTokens: 400, IgnoreEOS: true, Sampling: serve.Sampling{Temperature: 1, Seed: &seed},
				Tools: serve.Tools{List: []serve.Tool{weather, {Name: "now"}}, Only: "get_weather", One: true},
			}
			calls, text, finish := called(t, e, r)
			require.Len(t, calls, 1, name)
			assert.Equal(t, serve.FinishToolCalls, finish, name)
			assert.Empty(t, text, name)
			assert.Equal(t, "get_weather", calls[0].Name)
			var args struct {
				City string
				Days int
			}
			require.NoError(t, json.Unmarshal([]byte(calls[0].Arguments), &args), calls[0].Arguments)
			assert.Contains(t, []string{"Bern", "Oslo"}, args.City)
			assert.True(t, args.Days >= 1 && args.Days <= 7)

			r.Tools = serve.Tools{List: []serve.Tool{weather, {Name: "now"}}, Must: true, One: true}
			calls, text, finish = called(t, e, r)
			require.Len(t, calls, 1, name)
			assert.Equal(t, serve.FinishToolCalls, finish, name)
			assert.Empty(t, text, name)
			assert.True(t, json.Valid([]byte(calls[0].Arguments)), calls[0].Arguments)
		}
	}
}

// TestOwnForm: a model whose template is strict about roles and knows no functions is told of them, sees what was called
// and returned, and its calls are read.
func TestOwnForm(t *testing.T) {
	strict := `{% for m in messages %}{% if m.role not in ["system", "user", "assistant"] or m.role == "system" and not loop.first or ` +
		`loop.index0 > 1 and m.role == messages[loop.index0 - 1].role %}{{ raise_exception("bad role") }}{% endif %}<|im_start|>{{ m.role }}
{{ m.content }}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}`
	scheduleModel(t, templated(t, strict), 1, Options{}, func(t *testing.T, e *Engine, s *fakeSlots) {
		r := serve.Request{Messages: []serve.Message{
			{Role: "system", Content: "Be brief."}, {Role: "user", Content: "rain?"},
			{Role: "assistant", Content: "I look.", Calls: []serve.Call{{ID: "1", Name: "get_weather", Arguments: `{"city":"Bern"}`}, {ID: "2", Name: "now"}}},
			{Role: "tool", CallID: "1", Content: "dry"}, {Role: "tool", CallID: "2", Content: "noon"}, {Role: "user", Content: "And Oslo?"},
		}, Tools: serve.Tools{List: []serve.Tool{weather, {Name: "now"}}}, N: 1, MaxTokens: 300}
		ids, _, err := e.prompt(r)
		require.NoError(t, err)
		prompt := e.model.Tokenizer.Decode(ids, false)
		assert.Contains(t, prompt, "Be brief.\n\nYou can call functions.")
		assert.Contains(t, prompt, `"enum":["Bern","Oslo"]`)
		assert.Contains(t, prompt, "assistant\nI look.\n<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\":\"Bern\"}}\n</tool_call>\n<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call><|im_end|>\n"+
			"<|im_start|>user\nResult of get_weather:\ndry\n\nResult of now:\nnoon\n\nAnd Oslo?<|im_end|>")

		s.says = "Let me see.\n<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Oslo\", \"days\": 2}}\n</tool_call>"
		calls, text, finish := called(t, e, r)
		assert.Equal(t, []serve.Call{{Name: "get_weather", Arguments: `{"city": "Oslo", "days": 2}`}}, calls)
		assert.Equal(t, "Let me see.", text)
		assert.Equal(t, serve.FinishToolCalls, finish)

		s.says = "Dry."
		calls, text, finish = called(t, e, r)
		assert.Empty(t, calls)
		assert.Equal(t, "Dry.", text)
		assert.Equal(t, serve.FinishStop, finish)

		// The conversation may have had tools that there are no more.
		r.Tools = serve.Tools{}
		_, text, _ = called(t, e, r)
		assert.Equal(t, "Dry.", text)
	})
}

// TestDottedNames: frameworks that name a function after its module write dots.
func TestDottedNames(t *testing.T) {
	e := toolEngine(t, hermesTemplate)
	r := serve.Request{Messages: []serve.Message{{Role: "user", Content: "rain?"}}, N: 1, MaxTokens: 100, IgnoreEOS: true}
	r.Tools = serve.Tools{List: []serve.Tool{{Name: "clock.now"}, {Name: "clock-now"}}, Only: "clock.now", One: true}
	calls, _, finish := called(t, e, r)
	assert.Equal(t, []serve.Call{{Name: "clock.now", Arguments: "{}"}}, calls)
	assert.Equal(t, serve.FinishToolCalls, finish)
}

// TestFreeCalls: a model that may call says what it likes, and what it says is cut well.
func TestFreeCalls(t *testing.T) {
	e := toolEngine(t, hermesTemplate)
	r := serve.Request{Messages: []serve.Message{{Role: "user", Content: "rain?"}}, N: 2, MaxTokens: 40, IgnoreEOS: true, Tools: serve.Tools{List: []serve.Tool{weather}}}
	_, text, finish := called(t, e, r)
	assert.NotEmpty(t, text, "a random model calls nothing")
	assert.Equal(t, serve.FinishLength, finish)
	assert.NotContains(t, text, "<tool_call>")
}

func TestFormats(t *testing.T) {
	e := tinyChat(t, Options{Slots: 2})
	for seed := range uint64(4) {
		r := serve.Request{
			Messages: []serve.Message{{Role: "user", Content: "as JSON"}}, N: 1, MaxTokens: 600, IgnoreEOS: true, Sampling: serve.Sampling{Temperature: 1, Seed: &seed, NoRepeatNgram: 2},
			Format: serve.Format{JSON: true, Schema: json.RawMessage(`{"type":"object","properties":{"id":{"type":"string","format":"uuid"},"n":{"type":"integer","minimum":-3,"maximum":12},"tags":{"type":"array","items":{"enum":["a","b"]},"minItems":2,"maxItems":4}},"required":["id","n","tags"],"additionalProperties":false}`)},
		}
		text, finish, _ := answer(t, e, r)
		assert.Equal(t, serve.FinishStop, finish, text)
		var got struct {
			ID   string
			N    int
			Tags []string
		}
		require.NoError(t, json.Unmarshal([]byte(text), &got), text)
		assert.Len(t, got.ID, 36)
		assert.True(t, got.N >= -3 && got.N <= 12, text)
		assert.True(t, len(got.Tags) >= 2 && len(got.Tags) <= 4, text)

		r.Format = serve.Format{JSON: true}
		text, finish, _ = answer(t, e, r)
		assert.True(t, strings.HasPrefix(text, "{"), text)
		assert.Equal(t, finish == serve.FinishStop, json.Valid([]byte(text)), text)
	}
	for schema, path := range map[string][]any{
		`{"type":"object","properties":{"a":{"not":{"items":{}}}}}`:                                    {"properties", "a", "not"},
		`{"type":"object","properties":{"l":{"type":"array","prefixItems":[{},{"multipleOf":1003}]}}}`: {"properties", "l", "prefixItems", 1, "multipleOf"},
		`{"type":"object","properties":{"a/b":{"contains":true}}}`:                                     {"properties", "a/b", "contains"},
	} {
		r := serve.Request{Messages: []serve.Message{{Role: "user", Content: "x"}}, N: 1, MaxTokens: 5}
		r.Format = serve.Format{JSON: true, Schema: json.RawMessage(schema), Strict: true}
		for _, err := range e.Generate(t.Context(), r) {
			var fault *serve.SchemaError
			require.ErrorAs(t, err, &fault)
			assert.Equal(t, -1, fault.Tool)
			assert.Equal(t, path, fault.Path)
		}
		r.Format, r.Tools = serve.Format{}, serve.Tools{List: []serve.Tool{weather, {Name: "f", Parameters: json.RawMessage(schema), Strict: true}}}
		for _, err := range e.Generate(t.Context(), r) {
			var fault *serve.SchemaError
			require.ErrorAs(t, err, &fault)
			assert.Equal(t, 1, fault.Tool)
			assert.Equal(t, path, fault.Path)
		}
	}
}

// TestCallReader: pieces of any size give the same text and calls.
func TestCallReader(t *testing.T) {
	hermes := grammar.ToolFormat{Open: "<tool_call>\n", Name: `{"name": "`, Arguments: `", "arguments": `, Close: "}\n</tool_call>", Next: "\n<tool_call>\n"}
	bare := grammar.ToolFormat{Name: `{"name": "`, Arguments: `", "arguments": `, Close: "}"}
	for _, c := range []struct {
		format grammar.ToolFormat
		one    bool
		either bool // text or calls
		in     string
		text   string
		calls  []serve.Call
	}{
		{hermes, false, false, "just < text <tool", "just < text <tool", nil},
		{hermes, false, false, "Let me see.\n\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": \"}\\\"{\"}}\n</tool_call>", "Let me see.", []serve.Call{{Name: "f", Arguments: `{"a": "}\"{"}`}}},
		{hermes, false, false, "<tool_call>{\"name\":\"f\",\"arguments\":{}}</tool_call>\n\n<tool_call>\n{\"name\":  \"g\", \"arguments\": {\"x\":[1]}}\n</tool_call>", "",
			[]serve.Call{{Name: "f", Arguments: `{}`}, {Name: "g", Arguments: `{"x":[1]}`}}},
		{hermes, true, false, "<tool_call>{\"name\":\"f\",\"arguments\":{}}</tool_call><tool_call>", "", []serve.Call{{Name: "f", Arguments: `{}`}}},
		{bare, false, false, `{"name": "f", "arguments": {"a":1}}`, "", []serve.Call{{Name: "f", Arguments: `{"a":1}`}}},
		{bare, false, false, `{"nam`, `{"nam`, nil},
		{bare, false, false, `no {"name": "f", "arguments": {}}`, `no {"name": "f", "arguments": {}}`, nil},
		{grammar.ToolFormat{Open: "[C]", Name: "<f=", Arguments: ">", Close: "</f>", Next: ";", End: "."}, false, false, "[C]<f=a>{}</f>;<f=b>{\"k\":2}</f>.", "",
			[]serve.Call{{Name: "a", Arguments: "{}"}, {Name: "b", Arguments: `{"k":2}`}}},
		{hermes, false, true, `{"a": "<tool_call>"}`, `{"a": "<tool_call>"}`, nil},
		{hermes, false, true, `<tool_call>{"name":"f","arguments":{}}</tool_call>`, "", []serve.Call{{Name: "f", Arguments: `{}`}}},
		{bare, false, true, `{"name": "f", "arguments": {"a":1}}`, "", []serve.Call{{Name: "f", Arguments: `{"a":1}`}}},
		{bare, false, true, `{"name": "Ada", "age": 36}`, `{"name": "Ada", "age": 36}`, nil},
		{bare, false, true, `{"name": "g", "arguments": 36}`, `{"name": "g", "arguments": 36}`, nil},
		{bare, false, true, `{"name": "f", "age": 36}`, `{"name": "f", "age": 36}`, nil},
		{bare, false, true, `{"name": "f`, `{"name": "f`, nil},
	} {
		for size := 1; size <= len(c.in); size++ {
			r := newCallReader(c.format, serve.Request{Tools: serve.Tools{One: c.one, List: []serve.Tool{{Name: "f"}}}, Format: serve.Format{JSON: c.either}})
			text, calls := "", []serve.Call(nil)
			for at := 0; at < len(c.in); at += size {
				out, pieces := r.feed(c.in[at:min(at+size, len(c.in))])
				text += out
				for _, p := range pieces {
					if p.Name != "" {
						calls = append(calls, serve.Call{Name: p.Name})
					}
					calls[p.Index].Arguments += p.Arguments
				}
			}
			text += r.rest()
			require.Equal(t, c.text, text, "%q by %d", c.in, size)
			require.Equal(t, c.calls, calls, "%q by %d", c.in, size)
		}
	}
}

// FuzzCallReader: no text makes it fail, and what is not a call comes out again.
func FuzzCallReader(f *testing.F) {
	f.Add("<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\":1}}\n</tool_call>", 3)
	f.Add("text <tool_cal", 1)
	f.Fuzz(func(t *testing.T, in string, size int) {
		size = max(1, size%64)
		hermes := grammar.ToolFormat{Open: "<tool_call>\n", Name: `{"name": "`, Arguments: `", "arguments": `, Close: "}\n</tool_call>", Next: "\n<tool_call>\n"}
		r, whole := newCallReader(hermes, serve.Request{}), newCallReader(hermes, serve.Request{})
		text, n := "", 0
		for at := 0; at < len(in); at += size {
			out, calls := r.feed(in[at:min(at+size, len(in))])
			text += out
			n += len(calls)
		}
		text += r.rest()
		want, _ := whole.feed(in)
		want += whole.rest()
		require.Equal(t, want, text)
		require.Equal(t, whole.count, r.count)
		if !strings.Contains(in, "<tool_call>") {
			require.Equal(t, in, text)
		}
	})
}
