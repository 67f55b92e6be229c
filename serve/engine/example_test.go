package engine_test

import (
	"context"
	"fmt"
	"os"

	"github.com/docent-ml/docent/internal/testmodel"
	"github.com/docent-ml/docent/serve"
	"github.com/docent-ml/docent/serve/engine"
)

// A model from a folder answers a question. This one has random weights, so its answer is not worth printing.
func ExampleLoad() {
	folder, err := os.MkdirTemp("", "model")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(folder)
	if err := testmodel.WriteTo(folder, 1); err != nil {
		fmt.Println(err)
		return
	}

	ctx := context.Background()
	e, err := engine.Load(ctx, "dir:"+folder, engine.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer e.Close()
	question := serve.Request{Messages: []serve.Message{{Role: "user", Content: "When do you open?"}}, MaxTokens: 20, IgnoreEOS: true}
	answer, tokens := "", 0
	for delta, err := range e.Generate(ctx, question) {
		if err != nil {
			fmt.Println(err)
			return
		}
		answer += delta.Text
		tokens += delta.Sampled
	}
	fmt.Println(tokens, answer != "")
	// Output: 20 true
}
