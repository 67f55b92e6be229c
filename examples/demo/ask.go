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
	"strconv"
	"strings"
)

const (
	modelName = "course-guide"
	baseName  = "base"
)

// ask serves the tuned and the base model and has the questions put to both.
func (d demo) ask(ctx context.Context) (err error) {
	url, stopServer, err := d.serve(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopServer()) }()
	d.say("server", url)
	cmd := child(ctx, d.bin("ask"), "-url", url, "-facts", d.facts, "-questions", strconv.Itoa(d.questions), baseName, modelName)
	cmd.Stdout, cmd.Stderr, cmd.Env = d.stdout, os.Stderr, d.environ
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("ask: %w", errors.Join(err, ctx.Err()))
	}
	return nil
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
		_ = cmd.Process.Kill()
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
