package openai

import (
	"cmp"
	"math"
	"slices"
)

// ParseResponseRequest reads and checks the body of POST /v1/responses, as [ParseChatCompletionRequest] does.
func ParseResponseRequest(body []byte, l Limits) (*ResponseRequest, error) {
	r := &ResponseRequest{}
	return parseRequest(body, l, r, &r.Ignored, r.read)
}

func (r *ResponseRequest) read(s *fieldSet, l Limits) {
	r.Model = s.needed("model")
	if p, ok := s.given("instructions", text); ok {
		r.Instructions = &p.node.text
		r.Messages = append(r.Messages, Message{Role: "system", Content: p.text})
	}
	r.readInput(s, l)
	r.MaxOutputTokens = s.small("max_output_tokens", 1, unbounded)
	r.Temperature = s.number("temperature", 0, 2)
	r.TopP = s.number("top_p", 0, 1)
	r.Stream = s.boolean("stream")
	s.inside("stream_options", func(o *fieldSet) { o.boolean("include_obfuscation") })
	r.Seed = s.integer("seed", math.MinInt64, math.MaxInt64)
	r.readExtensions(s)
	r.TemplateKwargs = s.templateKwargs()
	r.Tools, r.ToolChoice, r.Parallel = s.readTools(false)
	s.inside("text", func(t *fieldSet) {
		t.text("verbosity")
		t.inside("format", func(f *fieldSet) { r.Text = f.readFormat(false) })
	})
	if p, ok := s.given("user", text); ok {
		r.User = &p.node.text
	}
	r.Metadata = s.metadata()
	s.readAccepted()
	if p, ok := s.take("truncation"); ok && p.oneOf("auto", "disabled") {
		r.Truncate = p.text == "auto"
	}
	s.readRefused()
}

// readRefused takes what needs state on the server, and what OpenAI runs beside the model.
func (s *fieldSet) readRefused() {
	s.refuse("previous_response_id", "conversation", "prompt", "context_management", "moderation")
	s.unstored("background")
	include, _ := s.given("include", array)
	for _, x := range include.each {
		if x.text == "reasoning.encrypted_content" {
			x.ignore()
		} else {
			x.refuse("is not there to be included")
		}
	}
	s.inside("reasoning", func(r *fieldSet) {
		r.effort("effort")
		for _, name := range []string{"summary", "generate_summary"} {
			if v, ok := r.given(name, text); ok {
				v.ignore()
			}
		}
	})
	if p, ok := s.take("top_logprobs"); ok {
		if n := p.integer(0, maxTopLogprobs); n != nil && *n > 0 {
			p.refuse("is not supported")
		}
	}
	s.small("max_tool_calls", 0, unbounded) // it counts built-in tools, of which there are none
}

// readInput takes a text or a list of items.
func (r *ResponseRequest) readInput(s *fieldSet, l Limits) {
	p, ok := s.must("input")
	switch {
	case !ok:
	case p.kind == text && p.text == "":
		p.fault(tooShort, "must not be empty")
	case p.kind == text:
		r.Messages = append(r.Messages, Message{Role: "user", Content: p.text})
	case p.sized("item", l.MaxMessages):
		before := p.f.count
		for _, x := range p.each {
			x.open(r.readItem)
		}
		if before == p.f.count && !slices.ContainsFunc(r.Messages, Message.asks) {
			p.fault(missing, askMissing)
		}
	}
}

func (r *ResponseRequest) readItem(s *fieldSet) {
	kind := "message"
	if p, ok := s.given("type", text); ok {
		kind = p.text
	}
	s.text("id") // part of an answer, sent back
	s.text("status")
	switch kind {
	case "message":
		role := s.role(roles[:4])
		s.text("phase")
		m := Message{Role: role, Content: s.itemText("content")}
		if m.Role == "assistant" {
			m.ReasoningContent, r.thought = r.thought, ""
		}
		r.Messages = append(r.Messages, m)
	case "reasoning":
		r.think(s)
	case "function_call":
		s.text("namespace")
		r.call(ToolCall{ID: s.required("call_id"), Type: ToolFunction, Function: s.functionCall()})
	case "function_call_output":
		r.Messages = append(r.Messages, Message{Role: "tool", ToolCallID: s.required("call_id"), Content: s.itemText("output")})
	default:
		s.coded(CodeUnsupportedContent, unsupported, "items of the type "+quoteName(kind)+" are not supported")
		s.left = nil
	}
}

// think takes what the assistant thought before the message or the call that follows: its text, or else a summary.
func (r *ResponseRequest) think(s *fieldSet) {
	if p, ok := s.given("encrypted_content", text); ok {
		p.ignore()
	}
	summary, content := s.thoughts("summary", "summary_text"), s.thoughts("content", "reasoning_text")
	r.thought += cmp.Or(content, summary)
}

// thoughts is a list of texts, which are joined.
func (s *fieldSet) thoughts(name, kind string) string {
	p, ok := s.take(name)
	if ok && p.kind == text {
		p.fault(mistyped, "must be a list of parts")
	} else if ok {
		return p.texts(kind)
	}
	return ""
}

// call appends a call to the assistant's turn: calls that follow each other are one message of the conversation.
func (r *ResponseRequest) call(c ToolCall) {
	n := len(r.Messages)
	if n == 0 || r.Messages[n-1].Role != "assistant" {
		r.Messages = append(r.Messages, Message{Role: "assistant"})
		n++
	}
	m := &r.Messages[n-1]
	m.ToolCalls = append(m.ToolCalls, c)
	m.ReasoningContent += r.thought
	r.thought = ""
}

// itemText is a text that must be there.
func (s *fieldSet) itemText(name string) string {
	if p, ok := s.must(name); ok {
		return p.texts("input_text", "output_text")
	}
	return ""
}
