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
	work      int             // in schemas looked at, and what compares to that
	matching  int             // of patterns
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
		c.array(from, to, s)
	}
	if s.types&objectType != 0 {
		c.object(from, to, s)
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
	if c.work += maxLanguage / 16; c.work > maxWork {
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
func (c *compiler) object(from, to int32, s *shape) {
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
			return
		}
	}
	b.close(first, to, '}', false)
	if s.closed {
		return
	}
	name, value, behind := b.state(), b.state(), b.state()
	b.eps(first, name)
	b.eps(next, name)
	if len(s.props) == 0 {
		b.text(b.literal(name, `"`), value)
	} else {
		var names []string
		for _, p := range s.props {
			names = append(names, p.name)
		}
		b.quoted(name, value, complement(words(names)))
	}
	b.call(b.whitespace(b.literal(value, ":")), c.rule(s.others), behind)
	b.close(behind, to, '}', true)
	b.eps(b.whitespace(b.literal(behind, ",")), next)
}
