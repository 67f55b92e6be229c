package writer_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/docent-ml/docent/dataset/questions"
	"github.com/docent-ml/docent/dataset/questions/writer"
)

// A model behind OpenAI's API writes. This server says the same to everybody.
func ExampleEndpoint() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"object": "chat.completion", "choices": [{"message": {"role": "assistant", "content": "When does the club meet?"}, "finish_reason": "stop"}]}`)
	}))
	defer server.Close()
	var model questions.Generator = writer.Endpoint{URL: server.URL + "/v1", Model: "any"}
	out, err := model.Generate(context.Background(), questions.Prompt{User: "Ask about: The club meets on Tuesdays.", MaxTokens: 40})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(out.Text)
	// Output: When does the club meet?
}
