package openai_test

import (
	"errors"
	"fmt"
	"strings"

	"github.com/docent-ml/docent/openai"
)

func ExampleParseChatCompletionRequest() {
	_, err := openai.ParseChatCompletionRequest([]byte(
		`{"model":"m","temperature":5,"max_tokens":"10","messages":[{"role":"user","content":"Hello"}]}`), openai.Limits{})
	if e, ok := errors.AsType[*openai.Error](err); ok {
		fmt.Println(e.Status, e.Code)
		for _, d := range e.Details {
			fmt.Println(d.Field, d.Message)
		}
	}
	// Output:
	// 422 validation_error
	// temperature must be between 0 and 2
	// max_tokens must be an integer
}

func ExampleReadStream() {
	body := strings.NewReader(`data: {"choices":[{"index":0,"delta":{"content":"Hel"}}]}

data: {"choices":[{"index":0,"delta":{"content":"lo"}}]}

data: [DONE]

`)
	for chunk, err := range openai.ReadStream[openai.ChatCompletionChunk](body) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Print(*chunk.Choices[0].Delta.Content)
	}
	// Output: Hello
}
