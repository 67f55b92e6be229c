package writer

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/docent-ml/docent/dataset/questions"
)

// Endpoint asks a server with OpenAI's API for chat completions. The zero values of all but URL and Model are usable.
type Endpoint struct {
	URL     string        // with the version: https://host/v1
	Key     string        // bearer token; empty sends none
	Model   string        // as the server names it
	Client  *http.Client  // nil = http.DefaultClient
	Timeout time.Duration // of one attempt; 0 = 2 min
	Retries int           // after the first attempt, where another may help; 0 = 3, < 0 = none
	Wait    time.Duration // before the first retry, doubled each time, unless the server says; 0 = 1 s
}

// Name implements questions.Generator.
func (e Endpoint) Name() string { return e.URL + " " + e.Model }

// Generate implements questions.Generator. A server that is away, busy, or answers with something else than JSON is tried
// again; a key or model that is refused wraps questions.ErrStop.
func (e Endpoint) Generate(ctx context.Context, p questions.Prompt) (questions.Output, error) {
	retries := e.Retries
	if retries == 0 {
		retries = 3
	}
	wait := cmp.Or(e.Wait, time.Second)
	for try := 0; ; try++ {
		out, err := e.once(ctx, p)
		again, can := errors.AsType[*again](err)
		if err == nil || ctx.Err() != nil || !can || try >= retries {
			if can && try > 0 {
				err = fmt.Errorf("%w (tried %d times)", err, try+1)
			}
			return out, err
		}
		select {
		case <-ctx.Done():
			return out, ctx.Err()
		case <-time.After(max(wait<<try, again.after)):
		}
	}
}

// again is an error after which another attempt may help.
type again struct {
	err   error
	after time.Duration
}

func (a *again) Error() string { return a.err.Error() }
func (a *again) Unwrap() error { return a.err }

type message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

type request struct {
	Model          string    `json:"model"`
	Messages       []message `json:"messages"`
	MaxTokens      int       `json:"max_tokens,omitempty"`
	Temperature    float64   `json:"temperature"`
	ResponseFormat any       `json:"response_format,omitempty"`
}

type reply struct {
	Choices []struct {
		Message struct {
			Content string `json:"content"`
		} `json:"message"`
	} `json:"choices"`
	Usage struct {
		Prompt int `json:"prompt_tokens"`
		Output int `json:"completion_tokens"`
	} `json:"usage"`
}

func (e Endpoint) once(ctx context.Context, p questions.Prompt) (out questions.Output, err error) {
	r := request{Model: e.Model, Messages: []message{{"system", p.System}, {"user", p.User}}, MaxTokens: p.MaxTokens}
	if p.Schema != nil {
		r.ResponseFormat = map[string]any{"type": "json_schema", "json_schema": map[string]any{"name": "facts", "strict": true, "schema": p.Schema}}
	}
	body, err := json.Marshal(r)
	if err != nil {
		return out, fmt.Errorf("endpoint: %w", err)
	}
	attempt, cancel := context.WithTimeout(ctx, cmp.Or(e.Timeout, 2*time.Minute))
	defer cancel()
	url := strings.TrimRight(e.URL, "/") + "/chat/completions"
	req, err := http.NewRequestWithContext(attempt, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return out, fmt.Errorf("endpoint: %w: %w", questions.ErrStop, err)
	}
	req.Header.Set("Content-Type", "application/json")
	if e.Key != "" {
		req.Header.Set("Authorization", "Bearer "+e.Key)
	}
	resp, err := cmp.Or(e.Client, http.DefaultClient).Do(req)
	if err != nil {
		return out, &again{err: fmt.Errorf("endpoint: %w", err)}
	}
	defer resp.Body.Close()
	const most = 8 << 20
	text, err := io.ReadAll(io.LimitReader(resp.Body, most))
	if err != nil {
		return out, &again{err: fmt.Errorf("endpoint: %s: reading the answer: %w", url, err)}
	}
	if resp.StatusCode != http.StatusOK {
		return out, failed(url, resp, text)
	}
	var got reply
	if err := json.Unmarshal(text, &got); err != nil {
		return out, &again{err: fmt.Errorf("endpoint: %s answers with something else than JSON: %q; is it the address of an API, ending in /v1?", url, excerpt(text))}
	}
	if len(got.Choices) == 0 {
		return out, &again{err: fmt.Errorf("endpoint: %s answers without choices: %q", url, excerpt(text))}
	}
	return questions.Output{Text: got.Choices[0].Message.Content, PromptTokens: got.Usage.Prompt, OutputTokens: got.Usage.Output}, nil
}

// failed says what a status means, and whether another attempt may help.
func failed(url string, resp *http.Response, text []byte) error {
	err := fmt.Errorf("endpoint: %s: %s: %q", url, resp.Status, excerpt(text))
	switch code := resp.StatusCode; {
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return fmt.Errorf("%w: the key is refused: %w", questions.ErrStop, err)
	case code == http.StatusNotFound:
		return fmt.Errorf("%w: neither this address nor this model may be there: %w", questions.ErrStop, err)
	case code == http.StatusRequestTimeout, code == http.StatusTooManyRequests, code >= 500:
		seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
		return &again{err, min(time.Duration(seconds)*time.Second, time.Minute)}
	}
	return err
}

func excerpt(text []byte) string {
	const most = 160
	runes := []rune(strings.Join(strings.Fields(string(text)), " "))
	return string(runes[:min(len(runes), most)])
}
