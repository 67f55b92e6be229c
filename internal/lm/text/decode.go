package text

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A decodeStep is one decoder of tokenizer.json, fed token by token. Decode and Stream run the same steps, so a
// stream cannot join to another text than Decode gives. flush ends the input; the step is spent after it.
type decodeStep interface {
	push(token string, emit func(string))
	flush(emit func(string))
}

// holdsNothing is part of steps that have nothing left at the end.
type holdsNothing struct{}

func (holdsNothing) flush(func(string)) {}

// newStep makes a fresh decodeStep for one sequence.
type newStep func() decodeStep

// newDecoder compiles the decoder tree. Without a decoder, tokenizers joins tokens by spaces.
func newDecoder(n *node) ([]newStep, error) {
	if n == nil {
		return []newStep{func() decodeStep { return &joinSpaces{} }}, nil
	}
	c := decoderCompiler{}
	if err := c.add(n); err != nil {
		return nil, err
	}
	return c.steps, nil
}

// decoderCompiler remembers whether the tokens are one text already (after Fuse or ByteLevel): what follows then
// works on the text as a whole and no longer token by token.
type decoderCompiler struct {
	steps []newStep
	fused bool
}

func (c *decoderCompiler) add(n *node) error {
	switch n.Type {
	case "Sequence":
		for i := range n.Decoders {
			if err := c.add(&n.Decoders[i]); err != nil {
				return err
			}
		}
		return nil
	case "Fuse":
		c.fused = true
		return nil
	case "ByteLevel":
		c.fused = true
		c.steps = append(c.steps, func() decodeStep { return &byteLevelStep{} })
		return nil
	case "ByteFallback":
		if c.fused {
			break
		}
		c.steps = append(c.steps, func() decodeStep { return &byteFallbackStep{} })
		return nil
	case "Replace":
		replace, err := newReplacer("decoder", n)
		if err != nil {
			return err
		}
		c.each(replace)
		return nil
	case "Strip":
		strip, err := newStrip(n)
		if err != nil {
			return err
		}
		if c.fused && *n.Stop == 0 {
			c.steps = append(c.steps, func() decodeStep { return &stripStart{cut: *n.Content, left: *n.Start} })
			return nil
		}
		c.each(strip)
		return nil
	case "Metaspace":
		if c.fused {
			break
		}
		if n.Replacement == "" {
			return fmt.Errorf("%w: decoder Metaspace has no replacement", ErrFormat)
		}
		scheme, err := prependScheme(n)
		if err != nil {
			return err
		}
		c.steps = append(c.steps, func() decodeStep {
			return &metaspaceStep{mark: n.Replacement, drop: scheme != "never"}
		})
		return nil
	}
	if c.fused {
		return fmt.Errorf("%w: decoder %q after Fuse or ByteLevel", ErrUnsupported, n.Type)
	}
	return fmt.Errorf("%w: decoder %q", ErrUnsupported, n.Type)
}

func (c *decoderCompiler) each(f func(string) string) {
	if c.fused {
		c.steps = append(c.steps, func() decodeStep { return &wholeStep{f: f} })
		return
	}
	c.steps = append(c.steps, func() decodeStep { return tokenStep(f) })
}

// joinSpaces puts a space between tokens.
type joinSpaces struct {
	holdsNothing
	started bool
}

func (j *joinSpaces) push(token string, emit func(string)) {
	if j.started {
		token = " " + token
	}
	j.started = true
	emit(token)
}

// tokenStep changes each token by itself.
type tokenStep func(string) string

func (f tokenStep) push(token string, emit func(string)) { emit(f(token)) }
func (tokenStep) flush(func(string))                     {}

// wholeStep changes the text as a whole, so it must wait for all of it.
type wholeStep struct {
	f   func(string) string
	all strings.Builder
}

func (w *wholeStep) push(token string, _ func(string)) { w.all.WriteString(token) }
func (w *wholeStep) flush(emit func(string))           { emit(w.f(w.all.String())) }

// byteLevelStep turns byte-level tokens into UTF-8 text and holds the bytes of an unfinished character.
type byteLevelStep struct{ held []byte }

func (b *byteLevelStep) push(token string, emit func(string)) {
	b.held = fromByteChars(b.held, token)
	if whole := len(b.held) - unfinished(b.held); whole > 0 {
		emit(lossy(b.held[:whole]))
		b.held = append(b.held[:0], b.held[whole:]...)
	}
}

func (b *byteLevelStep) flush(emit func(string)) { emit(lossy(b.held)) }

// byteFallbackStep joins runs of byte tokens such as <0xE2>. A run that is not valid UTF-8 becomes one replacement
// character for each of its bytes, which is only known at its end: so the whole run is held.
type byteFallbackStep struct{ held []byte }

func (b *byteFallbackStep) push(token string, emit func(string)) {
	if value, ok := byteToken(token); ok {
		b.held = append(b.held, value)
		return
	}
	b.flush(emit)
	emit(token)
}

func (b *byteFallbackStep) flush(emit func(string)) {
	if len(b.held) == 0 {
		return
	}
	if utf8.Valid(b.held) {
		emit(string(b.held))
	} else {
		emit(strings.Repeat("\uFFFD", len(b.held)))
	}
	b.held = b.held[:0]
}

func byteToken(token string) (byte, bool) {
	if len(token) != 6 || token[:3] != "<0x" || token[5] != '>' {
		return 0, false
	}
	value, err := strconv.ParseUint(token[3:5], 16, 8)
	return byte(value), err == nil
}

// metaspaceStep writes the mark as a space; in the first token, where encoding put it, it is dropped.
type metaspaceStep struct {
	holdsNothing
	mark string
	drop bool
	past bool
}

func (m *metaspaceStep) push(token string, emit func(string)) {
	space := " "
	if m.drop && !m.past {
		space = ""
	}
	m.past = true
	emit(strings.ReplaceAll(token, m.mark, space))
}

func newStrip(n *node) (func(string) string, error) {
	if n.Content == nil || utf8.RuneCountInString(*n.Content) != 1 || n.Start == nil || n.Stop == nil {
		return nil, fmt.Errorf("%w: decoder Strip needs a content of one character, start and stop", ErrFormat)
	}
	cut := *n.Content
	return func(s string) string {
		for i := 0; i < *n.Start && strings.HasPrefix(s, cut); i++ {
			s = s[len(cut):]
		}
		for i := 0; i < *n.Stop && strings.HasSuffix(s, cut); i++ {
			s = s[:len(s)-len(cut)]
		}
		return s
	}, nil
}

// stripStart is Strip of the start of the whole text, which unlike the general wholeStep need not wait for its end.
type stripStart struct {
	holdsNothing
	cut  string
	left int
}

func (s *stripStart) push(token string, emit func(string)) {
	for ; s.left > 0 && strings.HasPrefix(token, s.cut); s.left-- {
		token = token[len(s.cut):]
	}
	if token != "" {
		s.left = 0
		emit(token)
	}
}

// unfinished counts the bytes at the end that may begin a character whose other bytes are still to come.
func unfinished(b []byte) int {
	for n := 1; n <= min(len(b), utf8.UTFMax-1); n++ {
		tail := b[len(b)-n:]
		if utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}

// lossy is UTF-8 with U+FFFD for each maximal stretch that cannot be part of a character, the rule of the Unicode
// standard that Rust and Python follow. (Go's own conversion replaces byte by byte.)
func lossy(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var out bytes.Buffer
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		if r == utf8.RuneError && size == 1 && !utf8.FullRune(b[:1]) {
			for size < len(b) && !utf8.FullRune(b[:size+1]) {
				size++
			}
		}
		out.WriteRune(r)
		b = b[size:]
	}
	return out.String()
}
