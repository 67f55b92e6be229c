package openai

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

const (
	maxStops       = 16
	maxTopLogprobs = 20
)

// ParseChatCompletionRequest reads and checks the body of POST /v1/chat/completions. The error is an *[Error]: code
// invalid_json if the body is not strict JSON, else one that lists every invalid field. A field that is not in the API
// is ignored and named in the result's Ignored.
func ParseChatCompletionRequest(body []byte, l Limits) (*ChatCompletionRequest, error) {
	r := &ChatCompletionRequest{}
	return parseRequest(body, l, r, &r.Ignored, r.read)
}

func (r *ChatCompletionRequest) read(s *fieldSet, l Limits) {
	r.Model = s.needed("model")
	r.readMessages(s, l)
	r.Sampling.read(s, l, 1)
	r.MaxCompletionTokens = s.small("max_completion_tokens", 1, unbounded)
	r.readLogprobs(s)
	r.ChatTemplateKwargs = s.templateKwargs()

	s.readAccepted()
	s.modalities()
	s.effort("reasoning_effort")
	s.text("verbosity")
	s.inside("response_format", func(f *fieldSet) { r.ResponseFormat = f.readFormat(true) })
	r.Tools, r.ToolChoice, r.ParallelToolCalls = s.readTools(true)
	r.readFunctions(s)
	s.refuse("audio", "web_search_options", "prediction", "moderation")
}

// readAccepted takes what has no effect: what these fields ask for is what happens anyway, or concerns OpenAI's own
// service.
func (s *fieldSet) readAccepted() {
	for _, name := range []string{"user", "service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention"} {
		s.text(name)
	}
	s.given("prompt_cache_options", object)
	s.metadata()
	s.unstored("store")
}

// unstored takes a switch that can only be off, since nothing is stored.
func (s *fieldSet) unstored(name string) {
	if p, ok := s.given(name, boolean); ok && p.text == "true" {
		p.refuse("is not supported: nothing is stored")
	}
}

// read takes the fields that all generating routes share.
func (r *Sampling) read(s *fieldSet, l Limits, leastTokens int64) {
	r.MaxTokens = s.small("max_tokens", leastTokens, unbounded)
	r.Temperature = s.number("temperature", 0, 2)
	r.TopP = s.number("top_p", 0, 1)
	r.N = s.small("n", 1, int64(l.MaxN))
	r.Stop = s.stop()
	r.Stream = s.boolean("stream")
	s.inside("stream_options", func(o *fieldSet) {
		r.StreamOptions = &StreamSettings{IncludeUsage: o.boolean("include_usage")}
		o.boolean("include_obfuscation") // padding against traffic analysis: permission, not an order
	})
	r.Seed = s.integer("seed", math.MinInt64, math.MaxInt64)
	r.LogitBias = s.logitBias()
	r.PresencePenalty = s.number("presence_penalty", -2, 2)
	r.FrequencyPenalty = s.number("frequency_penalty", -2, 2)
	r.readExtensions(s)
}

func (r *Sampling) readExtensions(s *fieldSet) {
	if p, ok := s.take("repetition_penalty"); ok {
		r.RepetitionPenalty = p.float(0, 10)
		if r.RepetitionPenalty != nil && *r.RepetitionPenalty == 0 {
			p.fault(outOfRange, "must be above 0, and at most 10")
		}
	}
	r.NoRepeatNgramSize = s.small("no_repeat_ngram_size", 0, unbounded)
	r.TopK = s.small("top_k", 0, unbounded)
	r.MinP = s.number("min_p", 0, 1)
	r.IgnoreEOS = s.boolean("ignore_eos")
}

// stop is a string or a list of them.
func (s *fieldSet) stop() (stops []string) {
	p, ok := s.take("stop")
	switch {
	case !ok:
	case p.kind == text:
		stops = append(stops, p.filled())
	case p.kind != array:
		p.fault(mistyped, "must be a string or a list of strings")
	case len(p.items) > maxStops:
		p.fault(tooLong, fmt.Sprintf("must have at most %d strings", maxStops))
	default:
		for _, x := range p.each {
			stops = append(stops, x.filled())
		}
	}
	return stops
}

// logitBias is an object from token ids, written as strings, to numbers.
func (s *fieldSet) logitBias() map[int]float64 {
	p, ok := s.take("logit_bias")
	if !ok {
		return nil
	}
	if p.kind != object {
		p.fault(mistyped, "must be an object from token ids to numbers")
		return nil
	}
	bias := make(map[int]float64, len(p.fields))
	for name, v := range p.entries {
		id, err := strconv.ParseUint(name, 10, 31)
		if err != nil || strconv.FormatUint(id, 10) != name { // "007" and "7" would be one token twice
			v.fault(malformed, "the key must be a token id")
			continue
		}
		if b := v.float(-100, 100); b != nil {
			bias[int(id)] = *b
		}
	}
	return bias
}

func (r *ChatCompletionRequest) readLogprobs(s *fieldSet) {
	r.Logprobs = s.boolean("logprobs")
	p, ok := s.take("top_logprobs")
	if !ok {
		return
	}
	if n := p.integer(0, maxTopLogprobs); n != nil {
		r.TopLogprobs = int(*n)
		if *n > 0 && !r.Logprobs {
			p.fault(conflict, "needs logprobs to be true")
		}
	}
}

// templateKwargs refuses the names that the server itself gives to the template: they would be overwritten.
func (s *fieldSet) templateKwargs() map[string]any {
	p, ok := s.given("chat_template_kwargs", object)
	if !ok {
		return nil
	}
	for name, x := range p.entries {
		switch name {
		case "messages", "tools", "add_generation_prompt", "bos_token", "eos_token":
			x.fault(conflict, "is set by the server")
		}
	}
	return p.free().(map[string]any)
}

func (s *fieldSet) metadata() map[string]string {
	p, ok := s.take("metadata")
	if !ok {
		return nil
	}
	if p.kind != object {
		p.fault(mistyped, "must be an object of strings")
		return nil
	}
	m := make(map[string]string, len(p.fields))
	for name, v := range p.entries {
		v.is(text)
		m[name] = v.text
	}
	return m
}

func (s *fieldSet) modalities() {
	p, _ := s.given("modalities", array)
	for _, x := range p.each {
		if x.is(text) && x.text != "text" {
			x.refuse(`is not supported: the only modality is "text"`)
		}
	}
}

func (r *ChatCompletionRequest) readMessages(s *fieldSet, l Limits) {
	p, ok := s.must("messages")
	if !ok || !p.sized("message", l.MaxMessages) {
		return
	}
	given, unclear := 0, 0
	r.Messages = make([]Message, len(p.items))
	for i, x := range p.each {
		x.open(r.Messages[i].read)
		if m := r.Messages[i]; m.asks() {
			given++
		} else if !slices.Contains(roles, m.Role) {
			unclear++
		}
	}
	if given == 0 && unclear == 0 { // a mistyped role may have been meant as the user's
		p.fault(missing, askMissing)
	}
	answerFunctions(r.Messages)
}

const askMissing = "must have at least one message with the role user or system"

// asks reports whether a conversation that has the message can be answered.
func (m Message) asks() bool { return m.Role == "user" || m.Role == "system" || m.Role == "developer" }

var roles = []string{"developer", "system", "user", "assistant", "tool"} // and before there were tools, functions

func (s *fieldSet) role(known []string) string {
	p, ok := s.must("role")
	if ok && (p.text != functionRole || len(known) < len(roles)) {
		p.oneOf(known...)
	}
	return p.text
}

func (m *Message) read(s *fieldSet) {
	m.Role = s.role(roles)
	calls, called := s.readCalls()
	if c, ok := s.readFunctionCall(); ok {
		calls, called = append(calls, c), true
	}
	m.ToolCalls, m.Content = calls, s.content(called || m.Role == "tool" || m.Role == functionRole)
	for _, name := range []string{"reasoning_content", "reasoning"} { // both are in use
		if thought := s.text(name); m.Role == "assistant" && thought != "" {
			m.ReasoningContent = thought
		}
	}
	switch m.Role {
	case "tool":
		m.ToolCallID = s.required("tool_call_id")
	case functionRole:
		m.ToolCallID = s.name() // until answerFunctions
	default:
		s.text("tool_call_id")
	}
	if called && m.Role != "assistant" {
		s.fault(conflict, "only the assistant calls tools")
	}
	s.text("name")    // documented; no template has a place for it
	s.text("refusal") // sent back by clients that append the answer to the conversation
	s.refuse("audio")
	s.take("annotations") // part of an answer, sent back
}

// content is a text. It may be missing, or without parts, where there are calls instead, and where a call returned nothing.
func (s *fieldSet) content(optional bool) string {
	p, ok := s.take("content")
	switch {
	case !ok && !optional:
		p.fault(missing, "is required")
	case ok && p.kind == array && len(p.items) == 0 && !optional:
		p.fault(tooShort, "must have at least one part")
	case ok:
		return p.texts("text")
	}
	return ""
}

// texts is a string, or a list of parts of the given types, which are joined.
func (p place) texts(types ...string) string {
	if p.kind == text {
		return p.text
	}
	if p.kind != array {
		p.fault(mistyped, "must be a string or a list of parts")
	}
	var b strings.Builder
	for _, x := range p.each {
		if part, ok := x.set(); ok {
			b.WriteString(part.partText(types...))
		}
	}
	return b.String()
}

// partText is the text of a part, whose type is one of the given.
func (s *fieldSet) partText(types ...string) string {
	t, ok := s.must("type")
	switch {
	case !ok, !t.is(text):
		return ""
	case !slices.Contains(types, t.text):
		s.coded(CodeUnsupportedContent, unsupported, "only parts of the type "+strings.Join(types, " or ")+" are supported, not "+quoteName(t.text))
		return ""
	}
	v := s.required("text")
	s.take("prompt_cache_breakpoint") // a hint: what can be reused is found without it
	s.take("annotations")             // part of an answer, sent back
	s.take("logprobs")
	s.finish()
	return v
}
