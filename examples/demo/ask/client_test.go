package main

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/serve"
)

// The official Go client, pointed at docent's handler under a prefix.
func officialClient(t *testing.T, m serve.Model, o serve.HandlerOptions) openai.Client {
	t.Helper()
	h, err := serve.NewHandler(serve.Single("acme/handbook-qa", m), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.Close()) })
	mux := http.NewServeMux()
	mux.Handle("/ai/", http.StripPrefix("/ai", h))
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return openai.NewClient(option.WithBaseURL(s.URL+"/ai/v1"), option.WithAPIKey("k"), option.WithMaxRetries(0))
}

func params() openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{
		Model: "acme/handbook-qa",
		Messages: []openai.ChatCompletionMessageParamUnion{
			openai.SystemMessage("Opening hours: 9-17."), openai.DeveloperMessage("Be short."), openai.UserMessage("When do you open?"),
		},
	}
}

func TestOfficialClient(t *testing.T) {
	m := hello()
	c := officialClient(t, m, serve.HandlerOptions{APIKeys: map[string]string{"test": "k"}})
	ctx := t.Context()

	p := params()
	p.Temperature, p.N, p.Logprobs, p.Seed = openai.Float(0), openai.Int(2), openai.Bool(true), openai.Int(7)
	p.LogitBias = map[string]int64{"5": -100}
	p.Stop = openai.ChatCompletionNewParamsStopUnion{OfStringArray: []string{"END"}}
	p.User, p.Store = openai.String("u"), openai.Bool(false)
	res, err := c.Chat.Completions.New(ctx, p, option.WithJSONSet("repetition_penalty", 1.1))
	require.NoError(t, err)
	assert.Equal(t, "acme/handbook-qa", res.Model)
	require.Len(t, res.Choices, 2)
	assert.Equal(t, "Hello, wörld!", res.Choices[1].Message.Content)
	assert.Equal(t, "stop", res.Choices[0].FinishReason)
	assert.Len(t, res.Choices[0].Logprobs.Content, 4)
	assert.EqualValues(t, 17, res.Usage.TotalTokens)
	assert.Equal(t, []serve.Message{ // as they were sent: how a template takes several system messages is the model's to know
		{Role: "system", Content: "Opening hours: 9-17."}, {Role: "system", Content: "Be short."}, {Role: "user", Content: "When do you open?"},
	}, m.got.Messages)
	assert.InDelta(t, 1.1, m.got.Sampling.RepetitionPenalty, 0)
	assert.Equal(t, []string{"END"}, m.got.Stop)

	p = params()
	p.StreamOptions.IncludeUsage = openai.Bool(true)
	stream := c.Chat.Completions.NewStreaming(ctx, p)
	acc := openai.ChatCompletionAccumulator{}
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
	assert.Equal(t, "docent", one.OwnedBy)
}

func TestOfficialClientErrors(t *testing.T) {
	m := hello()
	c := officialClient(t, m, serve.HandlerOptions{})
	fault := func(p openai.ChatCompletionNewParams, opts ...option.RequestOption) *openai.Error {
		_, err := c.Chat.Completions.New(t.Context(), p, opts...)
		e, ok := errors.AsType[*openai.Error](err)
		require.True(t, ok, "%v", err)
		return e
	}
	p := params()
	p.Temperature = openai.Float(5)
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
	p.Tools = []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(openai.FunctionDefinitionParam{Name: "f"})}
	assert.Equal(t, "unsupported_parameter", fault(p).Code)

	m.before = func() error { return serve.ErrBusy }
	assert.Equal(t, 429, fault(params()).StatusCode)
	m.before = nil
	m.each = func() error { return errors.New("the logits are not finite") }
	stream := c.Chat.Completions.NewStreaming(t.Context(), params())
	for stream.Next() {
	}
	assert.ErrorContains(t, stream.Err(), "generation_failed")

	// Leaving a stream half-way frees the model.
	m.each = func() error { time.Sleep(time.Millisecond); return nil }
	m.deltas = slices.Repeat(m.deltas[:1], 200)
	stream = c.Chat.Completions.NewStreaming(t.Context(), params())
	require.True(t, stream.Next())
	require.NoError(t, stream.Close())
	require.Eventually(t, func() bool { return m.inside.Load() == 0 }, 10*time.Second, time.Millisecond, "free")
}

func TestOfficialClientOnOtherRoutes(t *testing.T) {
	c := officialClient(t, hello(), serve.HandlerOptions{})
	ctx := t.Context()
	const model = "acme/handbook-qa"
	completion, err := c.Completions.New(ctx, openai.CompletionNewParams{Model: model, Prompt: openai.CompletionNewParamsPromptUnion{OfString: openai.String("Say")}, Logprobs: openai.Int(1)})
	require.NoError(t, err)
	assert.Equal(t, "Hello, wörld!", completion.Choices[0].Text)
	assert.Len(t, completion.Choices[0].Logprobs.Tokens, 4)
	pieces := c.Completions.NewStreaming(ctx, openai.CompletionNewParams{Model: model, Prompt: openai.CompletionNewParamsPromptUnion{OfArrayOfTokens: []int64{1, 2}}})
	text := ""
	for pieces.Next() {
		for _, choice := range pieces.Current().Choices {
			text += choice.Text
		}
	}
	require.NoError(t, pieces.Err())
	assert.Equal(t, "Hello, wörld!", text)

	vectors, err := c.Embeddings.New(ctx, openai.EmbeddingNewParams{Model: model, Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: []string{"a", "b"}}})
	require.NoError(t, err)
	assert.Len(t, vectors.Data[1].Embedding, 2)

	ask := responses.ResponseNewParams{Model: model, Instructions: openai.String("Be brief."), Input: responses.ResponseNewParamsInputUnion{OfString: openai.String("hi")}}
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

	calls := officialClient(t, calling(), serve.HandlerOptions{})
	p := params()
	p.Tools = []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(openai.FunctionDefinitionParam{Name: "f"}), openai.ChatCompletionFunctionTool(openai.FunctionDefinitionParam{Name: "g"})}
	streamed := calls.Chat.Completions.NewStreaming(ctx, p)
	acc := openai.ChatCompletionAccumulator{}
	for streamed.Next() {
		require.True(t, acc.AddChunk(streamed.Current()))
	}
	require.NoError(t, streamed.Err())
	require.Len(t, acc.Choices[0].Message.ToolCalls, 2)
	assert.JSONEq(t, `{"a":1}`, acc.Choices[0].Message.ToolCalls[0].Function.Arguments)
	assert.Equal(t, "tool_calls", acc.Choices[0].FinishReason)
}
