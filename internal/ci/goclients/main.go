// Command goclients holds servers against the Go libraries that people use, as clients.py does: goclients BASE_URL MODEL...
// It is a module of its own, since docent needs none of them.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	openai "github.com/sashabaranov/go-openai"
	"github.com/tmc/langchaingo/llms"
	langchain "github.com/tmc/langchaingo/llms/openai"
)

const (
	prompt    = "How warm is it in Bern?"
	maxTokens = 300
)

// check is one library with one model.
type check struct {
	base, model string
	fake        bool // its answers are known: see fake_test.go
}

func main() {
	failed := false
	for args := os.Args[1:]; len(args) >= 2; args = args[2:] {
		c := check{args[0], args[1], args[1] == "fake"}
		for name, try := range map[string]func(context.Context) error{"go-openai": c.goOpenAI, "langchaingo": c.langchaingo} {
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
			if err := try(ctx); err != nil {
				failed = true
				fmt.Println("FAIL   ", name, "with", c.model+":", err)
			} else {
				fmt.Println("ok     ", name, "with", c.model)
			}
			cancel()
		}
	}
	if failed {
		os.Exit(1)
	}
}

func (c check) said(text string, err error) error {
	if err == nil && c.fake && text != "It is 21 degrees in Bern." {
		err = fmt.Errorf("it said %q", text)
	}
	return err
}

func (c check) formed(text string, err error) error {
	var w struct {
		City    string
		Degrees int
	}
	if err == nil {
		err = json.Unmarshal([]byte(text), &w)
	}
	if err == nil && (w.City == "" || w.Degrees < 20 || w.Degrees > 22 || c.fake && (w.City != "Bern" || w.Degrees != 21)) {
		err = fmt.Errorf("it answered %s", text)
	}
	return err
}

func called(name, arguments string) error {
	if name != "weather" || arguments != `{"city":"Bern"}` {
		return fmt.Errorf("it called %s with %s", name, arguments)
	}
	return nil
}

var parameters = json.RawMessage(`{"type":"object","properties":{"city":{"type":"string"}},"required":["city"],"additionalProperties":false}`)

func (c check) goOpenAI(ctx context.Context) error {
	config := openai.DefaultConfig("none")
	config.BaseURL = c.base
	client := openai.NewClientWithConfig(config)
	ask := openai.ChatCompletionRequest{
		Model: c.model, MaxTokens: maxTokens, Messages: []openai.ChatCompletionMessage{{Role: openai.ChatMessageRoleUser, Content: prompt}},
	}
	answer := func(ask openai.ChatCompletionRequest) (openai.ChatCompletionMessage, error) {
		res, err := client.CreateChatCompletion(ctx, ask)
		if err != nil {
			return openai.ChatCompletionMessage{}, err
		}
		return res.Choices[0].Message, nil
	}
	m, err := answer(ask)
	if err := c.said(m.Content, err); err != nil {
		return fmt.Errorf("chat: %w", err)
	}

	stream, err := client.CreateChatCompletionStream(ctx, ask)
	if err != nil {
		return fmt.Errorf("stream: %w", err)
	}
	defer stream.Close()
	text := ""
	for {
		piece, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("stream: %w", err)
		}
		text += piece.Choices[0].Delta.Content
	}
	if err := c.said(text, nil); err != nil {
		return fmt.Errorf("stream: %w", err)
	}

	form := &openai.ChatCompletionResponseFormat{Type: openai.ChatCompletionResponseFormatTypeJSONSchema, JSONSchema: &openai.ChatCompletionResponseFormatJSONSchema{
		Name: "weather", Strict: true,
		Schema: json.RawMessage(`{"type":"object","properties":{"city":{"enum":["Bern","Oslo"]},"degrees":{"type":"integer","minimum":20,"maximum":22}},"required":["city","degrees"],"additionalProperties":false}`),
	}}
	formed := ask
	formed.ResponseFormat = form
	m, err = answer(formed)
	if err := c.formed(m.Content, err); err != nil {
		return fmt.Errorf("structured output: %w", err)
	}

	for _, form := range []*openai.ChatCompletionResponseFormat{nil, form} {
		if !c.fake {
			break
		}
		ask := ask
		ask.ResponseFormat = form
		ask.Tools = []openai.Tool{{Type: openai.ToolTypeFunction, Function: &openai.FunctionDefinition{
			Name: "weather", Description: "the weather of a city", Parameters: parameters,
		}}}
		m, err := answer(ask)
		if err == nil && len(m.ToolCalls) != 1 {
			err = fmt.Errorf("it made %d calls", len(m.ToolCalls))
		}
		if err == nil {
			err = called(m.ToolCalls[0].Function.Name, m.ToolCalls[0].Function.Arguments)
		}
		if err != nil {
			return fmt.Errorf("tools: %w", err)
		}
		ask.Messages = append(ask.Messages, m, openai.ChatCompletionMessage{Role: openai.ChatMessageRoleTool, ToolCallID: m.ToolCalls[0].ID, Content: "21 degrees"})
		m, err = answer(ask)
		if form == nil {
			err = c.said(m.Content, err)
		} else {
			err = c.formed(m.Content, err)
		}
		if err != nil {
			return fmt.Errorf("tools, second step: %w", err)
		}
	}

	vectors, err := client.CreateEmbeddings(ctx, openai.EmbeddingRequest{Model: openai.EmbeddingModel(c.model), Input: []string{"a", "bc"}})
	if err != nil || len(vectors.Data) != 2 || len(vectors.Data[0].Embedding) == 0 {
		return fmt.Errorf("embeddings: %d: %w", len(vectors.Data), err)
	}
	return nil
}

func (c check) langchaingo(ctx context.Context) error {
	base := []langchain.Option{langchain.WithToken("none"), langchain.WithBaseURL(c.base), langchain.WithModel(c.model), langchain.WithEmbeddingModel(c.model)}
	plain, err := langchain.New(base...)
	if err != nil {
		return err
	}
	formed, err := langchain.New(append(base, langchain.WithResponseFormat(&langchain.ResponseFormat{
		Type: "json_schema", JSONSchema: &langchain.ResponseFormatJSONSchema{Name: "weather", Strict: true, Schema: &langchain.ResponseFormatJSONSchemaProperty{
			Type: "object", Required: []string{"city", "degrees"}, Properties: map[string]*langchain.ResponseFormatJSONSchemaProperty{
				"city": {Type: "string", Enum: []any{"Bern", "Oslo"}}, "degrees": {Type: "integer", Enum: []any{20, 21, 22}},
			},
		}},
	}))...)
	if err != nil {
		return err
	}
	question := []llms.MessageContent{llms.TextParts(llms.ChatMessageTypeHuman, prompt)}
	answer := func(llm *langchain.LLM, messages []llms.MessageContent, o ...llms.CallOption) (*llms.ContentChoice, error) {
		res, err := llm.GenerateContent(ctx, messages, append(o, llms.WithMaxTokens(maxTokens))...)
		if err != nil {
			return &llms.ContentChoice{}, err
		}
		return res.Choices[0], nil
	}
	m, err := answer(plain, question)
	if err := c.said(m.Content, err); err != nil {
		return fmt.Errorf("chat: %w", err)
	}
	text := ""
	_, err = answer(plain, question, llms.WithStreamingFunc(func(_ context.Context, piece []byte) error {
		text += string(piece)
		return nil
	}))
	if err := c.said(text, err); err != nil {
		return fmt.Errorf("stream: %w", err)
	}
	m, err = answer(formed, question)
	if err := c.formed(m.Content, err); err != nil {
		return fmt.Errorf("structured output: %w", err)
	}
	tools := llms.WithTools([]llms.Tool{{Type: "function", Function: &llms.FunctionDefinition{
		Name: "weather", Description: "the weather of a city", Parameters: parameters,
	}}})
	for i, llm := range []*langchain.LLM{plain, formed} {
		if !c.fake {
			break
		}
		m, err := answer(llm, question, tools)
		if err == nil && len(m.ToolCalls) != 1 {
			err = fmt.Errorf("it made %d calls", len(m.ToolCalls))
		}
		if err == nil {
			err = called(m.ToolCalls[0].FunctionCall.Name, m.ToolCalls[0].FunctionCall.Arguments)
		}
		if err != nil {
			return fmt.Errorf("tools: %w", err)
		}
		messages := append(question,
			llms.MessageContent{Role: llms.ChatMessageTypeAI, Parts: []llms.ContentPart{m.ToolCalls[0]}},
			llms.MessageContent{Role: llms.ChatMessageTypeTool, Parts: []llms.ContentPart{llms.ToolCallResponse{ToolCallID: m.ToolCalls[0].ID, Name: "weather", Content: "21 degrees"}}})
		m, err = answer(llm, messages, tools)
		if i == 0 {
			err = c.said(m.Content, err)
		} else {
			err = c.formed(m.Content, err)
		}
		if err != nil {
			return fmt.Errorf("tools, second step: %w", err)
		}
	}
	vectors, err := plain.CreateEmbedding(ctx, []string{"a", "bc"})
	if err != nil || len(vectors) != 2 || len(vectors[0]) == 0 {
		return fmt.Errorf("embeddings: %d: %w", len(vectors), err)
	}
	return nil
}
