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
	if p, ok := s.take("instructions"); ok && p.isText() {
		r.Instructions = &p.node.text
		r.Messages = append(r.Messages, Message{Role: "system", Content: p.text})
	}
	r.readInput(s, l)
	r.MaxOutputTokens = s.atLeast("max_output_tokens", 1)
	r.Temperature = s.number("temperature", 0, 2)
	r.TopP = s.number("top_p", 0, 1)
	r.Stream = s.boolean("stream")
	if p, ok := s.take("stream_options"); ok {
		if so, ok := p.set(); ok {
			so.boolean("include_obfuscation")
			so.finish()
		}
	}
	r.Seed = s.integer("seed", math.MinInt64, math.MaxInt64)
	r.readExtensions(s)
	r.TemplateKwargs = s.templateKwargs()
	r.Tools, r.ToolChoice, r.Parallel = s.readTools(false)
	r.readText(s)
	if p, ok := s.take("user"); ok && p.isText() {
		r.User = &p.node.text
	}
	if p, ok := s.take("metadata"); ok {
		r.Metadata = p.metadata()
	}
	s.readAccepted()
	r.readTruncation(s)
	s.readRefused()
}

func (r *ResponseRequest) readTruncation(s *fieldSet) {
	p, ok := s.take("truncation")
	switch {
	case !ok || !p.isText():
	case p.text != "auto" && p.text != "disabled":
		p.fault(enum, "must be one of auto, disabled")
	default:
		r.Truncate = p.text == "auto"
	}
}

// readText takes the form of the text.
func (r *ResponseRequest) readText(s *fieldSet) {
	p, ok := s.take("text")
	if !ok {
		return
	}
	t, ok := p.set()
	if !ok {
		return
	}
	t.text("verbosity")
	if f, ok := t.take("format"); ok {
		if fs, ok := f.set(); ok {
			r.Text = fs.readFormat(false)
		}
	}
	t.finish()
}

// readRefused takes what needs state on the server, and what OpenAI runs beside the model.
func (s *fieldSet) readRefused() {
	s.refuse("previous_response_id", "conversation", "prompt", "context_management", "moderation")
	s.unstored("background")
	include, _ := s.list("include")
	for i, item := range include.items {
		if x := include.at(i, item); x.text == "reasoning.encrypted_content" {
			x.ignore()
		} else {
			x.refuse("is not there to be included")
		}
	}
	if p, ok := s.take("reasoning"); ok {
		if re, ok := p.set(); ok {
			re.effort("effort")
			for _, name := range []string{"summary", "generate_summary"} {
				if v, ok := re.take(name); ok && v.isText() {
					v.ignore()
				}
			}
			re.finish()
		}
	}
	if p, ok := s.take("top_logprobs"); ok {
		if n := p.integer(0, maxTopLogprobs); n != nil && *n > 0 {
			p.refuse("is not supported")
		}
	}
	s.atLeast("max_tool_calls", 0) // it counts built-in tools, of which there are none
}

// readInput takes a text or a list of items.
func (r *ResponseRequest) readInput(s *fieldSet, l Limits) {
	p, ok := s.take("input")
	switch {
	case !ok:
		p.fault(missing, "is required")
	case p.kind == text && p.text == "":
		p.fault(tooShort, "must not be empty")
	case p.kind == text:
		r.Messages = append(r.Messages, Message{Role: "user", Content: p.text})
	case p.sized("item", l.MaxMessages):
		before := p.f.count
		for i, item := range p.items {
			if it, ok := p.at(i, item).set(); ok {
				r.readItem(it)
				it.finish()
			}
		}
		if before == p.f.count && !slices.ContainsFunc(r.Messages, Message.asks) {
			p.fault(missing, askMissing)
		}
	}
}

func (r *ResponseRequest) readItem(s *fieldSet) {
	kind := "message"
	if p, ok := s.take("type"); ok && p.isText() {
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
	if p, ok := s.take("encrypted_content"); ok && p.isText() {
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
	p, ok := s.take(name)
	if !ok {
		p.fault(missing, "is required")
		return ""
	}
	return p.texts("input_text", "output_text")
}
