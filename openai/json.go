package openai

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds the nesting of a request, so that nothing that walks it recurses at a stranger's will.
const maxDepth = 64

type kind uint8

const (
	null kind = iota
	boolean
	number
	text
	array
	object
)

// node is one JSON value. Numbers keep their literal, since whether 2.0 or 1e400 is acceptable depends on the field.
type node struct {
	kind   kind
	pos    int    // byte offset in the body
	end    int    // of the value, likewise
	text   string // text: decoded; number, boolean: the literal
	items  []node
	fields []field // object, in document order, names unique
}

type field struct {
	name  string
	value node
}

// parseJSON reads exactly one JSON value. It refuses what encoding/json lets pass: invalid UTF-8, half a surrogate
// pair, duplicate keys, and nesting over maxDepth.
func parseJSON(data []byte) (node, error) {
	if !utf8.Valid(data) {
		return node{}, errors.New("the body is not valid UTF-8")
	}
	if !json.Valid(data) { // the whole grammar, without recursion
		err := json.Unmarshal(data, new(json.RawMessage)) // once more, for the reason
		if s, ok := errors.AsType[*json.SyntaxError](err); ok {
			return node{}, fmt.Errorf("the body is not valid JSON: %s at byte %d", s, s.Offset)
		}
		return node{}, fmt.Errorf("the body is not valid JSON: %w", err)
	}
	return (&jsonParser{s: string(data)}).value(0)
}

// jsonParser walks text that is known to be grammatical.
type jsonParser struct {
	s string
	i int
}

// skip moves to the next token, and returns its first byte.
func (p *jsonParser) skip() byte {
	for strings.IndexByte(" \t\r\n,:", p.s[p.i]) >= 0 {
		p.i++
	}
	return p.s[p.i]
}

func (p *jsonParser) value(depth int) (n node, err error) {
	first := p.skip()
	n.pos = p.i
	switch first {
	case '{', '[':
		if depth == maxDepth {
			return n, fmt.Errorf("the body is nested deeper than %d levels at byte %d", maxDepth, p.i)
		}
		if n.kind = array; first == '{' {
			n.kind = object
		}
		seen := map[string]bool{}
		for p.i++; err == nil && p.skip() != first+2; { // which is the bracket that closes it
			var x field
			if n.kind == object {
				at := p.i
				if x.name, err = p.str(); err == nil && seen[x.name] {
					err = fmt.Errorf("the body has the key %s twice, again at byte %d", quoteName(x.name), at)
				}
				if err != nil {
					return n, err
				}
				seen[x.name] = true
			}
			if x.value, err = p.value(depth + 1); n.kind == object {
				n.fields = append(n.fields, x)
			} else {
				n.items = append(n.items, x.value)
			}
		}
		p.i++
	case '"':
		n.kind = text
		n.text, err = p.str()
	default:
		for p.i < len(p.s) && strings.IndexByte(",]} \t\r\n", p.s[p.i]) < 0 {
			p.i++
		}
		switch first {
		case 'n': // no text: null is the same as no field at all
		case 't', 'f':
			n.kind, n.text = boolean, p.s[n.pos:p.i]
		default:
			n.kind, n.text = number, p.s[n.pos:p.i]
		}
	}
	n.end = p.i
	return n, err
}

// str reads a string. One without escapes is a slice of the body.
func (p *jsonParser) str() (text string, err error) {
	start := p.i
	for p.i++; p.s[p.i] != '"'; p.i++ {
		if p.s[p.i] == '\\' {
			p.i++
		}
	}
	p.i++
	raw := p.s[start:p.i]
	if strings.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1], nil
	}
	if err := whole(raw, start); err != nil {
		return "", err
	}
	err = json.Unmarshal([]byte(raw), &text)
	return text, err
}

// whole refuses a string, as it is written, with half of a surrogate pair, for which encoding/json has U+FFFD.
func whole(raw string, pos int) error {
	for at := 0; ; {
		next := strings.IndexByte(raw[at:], '\\')
		if next < 0 {
			return nil
		}
		at += next
		first := unit(raw[at:])
		if at += 2; !utf16.IsSurrogate(first) {
			continue
		}
		if at += 4; utf16.DecodeRune(first, unit(raw[at:])) == utf8.RuneError {
			return fmt.Errorf("the body has half of a surrogate pair at byte %d", pos+at-6)
		}
		at += 6
	}
}

// unit is the code unit that a text begins with as \uXXXX, or 0.
func unit(s string) rune {
	if len(s) < 6 || s[:2] != `\u` {
		return 0
	}
	u, _ := strconv.ParseUint(s[2:6], 16, 16)
	return rune(u)
}

// quoteName shows a key of a stranger's body: short, printable ASCII.
func quoteName(name string) string {
	if r := []rune(name); len(r) > 64 {
		name = string(r[:64]) + "…"
	}
	return strconv.QuoteToASCII(name)
}
