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
	w := writer{r: p.r, itemEnd: ", ", keyEnd: ": "}
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

// writer writes values as json.dumps does, or as Python's repr.
type writer struct {
	r               *renderer
	out             strings.Builder
	python          bool
	ascii           bool
	sort            bool
	pretty          bool
	indent          string
	level           int
	itemEnd, keyEnd string
}

func (w *writer) write(value any) {
	w.r.step(1)
	w.r.enter()
	defer func() { w.r.depth-- }()
	w.r.fits(w.out.Len())
	word := func(json, python string) {
		if w.python {
			json = python
		}
		w.out.WriteString(json)
	}
	switch v := value.(type) {
	case nil:
		word("null", "None")
	case bool:
		if v {
			word("true", "True")
		} else {
			word("false", "False")
		}
	case int64:
		fmt.Fprint(&w.out, v)
	case float64:
		word(jsonFloat(v), floatString(v))
	case string:
		if w.python {
			reprString(&w.out, v)
		} else {
			w.r.made(len(v))
			w.text(v)
		}
	case undefined:
		if !w.python {
			fail("undefined cannot be written as JSON")
		}
		w.out.WriteString("Undefined")
	case *list:
		open, end := "[", "]"
		if w.python && v.tuple {
			open, end = "(", ")"
			if len(v.items) == 1 {
				end = ",)"
			}
		}
		w.sequence(open, end, len(v.items), func(i int) { w.write(v.items[i]) })
	case *dict:
		keys := v.keys
		if w.sort {
			keys = slices.SortedFunc(slices.Values(keys), w.r.compare)
		}
		w.sequence("{", "}", len(keys), func(i int) {
			if w.python {
				w.write(keys[i])
			} else {
				w.key(keys[i])
			}
			w.out.WriteString(w.keyEnd)
			w.write(v.values[keys[i]])
		})
	default:
		fail("%s cannot be written out", typeName(value))
	}
}

func (w *writer) sequence(open, end string, n int, element func(i int)) {
	w.out.WriteString(open)
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
	w.out.WriteString(end)
}

func (w *writer) newLine() {
	if w.pretty {
		w.out.WriteByte('\n')
		w.out.WriteString(w.r.repeat(w.indent, int64(w.level)))
	}
}

// key writes a key as json.dumps does, where every key becomes a string.
func (w *writer) key(key any) {
	if s, ok := key.(string); ok {
		w.text(s)
		return
	}
	w.out.WriteByte('"')
	w.write(key)
	w.out.WriteByte('"')
}

func (w *writer) text(s string) {
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
