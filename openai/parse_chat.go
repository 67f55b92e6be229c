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
	if l.MaxMessages == 0 {
		l.MaxMessages = 2048
	}
	if l.MaxN == 0 {
		l.MaxN = 8
	}
	root, err := parseJSON(body)
	if err != nil {
		return nil, NewError(CodeInvalidJSON, err.Error())
	}
	f := &form{strict: l.StrictFields}
	r := &ChatCompletionRequest{}
	if s, ok := (place{node: root, f: f}).set(); ok {
		r.read(s, l)
		s.finish()
	}
	r.Ignored = f.ignored
	if err := f.err(); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *ChatCompletionRequest) read(s *fieldSet, l Limits) {
	r.Model = s.model()
	r.readMessages(s, l)
	r.Sampling.read(s, l)
	r.MaxCompletionTokens = s.small("max_completion_tokens", 1, math.MaxInt32)
	r.readLogprobs(s)
	r.readTemplateKwargs(s)

	// Accepted and without effect: what they ask for is what happens anyway, or concerns OpenAI's own service.
	for _, name := range []string{"safety_identifier", "prompt_cache_key", "prompt_cache_retention", "verbosity"} {
		s.text(name)
	}
	if p, ok := s.take("prompt_cache_options"); ok {
		p.set()
	}
	s.metadata()
	s.modalities()
	if p, ok := s.take("store"); ok {
		if p.kind != boolean {
			p.fault(mistyped, "must be true or false")
		} else if p.text == "true" {
			p.refuse("is not supported: nothing is stored")
		}
	}
	if p, ok := s.take("reasoning_effort"); ok && p.isText() && p.text != "none" {
		p.refuse(`is not supported, except "none"`)
	}
	s.responseFormat()
	s.tools()
	s.refuse("audio", "functions", "function_call", "web_search_options", "prediction", "moderation")
}

func (s *fieldSet) model() string {
	p, ok := s.take("model")
	if !ok {
		p.fault(missing, "is required")
	} else if p.isText() && p.text == "" {
		p.fault(tooShort, "must not be empty")
	}
	return p.text
}

// read takes the fields that all generating routes share.
func (r *Sampling) read(s *fieldSet, l Limits) {
	r.MaxTokens = s.small("max_tokens", 1, math.MaxInt32)
	r.Temperature = s.number("temperature", 0, 2)
	r.TopP = s.number("top_p", 0, 1)
	r.N = s.small("n", 1, l.MaxN)
	r.Stop = s.stop()
	r.Stream = s.boolean("stream")
	if p, ok := s.take("stream_options"); ok {
		if so, ok := p.set(); ok {
			r.StreamOptions = &StreamSettings{IncludeUsage: so.boolean("include_usage")}
			so.boolean("include_obfuscation") // padding against traffic analysis: permission, not an order
			so.finish()
		}
	}
	r.Seed = s.integer("seed", math.MinInt64, math.MaxInt64)
	r.LogitBias = s.logitBias()
	r.PresencePenalty = s.number("presence_penalty", -2, 2)
	r.FrequencyPenalty = s.number("frequency_penalty", -2, 2)
	s.text("user")
	s.text("service_tier")

	if p, ok := s.take("repetition_penalty"); ok {
		r.RepetitionPenalty = p.float(0, 10)
		if r.RepetitionPenalty != nil && *r.RepetitionPenalty == 0 {
			p.fault(outOfRange, "must be above 0, and at most 10")
		}
	}
	r.NoRepeatNgramSize = s.small("no_repeat_ngram_size", 0, math.MaxInt32)
	r.TopK = s.small("top_k", 0, math.MaxInt32)
	r.MinP = s.number("min_p", 0, 1)
	r.IgnoreEOS = s.boolean("ignore_eos")
}

// stop is a string or a list of them.
func (s *fieldSet) stop() []string {
	p, ok := s.take("stop")
	if !ok {
		return nil
	}
	switch p.kind {
	case text:
		if p.text == "" {
			p.fault(tooShort, "must not be empty")
		}
		return []string{p.text}
	case array:
		if len(p.items) > maxStops {
			p.fault(tooLong, fmt.Sprintf("must have at most %d strings", maxStops))
			return nil
		}
		var stops []string
		for i, item := range p.items {
			x := p.at(i, item)
			if x.isText() && x.text == "" {
				x.fault(tooShort, "must not be empty")
			}
			stops = append(stops, x.text)
		}
		return stops
	default:
		p.fault(mistyped, "must be a string or a list of strings")
		return nil
	}
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
	for _, x := range p.fields {
		v := p.in(x.name, x.value)
		id, err := strconv.ParseUint(x.name, 10, 31)
		if err != nil || strconv.FormatUint(id, 10) != x.name { // "007" and "7" would be one token twice
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

// readTemplateKwargs refuses the names that the server itself gives to the template: they would be overwritten.
func (r *ChatCompletionRequest) readTemplateKwargs(s *fieldSet) {
	p, ok := s.take("chat_template_kwargs")
	if !ok {
		return
	}
	if p.kind != object {
		p.fault(mistyped, "must be an object")
		return
	}
	for _, x := range p.fields {
		switch x.name {
		case "messages", "tools", "add_generation_prompt", "bos_token", "eos_token":
			p.in(x.name, x.value).fault(conflict, "is set by the server")
		}
	}
	r.ChatTemplateKwargs = p.free().(map[string]any)
}

func (s *fieldSet) metadata() {
	p, ok := s.take("metadata")
	if !ok {
		return
	}
	if p.kind != object {
		p.fault(mistyped, "must be an object of strings")
		return
	}
	for _, x := range p.fields {
		p.in(x.name, x.value).isText()
	}
}

func (s *fieldSet) modalities() {
	p, ok := s.take("modalities")
	if !ok {
		return
	}
	if p.kind != array {
		p.fault(mistyped, "must be a list of strings")
		return
	}
	for i, item := range p.items {
		if x := p.at(i, item); x.isText() && x.text != "text" {
			x.refuse(`is not supported: the only modality is "text"`)
		}
	}
}

func (s *fieldSet) responseFormat() {
	p, ok := s.take("response_format")
	if !ok {
		return
	}
	rf, ok := p.set()
	if !ok {
		return
	}
	t, ok := rf.take("type")
	switch {
	case !ok:
		t.fault(missing, "is required")
	case !t.isText() || t.text == "text":
	case t.text == "json_object" || t.text == "json_schema":
		p.refuse(fmt.Sprintf("type %s is not supported, only text", t.text))
	default:
		t.fault(enum, "must be one of text, json_object, json_schema")
	}
}

// tools refuses functions. An empty list, and choices that come to the same as having none, are no request for them.
func (s *fieldSet) tools() {
	if p, ok := s.take("tools"); ok {
		if p.kind != array {
			p.fault(mistyped, "must be a list")
		} else if len(p.items) > 0 {
			p.refuse("are not supported")
		}
	}
	if p, ok := s.take("tool_choice"); ok {
		none := p.kind == text && (p.text == "none" || p.text == "auto")
		if !none {
			p.refuse("is not supported, except none and auto without tools")
		}
	}
	s.boolean("parallel_tool_calls")
}

func (r *ChatCompletionRequest) readMessages(s *fieldSet, l Limits) {
	p, ok := s.take("messages")
	switch {
	case !ok:
		p.fault(missing, "is required")
		return
	case p.kind != array:
		p.fault(mistyped, "must be a list")
		return
	case len(p.items) == 0:
		p.fault(tooShort, "must have at least one message")
		return
	case len(p.items) > l.MaxMessages:
		p.fault(tooLong, fmt.Sprintf("must have at most %d messages", l.MaxMessages))
		return
	}
	users, unclear := 0, 0
	r.Messages = make([]Message, len(p.items))
	for i, item := range p.items {
		if m, ok := p.at(i, item).set(); ok {
			r.Messages[i].read(m)
			m.finish()
		}
		if role := r.Messages[i].Role; role == "user" {
			users++
		} else if !slices.Contains(roles, role) {
			unclear++
		}
	}
	if users == 0 && unclear == 0 { // a mistyped role may have been meant as the user's
		p.fault(missing, "must have at least one message with the role user")
	}
}

var roles = []string{"developer", "system", "user", "assistant", "tool"}

func (m *Message) read(s *fieldSet) {
	role, ok := s.take("role")
	switch {
	case !ok:
		role.fault(missing, "is required")
	case !role.isText():
	case !slices.Contains(roles, role.text):
		role.fault(enum, "must be one of "+strings.Join(roles, ", "))
	case role.text == "tool":
		role.refuse("tool is not supported")
	}
	m.Role = role.text
	m.Content = s.content()
	s.text("name")    // documented; no template has a place for it
	s.text("refusal") // sent back by clients that append the answer to the conversation
	s.refuse("audio", "function_call", "tool_call_id")
	if p, ok := s.take("tool_calls"); ok && (p.kind != array || len(p.items) > 0) {
		p.refuse("are not supported")
	}
	s.take("annotations") // part of an answer, sent back
}

// content is a string, or a list of text parts, which are joined.
func (s *fieldSet) content() string {
	p, ok := s.take("content")
	switch {
	case !ok:
		p.fault(missing, "is required")
	case p.kind == text:
		return p.text
	case p.kind != array:
		p.fault(mistyped, "must be a string or a list of parts")
	case len(p.items) == 0:
		p.fault(tooShort, "must have at least one part")
	default:
		var b strings.Builder
		for i, item := range p.items {
			if part, ok := p.at(i, item).set(); ok {
				b.WriteString(part.partText())
			}
		}
		return b.String()
	}
	return ""
}

func (s *fieldSet) partText() string {
	t, ok := s.take("type")
	switch {
	case !ok:
		t.fault(missing, "is required")
		return ""
	case !t.isText():
		return ""
	case t.text != "text":
		s.coded(CodeUnsupportedContent, unsupported, "only text parts are supported, not "+quoteName(t.text))
		return ""
	}
	v, ok := s.take("text")
	if !ok {
		v.fault(missing, "is required")
	} else {
		v.isText()
	}
	s.take("prompt_cache_breakpoint") // a hint: what can be reused is found without it
	s.finish()
	return v.text
}
