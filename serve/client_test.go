package serve

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	oai "github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The official Go client, pointed at the handler under a prefix.
func officialClient(t *testing.T, m Model, o HandlerOptions) oai.Client {
	t.Helper()
	h := handlerOf(t, Single("acme/handbook-qa", m), o)
	mux := http.NewServeMux()
	mux.Handle("/ai/", http.StripPrefix("/ai", h))
	s := server(t, mux, nil)
	return oai.NewClient(option.WithBaseURL(s.URL+"/ai/v1"), option.WithAPIKey("k"), option.WithMaxRetries(0))
}

func params() oai.ChatCompletionNewParams {
	return oai.ChatCompletionNewParams{
		Model: "acme/handbook-qa",
		Messages: []oai.ChatCompletionMessageParamUnion{
			oai.SystemMessage("Opening hours: 9-17."), oai.DeveloperMessage("Be short."), oai.UserMessage("When do you open?"),
		},
	}
}

func TestOfficialClient(t *testing.T) {
	var got Request
	m := hello()
	m.asked = func(r Request) { got = r }
	c := officialClient(t, m, HandlerOptions{APIKeys: map[string]string{"test": "k"}})
	ctx := t.Context()

	p := params()
	p.Temperature, p.N, p.Logprobs, p.Seed = oai.Float(0), oai.Int(2), oai.Bool(true), oai.Int(7)
	p.LogitBias = map[string]int64{"5": -100}
	p.Stop = oai.ChatCompletionNewParamsStopUnion{OfStringArray: []string{"END"}}
	p.User, p.Store = oai.String("u"), oai.Bool(false)
	res, err := c.Chat.Completions.New(ctx, p, option.WithJSONSet("repetition_penalty", 1.1))
	require.NoError(t, err)
	assert.Equal(t, "acme/handbook-qa", res.Model)
	require.Len(t, res.Choices, 2)
	assert.Equal(t, "Hello, wörld!", res.Choices[1].Message.Content)
	assert.Equal(t, "stop", res.Choices[0].FinishReason)
	assert.Len(t, res.Choices[0].Logprobs.Content, 4)
	assert.EqualValues(t, 17, res.Usage.TotalTokens)
	assert.Equal(t, []Message{{Role: "system", Content: "Opening hours: 9-17.\n\nBe short."}, {Role: "user", Content: "When do you open?"}}, got.Messages)
	assert.InDelta(t, 1.1, got.Sampling.RepetitionPenalty, 0)
	assert.Equal(t, []string{"END"}, got.Stop)

	p = params()
	p.StreamOptions.IncludeUsage = oai.Bool(true)
	stream := c.Chat.Completions.NewStreaming(ctx, p)
	acc := oai.ChatCompletionAccumulator{}
	for stream.Next() {
		require.True(t, acc.AddChunk(stream.Current()))
	}
	require.NoError(t, stream.Err())
	assert.Equal(t, "Hello, wörld!", acc.Choices[0].Message.Content)
	assert.EqualValues(t, 12, acc.Usage.TotalTokens)
	assert.Equal(t, "stop", acc.Choices[0].FinishReason)

	models, err := c.Models.List(ctx)
	require.NoError(t, err)
	require.Len(t, models.Data, 1)
	one, err := c.Models.Get(ctx, models.Data[0].ID)
	require.NoError(t, err)
	assert.Equal(t, "docent", string(one.OwnedBy))
}

func TestOfficialClientErrors(t *testing.T) {
	m := hello()
	c := officialClient(t, m, HandlerOptions{})
	fault := func(p oai.ChatCompletionNewParams, opts ...option.RequestOption) *oai.Error {
		_, err := c.Chat.Completions.New(t.Context(), p, opts...)
		e, ok := errors.AsType[*oai.Error](err)
		require.True(t, ok, "%v", err)
		return e
	}
	p := params()
	p.Temperature = oai.Float(5)
	e := fault(p)
	assert.Equal(t, 422, e.StatusCode)
	assert.Equal(t, "validation_error", e.Code)
	assert.Equal(t, "temperature", e.Param)
	assert.Equal(t, "invalid_request_error", e.Type)

	p = params()
	p.Model = "none"
	e = fault(p)
	assert.Equal(t, 404, e.StatusCode)
	assert.Equal(t, "model_not_found", e.Code)

	p = params()
	p.Tools = []oai.ChatCompletionToolUnionParam{oai.ChatCompletionFunctionTool(oai.FunctionDefinitionParam{Name: "f"})}
	assert.Equal(t, "unsupported_parameter", fault(p).Code)

	m.before = func(context.Context, Request) error { return ErrBusy }
	assert.Equal(t, 429, fault(params()).StatusCode)
	m.before = nil
	m.each = func(context.Context, int) error { return errNonFinite }
	stream := c.Chat.Completions.NewStreaming(t.Context(), params())
	for stream.Next() {
	}
	assert.ErrorContains(t, stream.Err(), "generation_failed")

	// Leaving a stream half-way frees the model.
	m.each = func(context.Context, int) error { time.Sleep(time.Millisecond); return nil }
	m.words = make([]string, 200)
	stream = c.Chat.Completions.NewStreaming(t.Context(), params())
	require.True(t, stream.Next())
	require.NoError(t, stream.Close())
	eventually(t, "free", func() bool { return m.inside.Load() == 0 })
}

func TestOfficialClientOnOtherRoutes(t *testing.T) {
	m := &embedder{fakeModel: *hello()}
	c := officialClient(t, m, HandlerOptions{})
	ctx := t.Context()
	const model = "acme/handbook-qa"
	completion, err := c.Completions.New(ctx, oai.CompletionNewParams{Model: model, Prompt: oai.CompletionNewParamsPromptUnion{OfString: oai.String("Say")}, Logprobs: oai.Int(1)})
	require.NoError(t, err)
	assert.Equal(t, "Hello, wörld!", completion.Choices[0].Text)
	assert.Len(t, completion.Choices[0].Logprobs.Tokens, 4)
	pieces := c.Completions.NewStreaming(ctx, oai.CompletionNewParams{Model: model, Prompt: oai.CompletionNewParamsPromptUnion{OfArrayOfTokens: []int64{1, 2}}})
	text := ""
	for pieces.Next() {
		for _, choice := range pieces.Current().Choices {
			text += choice.Text
		}
	}
	require.NoError(t, pieces.Err())
	assert.Equal(t, "Hello, wörld!", text)

	vectors, err := c.Embeddings.New(ctx, oai.EmbeddingNewParams{Model: model, Input: oai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: []string{"a", "b"}}})
	require.NoError(t, err)
	assert.Len(t, vectors.Data[1].Embedding, 2)

	ask := responses.ResponseNewParams{Model: model, Instructions: oai.String("Be brief."), Input: responses.ResponseNewParamsInputUnion{OfString: oai.String("hi")}}
	whole, err := c.Responses.New(ctx, ask)
	require.NoError(t, err)
	assert.Equal(t, "Hello, wörld!", whole.OutputText())
	assert.EqualValues(t, 12, whole.Usage.TotalTokens)
	assert.EqualValues(t, "completed", whole.Status)
	stream := c.Responses.NewStreaming(ctx, ask)
	text = ""
	var last responses.ResponseStreamEventUnion
	for stream.Next() {
		if last = stream.Current(); last.Type == "response.output_text.delta" {
			text += last.Delta
		}
	}
	require.NoError(t, stream.Err())
	assert.Equal(t, "Hello, wörld!", text)
	assert.Equal(t, "response.completed", last.Type)
	assert.Equal(t, "Hello, wörld!", last.Response.OutputText())

	calls := officialClient(t, calling(), HandlerOptions{})
	p := params()
	p.Tools = []oai.ChatCompletionToolUnionParam{oai.ChatCompletionFunctionTool(oai.FunctionDefinitionParam{Name: "f"}), oai.ChatCompletionFunctionTool(oai.FunctionDefinitionParam{Name: "g"})}
	streamed := calls.Chat.Completions.NewStreaming(ctx, p)
	acc := oai.ChatCompletionAccumulator{}
	for streamed.Next() {
		require.True(t, acc.AddChunk(streamed.Current()))
	}
	require.NoError(t, streamed.Err())
	require.Len(t, acc.Choices[0].Message.ToolCalls, 2)
	assert.JSONEq(t, `{"a":1}`, acc.Choices[0].Message.ToolCalls[0].Function.Arguments)
	assert.Equal(t, "tool_calls", acc.Choices[0].FinishReason)
}
