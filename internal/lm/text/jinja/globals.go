package jinja

import (
	"fmt"
	"strings"
	"time"
)

// globals are the functions that a template may call by name.
func (r *renderer) globals() map[string]any {
	out := map[string]any{}
	for name, call := range map[string]func(p *params) any{
		"raise_exception": func(p *params) any {
			panic(&Error{Message: r.toString(p.any("message")), Raised: true})
		},
		"strftime_now": func(p *params) any { return strftime(r.now, p.text("format", "")) },
		"range":        rangeOf,
		"dict":         func(p *params) any { return merged(p) },
		"namespace": func(p *params) any {
			space := &namespace{vars: map[string]any{}}
			d := merged(p)
			for _, key := range d.keys {
				space.vars[r.toString(key)] = d.values[key]
			}
			return space
		},
	} {
		out[name] = builtin(name, call)
	}
	return out
}

// merged is Python's dict(mapping, **kwargs).
func merged(p *params) *dict {
	out := &dict{}
	if from, ok := p.take(""); ok {
		d, ok := from.(*dict)
		if !ok {
			fail("%s needs a dict, not %s", p.callee, typeName(from))
		}
		for _, key := range d.keys {
			out.set(key, d.values[key])
		}
	}
	for _, key := range p.kwargs.keys {
		out.set(key, p.kwargs.values[key])
	}
	p.used = p.kwargs.size()
	p.r.step(out.size())
	return out
}

func rangeOf(p *params) any {
	from, to, by := int64(0), wantInt("range", p.any("")), int64(1)
	if stop, ok := p.take(""); ok {
		from, to = to, wantInt("range", stop)
	}
	if step, ok := p.take(""); ok {
		by = wantInt("range", step)
	}
	if by == 0 {
		fail("range with step zero")
	}
	return listOf(p.r, p.r.progression(from, to, by), func(i int64) any { return i })
}

// progression is what lies between two numbers, the second one left out.
func (r *renderer) progression(from, to, by int64) (out []int64) {
	for i := from; by > 0 && i < to || by < 0 && i > to; i += by {
		r.step(1)
		out = append(out, i)
		if next := i + by; (next > i) != (by > 0) {
			break // overflow
		}
	}
	return out
}

func (l *loop) attribute(name string) any {
	n := len(l.items)
	switch name {
	case "index":
		return int64(l.index + 1)
	case "index0":
		return int64(l.index)
	case "revindex":
		return int64(n - l.index)
	case "revindex0":
		return int64(n - l.index - 1)
	case "first":
		return l.index == 0
	case "last":
		return l.index == n-1
	case "length":
		return int64(n)
	case "depth": // counts recursive loops, which do not exist here
		return int64(1)
	case "depth0":
		return int64(0)
	case "previtem":
		if l.index > 0 {
			return l.items[l.index-1]
		}
	case "nextitem":
		if l.index+1 < n {
			return l.items[l.index+1]
		}
	case "cycle":
		return &function{name: "cycle", call: func(_ *renderer, args []any, _ *dict) any {
			if len(args) == 0 {
				fail("loop.cycle needs arguments")
			}
			return args[l.index%len(args)]
		}}
	case "changed":
		return &function{name: "changed", call: func(r *renderer, args []any, _ *dict) any {
			now := &list{items: args, tuple: true}
			changed := l.seen == nil || !r.equal(l.seen, now)
			l.seen = now
			return changed
		}}
	}
	return undefined{"loop." + name}
}

// strftime formats as Python does in the C locale. A leading "-" leaves out padding, as in glibc.
func strftime(now time.Time, format string) string {
	layouts := map[byte]string{
		'a': "Mon", 'A': "Monday", 'b': "Jan", 'B': "January", 'h': "Jan", 'd': "02", 'm': "01", 'y': "06", 'Y': "2006",
		'H': "15", 'I': "03", 'M': "04", 'S': "05", 'p': "PM", 'j': "002", 'e': "_2", 'F': "2006-01-02", 'T': "15:04:05",
		'D': "01/02/06", 'R': "15:04", 'c': "Mon Jan _2 15:04:05 2006", 'x': "01/02/06", 'X': "15:04:05",
	}
	var out strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			out.WriteByte(format[i])
			continue
		}
		i++
		bare := format[i] == '-' && i+1 < len(format)
		if bare {
			i++
		}
		var text string
		switch code := format[i]; {
		case layouts[code] != "":
			text = now.Format(layouts[code])
		case code == 'f':
			text = fmt.Sprintf("%06d", now.Nanosecond()/1000)
		case code == 'u':
			text = fmt.Sprint((int(now.Weekday())+6)%7 + 1)
		case code == 'w':
			text = fmt.Sprint(int(now.Weekday()))
		case code == 's':
			text = fmt.Sprint(now.Unix())
		case code == '%', code == 'n', code == 't':
			text = map[byte]string{'%': "%", 'n': "\n", 't': "\t"}[code]
		case code == 'z' || code == 'Z': // datetime.now() has no time zone
		default:
			fail("strftime_now: %%%c is not implemented", code)
		}
		if bare {
			if trimmed := strings.TrimLeft(text, "0 "); trimmed != "" {
				text = trimmed
			} else {
				text = text[max(0, len(text)-1):]
			}
		}
		out.WriteString(text)
	}
	return out.String()
}
