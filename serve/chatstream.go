package serve

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/docent-ml/docent/openai"
)

// chatStream writes the chunks of a streamed answer. One chunk value is used for all of them, so that a token costs no
// allocation of ours.
type chatStream struct {
	g     *generation
	chunk openai.ChatCompletionChunk
	text  string
	texts []strings.Builder // only with LogContent
}

// stream sends the answer as it comes. Nothing is written before the first delta: until then a failure can still have
// its own status.
func (g *generation) stream(deltas deltaSeq) error {
	s := &chatStream{g: g}
	s.chunk = openai.ChatCompletionChunk{
		ID: g.id, Object: "chat.completion.chunk", Created: g.created, Model: g.x.model, SystemFingerprint: g.fingerprint,
		Choices: make([]openai.ChunkChoice, 1),
	}
	usage := g.req.StreamOptions != nil && g.req.StreamOptions.IncludeUsage
	s.chunk.Usage.Set = usage
	if g.x.h.o.LogContent {
		s.texts = make([]strings.Builder, g.ask.N)
	}
	if err := g.run(deltas, s.piece); err != nil {
		return err
	}
	if usage {
		latency := g.times.latency(g.usage.CompletionTokens)
		s.chunk.Choices, s.chunk.Usage.Value, s.chunk.Latency = []openai.ChunkChoice{}, &g.usage, &latency
		if err := unsent(g.x.stream.Send(&s.chunk)); err != nil {
			return err
		}
	}
	for i := range s.texts {
		g.logText(i, s.texts[i].String())
	}
	return unsent(g.x.stream.Done())
}

// piece sends what one delta holds: nothing, text, the end, or text and the end.
func (s *chatStream) piece(d Delta) error {
	if d.Start != nil {
		if err := s.open(); err != nil {
			return err
		}
	}
	if s.texts != nil {
		s.texts[d.Choice].WriteString(d.Text)
	}
	if d.Text != "" || len(d.Tokens) > 0 {
		s.text = d.Text
		c := openai.ChunkChoice{Index: d.Choice, Delta: openai.Delta{Content: &s.text}}
		if s.g.ask.Logprobs {
			c.Logprobs = &openai.Logprobs{Content: wireLogprobs(d.Tokens)}
		}
		if err := s.send(c); err != nil {
			return err
		}
	}
	if d.Finish == "" {
		return nil
	}
	reason := string(d.Finish)
	return s.send(openai.ChunkChoice{Index: d.Choice, FinishReason: &reason})
}

// open sends the headers, and the role of every choice.
func (s *chatStream) open() error {
	x := s.g.x
	s.g.headers(s.g.times.latency(0))
	x.status = http.StatusOK
	x.stream = openai.NewStream(x.w, openai.StreamOptions{WriteTimeout: x.h.o.WriteTimeout, KeepAlive: x.h.o.KeepAlive})
	empty := ""
	for i := range s.g.ask.N {
		role := openai.Delta{Role: "assistant", Content: &empty, Refusal: openai.Nullable[string]{Set: true}}
		if err := s.send(openai.ChunkChoice{Index: i, Delta: role}); err != nil {
			return err
		}
	}
	return nil
}

func (s *chatStream) send(c openai.ChunkChoice) error {
	s.chunk.Choices[0] = c
	return unsent(s.g.x.stream.Send(&s.chunk))
}

// unsent marks a failed write: the client has gone, or takes nothing for too long.
func unsent(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", errUnsent, err)
}
