package jinja

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The values of templates are nil (None), bool, int64, float64, string and the types below.
type (
	undefined struct{ name string }
	list      struct {
		items []any
		tuple bool
	}
	namespace struct{ vars map[string]any }
	function  struct {
		name string
		call func(r *renderer, args []any, kwargs *dict) any
	}
	// loop is the variable of that name inside a for block.
	loop struct {
		items []any
		index int
		seen  any // the last value given to loop.changed
	}
)

// dict is a mapping that keeps the order of its keys.
type dict struct {
	keys   []any // string, int64, float64, bool or nil
	values map[any]any
}

func (d *dict) set(key, value any) {
	if d.values == nil {
		d.values = map[any]any{}
	}
	if _, ok := d.values[key]; !ok {
		d.keys = append(d.keys, key)
	}
	d.values[key] = value
}

func (d *dict) get(key any) (any, bool) {
	value, ok := d.values[key]
	return value, ok
}

func (d *dict) size() int { return len(d.keys) }

// Mapped is a variable of which every string, keys of mappings excepted, goes through Text before the template sees it.
type Mapped struct {
	Value any
	Text  func(string) string
}

// fromGo converts what a caller passes to Render.
func fromGo(value any) any {
	switch v := value.(type) {
	case nil, bool, int64, string:
		return v
	case json.RawMessage:
		if len(v) == 0 {
			return nil
		}
		return fromJSON(v)
	case Mapped:
		return mapText(fromGo(v.Value), v.Text)
	case []any:
		out := &list{items: make([]any, len(v))}
		for i, item := range v {
			out.items[i] = fromGo(item)
		}
		return out
	case map[string]any:
		out := &dict{}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			out.set(key, fromGo(v[key]))
		}
		return out
	}
	switch v := reflect.ValueOf(value); {
	case v.CanInt():
		return v.Int()
	case v.CanUint() && v.Uint() <= math.MaxInt64:
		return int64(v.Uint())
	case v.CanFloat():
		return v.Float()
	case v.Kind() == reflect.String:
		return v.String()
	}
	fail("values of Go type %T cannot be given to a template", value)
	return nil
}

func mapText(value any, text func(string) string) any {
	switch v := value.(type) {
	case string:
		return text(v)
	case *list:
		for i, item := range v.items {
			v.items[i] = mapText(item, text)
		}
	case *dict:
		for key, item := range v.values {
			v.values[key] = mapText(item, text)
		}
	}
	return value
}

// fromJSON decodes with the order of keys kept.
func fromJSON(data json.RawMessage) any {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	value := decodeJSON(dec)
	if dec.More() {
		fail("JSON value with text after it")
	}
	return value
}

func decodeJSON(dec *json.Decoder) any {
	token, err := dec.Token()
	if err != nil {
		fail("JSON value: %v", err)
	}
	switch t := token.(type) {
	case json.Number:
		if n, err := strconv.ParseInt(t.String(), 10, 64); err == nil {
			return n
		}
		f, err := t.Float64()
		if err != nil {
			fail("JSON number %s: %v", t, err)
		}
		return f
	case json.Delim:
		if t == '[' {
			out := &list{items: []any{}}
			for dec.More() {
				out.items = append(out.items, decodeJSON(dec))
			}
			closeJSON(dec)
			return out
		}
		out := &dict{}
		for dec.More() {
			key, _ := decodeJSON(dec).(string)
			out.set(key, decodeJSON(dec))
		}
		closeJSON(dec)
		return out
	}
	return token // string, bool or nil
}

func closeJSON(dec *json.Decoder) {
	if _, err := dec.Token(); err != nil {
		fail("JSON value: %v", err)
	}
}

func typeName(value any) string {
	switch v := value.(type) {
	case nil:
		return "None"
	case bool:
		return "bool"
	case int64:
		return "int"
	case float64:
		return "float"
	case string:
		return "str"
	case *list:
		if v.tuple {
			return "tuple"
		}
		return "list"
	case *dict:
		return "dict"
	case undefined:
		return "undefined"
	case *function:
		return "function"
	case *namespace:
		return "namespace"
	}
	return "loop"
}

func truth(value any) bool {
	switch v := value.(type) {
	case nil, undefined:
		return false
	case bool:
		return v
	case int64:
		return v != 0
	case float64:
		return v != 0
	case string:
		return v != ""
	case *list:
		return len(v.items) > 0
	case *dict:
		return v.size() > 0
	}
	return true
}

// iterate returns the elements of a list, the keys of a mapping or the characters of a string.
func (r *renderer) iterate(value any) []any {
	switch v := value.(type) {
	case *list:
		return v.items
	case *dict:
		return v.keys
	case undefined:
		return nil
	case string:
		r.step(len(v))
		out := make([]any, 0, utf8.RuneCountInString(v))
		for _, c := range v {
			out = append(out, string(c))
		}
		return out
	}
	fail("%s is not iterable", typeName(value))
	return nil
}

// number widens bool and int64 to float64.
func number(value any) (float64, bool) {
	if f, ok := value.(float64); ok {
		return f, true
	}
	n, ok := integer(value)
	return float64(n), ok
}

func integer(value any) (int64, bool) {
	switch v := value.(type) {
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	case int64:
		return v, true
	}
	return 0, false
}

// equal walks values that may share their parts, so it counts its steps and its depth.
func (r *renderer) equal(a, b any) bool {
	r.step(1)
	r.enter()
	defer func() { r.depth-- }()
	if x, ok := integer(a); ok {
		if y, ok := integer(b); ok {
			return x == y
		}
	}
	if x, ok := number(a); ok {
		y, ok := number(b)
		return ok && x == y
	}
	switch a := a.(type) {
	case undefined:
		_, ok := b.(undefined)
		return ok
	case *list:
		b, ok := b.(*list)
		return ok && a.tuple == b.tuple && slices.EqualFunc(a.items, b.items, r.equal)
	case *dict:
		b, ok := b.(*dict)
		if !ok || a.size() != b.size() {
			return false
		}
		for _, key := range a.keys {
			other, ok := b.get(key)
			if !ok || !r.equal(a.values[key], other) {
				return false
			}
		}
		return true
	}
	return a == b
}

// compare orders numbers, strings and lists.
func (r *renderer) compare(a, b any) int {
	r.step(1)
	r.enter()
	defer func() { r.depth-- }()
	x, okX := number(a)
	y, okY := number(b)
	if okX && okY {
		return cmp.Compare(x, y)
	}
	if s, ok := a.(string); ok {
		if t, ok := b.(string); ok {
			return strings.Compare(s, t)
		}
	}
	if s, ok := a.(*list); ok {
		if t, ok := b.(*list); ok {
			return slices.CompareFunc(s.items, t.items, r.compare)
		}
	}
	fail("%s and %s cannot be ordered", typeName(a), typeName(b))
	return 0
}

// toString is Python's str.
func (r *renderer) toString(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case undefined:
		return ""
	}
	w := writer{r: r, python: true, itemEnd: ", ", keyEnd: ": "}
	w.write(value)
	return w.out.String()
}

func reprString(out *strings.Builder, s string) {
	quote := byte('\'')
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		quote = '"'
	}
	out.WriteByte(quote)
	for _, c := range s {
		switch {
		case c == rune(quote) || c == '\\':
			out.WriteByte('\\')
			out.WriteRune(c)
		case c == '\n':
			out.WriteString(`\n`)
		case c == '\r':
			out.WriteString(`\r`)
		case c == '\t':
			out.WriteString(`\t`)
		case c == ' ' || unicode.IsPrint(c):
			out.WriteRune(c)
		case c < 0x100:
			fmt.Fprintf(out, `\x%02x`, c)
		case c < 0x10000:
			fmt.Fprintf(out, `\u%04x`, c)
		default:
			fmt.Fprintf(out, `\U%08x`, c)
		}
	}
	out.WriteByte(quote)
}

// floatString is Python's repr of a float: the shortest digits that read back, with an exponent when it is large.
func floatString(f float64) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	}
	if size := math.Abs(f); size != 0 && (size < 1e-4 || size >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	text := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}
