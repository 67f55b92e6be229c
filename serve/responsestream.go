package serve

import (
	"net/http"
	"strings"

	"github.com/docent-ml/docent/openai"
)

// responseAnswer writes an answer in the form of this route. Its output items come one after the other: a thought, a message,
// calls. Of a stream events tell what happens to them.
type responseAnswer struct {
	g        *generation
	wire     openai.Response
	streamed bool
	event    openai.ResponseEvent // one value for all, so that a token costs no allocation of ours
	number   int
	zero     int
	index    int // of the item that is being written
	text     strings.Builder
	delta    string
}

// run sends the answer, as it comes or whole. One without anything is an empty message.
func (s *responseAnswer) run() error {
	g := s.g
	if err := g.run(s.piece); err != nil {
		return err
	}
	if len(s.wire.Output) == 0 {
		if err := s.begin(s.message); err != nil {
			return err
		}
	}
	status := "completed"
	if g.finish[0] == FinishLength {
		status, s.wire.IncompleteDetails = "incomplete", &openai.IncompleteDetails{Reason: "max_output_tokens"}
	}
	if err := s.endItem(status); err != nil {
		return err
	}
	s.wire.Status = status
	for _, it := range s.wire.Output {
		if it.Type == "message" {
			g.logText(0, it.Content[0].Text)
		}
	}
	latency := g.times.latency(g.usage.CompletionTokens)
	s.wire.Latency = &latency
	s.wire.Usage = &openai.ResponseUsage{
		InputTokens: g.usage.PromptTokens, InputTokensDetails: g.usage.PromptTokensDetails,
		OutputTokens: g.usage.CompletionTokens, OutputTokensDetails: g.usage.CompletionTokensDetails, TotalTokens: g.usage.TotalTokens,
	}
	if !s.streamed {
		g.headers(latency)
		return g.x.respond(http.StatusOK, s.wire)
	}
	g.x.settle()
	return s.send(openai.ResponseEvent{Type: "response." + status, Response: &s.wire})
}

func (s *responseAnswer) send(e openai.ResponseEvent) error {
	if !s.streamed {
		return nil
	}
	s.event = e
	s.event.SequenceNumber = s.number
	s.number++
	return unsent(s.g.x.stream.SendEvent(e.Type, &s.event))
}

func (s *responseAnswer) piece(d Delta) error {
	if d.Start != nil && s.streamed {
		s.g.open()
		s.g.x.failing = s.failed
		for _, typ := range []string{"response.created", "response.in_progress"} {
			if err := s.send(openai.ResponseEvent{Type: typ, Response: &s.wire}); err != nil {
				return err
			}
		}
	}
	if d.Reasoning != "" {
		if err := s.textPiece("reasoning", s.thought, d.Reasoning); err != nil {
			return err
		}
	}
	if d.Text != "" {
		if err := s.textPiece("message", s.message, d.Text); err != nil {
			return err
		}
	}
	if d.Call == nil {
		return nil
	}
	return s.callPiece(*d.Call)
}

func (s *responseAnswer) textPiece(kind string, begin func() *openai.OutputItem, text string) error {
	it := s.last()
	if it == nil || it.Type != kind {
		if err := s.endItem("completed"); err != nil {
			return err
		}
		if err := s.begin(begin); err != nil {
			return err
		}
		it = s.last()
	}
	s.text.WriteString(text)
	s.delta = text
	e := openai.ResponseEvent{
		Type: "response.output_text.delta", ItemID: it.ID, OutputIndex: &s.index, ContentIndex: &s.zero, Delta: &s.delta, Logprobs: []openai.TokenLogprob{},
	}
	if kind == "reasoning" {
		e.Type, e.Logprobs = "response.reasoning_text.delta", nil
	}
	return s.send(e)
}

func (s *responseAnswer) callPiece(c CallDelta) error {
	if c.Name != "" {
		if err := s.endItem("completed"); err != nil {
			return err
		}
		if err := s.added(s.call(c.Name)); err != nil {
			return err
		}
	}
	if c.Arguments == "" {
		return nil
	}
	s.text.WriteString(c.Arguments)
	s.delta = c.Arguments
	return s.send(openai.ResponseEvent{
		Type: "response.function_call_arguments.delta", ItemID: s.last().ID, OutputIndex: &s.index, Delta: &s.delta,
	})
}

// added tells of a new item.
func (s *responseAnswer) added(it *openai.OutputItem) error {
	s.index = len(s.wire.Output) - 1
	s.text.Reset()
	return s.send(openai.ResponseEvent{Type: "response.output_item.added", OutputIndex: &s.index, Item: it})
}

// begin begins an item that has a text.
func (s *responseAnswer) begin(item func() *openai.OutputItem) error {
	it := item()
	if err := s.added(it); err != nil {
		return err
	}
	part := part(it, "")
	return s.send(openai.ResponseEvent{
		Type: "response.content_part.added", ItemID: it.ID, OutputIndex: &s.index, ContentIndex: &s.zero, Part: &part,
	})
}

// endItem tells that the item that is being written is complete.
func (s *responseAnswer) endItem(status string) error {
	it := s.last()
	if it == nil {
		return nil
	}
	text := s.text.String()
	var events []openai.ResponseEvent
	if it.Content != nil {
		part := part(it, text)
		it.Content = append(it.Content, part)
		events = []openai.ResponseEvent{
			{Type: "response." + part.Type + ".done", ItemID: it.ID, ContentIndex: &s.zero, Text: &text, Logprobs: part.Logprobs},
			{Type: "response.content_part.done", ItemID: it.ID, ContentIndex: &s.zero, Part: &part},
		}
	} else {
		it.Arguments = &text
		events = []openai.ResponseEvent{
			{Type: "response.function_call_arguments.done", ItemID: it.ID, Name: it.Name, Arguments: &text},
		}
	}
	it.Status = status
	for _, e := range append(events, openai.ResponseEvent{Type: "response.output_item.done", Item: it}) {
		e.OutputIndex = &s.index
		if err := s.send(e); err != nil {
			return err
		}
	}
	return nil
}

// failed is the last event of a response that broke off.
func (s *responseAnswer) failed(e *openai.Error) {
	if it := s.last(); it != nil {
		it.Status = "incomplete"
	}
	s.wire.Status = "failed"
	s.wire.Error = &openai.ResponseError{Code: "server_error", Message: e.Message}
	_ = s.send(openai.ResponseEvent{Type: "response.failed", Response: &s.wire}) // the log line has the error already
}
