package serve

import (
	"context"
	"encoding/json"
	"iter"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// thinker thinks, says something, and calls.
type thinker struct{ asked Request }

func (*thinker) Info() Info { return Info{Tools: true} }

func (m *thinker) Generate(_ context.Context, r Request) iter.Seq2[Delta, error] {
	m.asked = r
	return func(yield func(Delta, error) bool) {
		for _, d := range []Delta{
			{Start: &Start{PromptTokens: 3, MaxTokens: 100}}, {Sampled: 1, Thought: 1}, {Reasoning: "one, ", Sampled: 1, Thought: 1}, {Reasoning: "two", Sampled: 2, Thought: 2},
			{Text: "It is ", Sampled: 1}, {Text: "2", Sampled: 1}, {Call: &CallDelta{Name: "now", Arguments: "{}"}}, {Finish: FinishToolCalls, Sampled: 1},
		} {
			if !yield(d, nil) {
				return
			}
		}
	}
}

func TestThoughtsOfChats(t *testing.T) {
	m := &thinker{}
	h := newHandler(t, m, HandlerOptions{})
	body := `{"model":"m","messages":[{"role":"user","content":"1+1?"},{"role":"assistant","content":"2","reasoning_content":"easy"},{"role":"user","content":"sure?"}],
		"tools":[{"type":"function","function":{"name":"now"}}]`
	var whole struct {
		Choices []struct {
			Message struct {
				Content   string
				Reasoning string `json:"reasoning_content"`
			}
		}
		Usage struct {
			Tokens  int `json:"completion_tokens"`
			Details struct {
				Reasoning int `json:"reasoning_tokens"`
			} `json:"completion_tokens_details"`
		}
	}
	w := chat(t, h, body+"}")
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &whole))
	validate(t, "CreateChatCompletionResponse", w.Body.Bytes())
	assert.Equal(t, "one, two", whole.Choices[0].Message.Reasoning)
	assert.Equal(t, "It is 2", whole.Choices[0].Message.Content)
	assert.Equal(t, 4, whole.Usage.Details.Reasoning)
	assert.Equal(t, 7, whole.Usage.Tokens)
	assert.Equal(t, "easy", m.asked.Messages[1].Reasoning)

	var order []string
	thought, text := "", ""
	for line := range strings.Lines(chat(t, h, body+`,"stream":true}`).Body.String()) {
		data, ok := strings.CutPrefix(strings.TrimSpace(line), "data: ")
		if !ok || data == "[DONE]" {
			continue
		}
		validate(t, "CreateChatCompletionStreamResponse", []byte(data))
		var chunk struct {
			Choices []struct {
				Delta struct {
					Role      string
					Content   *string
					Reasoning string `json:"reasoning_content"`
					Calls     []any  `json:"tool_calls"`
				}
			}
		}
		require.NoError(t, json.Unmarshal([]byte(data), &chunk))
		switch d := chunk.Choices[0].Delta; {
		case d.Role != "":
			order = append(order, "role")
			assert.Nil(t, d.Content, "there may be none")
		case d.Reasoning != "":
			order = append(order, "thought")
			thought += d.Reasoning
		case d.Content != nil:
			order = append(order, "text")
			text += *d.Content
		case len(d.Calls) > 0:
			order = append(order, "call")
		}
	}
	assert.Equal(t, []string{"role", "thought", "thought", "text", "text", "call", "call"}, order)
	assert.Equal(t, []string{"one, two", "It is 2"}, []string{thought, text})
}

func TestThoughtsOfResponses(t *testing.T) {
	h := newHandler(t, &thinker{}, HandlerOptions{})
	body := `{"model":"m","input":"1+1?","tools":[{"type":"function","name":"now"}]`
	type item struct {
		Type    string
		Content []struct{ Type, Text string }
		Summary []any
	}
	var whole struct {
		Output []item
		Usage  struct {
			Details struct {
				Reasoning int `json:"reasoning_tokens"`
			} `json:"output_tokens_details"`
		}
	}
	w, _ := do(h, post("/v1/responses", body+"}"))
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &whole))
	require.Len(t, whole.Output, 3)
	assert.Equal(t, "reasoning", whole.Output[0].Type)
	assert.Equal(t, []struct{ Type, Text string }{{"reasoning_text", "one, two"}}, whole.Output[0].Content)
	assert.NotNil(t, whole.Output[0].Summary)
	assert.Equal(t, "It is 2", whole.Output[1].Content[0].Text)
	assert.Equal(t, "function_call", whole.Output[2].Type)
	assert.Equal(t, 4, whole.Usage.Details.Reasoning)

	w, _ = do(h, post("/v1/responses", body+`,"stream":true}`))
	names, last := events(t, w.Body.String())
	assert.Equal(t, []string{
		"response.created", "response.in_progress", "response.output_item.added 0", "response.content_part.added 0", "response.reasoning_text.delta one,  0",
		"response.reasoning_text.delta two 0", "response.reasoning_text.done 0", "response.content_part.done 0", "response.output_item.done 0",
		"response.output_item.added 1", "response.content_part.added 1", "response.output_text.delta It is  1", "response.output_text.delta 2 1",
		"response.output_text.done 1", "response.content_part.done 1", "response.output_item.done 1", "response.output_item.added 2",
		"response.function_call_arguments.delta {} 2", "response.function_call_arguments.done 2", "response.output_item.done 2", "response.completed",
	}, names)
	streamed, err := json.Marshal(last["response"])
	require.NoError(t, err)
	var final struct{ Output []item }
	require.NoError(t, json.Unmarshal(streamed, &final))
	assert.Equal(t, whole.Output, final.Output)
}
