package text

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// clock is the time that the golden values were made at.
func clock() time.Time { return time.Date(2026, 3, 7, 9, 5, 3, 0, time.UTC) }

var goldenSpecial = map[string]string{"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}

// chatWith joins a golden tokenizer with a template from testdata/templates.
func chatWith(t testing.TB, tokenizer, template string) *Chat {
	t.Helper()
	tok, _ := readGolden(t, filepath.Join("testdata/tokenizers", tokenizer+".json"))
	source, err := os.ReadFile(filepath.Join("testdata/templates", template))
	require.NoError(t, err)
	tok.settings.special, tok.settings.chatTemplate = goldenSpecial, string(source)
	chat, err := NewChat(tok, clock)
	require.NoError(t, err)
	return chat
}

type templateCase struct {
	Template, Chat string
	Messages       []struct {
		Role, Content, Name string
		ToolCalls           json.RawMessage `json:"tool_calls"`
		ToolCallID          string          `json:"tool_call_id"`
	}
	Variables struct {
		AddGenerationPrompt bool `json:"add_generation_prompt"`
		Tools               json.RawMessage
		EnableThinking      *bool `json:"enable_thinking"`
	}
	Text, Error string
	Generated   []string
}

func (c templateCase) input() (messages []Message, o RenderOptions) {
	for _, m := range c.Messages {
		messages = append(messages, Message{Role: m.Role, Content: m.Content, ToolCalls: m.ToolCalls, ToolCallID: m.ToolCallID, Name: m.Name})
	}
	o = RenderOptions{AddGenerationPrompt: c.Variables.AddGenerationPrompt, Tools: c.Variables.Tools}
	if c.Variables.EnableThinking != nil {
		o.Kwargs = map[string]any{"enable_thinking": *c.Variables.EnableThinking}
	}
	return messages, o
}

func TestTemplateFamilies(t *testing.T) {
	var cases []templateCase
	readJSON(t, "testdata/templates/goldens.json", &cases)
	require.Greater(t, len(cases), 100)
	for _, c := range cases {
		chat := chatWith(t, "llama3", c.Template)
		messages, o := c.input()
		text, err := chat.Render(messages, o)
		if c.Error != "" {
			require.ErrorIs(t, err, ErrTemplate, "%s, %s: %s", c.Template, c.Chat, c.Error)
			continue
		}
		require.NoError(t, err, "%s, %s", c.Template, c.Chat)
		assert.Equal(t, c.Text, text, "%s, %s", c.Template, c.Chat)
		ids, err := chat.Encode(messages, o)
		require.NoError(t, err)
		assert.Equal(t, chat.tok.Encode(text), ids, "%s, %s", c.Template, c.Chat)
	}
}

func TestControlTokensInMessagesArePlainText(t *testing.T) {
	for _, tokenizer := range []string{"llama3", "qwen2", "smollm2", "phi3", "gemma3", "llama2", "mistral"} {
		t.Run(tokenizer, func(t *testing.T) {
			chat := chatWith(t, tokenizer, "smollm2.jinja")
			special := chat.tok.specialWords.tokens
			require.NotEmpty(t, special)
			for _, s := range special {
				typed := []Message{
					{Role: "system", Content: s.Content},
					{Role: "user", Content: "x" + s.Content + s.Content + "y \ue000"},
					{Role: "assistant", Content: s.Content + " z"},
				}
				harmless := []Message{{Role: "system", Content: "a"}, {Role: "user", Content: "b"}, {Role: "assistant", Content: "c"}}
				ids, err := chat.Encode(typed, RenderOptions{})
				require.NoError(t, err)
				want, err := chat.Encode(harmless, RenderOptions{})
				require.NoError(t, err)
				// The byte tokens and the unknown token may come from text; control tokens may not.
				for _, control := range special {
					if control.Content != "<unk>" {
						assert.Equal(t, count(want, control.ID), count(ids, control.ID), "%s in %s", control.Content, s.Content)
					}
				}
				text, err := chat.Render(typed, RenderOptions{})
				require.NoError(t, err)
				assert.Contains(t, text, "x"+s.Content+s.Content+"y \ue000", "rendered text is as typed")
			}
		})
	}
}

func TestControlTokensEncodeAsOrdinaryText(t *testing.T) {
	chat := chatWith(t, "smollm2", "smollm2.jinja")
	ids, err := chat.Encode([]Message{{Role: "system", Content: "s"}, {Role: "user", Content: "<|im_end|>"}}, RenderOptions{})
	require.NoError(t, err)
	end, ok := chat.tok.ID("<|im_end|>")
	require.True(t, ok)
	want := chat.tok.Encode("<|im_start|>system\ns<|im_end|>\n<|im_start|>user\n")
	want = append(want, chat.tok.EncodeOrdinary("<|im_end|>")...)
	want = append(want, end)
	want = append(want, chat.tok.Encode("\n")...)
	assert.Equal(t, want, ids)
	assert.NotContains(t, chat.tok.EncodeOrdinary("<|im_end|>"), end)
}

// TestTemplateTokensInMessages: tokens that the template writes are the template's also if they are not special, but
// what the assistant itself wrote with them stays.
func TestTemplateTokensInMessages(t *testing.T) {
	chat := chatWith(t, "qwen2", "qwen3.jinja")
	think, ok := chat.tok.ID("<think>")
	require.True(t, ok)
	require.False(t, chat.tok.IsSpecial(think))
	ids, err := chat.Encode([]Message{{Role: "user", Content: "<think>"}}, RenderOptions{})
	require.NoError(t, err)
	assert.Zero(t, count(ids, think))
	ids, err = chat.Encode([]Message{{Role: "user", Content: "x"}, {Role: "assistant", Content: "<think>\nhm\n</think>\n\ny"}}, RenderOptions{})
	require.NoError(t, err)
	assert.Equal(t, 1, count(ids, think))
}

func count(ids []int32, id int32) (n int) {
	for _, other := range ids {
		if other == id {
			n++
		}
	}
	return n
}

func TestSystemRole(t *testing.T) {
	messages := []Message{{Role: "system", Content: "Hours: 9-17."}, {Role: "user", Content: "When?"}}
	for name, source := range map[string]string{
		"refuses": `{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system role') }}{% endif %}[{{ m.role }}] {{ m.content }}{% endfor %}`,
		"ignores": `{% for m in messages %}{% if m.role != 'system' %}[{{ m.role }}] {{ m.content }}{% endif %}{% endfor %}`,
	} {
		tok, _ := readGolden(t, "testdata/tokenizers/smollm2.json")
		tok.settings.chatTemplate = source
		chat, err := NewChat(tok, nil)
		require.NoError(t, err)
		assert.False(t, chat.SystemRole(), name)
		text, err := chat.Render(messages, RenderOptions{})
		require.NoError(t, err)
		assert.Equal(t, "[user] Hours: 9-17.\n\nWhen?", text, name)
		assert.Equal(t, "When?", messages[1].Content, "the caller's messages are not touched")
		_, err = chat.Render(messages[:1], RenderOptions{})
		assert.Equal(t, name == "refuses", err != nil)
	}
	assert.True(t, chatWith(t, "gemma3", "gemma3.jinja").SystemRole(), "gemma's template puts it in front itself")
	assert.True(t, chatWith(t, "llama3", "mistral-v0.3.jinja").SystemRole())
}

func TestJoinSystem(t *testing.T) {
	user, late := Message{Role: "user", Content: "u"}, Message{Role: "system", Content: "b"}
	joined := JoinSystem([]Message{{Role: "system", Content: "a"}, user, late, user, {Role: "developer", Content: "c"}})
	assert.Equal(t, []Message{{Role: "system", Content: "a\n\nb\n\nc"}, user, user}, joined)
	assert.Equal(t, []Message{user}, JoinSystem([]Message{user}))
}

func TestNoTemplate(t *testing.T) {
	tok, _ := readGolden(t, "testdata/tokenizers/gpt2.json")
	_, err := NewChat(tok, nil)
	require.ErrorIs(t, err, ErrNoTemplate)
	tok.settings.chatTemplate = "{% if %}"
	_, err = NewChat(tok, nil)
	require.ErrorIs(t, err, ErrTemplate)
}

// completions returns the stretches of text that an example trains on.
func completions(chat *Chat, e Example) (out []string) {
	var run []int32
	for i, id := range e.IDs {
		if e.Completion[i] {
			run = append(run, id)
		}
		if len(run) > 0 && (!e.Completion[i] || i == len(e.IDs)-1) {
			out = append(out, chat.tok.Decode(run, false))
			run = nil
		}
	}
	return out
}

func TestExample(t *testing.T) {
	two := []Message{
		{Role: "system", Content: "Be brief."}, {Role: "user", Content: "Hi"}, {Role: "assistant", Content: " Hello! \n"},
		{Role: "user", Content: "Attendance?"}, {Role: "assistant", Content: "80 %."},
	}
	for _, c := range []struct {
		tokenizer, template string
		want                []string
	}{
		{"smollm2", "smollm2.jinja", []string{" Hello! \n<|im_end|>", "80 %.<|im_end|>"}},
		{"smollm2", "generation.jinja", []string{" Hello! \n<|im_end|>", "80 %.<|im_end|>"}},
		{"qwen2", "qwen2.5.jinja", []string{" Hello! \n<|im_end|>", "80 %.<|im_end|>"}},
		{"qwen2", "qwen3.jinja", []string{" Hello! \n<|im_end|>", "<think>\n\n</think>\n\n80 %.<|im_end|>"}},
		{"llama3", "llama3.jinja", []string{"Hello!<|eot_id|>", "80 %.<|eot_id|>"}},
		{"llama3", "llama3.1.jinja", []string{"Hello!<|eot_id|>", "80 %.<|eot_id|>"}},
		{"mistral", "mistral-v0.3.jinja", []string{"Hello!</s>", "80 %.</s>"}},
		{"phi3", "phi3.jinja", []string{"Hello! \n<|end|>", "80 %.<|end|>"}},
		{"gemma3", "gemma3.jinja", []string{"Hello!<end_of_turn>", "80 %.<end_of_turn>"}},
	} {
		chat := chatWith(t, c.tokenizer, c.template)
		example, err := chat.Example(two, RenderOptions{})
		require.NoError(t, err, c.template)
		assert.Equal(t, c.want, completions(chat, example), c.template)
		messages := two
		if c.tokenizer == "mistral" { // whose template forgets the system message of an answered question
			messages = foldSystem(two)
		}
		ids, err := chat.Encode(messages, RenderOptions{})
		require.NoError(t, err)
		assert.Equal(t, ids, example.IDs, c.template)
		require.Len(t, example.Completion, len(ids))

		// What stands before the last answer is the very prompt that serving sends.
		prompt, err := chat.Encode(messages[:len(messages)-1], RenderOptions{AddGenerationPrompt: true})
		require.NoError(t, err)
		require.Greater(t, len(ids), len(prompt), c.template)
		assert.Equal(t, prompt, ids[:len(prompt)], c.template)
		assert.True(t, example.Completion[len(prompt)], c.template)
		assert.False(t, example.Completion[len(prompt)-1], c.template)
	}
}

// TestExampleGenerationTag compares with transformers' assistant_masks.
func TestExampleGenerationTag(t *testing.T) {
	var cases []struct {
		Tokenizer string
		Messages  []Message
		IDs       []int32
		Mask      []int
	}
	readJSON(t, "testdata/templates/masks.json", &cases)
	require.NotEmpty(t, cases)
	for _, c := range cases {
		chat := chatWith(t, c.Tokenizer, "generation.jinja")
		example, err := chat.Example(c.Messages, RenderOptions{})
		require.NoError(t, err)
		assert.Equal(t, c.IDs, example.IDs, c.Tokenizer)
		mask := make([]int, len(example.Completion))
		for i, trained := range example.Completion {
			if trained {
				mask[i] = 1
			}
		}
		assert.Equal(t, c.Mask, mask, c.Tokenizer)
	}
}

// TestExampleMovingSystem: for one question, what Mistral's template makes of a system message is what training sees.
func TestExampleMovingSystem(t *testing.T) {
	chat := chatWith(t, "mistral", "mistral-v0.3.jinja")
	messages := []Message{{Role: "system", Content: "Hours: 9-17."}, {Role: "user", Content: "When?"}, {Role: "assistant", Content: "At 9."}}
	example, err := chat.Example(messages, RenderOptions{})
	require.NoError(t, err)
	prompt, err := chat.Encode(messages[:2], RenderOptions{AddGenerationPrompt: true})
	require.NoError(t, err)
	assert.Equal(t, prompt, example.IDs[:len(prompt)])
	assert.Equal(t, []string{"At 9.</s>"}, completions(chat, example))
}

func TestExampleTypedControlTokens(t *testing.T) {
	chat := chatWith(t, "smollm2", "smollm2.jinja")
	example, err := chat.Example([]Message{
		{Role: "user", Content: "a<|im_end|>"}, {Role: "assistant", Content: "b<|im_end|>c"},
	}, RenderOptions{})
	require.NoError(t, err)
	assert.Equal(t, []string{"b<|im_end|>c<|im_end|>"}, completions(chat, example))
	end, _ := chat.tok.ID("<|im_end|>")
	assert.Equal(t, 3, count(example.IDs, end), "the default system message, the question and the answer end")
}

func TestExampleThinkingRemoved(t *testing.T) {
	chat := chatWith(t, "qwen2", "qwen3.jinja")
	example, err := chat.Example([]Message{
		{Role: "user", Content: "a"}, {Role: "assistant", Content: "<think>\nhm\n</think>\n\nb"},
		{Role: "user", Content: "c"}, {Role: "assistant", Content: "<think>\noh\n</think>\n\nd"},
	}, RenderOptions{})
	require.NoError(t, err)
	assert.Equal(t, []string{"b<|im_end|>", "<think>\noh\n</think>\n\nd<|im_end|>"}, completions(chat, example))
}

func TestExampleRefusals(t *testing.T) {
	turn := []Message{{Role: "user", Content: "a"}, {Role: "assistant", Content: "b"}}
	for source, want := range map[string]string{
		`{{ messages | length }}{% for m in messages %}{{ m.content }}{% endfor %}`:                             "not prefix-stable",
		`{% for m in messages %}{% if m.role != 'assistant' %}{{ m.content }}{% endif %}{% endfor %}<|im_end|>`: "does not show this answer",
		`{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}`:                                "does not show this answer",
		`{{ raise_exception('never') }}`: "never",
	} {
		tok, _ := readGolden(t, "testdata/tokenizers/smollm2.json")
		tok.settings.chatTemplate = source
		chat, err := NewChat(tok, nil)
		require.NoError(t, err)
		_, err = chat.Example(turn, RenderOptions{})
		require.ErrorIs(t, err, ErrTemplate, source)
		assert.ErrorContains(t, err, want, source)
	}
	chat := chatWith(t, "qwen2", "qwen2.5.jinja")
	turn[1].Reasoning = "hm"
	_, err := chat.Example(turn, RenderOptions{})
	require.ErrorContains(t, err, "reasoning")

	example, err := chat.Example([]Message{{Role: "user", Content: "a"}}, RenderOptions{})
	require.NoError(t, err)
	assert.NotContains(t, example.Completion, true)
}

func TestKwargs(t *testing.T) {
	tok, _ := readGolden(t, "testdata/tokenizers/smollm2.json")
	tok.settings.chatTemplate = "{{ style }}{% for m in messages %}{{ m.content }}{% endfor %}{{ tools is none }}"
	chat, err := NewChat(tok, nil)
	require.NoError(t, err)
	messages := []Message{{Role: "user", Content: "x"}}
	o := RenderOptions{Kwargs: map[string]any{"style": []any{"a<|im_end|>", 1, map[string]any{"k": 1.5}}}}
	text, err := chat.Render(messages, o)
	require.NoError(t, err)
	assert.Equal(t, "['a<|im_end|>', 1, {'k': 1.5}]xTrue", text)
	ids, err := chat.Encode(messages, o)
	require.NoError(t, err)
	end, _ := tok.ID("<|im_end|>")
	assert.NotContains(t, ids, end)
	for _, kwargs := range []map[string]any{{"messages": "x"}, {"style": struct{}{}}} {
		_, err = chat.Render(messages, RenderOptions{Kwargs: kwargs})
		require.ErrorIs(t, err, ErrTemplate)
	}
}

func TestLongChat(t *testing.T) {
	chat := chatWith(t, "smollm2", "smollm2.jinja")
	messages := []Message{{Role: "system", Content: strings.Repeat("long ", 200_000)}}
	for range 2000 {
		messages = append(messages, Message{Role: "user", Content: "hello <|im_end|>"})
	}
	start := time.Now()
	ids, err := chat.Encode(messages, RenderOptions{AddGenerationPrompt: true})
	require.NoError(t, err)
	assert.Greater(t, len(ids), 100_000)
	assert.Less(t, time.Since(start), 20*time.Second)
}

// TestExampleOfReasoningModels: templates whose prompt opens a thought, with ids and masks of transformers. The template of
// DeepSeek-R1's distilled models cuts thoughts off, which its training variant does not.
func TestExampleOfReasoningModels(t *testing.T) {
	const chatML = "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% if m['role']=='assistant' %}{% generation %}{{ m['content'] }}<|im_end|>{% endgeneration %}{% else %}" +
		"{{ m['content'] }}<|im_end|>{% endif %}\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}"
	const r1 = `{%- for message in messages -%}{%- if message['role'] == 'system' -%}{{message['content']}}{%- endif -%}
{%- if message['role'] == 'user' -%}{{'<|User|>' + message['content']}}{%- endif -%}
{%- if message['role'] == 'assistant' -%}{%- set content = message['content'] -%}{%- if '</think>' in content -%}{%- set content = content.split('</think>')[-1] -%}{%- endif -%}` +
		`{{'<|Assistant|>' + content + '<|im_end|>'}}{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{'<|Assistant|><think>\n'}}{%- endif %}`
	tagged := strings.Replace(r1, `{{'<|Assistant|>' + content + '<|im_end|>'}}`, `<|Assistant|>{% generation %}{{content}}<|im_end|>{% endgeneration %}`, 1)
	open := func(template string) *Chat {
		tok, _ := readGolden(t, "testdata/tokenizers/smollm2.json")
		tok.settings.chatTemplate = template
		chat, err := NewChat(tok, clock)
		require.NoError(t, err)
		return chat
	}
	system, user := Message{Role: "system", Content: "S"}, Message{Role: "user", Content: "q"}
	answer := Message{Role: "assistant", Content: "a"}
	thought := Message{Role: "assistant", Content: "<think>\nhm\n</think>\n\na"}
	field := Message{Role: "assistant", Content: "a", Reasoning: "hm\n"}
	for _, c := range []struct {
		template string
		messages []Message
		whole    string
		trained  []string
	}{
		{chatML, []Message{system, user, answer}, "<|im_start|>system\nS<|im_end|><|im_start|>user\nq<|im_end|><|im_start|>assistant\na<|im_end|>", []string{"a<|im_end|>"}},
		{r1, []Message{system, user, answer}, "S<|User|>q<|Assistant|>a<|im_end|>", []string{"a<|im_end|>"}},
		{tagged, []Message{system, user, answer}, "S<|User|>q<|Assistant|>a<|im_end|>", []string{"a<|im_end|>"}},
		{r1, []Message{user, thought, user, answer}, "<|User|>q<|Assistant|><think>\nhm\n</think>\n\na<|im_end|><|User|>q<|Assistant|>a<|im_end|>", []string{"hm\n</think>\n\na<|im_end|>", "a<|im_end|>"}},
		{tagged, []Message{user, thought, user, answer}, "<|User|>q<|Assistant|><think>\nhm\n</think>\n\na<|im_end|><|User|>q<|Assistant|>a<|im_end|>", []string{"<think>\nhm\n</think>\n\na<|im_end|>", "a<|im_end|>"}},
		{r1, []Message{user, field}, "<|User|>q<|Assistant|><think>\nhm\n</think>\n\na<|im_end|>", []string{"hm\n</think>\n\na<|im_end|>"}},
	} {
		chat := open(c.template)
		example, err := chat.Example(c.messages, RenderOptions{})
		require.NoError(t, err)
		assert.Equal(t, c.whole, chat.tok.Decode(example.IDs, false))
		assert.Equal(t, c.trained, completions(chat, example))
	}
	chat := chatWith(t, "qwen2", "qwen3.jinja")
	example, err := chat.Example([]Message{user, field, user, field}, RenderOptions{})
	require.NoError(t, err)
	assert.Equal(t, []string{"a<|im_end|>", "<think>\nhm\n</think>\n\na<|im_end|>"}, completions(chat, example))
}

// TestExampleToolCalls: what the assistant calls is learned, what the tool says is not.
func TestExampleToolCalls(t *testing.T) {
	messages := []Message{
		{Role: "user", Content: "Weather?"},
		{Role: "assistant", ToolCalls: json.RawMessage(`[{"id": "call00001", "type": "function", "function": {"name": "f", "arguments": {"x": 1}}}]`)},
		{Role: "tool", Content: "sun", ToolCallID: "call00001", Name: "f"},
		{Role: "assistant", Content: "Sunny."},
	}
	tools := json.RawMessage(`[{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}}}]`)
	for template, want := range map[string][]string{
		"qwen2.5.jinja":      {"<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": 1}}\n</tool_call><|im_end|>", "Sunny.<|im_end|>"},
		"mistral-v0.3.jinja": {`[TOOL_CALLS] [{"name": "f", "arguments": {"x": 1}, "id": "call00001"}]</s>`, "Sunny.</s>"},
		"llama3.1.jinja":     {`{"name": "f", "parameters": {"x": 1}}<|eot_id|>`, "Sunny.<|eot_id|>"},
	} {
		tokenizer := map[string]string{"qwen2.5.jinja": "qwen2", "mistral-v0.3.jinja": "mistral", "llama3.1.jinja": "llama3"}[template]
		chat := chatWith(t, tokenizer, template)
		example, err := chat.Example(messages, RenderOptions{Tools: tools})
		require.NoError(t, err, template)
		assert.Equal(t, want, completions(chat, example), template)
	}
}
