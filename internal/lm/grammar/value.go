package grammar

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// value is a JSON value that knows its place and the order of its members, which encoding/json forgets.
type value struct {
	kind   kind
	text   string // of a string, or of a number as it is written
	list   []*value
	keys   []string
	fields map[string]*value

	id     int
	parent *value
	key    string
}

type kind uint8

const (
	isNull kind = iota
	isTrue
	isFalse
	isNumber
	isString
	isArray
	isObject
)

func (k kind) String() string {
	return [...]string{"null", "a boolean", "a boolean", "a number", "a string", "an array", "an object"}[k]
}

// parse reads one JSON text.
func parse(data []byte, limits Limits) (*value, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	p := &parser{d: d, limits: limits}
	root, err := p.value(nil, "", 0)
	if err == nil {
		if _, end := d.Token(); !errors.Is(end, io.EOF) {
			err = errors.New("more than one JSON value")
		}
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if _, ok := errors.AsType[*SchemaError](err); err != nil && !ok {
		err = &SchemaError{Path: "#", Reason: err.Error()}
	}
	return root, err
}

type parser struct {
	d      *json.Decoder
	limits Limits
	count  int
	values int // of enums
}

// enum counts another value of an enum, all of whose strings so far have that many characters.
func (p *parser) enum(v *value, characters int) error {
	p.values++
	most, longest := cmp.Or(p.limits.EnumValues, 1000), cmp.Or(p.limits.EnumText, 15000)
	switch {
	case p.values > most:
		return &SchemaError{Path: v.path(), Reason: fmt.Sprintf("the enums have more than %d values", most), limit: true}
	case len(v.list) > manyValues && characters > longest:
		return &SchemaError{Path: v.path(), Reason: fmt.Sprintf("more than %d values have more than %d characters", manyValues, longest), limit: true}
	}
	return nil
}

func (p *parser) value(parent *value, key string, depth int) (*value, error) {
	token, err := p.d.Token()
	if err != nil {
		return nil, err
	}
	v := &value{id: p.count, parent: parent, key: key}
	p.count++
	if depth > maxNesting {
		return nil, fmt.Errorf("nested deeper than %d", maxNesting)
	}
	switch token := token.(type) {
	case nil:
		v.kind = isNull
	case bool:
		if v.kind = isFalse; token {
			v.kind = isTrue
		}
	case json.Number:
		v.kind, v.text = isNumber, token.String()
	case string:
		v.kind, v.text = isString, token
	case json.Delim:
		if token == '[' {
			v.kind = isArray
			characters := 0
			for p.d.More() {
				item, err := p.value(v, strconv.Itoa(len(v.list)), depth+1)
				if err != nil {
					return nil, err
				}
				v.list = append(v.list, item)
				if characters += utf8.RuneCountInString(item.text); key == "enum" {
					if err := p.enum(v, characters); err != nil {
						return nil, err
					}
				}
			}
		} else {
			v.kind, v.fields = isObject, map[string]*value{}
			for p.d.More() {
				name, err := p.d.Token()
				if err != nil {
					return nil, err
				}
				key := name.(string)
				if v.fields[key] != nil {
					return nil, fmt.Errorf("%s has %q twice", v.path(), key)
				}
				if v.fields[key], err = p.value(v, key, depth+1); err != nil {
					return nil, err
				}
				v.keys = append(v.keys, key)
			}
		}
		_, err = p.d.Token()
	}
	return v, err
}

// path is the JSON pointer of the value as a fragment.
func (v *value) path() string {
	var parts []string
	for ; v.parent != nil; v = v.parent {
		parts = append(parts, strings.NewReplacer("~", "~0", "/", "~1").Replace(v.key))
	}
	slices.Reverse(parts)
	return strings.Join(append([]string{"#"}, parts...), "/")
}

// at follows a JSON pointer; nil if there is nothing.
func (v *value) at(pointer string) *value {
	if pointer == "" {
		return v
	}
	for _, part := range strings.Split(pointer, "/")[1:] {
		part = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
		switch v.kind {
		case isObject:
			v = v.fields[part]
		case isArray:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(v.list) {
				return nil
			}
			v = v.list[i]
		default:
			return nil
		}
		if v == nil {
			return nil
		}
	}
	return v
}

// equal compares as JSON Schema does: 1 and 1.0 are one number, and members have no order.
func (v *value) equal(o *value) bool {
	if v.kind != o.kind {
		return false
	}
	switch v.kind {
	case isNumber:
		x, okX := rational(v.text)
		y, okY := rational(o.text)
		return v.text == o.text || okX && okY && x.Cmp(y) == 0
	case isArray:
		return slices.EqualFunc(v.list, o.list, (*value).equal)
	case isObject:
		for k, x := range v.fields {
			if y := o.fields[k]; y == nil || !x.equal(y) {
				return false
			}
		}
		return len(v.fields) == len(o.fields)
	}
	return v.text == o.text
}

// value reads a value written as it is, with the usual freedom of white space.
func (b *builder) value(from, to int32, v *value) {
	switch v.kind {
	case isNull, isTrue, isFalse:
		b.eps(b.literal(from, [...]string{"null", "true", "false"}[v.kind]), to)
	case isNumber:
		b.eps(b.literal(from, v.text), to)
	case isString:
		b.eps(b.literal(from, quote(v.text)), to)
	case isArray:
		at := b.whitespace(b.literal(from, "["))
		for i, item := range v.list {
			if i > 0 {
				at = b.whitespace(b.literal(at, ","))
			}
			next := b.state()
			b.value(at, next, item)
			at = next
		}
		b.close(at, to, ']', len(v.list) > 0)
	case isObject:
		at := b.whitespace(b.literal(from, "{"))
		for i, key := range v.keys {
			if i > 0 {
				at = b.whitespace(b.literal(at, ","))
			}
			next := b.state()
			b.value(b.whitespace(b.literal(at, quote(key)+":")), next, v.fields[key])
			at = next
		}
		b.close(at, to, '}', len(v.keys) > 0)
	}
}

// close reads the end of an array or object; the space of an empty one was read before.
func (b *builder) close(from, to int32, bracket byte, filled bool) {
	if filled {
		from = b.whitespace(from)
	}
	b.bytes(from, bracket, bracket, to)
}

// quote writes a string in the way that [builder.quoted] allows.
func quote(s string) string {
	var out strings.Builder
	out.WriteByte('"')
	for _, r := range s {
		if r < ' ' || r == '"' || r == '\\' {
			out.WriteString(`\` + escaped(r))
		} else {
			out.WriteRune(r)
		}
	}
	out.WriteByte('"')
	return out.String()
}
