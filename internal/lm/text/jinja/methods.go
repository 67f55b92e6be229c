package jinja

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// method returns the method of a value bound to it, or nil. As in the immutable sandbox of transformers, there are
// none that change a value.
func method(value any, name string) *function {
	switch v := value.(type) {
	case string:
		if m := stringMethods[name]; m != nil {
			return builtin(name, func(p *params) any { p.r.made(len(v)); return m(v, p) })
		}
	case *dict:
		if m := dictMethods[name]; m != nil {
			return builtin(name, func(p *params) any { return m(v, p) })
		}
	case *list:
		if m := listMethods[name]; m != nil {
			return builtin(name, func(p *params) any { return m(v, p) })
		}
	}
	return nil
}

var dictMethods = map[string]func(d *dict, p *params) any{
	"items":  func(d *dict, p *params) any { return d.items(p.r) },
	"keys":   func(d *dict, p *params) any { return &list{items: d.keys} },
	"values": func(d *dict, p *params) any { return listOf(p.r, d.keys, func(key any) any { return d.values[key] }) },
	"get": func(d *dict, p *params) any {
		key := hashable(p.any("key"))
		absent, _ := p.take("default")
		if value, ok := d.get(key); ok {
			return value
		}
		return absent
	},
}

func (d *dict) items(r *renderer) *list {
	return listOf(r, d.keys, func(key any) any { return &list{items: []any{key, d.values[key]}, tuple: true} })
}

// listOf is a list of what is made of each.
func listOf[T any](r *renderer, from []T, each func(T) any) *list {
	r.step(len(from))
	out := &list{items: make([]any, len(from))}
	for i, x := range from {
		out.items[i] = each(x)
	}
	return out
}

var listMethods = map[string]func(l *list, p *params) any{
	"index": func(l *list, p *params) any {
		wanted := p.any("")
		at := slices.IndexFunc(l.items, func(item any) bool { return p.r.equal(item, wanted) })
		if at < 0 {
			fail("value is not in the list")
		}
		return int64(at)
	},
	"count": func(l *list, p *params) any {
		wanted, n := p.any(""), int64(0)
		for _, item := range l.items {
			if p.r.equal(item, wanted) {
				n++
			}
		}
		return n
	},
}

var stringMethods = map[string]func(s string, p *params) any{
	"strip":        func(s string, p *params) any { return trim(s, p, strings.TrimFunc) },
	"lstrip":       func(s string, p *params) any { return trim(s, p, strings.TrimLeftFunc) },
	"rstrip":       func(s string, p *params) any { return trim(s, p, strings.TrimRightFunc) },
	"upper":        func(s string, _ *params) any { return upper(s) },
	"lower":        func(s string, _ *params) any { return lower(s) },
	"capitalize":   func(s string, _ *params) any { return capitalize(s) },
	"title":        func(s string, _ *params) any { return title(s, unicode.IsLetter) },
	"startswith":   func(s string, p *params) any { return affix(s, p, strings.HasPrefix) },
	"endswith":     func(s string, p *params) any { return affix(s, p, strings.HasSuffix) },
	"removeprefix": func(s string, p *params) any { return strings.TrimPrefix(s, p.text("", "")) },
	"removesuffix": func(s string, p *params) any { return strings.TrimSuffix(s, p.text("", "")) },
	"split":        func(s string, p *params) any { return split(s, p, false) },
	"rsplit":       func(s string, p *params) any { return split(s, p, true) },
	"splitlines":   func(s string, p *params) any { return splitLines(s, p.flag("keepends")) },
	"partition": func(s string, p *params) any {
		separator := p.text("", " ")
		before, after, found := strings.Cut(s, separator)
		if !found {
			separator = ""
		}
		return &list{items: []any{before, separator, after}, tuple: true}
	},
	"join": func(s string, p *params) any {
		items := p.r.iterate(p.any(""))
		for _, item := range items { // unlike the filter of that name
			if _, ok := item.(string); !ok {
				fail("join needs items that are str, not %s", typeName(item))
			}
		}
		return join(p.r, &list{items: items}, s)
	},
	"replace": func(s string, p *params) any {
		from, to := p.text("", ""), p.text("", "")
		return replace(p.r, s, from, to, p.whole("count", -1))
	},
	"find":  func(s string, p *params) any { return runeIndex(s, strings.Index(s, p.text("", ""))) },
	"rfind": func(s string, p *params) any { return runeIndex(s, strings.LastIndex(s, p.text("", ""))) },
	"index": func(s string, p *params) any {
		at := runeIndex(s, strings.Index(s, p.text("", "")))
		if at < 0 {
			fail("text is not in the string")
		}
		return at
	},
	"count":   func(s string, p *params) any { return int64(strings.Count(s, p.text("", ""))) },
	"isdigit": func(s string, _ *params) any { return all(s, unicode.IsDigit) },
	"isalpha": func(s string, _ *params) any { return all(s, unicode.IsLetter) },
	"isalnum": func(s string, _ *params) any {
		return all(s, func(c rune) bool { return unicode.IsLetter(c) || unicode.IsNumber(c) })
	},
	"isspace": func(s string, _ *params) any { return all(s, isSpace) },
	"islower": func(s string, _ *params) any { return isCase(s, unicode.IsLower, unicode.IsUpper) },
	"isupper": func(s string, _ *params) any { return isCase(s, unicode.IsUpper, unicode.IsLower) },
}

func all(s string, is func(rune) bool) bool {
	return s != "" && strings.IndexFunc(s, func(c rune) bool { return !is(c) }) < 0
}

func runeIndex(s string, at int) int64 {
	if at < 0 {
		return -1
	}
	return int64(utf8.RuneCountInString(s[:at]))
}

// upper and lower are str.upper and str.lower, which for some letters give two, where Go's give one.
func upper(s string) string { return strings.ToUpper(strings.ReplaceAll(s, "ß", "SS")) }
func lower(s string) string { return strings.ToLower(strings.ReplaceAll(s, "İ", "i\u0307")) }

func capitalize(s string) string {
	_, size := utf8.DecodeRuneInString(s)
	return upper(s[:size]) + lower(s[size:])
}

// title makes the first letter of each word upper case; inWord tells which characters do not end a word.
func title(s string, inWord func(rune) bool) string {
	start := true
	return strings.Map(func(c rune) rune {
		was := start
		start = !inWord(c)
		if was {
			return unicode.ToTitle(c)
		}
		return unicode.ToLower(c)
	}, s)
}

func trim(s string, p *params, side func(string, func(rune) bool) string) string {
	cut, ok := p.take("")
	if !ok || cut == nil {
		return side(s, isSpace)
	}
	chars, ok := cut.(string)
	if !ok {
		fail("%s needs a str, not %s", p.callee, typeName(cut))
	}
	return side(s, func(c rune) bool { return strings.ContainsRune(chars, c) })
}

func affix(s string, p *params, has func(s, affix string) bool) bool {
	switch wanted := p.any("").(type) {
	case string:
		return has(s, wanted)
	case *list:
		if wanted.tuple {
			return slices.ContainsFunc(wanted.items, func(item any) bool {
				text, ok := item.(string)
				return ok && has(s, text)
			})
		}
	}
	fail("%s needs a str or a tuple of them", p.callee)
	return false
}

func split(s string, p *params, fromRight bool) *list {
	separator, ok := p.take("sep")
	limit := p.whole("maxsplit", -1)
	var parts []string
	switch text, isText := separator.(string); {
	case !ok || separator == nil:
		parts = splitSpace(s, limit, fromRight)
	case !isText || text == "":
		fail("%s needs a separator that is not empty", p.callee)
	case limit < 0:
		parts = strings.Split(s, text)
	case fromRight:
		for ; limit > 0; limit-- {
			at := strings.LastIndex(s, text)
			if at < 0 {
				break
			}
			parts = append(parts, s[at+len(text):])
			s = s[:at]
		}
		parts = append(parts, s)
		slices.Reverse(parts)
	default:
		parts = strings.SplitN(s, text, int(min(limit, int64(len(s))))+1)
	}
	return listOf(p.r, parts, func(part string) any { return part })
}

func splitSpace(s string, limit int64, fromRight bool) (parts []string) {
	words := strings.FieldsFunc(s, isSpace)
	if limit < 0 || limit >= int64(len(words)) {
		return words
	}
	n := int(limit) // that many are cut off, and the rest is one
	if fromRight {
		rest, kept := strings.TrimRightFunc(s, isSpace), words[len(words)-n:]
		for _, word := range slices.Backward(kept) {
			rest = strings.TrimRightFunc(strings.TrimSuffix(rest, word), isSpace)
		}
		return append([]string{rest}, kept...)
	}
	for _, word := range words[:n] {
		s = strings.TrimPrefix(strings.TrimLeftFunc(s, isSpace), word)
	}
	return append(words[:n:n], strings.TrimLeftFunc(s, isSpace))
}

// splitLines is str.splitlines.
func splitLines(s string, keepEnds bool) *list {
	out := &list{items: []any{}}
	for s != "" {
		at := strings.IndexFunc(s, func(c rune) bool {
			return strings.ContainsRune("\n\r\v\f\x1c\x1d\x1e\u0085\u2028\u2029", c)
		})
		if at < 0 {
			return &list{items: append(out.items, s)}
		}
		_, size := utf8.DecodeRuneInString(s[at:])
		if strings.HasPrefix(s[at:], "\r\n") {
			size = 2
		}
		line := s[:at]
		if keepEnds {
			line = s[:at+size]
		}
		out.items = append(out.items, line)
		s = s[at+size:]
	}
	return out
}

func join(r *renderer, value any, separator string) string {
	var out strings.Builder
	for i, item := range r.iterate(value) {
		text := r.toString(item)
		r.made(len(text) + len(separator))
		r.fits(out.Len() + len(text))
		if i > 0 {
			out.WriteString(separator)
		}
		out.WriteString(text)
	}
	return out.String()
}

func replace(r *renderer, s, from, to string, count int64) string {
	n := strings.Count(s, from)
	if count >= 0 {
		n = int(min(int64(n), count))
	}
	r.made(len(s) + n*len(to))
	return strings.Replace(s, from, to, n)
}
