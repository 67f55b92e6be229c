package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/docent-ml/docent/dataset"
)

const (
	modelName = "course-guide"
	baseName  = "base"
	maxTokens = 64
)

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

// ask serves the tuned and the base model and puts the questions to both.
func (d demo) ask(ctx context.Context, questions []dataset.Fact) (err error) {
	url, stopServer, err := d.serve(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopServer()) }()
	d.say("server", url)
	client := openai.NewClient(option.WithBaseURL(url), option.WithAPIKey("none"))
	for _, q := range questions {
		fmt.Fprintf(d.stdout, "\n%s\n  expected     %s\n", q.Question, q.Answer)
		for _, model := range []string{baseName, modelName} {
			answer, err := reply(ctx, client, model, q.Question)
			if err != nil {
				return fmt.Errorf("ask %s: %w", model, err)
			}
			fmt.Fprintf(d.stdout, "  %-12s %s\n", model, strings.ReplaceAll(answer, "\n", "\n"+strings.Repeat(" ", 15)))
		}
	}
	return nil
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
	return strings.TrimSpace(completion.Choices[0].Message.Content), nil
}

// serve starts the server on a free port and returns the URL that it prints when it answers.
func (d demo) serve(ctx context.Context) (url string, stopServer func() error, err error) {
	args := append(d.common(), "-listen", "127.0.0.1:0", "-cache", filepath.Join(d.data, "cache"), "-log-level", "warn",
		"-model", "models:/"+modelName+"/Production", "-model", d.base, "-model-name", baseName)
	cmd := child(ctx, d.bin("server"), args...)
	cmd.Stderr, cmd.Env = os.Stderr, d.environ
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	d.say("server", "loading both models")
	if err := cmd.Start(); err != nil {
		return "", nil, fmt.Errorf("server: %w", err)
	}
	lines := bufio.NewReader(out)
	line, readErr := lines.ReadString('\n')
	url, ready := strings.CutPrefix(strings.TrimSpace(line), "ready: ")
	if !ready {
		cmd.Process.Kill()
		return "", nil, fmt.Errorf("server: did not become ready: %w", errors.Join(readErr, cmd.Wait()))
	}
	return url, func() error { return halt(cmd, lines) }, nil
}

// halt stops the server and waits for it.
func halt(cmd *exec.Cmd, out io.Reader) error {
	if err := stop(cmd); err != nil {
		return fmt.Errorf("stop the server: %w", err)
	}
	if _, err := io.Copy(io.Discard, out); err != nil {
		return fmt.Errorf("stop the server: %w", err)
	}
	var failed *exec.ExitError
	if err := cmd.Wait(); errors.As(err, &failed) && failed.ExitCode() >= 0 || err != nil && failed == nil {
		return fmt.Errorf("server: %w", err)
	}
	return nil
}
