package text

import "strings"

// Stream turns token ids into text while they are generated. A piece holds whole characters only: the bytes of an
// unfinished character wait for the next token. The pieces of Push and Flush join to what [Tokenizer.Decode] gives.
// A Stream serves one sequence and one goroutine.
type Stream struct {
	tok         *Tokenizer
	skipSpecial bool
	steps       []decodeStep
	out         strings.Builder
	emits       []func(string) // emits[i] feeds what step i produced to step i+1, or to out
}

// NewStream starts the decoding of one sequence. With skipSpecial, special tokens give no text.
func (t *Tokenizer) NewStream(skipSpecial bool) *Stream {
	s := &Stream{tok: t, skipSpecial: skipSpecial}
	for _, newStep := range t.decoder {
		s.steps = append(s.steps, newStep())
	}
	s.emits = make([]func(string), len(s.steps))
	for i := range s.steps {
		if i == len(s.steps)-1 {
			s.emits[i] = func(text string) { s.out.WriteString(text) }
		} else {
			s.emits[i] = func(text string) { s.steps[i+1].push(text, s.emits[i+1]) }
		}
	}
	return s
}

// Push takes the next token and returns the text that became certain by it, often one word, sometimes nothing.
// An id outside the vocabulary gives nothing.
func (s *Stream) Push(id int32) string {
	if token, ok := s.tok.Token(id); ok && !(s.skipSpecial && s.tok.IsSpecial(id)) {
		s.push(token)
	}
	return s.take()
}

// Flush ends the sequence and returns the text that was held back. Bytes that never became a character are U+FFFD.
func (s *Stream) Flush() string {
	for i, step := range s.steps {
		step.flush(s.emits[i])
	}
	return s.take()
}

func (s *Stream) push(token string) {
	if len(s.steps) == 0 {
		s.out.WriteString(token)
		return
	}
	s.steps[0].push(token, s.emits[0])
}

func (s *Stream) take() string {
	text := s.out.String()
	s.out.Reset()
	return text
}
