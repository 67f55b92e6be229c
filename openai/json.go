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
	p := jsonParser{s: string(data)}
	p.space()
	return p.value(0)
}

// jsonParser walks text that is known to be grammatical.
type jsonParser struct {
	s string
	i int
}

func (p *jsonParser) space() {
	for p.i < len(p.s) && strings.IndexByte(" \t\r\n", p.s[p.i]) >= 0 {
		p.i++
	}
}

// comma moves behind a separator, if there is one before the closing bracket.
func (p *jsonParser) comma() {
	p.space()
	if p.s[p.i] == ',' {
		p.i++
		p.space()
	}
}

func (p *jsonParser) value(depth int) (node, error) {
	n, err := p.read(depth)
	n.end = p.i
	return n, err
}

func (p *jsonParser) read(depth int) (node, error) {
	n := node{pos: p.i}
	switch c := p.s[p.i]; c {
	case '{', '[':
		if depth == maxDepth {
			return n, fmt.Errorf("the body is nested deeper than %d levels at byte %d", maxDepth, p.i)
		}
		p.i++
		p.space()
		if c == '[' {
			return p.array(n, depth)
		}
		return p.object(n, depth)
	case '"':
		s, err := p.str()
		n.kind, n.text = text, s
		return n, err
	default:
		for p.i < len(p.s) && strings.IndexByte(",]} \t\r\n", p.s[p.i]) < 0 {
			p.i++
		}
		n.text = p.s[n.pos:p.i]
		switch c {
		case 't', 'f':
			n.kind = boolean
		case 'n':
			n.kind = null
		default:
			n.kind = number
		}
		return n, nil
	}
}

func (p *jsonParser) array(n node, depth int) (node, error) {
	n.kind = array
	for p.s[p.i] != ']' {
		item, err := p.value(depth + 1)
		if err != nil {
			return n, err
		}
		n.items = append(n.items, item)
		p.comma()
	}
	p.i++
	return n, nil
}

func (p *jsonParser) object(n node, depth int) (node, error) {
	n.kind = object
	seen := map[string]struct{}{}
	for p.s[p.i] != '}' {
		at := p.i
		name, err := p.str()
		if err != nil {
			return n, err
		}
		if _, dup := seen[name]; dup {
			return n, fmt.Errorf("the body has the key %s twice, again at byte %d", quoteName(name), at)
		}
		seen[name] = struct{}{}
		p.space()
		p.i++ // the colon
		p.space()
		v, err := p.value(depth + 1)
		if err != nil {
			return n, err
		}
		n.fields = append(n.fields, field{name, v})
		p.comma()
	}
	p.i++
	return n, nil
}

// str reads a string. One without escapes is a slice of the body.
func (p *jsonParser) str() (string, error) {
	p.i++
	start := p.i
	n := strings.IndexAny(p.s[start:], `"\`)
	p.i += n
	if p.s[p.i] == '"' {
		p.i++
		return p.s[start : p.i-1], nil
	}
	var b strings.Builder
	b.WriteString(p.s[start:p.i])
	for p.s[p.i] != '"' {
		c := p.s[p.i]
		if c != '\\' {
			b.WriteByte(c)
			p.i++
			continue
		}
		e := p.s[p.i+1]
		if e != 'u' {
			b.WriteByte(unescape[strings.IndexByte(`"\/bfnrt`, e)])
			p.i += 2
			continue
		}
		r, at := p.unit(), p.i
		p.i += 6
		if utf16.IsSurrogate(r) {
			if !strings.HasPrefix(p.s[p.i:], `\u`) {
				return "", fmt.Errorf("the body has half of a surrogate pair at byte %d", at)
			}
			if r = utf16.DecodeRune(r, p.unit()); r == utf8.RuneError {
				return "", fmt.Errorf("the body has half of a surrogate pair at byte %d", at)
			}
			p.i += 6
		}
		b.WriteRune(r)
	}
	p.i++
	return b.String(), nil
}

const unescape = "\"\\/\b\f\n\r\t"

// unit is the code unit of the \uXXXX at the current place.
func (p *jsonParser) unit() rune {
	u, _ := strconv.ParseUint(p.s[p.i+2:p.i+6], 16, 16) // the grammar check saw four hexadecimal digits
	return rune(u)
}

// quoteName shows a key of a stranger's body: short, printable ASCII.
func quoteName(name string) string {
	if r := []rune(name); len(r) > 64 {
		name = string(r[:64]) + "…"
	}
	return strconv.QuoteToASCII(name)
}
