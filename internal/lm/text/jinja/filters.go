package jinja

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// filter is "value|name(args)".
func (r *renderer) filter(name string, value any, args []any, kwargs *dict) any {
	f, ok := r.filters[name]
	if !ok {
		fail("filter %q is not implemented", name)
	}
	return builtin(name, func(p *params) any { return f(value, p) }).call(r, args, kwargs)
}

type filter func(value any, p *params) any

// allFilters are those of Jinja2 that make sense in prompts, with tojson as transformers defines it.
func allFilters() map[string]filter {
	text := func(f func(string) string) filter {
		return func(value any, p *params) any { return f(p.r.toString(value)) }
	}
	all := map[string]filter{
		"abs":        absolute,
		"capitalize": text(capitalize),
		"default":    orDefault,
		"dictsort":   sortDict,
		"escape":     text(escape),
		"first":      func(value any, p *params) any { return end(p.r.iterate(value), 0, "first") },
		"float":      toFloat,
		"indent":     indent,
		"int":        toInt,
		"items":      items,
		"join":       func(value any, p *params) any { return joinBy(value, p) },
		"last": func(value any, p *params) any {
			list := p.r.iterate(value)
			return end(list, len(list)-1, "last")
		},
		"length":     func(value any, p *params) any { return length(p.r, value) },
		"list":       func(value any, p *params) any { return &list{items: slices.Clone(p.r.iterate(value))} },
		"lower":      text(lower),
		"map":        mapped,
		"max":        func(value any, p *params) any { return extreme(value, p, 1) },
		"min":        func(value any, p *params) any { return extreme(value, p, -1) },
		"reject":     func(value any, p *params) any { return choose(value, p, false, false) },
		"rejectattr": func(value any, p *params) any { return choose(value, p, true, false) },
		"replace": func(value any, p *params) any {
			from, to := p.r.toString(p.any("old")), p.r.toString(p.any("new"))
			return replace(p.r, p.r.toString(value), from, to, p.whole("count", -1))
		},
		"reverse":    reverse,
		"round":      round,
		"safe":       func(value any, _ *params) any { return value },
		"select":     func(value any, p *params) any { return choose(value, p, false, true) },
		"selectattr": func(value any, p *params) any { return choose(value, p, true, true) },
		"sort":       sorted,
		"string":     text(func(s string) string { return s }),
		"sum":        sum,
		"title": text(func(s string) string {
			return title(s, func(c rune) bool { return !strings.ContainsRune("-([{<", c) && !isSpace(c) })
		}),
		"tojson": toJSON,
		"trim":   func(value any, p *params) any { return trimText(value, p) },
		"unique": unique,
		"upper":  text(upper),
		"wordcount": func(value any, p *params) any {
			word := func(c rune) bool { return c != '_' && !unicode.IsLetter(c) && !unicode.IsNumber(c) }
			return int64(len(strings.FieldsFunc(p.r.toString(value), word)))
		},
	}
	all["d"], all["count"], all["e"] = all["default"], all["length"], all["escape"]
	return all
}

func absolute(value any, p *params) any {
	switch v := value.(type) {
	case int64:
		return max(v, -v)
	case float64:
		return math.Abs(v)
	}
	fail("abs needs a number, not %s", typeName(value))
	return nil
}

func orDefault(value any, p *params) any {
	absent, ok := p.take("default_value")
	if !ok {
		absent = ""
	}
	_, missing := value.(undefined)
	if missing || p.flag("boolean") && !truth(value) {
		return absent
	}
	return value
}

func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "'", "&#39;", `"`, "&#34;").Replace(s)
}

func end(items []any, at int, name string) any {
	if len(items) == 0 {
		return undefined{name + " of nothing"}
	}
	return items[at]
}

func toFloat(value any, p *params) any {
	absent, ok := p.take("default")
	if !ok {
		absent = 0.0
	}
	if f, ok := number(value); ok {
		return f
	}
	if s, ok := value.(string); ok {
		if f, err := strconv.ParseFloat(strings.TrimFunc(s, isSpace), 64); err == nil {
			return f
		}
	}
	return absent
}

func toInt(value any, p *params) any {
	absent, ok := p.take("default")
	if !ok {
		absent = int64(0)
	}
	if n, ok := integer(value); ok {
		return n
	}
	f, ok := value.(float64)
	if s, isText := value.(string); isText {
		s = strings.TrimFunc(s, isSpace)
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return n
		}
		var err error
		f, err = strconv.ParseFloat(s, 64)
		ok = err == nil
	}
	if ok && math.Abs(f) < 1<<62 {
		return int64(f)
	}
	return absent
}

// indent puts spaces before each line but the first and the empty ones.
func indent(value any, p *params) any {
	by, ok := p.take("width")
	if !ok {
		by = int64(4)
	}
	prefix, ok := by.(string)
	if !ok {
		prefix = p.r.repeat(" ", wantInt("indent", by))
	}
	first, blank := p.flag("first"), p.flag("blank")
	lines := splitLines(p.r.toString(value)+"\n", false).items
	var out strings.Builder
	for i, line := range lines {
		if i > 0 {
			out.WriteByte('\n')
		}
		text := line.(string)
		p.r.made(len(prefix) + len(text))
		if (i > 0 || first) && (text != "" || blank || i == 0) {
			out.WriteString(prefix)
		}
		p.r.fits(out.Len())
		out.WriteString(text)
	}
	return out.String()
}

func items(value any, p *params) any {
	switch v := value.(type) {
	case *dict:
		return v.items(p.r)
	case undefined:
		return &list{}
	}
	fail("items needs a dict, not %s", typeName(value))
	return nil
}

func joinBy(value any, p *params) any {
	separator := p.text("d", "")
	if name, ok := p.take("attribute"); ok {
		value = &list{items: attributes(p.r, p.r.iterate(value), name)}
	}
	return join(p.r, value, separator)
}

func length(r *renderer, value any) any {
	switch v := value.(type) {
	case string:
		r.made(len(v))
		return runeIndex(v, len(v))
	case *list:
		return int64(len(v.items))
	case *dict:
		return int64(v.size())
	case undefined:
		return int64(0)
	}
	fail("%s has no length", typeName(value))
	return nil
}

// attributeOf follows a dotted path of names and indices.
func attributeOf(r *renderer, value, path any) any {
	name, ok := path.(string)
	if !ok {
		return r.item(value, path)
	}
	for part := range strings.SplitSeq(name, ".") {
		if n, err := strconv.ParseInt(part, 10, 64); err == nil {
			value = r.item(value, n)
		} else {
			value = r.item(value, part)
		}
	}
	return value
}

func attributes(r *renderer, items []any, path any) []any {
	return listOf(r, items, func(item any) any { return attributeOf(r, item, path) }).items
}

// mapped is map(attribute=…, default=…) or map('filter', args…).
func mapped(value any, p *params) any {
	items := p.r.iterate(value)
	if path, ok := p.kwargs.get("attribute"); ok {
		absent, hasDefault := p.kwargs.get("default")
		p.used = p.kwargs.size()
		out := attributes(p.r, items, path)
		for i, item := range out {
			if _, missing := item.(undefined); missing && hasDefault {
				out[i] = absent
			}
		}
		return &list{items: out}
	}
	name, ok := p.any("").(string)
	if !ok {
		fail("map needs the name of a filter")
	}
	args := p.args[1:]
	p.next, p.used = len(p.args), p.kwargs.size()
	return listOf(p.r, items, func(item any) any { return p.r.filter(name, item, args, p.kwargs) })
}

// choose is select, reject, selectattr and rejectattr.
func choose(value any, p *params, byAttribute, keep bool) any {
	args := p.args
	p.next = len(p.args)
	var path any
	if byAttribute {
		if len(args) == 0 {
			fail("%s needs the name of an attribute", p.callee)
		}
		path, args = args[0], args[1:]
	}
	holds := truth
	if len(args) > 0 {
		name, ok := args[0].(string)
		if !ok {
			fail("%s needs the name of a test", p.callee)
		}
		holds = func(v any) bool { return p.r.test(name, v, args[1:]) }
	}
	out := &list{items: []any{}}
	for _, item := range p.r.iterate(value) {
		p.r.step(1)
		tested := item
		if byAttribute {
			tested = attributeOf(p.r, item, path)
		}
		if holds(tested) == keep {
			out.items = append(out.items, item)
		}
	}
	return out
}

func reverse(value any, p *params) any {
	items := slices.Clone(p.r.iterate(value))
	slices.Reverse(items)
	p.r.step(len(items))
	if _, ok := value.(string); ok {
		return join(p.r, &list{items: items}, "")
	}
	return &list{items: items}
}

func round(value any, p *params) any {
	f, ok := number(value)
	if !ok {
		fail("round needs a number, not %s", typeName(value))
	}
	scale := math.Pow(10, float64(p.whole("precision", 0)))
	switch method := p.text("method", "common"); method {
	case "common":
		return math.RoundToEven(f*scale) / scale
	case "ceil":
		return math.Ceil(f*scale) / scale
	case "floor":
		return math.Floor(f*scale) / scale
	default:
		fail("round has no method %q", method)
	}
	return nil
}

// sortKey is what sort, unique, min and max compare: an attribute if path names one, and letters without case.
func sortKey(p *params, path any, caseSensitive bool) func(any) any {
	return func(item any) any {
		if path != nil {
			item = attributeOf(p.r, item, path)
		}
		if s, ok := item.(string); ok && !caseSensitive {
			p.r.made(len(s))
			return lower(s)
		}
		return item
	}
}

// namedKey is sortKey by the parameters case_sensitive and attribute.
func namedKey(p *params) func(any) any {
	caseSensitive := p.flag("case_sensitive")
	path, _ := p.take("attribute")
	return sortKey(p, path, caseSensitive)
}

func inOrder(p *params, items []any, key func(any) any, descending bool) *list {
	slices.SortStableFunc(items, func(a, b any) int {
		order := p.r.compare(key(a), key(b))
		if descending {
			return -order
		}
		return order
	})
	return &list{items: items}
}

func sorted(value any, p *params) any {
	descending := p.flag("reverse")
	return inOrder(p, slices.Clone(p.r.iterate(value)), namedKey(p), descending)
}

func sortDict(value any, p *params) any {
	d, ok := value.(*dict)
	if !ok {
		fail("dictsort needs a dict, not %s", typeName(value))
	}
	caseSensitive, by, descending := p.flag("case_sensitive"), p.text("by", "key"), p.flag("reverse")
	at := slices.Index([]string{"key", "value"}, by)
	if at < 0 {
		fail("dictsort by %q: it is by key or value", by)
	}
	return inOrder(p, d.items(p.r).items, sortKey(p, int64(at), caseSensitive), descending)
}

func unique(value any, p *params) any {
	key, seen, out := namedKey(p), map[any]bool{}, &list{items: []any{}}
	for _, item := range p.r.iterate(value) {
		p.r.step(1)
		if k := hashable(key(item)); !seen[k] {
			seen[k] = true
			out.items = append(out.items, item)
		}
	}
	return out
}

func extreme(value any, p *params, sign int) any {
	key := namedKey(p)
	var best any = undefined{p.callee + " of nothing"}
	for i, item := range p.r.iterate(value) {
		if i == 0 || p.r.compare(key(item), key(best))*sign > 0 {
			best = item
		}
	}
	return best
}

func sum(value any, p *params) any {
	path, byPath := p.take("attribute")
	total, ok := p.take("start")
	if !ok {
		total = int64(0)
	}
	for _, item := range p.r.iterate(value) {
		if byPath && path != nil {
			item = attributeOf(p.r, item, path)
		}
		total = p.r.add(total, item)
	}
	return total
}

func trimText(value any, p *params) any {
	return trim(p.r.toString(value), p, strings.TrimFunc)
}
