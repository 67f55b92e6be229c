// Command ask puts questions of a facts.jsonl to models of an OpenAI-style server, through OpenAI's own client, and prints
// their answers below the expected ones:
//
//	go -C examples/demo/ask run . -url http://127.0.0.1:8080/v1 -facts "$PWD/guides/facts.jsonl" base course-guide
//
// It is a module of its own because that client is a large package to compile: docent and its tests need not.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/docent-ml/docent/dataset"
	"github.com/docent-ml/docent/examples/internal/program"
)

func main() { program.Main(run) }

const maxTokens = 64

func run(ctx context.Context, args, _ []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("ask", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // main prints the error
	url := flags.String("url", "http://127.0.0.1:8080/v1", "where the server answers")
	facts := flags.String("facts", "facts.jsonl", "questions with their answers")
	n := flags.Int("questions", 3, "how many to ask, spread over the file")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return program.Help(stdout, "ask puts questions to models of an OpenAI-style server.\n\nUsage\n\n  ask [flags] MODEL...\n\nFlags\n\n", flags)
	case err != nil:
		return fmt.Errorf("%w: see -h", err)
	case flags.NArg() == 0:
		return errors.New("name one model or more: see -h")
	}
	questions, err := choose(*facts, *n)
	if err != nil {
		return err
	}
	client := openai.NewClient(option.WithBaseURL(*url), option.WithAPIKey("none"))
	for _, q := range questions {
		fmt.Fprintf(stdout, "\n%s\n  expected     %s\n", q.Question, q.Answer)
		for _, model := range flags.Args() {
			answer, err := reply(ctx, client, model, q.Question)
			if err != nil {
				return fmt.Errorf("ask %s: %w", model, err)
			}
			fmt.Fprintf(stdout, "  %-12s %s\n", model, strings.ReplaceAll(answer, "\n", "\n"+strings.Repeat(" ", 15)))
		}
	}
	return nil
}

// choose takes n facts, spread over the file.
func choose(name string, n int) ([]dataset.Fact, error) {
	var all []dataset.Fact
	for fact, err := range dataset.ReadFile[dataset.Fact](os.DirFS(filepath.Dir(name)), filepath.Base(name)) {
		if err != nil {
			return nil, fmt.Errorf("facts: %w", err)
		}
		all = append(all, fact)
	}
	n = min(n, len(all))
	var out []dataset.Fact
	for i := range n {
		out = append(out, all[i*len(all)/n])
	}
	return out, nil
}

func reply(ctx context.Context, client openai.Client, model, question string) (string, error) {
	completion, err := client.Chat.Completions.New(ctx, openai.ChatCompletionNewParams{
		Model:               model,
		Messages:            []openai.ChatCompletionMessageParamUnion{openai.UserMessage(question)},
		Temperature:         openai.Float(0),
		MaxCompletionTokens: openai.Int(maxTokens),
	})
	if err != nil {
		return "", err
	}
	if len(completion.Choices) == 0 {
		return "", errors.New("the server answered without a choice")
	}
	return strings.TrimSpace(completion.Choices[0].Message.Content), nil
}
