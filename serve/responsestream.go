package serve

import (
	"strings"

	"github.com/docent-ml/docent/openai"
)

// responseStream writes the events of a streamed response.
type responseStream struct {
	*responseAnswer
	event  openai.ResponseEvent // one value for all, so that a token costs no allocation of ours
	number int
	zero   int
	index  int // of the item that is being written
	text   strings.Builder
	delta  string
}

// run sends the answer as it comes.
func (s *responseStream) run() error {
	if err := s.g.run(s.piece); err != nil {
		return err
	}
	if len(s.wire.Output) == 0 {
		if err := s.begin(s.message); err != nil {
			return err
		}
	}
	status := "completed"
	if s.g.finish[0] == FinishLength {
		status = "incomplete"
	}
	if err := s.endItem(status); err != nil {
		return err
	}
	s.complete()
	s.g.x.settle()
	return s.send(openai.ResponseEvent{Type: "response." + status, Response: &s.wire})
}

func (s *responseStream) send(e openai.ResponseEvent) error {
	s.event = e
	s.event.SequenceNumber = s.number
	s.number++
	return unsent(s.g.x.stream.SendEvent(e.Type, &s.event))
}

func (s *responseStream) piece(d Delta) error {
	if d.Start != nil {
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

func (s *responseStream) textPiece(kind string, begin func() *openai.OutputItem, text string) error {
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

func (s *responseStream) callPiece(c CallDelta) error {
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
func (s *responseStream) added(it *openai.OutputItem) error {
	s.index = len(s.wire.Output) - 1
	s.text.Reset()
	return s.send(openai.ResponseEvent{Type: "response.output_item.added", OutputIndex: &s.index, Item: it})
}

// begin begins an item that has a text.
func (s *responseStream) begin(item func() *openai.OutputItem) error {
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
func (s *responseStream) endItem(status string) error {
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
	s.end(status)
	for _, e := range append(events, openai.ResponseEvent{Type: "response.output_item.done", Item: it}) {
		e.OutputIndex = &s.index
		if err := s.send(e); err != nil {
			return err
		}
	}
	return nil
}

// failed is the last event of a response that broke off.
func (s *responseStream) failed(e *openai.Error) {
	s.end("incomplete")
	s.wire.Status = "failed"
	s.wire.Error = &openai.ResponseError{Code: "server_error", Message: e.Message}
	_ = s.send(openai.ResponseEvent{Type: "response.failed", Response: &s.wire}) // the log line has the error already
}
