package grammar

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// compiler turns the schemas of one document into rules, one for each conjunction that comes up.
type compiler struct {
	b         *builder
	root      *value // where references begin
	rules     map[string]int32
	queue     []pending
	languages map[string]*language
	checked   map[*value]bool // oneOf
	mode      Obedience
	ignored   []string // JSON pointers
	work      int      // in schemas looked at, and what compares to that
	matching  int      // of patterns
}

type pending struct {
	rule int32
	all  conjunction
}

func newCompiler(b *builder, root *value) *compiler {
	return &compiler{b: b, root: root, rules: map[string]int32{}, languages: map[string]*language{}, checked: map[*value]bool{}}
}

// rule returns the rule of a conjunction. It is filled later, by run: schemas may be recursive.
func (c *compiler) rule(all conjunction) int32 {
	all = slices.DeleteFunc(slices.Clone(all), func(s *value) bool {
		return s.kind == isTrue || s.kind == isObject && len(s.keys) == 0
	})
	slices.SortFunc(all, func(a, b *value) int { return cmp.Compare(a.id, b.id) })
	all = slices.Compact(all)
	var key []byte
	for _, s := range all {
		key = binary.AppendVarint(key, int64(s.id))
	}
	r, ok := c.rules[string(key)]
	if !ok {
		r = c.b.newRule(1)
		c.rules[string(key)] = r
		c.queue = append(c.queue, pending{r, all})
	}
	return r
}

// run fills the rules.
func (c *compiler) run() error {
	for len(c.queue) > 0 {
		if err := c.b.ctx.Err(); err != nil {
			return err
		}
		next := c.queue[0]
		c.queue = c.queue[1:]
		shapes, err := c.shapes(next.all)
		if err != nil {
			return err
		}
		end := c.b.state()
		c.b.states[end].final = true
		for i := range shapes {
			if err := c.shape(c.b.rules[next.rule].start, end, &shapes[i]); err != nil {
				return err
			}
		}
		if err := c.b.ctx.Err(); err != nil {
			return err
		}
		if c.b.full {
			return &SchemaError{Path: c.root.path(), Reason: "the schema needs too many states"}
		}
	}
	return nil
}

func (c *compiler) shape(from, to int32, s *shape) error {
	if s.fixed {
		for _, v := range s.values {
			if v.kind != isString {
				c.b.value(from, to, v)
			}
		}
		c.b.quoted(from, to, c.strings(s)) // together: many begin alike
		return nil
	}
	if s.types&nullType != 0 {
		c.b.eps(c.b.literal(from, "null"), to)
	}
	if s.types&booleanType != 0 {
		c.b.eps(c.b.literal(from, "true"), to)
		c.b.eps(c.b.literal(from, "false"), to)
	}
	if s.types&numberType != 0 {
		if err := c.number(from, to, s.numbers); err != nil {
			return err
		}
	}
	if s.types&arrayType != 0 {
		if s.distinct != nil {
			c.b.unrepeated(from, to, s)
		} else {
			c.array(from, to, s)
		}
	}
	if s.types&objectType != 0 {
		if err := c.object(from, to, s); err != nil {
			return err
		}
	}
	if s.types&stringType != 0 {
		return c.text(from, to, s)
	}
	return nil
}

func (c *compiler) text(from, to int32, s *shape) error {
	if s.maxLen >= 0 && s.minLen > s.maxLen {
		return nil // no string
	}
	switch {
	case len(s.strings) > 0:
		l := c.strings(s)
		if l == nil && c.mode == BestEffort {
			c.ignored = append(c.ignored, s.at.path()+"/pattern")
			any := shape{types: stringType, minLen: s.minLen, maxLen: s.maxLen}
			return c.text(from, to, &any)
		}
		if l == nil {
			return &SchemaError{Path: c.root.path(), Reason: "a pattern with its lengths and other patterns is too large"}
		}
		c.b.quoted(from, to, l)
	case s.minLen > 0 || s.maxLen >= 0:
		c.b.counted(c.b.literal(from, `"`), to, s.minLen, s.maxLen)
	default:
		c.b.text(c.b.literal(from, `"`), to)
	}
	return nil
}

// strings returns the strings of a shape as one language; nil: too large.
func (c *compiler) strings(s *shape) *language {
	if s.fixed {
		var list []string
		for _, v := range s.values {
			if v.kind == isString {
				list = append(list, v.text)
			}
		}
		return words(list)
	}
	l := lengths(0, -1)
	for _, next := range s.strings {
		if l = c.intersect(next, l); l == nil {
			return nil
		}
	}
	if s.minLen == 0 && s.maxLen < 0 {
		return l
	}
	for most := s.maxLen; ; most /= 2 { // a state for each length: where they are too many, only shorter strings are written
		var some *language
		if max(s.minLen, most) <= maxLanguage {
			some = c.intersect(l, lengths(s.minLen, most))
		}
		if some != nil && (most == s.maxLen || !some.empty()) {
			return some
		}
		if most < shortened || most/2 < s.minLen || some != nil {
			return nil
		}
	}
}

// shortened is the length below which no limit of a string is lowered.
const shortened = 128

// intersect counts as work, of which a schema gets only so much.
func (c *compiler) intersect(a, b *language) *language {
	if c.work += maxLanguage / 16; c.work > maxWork || c.b.ctx.Err() != nil {
		return nil
	}
	return intersect(a, b, maxLanguage)
}

func (c *compiler) array(from, to int32, s *shape) {
	b := c.b
	if s.maxItems >= 0 && s.minItems > s.maxItems {
		return
	}
	rule := func(i int) int32 {
		if i < len(s.prefix) {
			return c.rule(s.prefix[i])
		}
		return c.rule(s.items)
	}
	open := b.whitespace(b.literal(from, "["))
	if s.minItems == 0 {
		b.close(open, to, ']', false)
	}
	last := s.maxItems
	if last < 0 {
		last = max(s.minItems, len(s.prefix), 1) // from here on all are alike
	}
	at := b.state() // behind n items
	if last > 0 {
		b.call(open, rule(0), at)
	}
	for n := 1; n <= last && !b.full; n++ {
		if n >= s.minItems {
			b.close(at, to, ']', true)
		}
		next := at
		if n < last {
			next = b.state()
		} else if s.maxItems >= 0 {
			return
		}
		b.call(b.whitespace(b.literal(at, ",")), rule(n), next)
		at = next
	}
}

// object reads the properties in the order of the schema, those that are not required or not. Behind each the ways on differ in
// how many were read before: none, which differs in the comma, one, and so on as far as the schema counts.
func (c *compiler) object(from, to int32, s *shape) error {
	names, err := c.names(s)
	if err != nil {
		return err
	}
	lastRequired := -1
	for i, p := range s.props {
		if p.required {
			lastRequired = i
		}
	}
	wild, err := c.undeclared(s, names)
	if err != nil {
		return err
	}
	b := c.b
	last := max(1, s.minProps, s.maxProps)
	at := make([]int32, last+1) // behind so many properties, from the last on all are alike, and behind their comma
	for n := range at {
		at[n] = b.state()
	}
	b.eps(b.whitespace(b.literal(from, "{")), at[0])
	read := func(next []int32, may bool, name func(from, to int32), value conjunction) {
		for n := 1; n <= last && (s.maxProps < 0 || n <= s.maxProps); n++ {
			begin, named, behind := b.state(), b.state(), b.state()
			b.eps(at[n-1], begin)
			if n == last && s.maxProps < 0 {
				b.eps(at[n], begin)
			}
			name(begin, named)
			b.call(b.whitespace(named), c.rule(value), behind)
			if may && n >= s.minProps {
				b.close(behind, to, '}', true)
			}
			b.eps(b.whitespace(b.literal(behind, ",")), next[n])
		}
	}
	for i := range s.props {
		p := &s.props[i]
		if names != nil && !slices.ContainsFunc(names, func(l *language) bool { return l.has(p.name) }) {
			p.value = conjunction{nothing}
		}
		next := make([]int32, len(at))
		for n := range next {
			next[n] = b.state()
			if !p.required {
				b.eps(at[n], next[n])
			}
		}
		read(next, i >= lastRequired, func(from, to int32) { b.eps(b.literal(from, quote(p.name)+":"), to) }, p.value)
		if at = next; b.full {
			return nil
		}
	}
	if s.minProps == 0 {
		b.close(at[0], to, '}', false)
	}
	for _, w := range wild {
		read(at, true, func(from, to int32) {
			colon := b.state()
			if w.names == nil {
				b.text(b.literal(from, `"`), colon)
			} else {
				b.quoted(from, colon, w.names)
			}
			b.eps(b.literal(colon, ":"), to)
		}, w.value)
	}
	return nil
}

// undeclared are the properties that a shape may have beside those that it declares, apart by the patterns that their names match.
func (c *compiler) undeclared(s *shape, names []*language) (all []wild, err error) {
	if s.closed && len(s.patterns) == 0 {
		return nil, nil
	}
	if len(s.props) == 0 && names == nil && len(s.patterns) == 0 {
		return []wild{{value: s.others}}, nil
	}
	var declared []string
	for _, p := range s.props {
		declared = append(declared, p.name)
	}
	rest := complement(words(declared))
	if names == nil {
		names = []*language{lengths(0, -1)}
	}
	for _, l := range names {
		if l = c.intersect(l, rest); l == nil {
			return nil, &SchemaError{Path: c.root.path(), Reason: "the names are too large with those that are declared"}
		}
		parts := []wild{{names: l}}
		for _, p := range s.patterns {
			var finer []wild
			for _, w := range parts {
				in, out := c.intersect(w.names, p.names), c.intersect(w.names, complement(p.names))
				if in == nil || out == nil {
					return nil, refuse(p.value, "the pattern is too large with the other names")
				}
				if !in.empty() {
					finer = append(finer, wild{names: in, matched: append(slices.Clip(w.matched), p)})
				}
				if !out.empty() {
					finer = append(finer, wild{names: out, matched: w.matched})
				}
			}
			parts = finer
		}
		for _, w := range parts {
			if w.value = s.beside(w.matched); len(w.matched) > 0 || !s.closed {
				all = append(all, w)
			}
		}
	}
	return all, nil
}

// wild are properties that are not declared.
type wild struct {
	names   *language // nil: any
	matched []patterned
	value   conjunction
}

// nothing is the schema that no value fits.
var nothing = &value{kind: isFalse, id: -3}

// names are the strings that properties may be called; nil: any.
func (c *compiler) names(s *shape) ([]*language, error) {
	if len(s.names) == 0 {
		return nil, nil
	}
	shapes, err := c.shapes(s.names)
	if err != nil {
		return nil, err
	}
	names := []*language{}
	for i := range shapes {
		switch n := &shapes[i]; {
		case n.types&stringType == 0 && !n.fixed:
		case !n.fixed && len(n.strings) == 0 && n.minLen == 0 && n.maxLen < 0:
			return nil, nil
		default:
			l := c.strings(n)
			if l == nil {
				return nil, refuse(s.names[0], "the names are too large")
			}
			names = append(names, l)
		}
	}
	return names, nil
}
