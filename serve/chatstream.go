package serve

import (
	"fmt"
	"strings"

	"github.com/docent-ml/docent/openai"
)

// chatStream writes the chunks of a streamed answer. One chunk value is used for all of them, so that a token costs no
// allocation of ours.
type chatStream struct {
	g     *generation
	chunk openai.ChatCompletionChunk
	text  string
	call  [1]openai.ToolCallDelta
	begun []bool            // the choices whose role was sent
	texts []strings.Builder // only with LogContent
}

// run sends the answer as it comes. Nothing is written before the first delta: until then a failure can still have
// its own status.
func (s *chatStream) run(o *openai.StreamSettings) error {
	g := s.g
	s.chunk = openai.ChatCompletionChunk{
		ID: g.id, Object: "chat.completion.chunk", Created: g.created, Model: g.x.model, SystemFingerprint: g.info.Fingerprint,
		Choices: make([]openai.ChunkChoice, 1),
	}
	usage := o != nil && o.IncludeUsage
	s.chunk.Usage.Set = usage
	if g.x.h.o.LogContent {
		s.texts = make([]strings.Builder, g.choices)
	}
	if err := g.run(s.piece); err != nil {
		return err
	}
	for i := range s.texts {
		g.logText(i, s.texts[i].String())
	}
	if !usage {
		return g.conclude(nil)
	}
	latency := g.times.latency(g.usage.CompletionTokens)
	s.chunk.Choices, s.chunk.Usage.Value, s.chunk.Latency = []openai.ChunkChoice{}, &g.usage, &latency
	return g.conclude(&s.chunk)
}

// piece sends what one delta holds: nothing, text, a piece of a call, the end, or text and the end.
func (s *chatStream) piece(d Delta) error {
	if d.Start != nil {
		if err := s.open(); err != nil {
			return err
		}
	}
	if s.texts != nil {
		s.texts[d.Choice].WriteString(d.Text)
	}
	if !s.begun[d.Choice] && (d.Text != "" || d.Reasoning != "" || len(d.Tokens) > 0 || d.Call != nil || d.Finish != "") {
		if err := s.begin(d.Choice, d.Text == "" && (d.Call != nil || d.Reasoning != "")); err != nil {
			return err
		}
	}
	if d.Reasoning != "" {
		if err := s.send(openai.ChunkChoice{Index: d.Choice, Delta: openai.Delta{ReasoningContent: d.Reasoning}}); err != nil {
			return err
		}
	}
	if d.Text != "" || len(d.Tokens) > 0 {
		s.text = d.Text
		c := openai.ChunkChoice{Index: d.Choice, Delta: openai.Delta{Content: &s.text}}
		if s.g.asks[0].Logprobs {
			c.Logprobs = &openai.Logprobs{Content: wireLogprobs(d.Tokens)}
		}
		if err := s.send(c); err != nil {
			return err
		}
	}
	if d.Call != nil {
		if err := s.callPiece(d.Choice, *d.Call); err != nil {
			return err
		}
	}
	if d.Finish == "" {
		return nil
	}
	reason := s.g.reason(d.Finish)
	return s.send(openai.ChunkChoice{Index: d.Choice, FinishReason: &reason})
}

// callPiece sends the head of a call, its arguments, or both, each in a chunk of its own.
func (s *chatStream) callPiece(choice int, c CallDelta) error {
	if s.g.functions {
		piece := &openai.FunctionCallDelta{Name: c.Name, Arguments: c.Arguments}
		return s.send(openai.ChunkChoice{Index: choice, Delta: openai.Delta{FunctionCall: piece}})
	}
	piece := openai.ToolCallDelta{Index: c.Index}
	if c.Name != "" {
		head := piece
		head.ID, head.Type, head.Function.Name = "call_"+s.g.x.h.newID(), "function", c.Name
		if err := s.sendCall(choice, head); err != nil {
			return err
		}
	}
	if c.Arguments == "" {
		return nil
	}
	piece.Function.Arguments = c.Arguments
	return s.sendCall(choice, piece)
}

func (s *chatStream) sendCall(choice int, piece openai.ToolCallDelta) error {
	s.call[0] = piece
	return s.send(openai.ChunkChoice{Index: choice, Delta: openai.Delta{ToolCalls: s.call[:]}})
}

// open sends the headers, and the role of every choice, unless it may begin with a call: then there is nothing to send yet.
func (s *chatStream) open() error {
	s.g.open()
	s.begun = make([]bool, s.g.choices)
	if len(s.g.asks[0].Tools.List) > 0 {
		return nil
	}
	for i := range s.begun {
		if err := s.begin(i, false); err != nil {
			return err
		}
	}
	return nil
}

// begin sends the role of a choice. Before a call, and a thought that may lead to one, there is no text, not even an empty one.
func (s *chatStream) begin(choice int, silent bool) error {
	s.begun[choice] = true
	role := openai.Delta{Role: "assistant", Content: new(string), Refusal: openai.Nullable[string]{Set: true}}
	if !silent {
		return s.send(openai.ChunkChoice{Index: choice, Delta: role})
	}
	head := callHead{ChatCompletionChunk: &s.chunk}
	head.Choices[0].ChunkChoice = openai.ChunkChoice{Index: choice}
	head.Choices[0].Delta.Role = role.Role
	return unsent(s.g.x.stream.Send(&head))
}

// callHead is the first chunk of a choice that begins with a call. Its content is null, where openai.Delta would leave it out.
type callHead struct {
	*openai.ChatCompletionChunk
	Choices [1]struct {
		openai.ChunkChoice
		Delta struct {
			Role    string  `json:"role"`
			Content *string `json:"content"`
			Refusal *string `json:"refusal"`
		} `json:"delta"`
	} `json:"choices"`
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
