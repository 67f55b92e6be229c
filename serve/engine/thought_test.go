package engine

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/serve"
)

// Pieces of any size give the same thought and answer.
func TestThoughtReader(t *testing.T) {
	for _, c := range []struct {
		state             thoughtState
		in, thought, text string
	}{
		{mayThink, "plain", "", "plain"},
		{mayThink, " <thin", "", " <thin"},
		{mayThink, " <thing>", "", " <thing>"},
		{mayThink, "\n<think>\nHm, 3 < 4.\n</think>\n\nYes.", "Hm, 3 < 4.", "Yes."},
		{mayThink, "<think></think>Yes.", "", "Yes."},
		{mayThink, "<think>\n\n</think>\n\nYes. <think>no</think>", "", "Yes. <think>no</think>"},
		{mayThink, "Yes <think>no</think>", "", "Yes <think>no</think>"},
		{mayThink, "<think>never ends </th", "never ends </th", ""},
		{mayThink, "<think>nothing follows</think>\n", "nothing follows", ""},
		{thinking, "\nHm </thing> \n\n </think>Yes\n", "Hm </thing>", "Yes\n"},
		{answering, "<think>x</think>y", "", "<think>x</think>y"},
	} {
		for size := 1; size <= len(c.in); size++ {
			r := &thoughtReader{state: c.state}
			thought, text, tokens := "", "", 0
			take := func(mind, out string, lps []*serve.TokenLogprob) {
				thought += mind
				text += out
				tokens += len(lps)
			}
			for at := 0; at < len(c.in); at += size {
				take(r.feed(c.in[at:min(at+size, len(c.in))], &serve.TokenLogprob{}))
			}
			take(r.rest())
			require.Equal(t, c.thought, thought, "%q by %d", c.in, size)
			require.Equal(t, c.text, text, "%q by %d", c.in, size)
			if size == 1 && c.thought == "" && c.in == c.text {
				require.Equal(t, len(c.in), tokens, "%q", c.in)
			}
		}
	}
}

const thinkingTemplate = `{% for m in messages %}<|im_start|>{{ m.role }}
{% if m.reasoning_content %}<think>
{{ m.reasoning_content }}
</think>

{% endif %}{{ m.content }}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% if opened %}<think>
{% endif %}{% endif %}`

func TestThoughts(t *testing.T) {
	scheduleModel(t, templated(t, thinkingTemplate), 1, Options{}, func(t *testing.T, e *Engine, s *fakeSlots) {
		answer := func(r serve.Request) (thought, text string, tokens []serve.TokenLogprob, thoughtTokens int) {
			for d, err := range e.Generate(t.Context(), r) {
				require.NoError(t, err)
				thought, text, tokens = thought+d.Reasoning, text+d.Text, append(tokens, d.Tokens...)
				thoughtTokens += d.Thought
			}
			return thought, text, tokens, thoughtTokens
		}
		r := serve.Request{Messages: []serve.Message{{Role: "user", Content: "1+1?"}}, N: 1, MaxTokens: 200, Logprobs: true}

		s.says = "<think>\none, two\n</think>\n\n2"
		thought, text, tokens, n := answer(r)
		assert.Equal(t, "one, two", thought)
		assert.Equal(t, "2", text)
		assert.Len(t, tokens, 1)
		assert.InDelta(t, len("<think>\none, two\n</think>"), n, 8)

		// The prompt has begun the thought. A stop string ends the answer, and no thought.
		r.TemplateArgs = map[string]any{"opened": true}
		s.says = "one; two\n</think>\n\n2; or 3"
		r.Stop = []string{";"}
		thought, text, _, _ = answer(r)
		assert.Equal(t, "one; two", thought)
		assert.Equal(t, "2", text)
		r.Stop = nil

		// What a form asks for is asked of the answer, whatever the model then wants to say.
		r.Format = serve.Format{JSON: true, Schema: json.RawMessage(`{"type":"object","properties":{"sum":{"type":"integer","minimum":2,"maximum":2}},"required":["sum"],"additionalProperties":false}`)}
		thought, text, _, _ = answer(r)
		assert.Equal(t, "one; two", thought)
		assert.JSONEq(t, `{"sum":2}`, text)

		// So are calls that are demanded.
		r.Format = serve.Format{}
		r.Tools = serve.Tools{List: []serve.Tool{{Name: "now"}}, Must: true, One: true}
		r.Logprobs, s.says = false, "one; two</think><tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>"
		calls, text, finish := called(t, e, r)
		assert.Equal(t, []serve.Call{{Name: "now", Arguments: "{}"}}, calls)
		assert.Empty(t, text)
		assert.Equal(t, serve.FinishToolCalls, finish)

		// In, a thought is shown as the template wants it.
		r.Messages = append(r.Messages, serve.Message{Role: "assistant", Content: "2", Reasoning: "easy"}, r.Messages[0])
		ids, _, err := e.prompt(r)
		require.NoError(t, err)
		assert.Contains(t, e.model.Tokenizer.Decode(ids, false), "assistant\n<think>\neasy\n</think>\n\n2<|im_end|>")
	})
}

// A text that is continued as it is has no thoughts, and neither has a model whose template knows none.
func TestNoThoughts(t *testing.T) {
	says := "<think>a</think>b"
	scheduleModel(t, templated(t, thinkingTemplate), 1, Options{}, func(t *testing.T, e *Engine, s *fakeSlots) {
		s.says = says
		_, text, _ := called(t, e, serve.Request{Prompt: &serve.Prompt{Text: "x"}, N: 1, MaxTokens: 100})
		assert.Equal(t, says, text)
	})
	schedule(t, 1, Options{}, func(t *testing.T, e *Engine, s *fakeSlots) {
		s.says = says
		_, text, _ := called(t, e, serve.Request{Messages: []serve.Message{{Role: "user", Content: "x"}}, N: 1, MaxTokens: 100})
		assert.Equal(t, says, text)
	})
}
