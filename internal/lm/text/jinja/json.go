package jinja

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf16"
)

// toJSON is json.dumps as transformers calls it: HTML is not escaped, and other characters only if ensure_ascii.
func toJSON(value any, p *params) any {
	w := jsonWriter{r: p.r, itemEnd: ", ", keyEnd: ": "}
	w.ascii = p.flag("ensure_ascii")
	if by, ok := p.take("indent"); ok && by != nil {
		w.pretty, w.itemEnd = true, ","
		if text, ok := by.(string); ok {
			w.indent = text
		} else {
			w.indent = p.r.repeat(" ", wantInt("tojson indent", by))
		}
	}
	if separators, ok := p.take("separators"); ok && separators != nil {
		pair := p.r.iterate(separators)
		if len(pair) != 2 {
			fail("tojson separators are not two")
		}
		w.itemEnd, w.keyEnd = p.r.toString(pair[0]), p.r.toString(pair[1])
	}
	w.sort = p.flag("sort_keys")
	w.write(value)
	return w.out.String()
}

type jsonWriter struct {
	r               *renderer
	out             strings.Builder
	ascii           bool
	sort            bool
	pretty          bool
	indent          string
	level           int
	itemEnd, keyEnd string
}

func (w *jsonWriter) write(value any) {
	w.r.step(1)
	w.r.enter()
	defer func() { w.r.depth-- }()
	if w.out.Len() > maxString {
		fail("template makes a text of more than %d bytes", maxString)
	}
	switch v := value.(type) {
	case nil:
		w.out.WriteString("null")
	case bool:
		fmt.Fprint(&w.out, v)
	case int64:
		fmt.Fprint(&w.out, v)
	case float64:
		w.out.WriteString(jsonFloat(v))
	case string:
		w.r.made(len(v))
		w.text(v)
	case *list:
		w.sequence('[', ']', len(v.items), func(i int) { w.write(v.items[i]) })
	case *dict:
		keys := v.keys
		if w.sort {
			keys = slices.SortedFunc(slices.Values(keys), w.r.compare)
		}
		w.sequence('{', '}', len(keys), func(i int) {
			w.key(keys[i])
			w.out.WriteString(w.keyEnd)
			w.write(v.values[keys[i]])
		})
	default:
		fail("%s cannot be written as JSON", typeName(value))
	}
}

func (w *jsonWriter) sequence(open, end byte, n int, element func(i int)) {
	w.out.WriteByte(open)
	w.level++
	for i := range n {
		if i > 0 {
			w.out.WriteString(w.itemEnd)
		}
		w.newLine()
		element(i)
	}
	w.level--
	if n > 0 {
		w.newLine()
	}
	w.out.WriteByte(end)
}

func (w *jsonWriter) newLine() {
	if w.pretty {
		w.out.WriteByte('\n')
		w.out.WriteString(w.r.repeat(w.indent, int64(w.level)))
	}
}

// key writes a key as json.dumps does, where every key becomes a string.
func (w *jsonWriter) key(key any) {
	if s, ok := key.(string); ok {
		w.text(s)
		return
	}
	w.out.WriteByte('"')
	w.write(key)
	w.out.WriteByte('"')
}

func (w *jsonWriter) text(s string) {
	w.out.WriteByte('"')
	for _, c := range s {
		if at := strings.IndexRune("\"\\\n\r\t\b\f", c); at >= 0 {
			w.out.WriteByte('\\')
			w.out.WriteByte(`"\nrtbf`[at])
			continue
		}
		switch {
		case c < 0x20 || w.ascii && c >= 0x7f && c < 0x10000:
			if c == 0x7f {
				w.out.WriteRune(c)
				continue
			}
			fmt.Fprintf(&w.out, `\u%04x`, c)
		case w.ascii && c >= 0x10000:
			high, low := utf16.EncodeRune(c)
			fmt.Fprintf(&w.out, `\u%04x\u%04x`, high, low)
		default:
			w.out.WriteRune(c)
		}
	}
	w.out.WriteByte('"')
}

func jsonFloat(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	return floatString(f)
}
