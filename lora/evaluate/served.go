package evaluate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/docent-ml/docent/dataset"
	"github.com/docent-ml/docent/serve"
)

// Served asks what a server would: any serve.Model, greedily.
func Served(m serve.Model) Model { return served{m} }

type served struct{ serve.Model }

func (s served) Answer(ctx context.Context, messages []dataset.Message, maxTokens int) (Reply, error) {
	r := serve.Request{MaxTokens: maxTokens}
	for _, m := range messages {
		r.Messages = append(r.Messages, serve.Message{Role: m.Role, Content: m.Content})
	}
	began := time.Now()
	var reply Reply
	var text strings.Builder
	for delta, err := range s.Generate(ctx, r) {
		if tooLong, ok := errors.AsType[*serve.ContextLengthError](err); ok {
			reply.Text = "(" + tooLong.Error() + ")" // a passage too long for the model is a wrong answer
			return reply, nil
		}
		if err != nil {
			return Reply{}, err
		}
		if reply.Tokens += delta.Sampled; reply.FirstToken == 0 && reply.Tokens > 0 {
			reply.FirstToken = time.Since(began)
		}
		text.WriteString(delta.Text)
	}
	reply.Text, reply.Elapsed = strings.TrimSpace(text.String()), time.Since(began)
	return reply, nil
}

// Speed is how fast a model answers so many clients at once.
type Speed struct {
	Clients         int
	FirstToken      time.Duration // median of the requests
	FirstTokenP95   time.Duration
	TokensPerSecond float64 // of all clients together
}

// Measure asks the first questions of a suite, n by each of the clients.
func Measure(ctx context.Context, m Model, s Suite, clients, n int) (Speed, error) {
	cases := dataset.Spread(s.Cases(), clients*n)
	out := Speed{Clients: clients}
	group, inner := errgroup.WithContext(ctx)
	replies := make([]Reply, len(cases))
	began := time.Now()
	for client := range clients {
		group.Go(func() error {
			for i := client; i < len(cases); i += clients {
				var err error
				if replies[i], err = m.Answer(inner, cases[i].Messages, 32); err != nil {
					return fmt.Errorf("evaluate: speed with %d clients: %w", clients, err)
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return out, err
	}
	tokens := 0
	var first []time.Duration
	for _, r := range replies {
		tokens += r.Tokens
		first = append(first, r.FirstToken)
	}
	slices.Sort(first)
	if n := len(first); n > 0 {
		out.FirstToken, out.FirstTokenP95 = first[n/2], first[min(n-1, n*95/100)]
	}
	out.TokensPerSecond = float64(tokens) / time.Since(began).Seconds()
	return out, nil
}

// Metrics are those of the speed, beside Result.Metrics: seconds, and tokens per second.
func (s Speed) Metrics() map[string]float64 {
	suffix := fmt.Sprintf("_%d_clients", s.Clients)
	if s.Clients == 1 {
		suffix = ""
	}
	return map[string]float64{
		"eval/first_token" + suffix: s.FirstToken.Seconds(), "eval/p95_first_token" + suffix: s.FirstTokenP95.Seconds(),
		"eval/tokens_per_second" + suffix: s.TokensPerSecond,
	}
}

// AnswerAll answers prompts, so many at a time, in their order. An answer that reached its limit ends with its last sentence;
// one without a whole sentence is "".
func AnswerAll(ctx context.Context, m Model, prompts []string, maxTokens, concurrent int, progress func(done int)) ([]string, error) {
	answers := make([]string, len(prompts))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(1, concurrent))
	var mu sync.Mutex
	done := 0
	for i, prompt := range prompts {
		group.Go(func() error {
			r, err := m.Answer(ctx, []dataset.Message{{Role: "user", Content: prompt}}, maxTokens)
			if err != nil {
				return fmt.Errorf("evaluate: %q: %w", prompt, err)
			}
			answers[i] = r.Text
			if r.Tokens >= maxTokens {
				ends := sentenceEnd.FindAllStringIndex(r.Text, -1)
				if len(ends) == 0 {
					ends = [][]int{{0, 0}}
				}
				answers[i] = strings.TrimSpace(r.Text[:ends[len(ends)-1][1]])
			}
			mu.Lock()
			defer mu.Unlock()
			if done++; progress != nil {
				progress(done)
			}
			return nil
		})
	}
	return answers, group.Wait()
}
