package openai

import (
	"fmt"
	"math"
)

const (
	maxPrompts = 128
	maxInputs  = 2048
)

// ParseCompletionRequest reads and checks the body of POST /v1/completions, as [ParseChatCompletionRequest] does.
func ParseCompletionRequest(body []byte, l Limits) (*CompletionRequest, error) {
	r := &CompletionRequest{}
	return parseRequest(body, l, r, &r.Ignored, func(s *fieldSet, l Limits) {
		r.Model = s.needed("model")
		r.Prompt = s.inputs("prompt", maxPrompts)
		r.Echo = s.boolean("echo")
		r.Logprobs = s.small("logprobs", 0, 5)
		r.Sampling.read(s, l, 0) // nothing is written, when the prompt is to be scored
		s.readAccepted()
		if p, ok := s.take("best_of"); ok {
			if n := p.integer(1, unbounded); n != nil && *n > 1 {
				p.refuse("is not supported, except 1")
			}
		}
		if p, ok := s.given("suffix", text); ok && p.text != "" {
			p.refuse("is not supported")
		}
	})
}

// inputs takes a string, a list of strings, a list of token ids, or a list of such lists.
func (s *fieldSet) inputs(name string, most int) []Input {
	p, ok := s.must(name)
	switch {
	case !ok:
		return nil
	case p.kind == text:
		return []Input{p.input()}
	case p.kind != array:
		p.fault(mistyped, "must be a string, a list of strings, a list of token ids, or a list of such lists")
		return nil
	case len(p.items) == 0:
		p.fault(tooShort, "must not be empty")
		return nil
	case p.items[0].kind == number:
		return []Input{p.input()}
	case len(p.items) > most:
		p.fault(tooLong, fmt.Sprintf("must have at most %d texts", most))
		return nil
	}
	first := p.items[0].kind
	inputs := make([]Input, 0, len(p.items))
	for _, x := range p.each {
		switch {
		case first != text && first != array:
			x.fault(mistyped, "must be a string, a token id, or a list of token ids")
		case x.kind != first:
			x.fault(mistyped, "must be what the first one is, a string or a list of token ids")
		default:
			inputs = append(inputs, x.input())
		}
	}
	return inputs
}

// input reads a string or a list of token ids.
func (p place) input() (in Input) {
	switch {
	case p.kind == text && p.text == "", p.kind == array && len(p.items) == 0:
		p.fault(tooShort, "must not be empty")
	case p.kind == text:
		in.Text = p.text
	default:
		in.Tokens = make([]int, 0, len(p.items))
		for _, x := range p.each {
			if id := x.integer(0, math.MaxInt32); id != nil {
				in.Tokens = append(in.Tokens, int(*id))
			}
		}
	}
	return in
}
