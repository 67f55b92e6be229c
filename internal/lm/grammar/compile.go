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
		c.b.number(from, to, s.numbers)
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
	if max(s.minLen, s.maxLen) > maxLanguage {
		return nil
	}
	l := lengths(s.minLen, s.maxLen)
	for _, next := range s.strings {
		if l = c.intersect(next, l); l == nil {
			return nil
		}
	}
	return l
}

// intersect counts as work, of which a schema gets only so much.
func (c *compiler) intersect(a, b *language) *language {
	if c.work += maxLanguage / 16; c.work > maxWork || c.b.ctx.Err() != nil {
		return nil
	}
	return intersect(a, b)
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

// object reads the properties in the order of the schema, those that are not required or not. Behind each there are
// two ways on, with and without a property read before, which differ in the comma.
func (c *compiler) object(from, to int32, s *shape) error {
	names, err := c.names(s)
	if err != nil {
		return err
	}
	b := c.b
	first := b.whitespace(b.literal(from, "{")) // nothing was read yet
	next := b.state()                           // behind a comma
	lastRequired := -1
	for i, p := range s.props {
		if p.required {
			lastRequired = i
		}
	}
	for i := range s.props {
		p := &s.props[i]
		if names != nil && !slices.ContainsFunc(names, func(l *language) bool { return l.has(p.name) }) {
			p.value = conjunction{nothing}
		}
		name, behind := b.state(), b.state()
		b.eps(first, name)
		b.eps(next, name)
		b.call(b.whitespace(b.literal(name, quote(p.name)+":")), c.rule(p.value), behind)
		skipFirst, skipNext := b.state(), b.state()
		if !p.required {
			b.eps(first, skipFirst)
			b.eps(next, skipNext)
		}
		if i >= lastRequired {
			b.close(behind, to, '}', true)
		}
		b.eps(b.whitespace(b.literal(behind, ",")), skipNext)
		first, next = skipFirst, skipNext
		if b.full {
			return nil
		}
	}
	b.close(first, to, '}', false)
	if s.closed {
		return nil
	}
	name, value, behind := b.state(), b.state(), b.state()
	b.eps(first, name)
	b.eps(next, name)
	if len(s.props) == 0 && names == nil {
		b.text(b.literal(name, `"`), value)
	} else {
		var declared []string
		for _, p := range s.props {
			declared = append(declared, p.name)
		}
		rest := complement(words(declared))
		if names == nil {
			names = []*language{nil}
		}
		for _, l := range names {
			if l == nil {
				l = rest
			} else if l = c.intersect(l, rest); l == nil {
				return refuse(s.names[0], "the names are too large with those that are declared")
			}
			b.quoted(name, value, l)
		}
	}
	b.call(b.whitespace(b.literal(value, ":")), c.rule(s.others), behind)
	b.close(behind, to, '}', true)
	b.eps(b.whitespace(b.literal(behind, ",")), next)
	return nil
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
