package grammar

import (
	"math/bits"
	"slices"
)

// not takes away what a simple schema holds for: types, strings and null, or the strings of a pattern.
func (m *merger) not(schema *value) error {
	n := schema.fields["not"]
	if n == nil || n.kind == isFalse {
		return nil
	}
	if n.kind == isTrue || n.kind == isObject && len(n.keys) == 0 {
		m.s.types = 0
		return nil
	}
	if n.kind != isObject {
		return refuse(n, "a schema must be an object or a boolean, not %s", n.kind)
	}
	refused := refuse(n, "only a type, a list of strings and null, or a pattern can be excluded")
	if slices.ContainsFunc(n.keys, func(k string) bool {
		return !slices.Contains([]string{"type", "enum", "const", "pattern", "title", "description"}, k)
	}) {
		return refused
	}
	only := shape{types: allTypes}
	inner := merger{c: m.c, s: &only}
	if err := inner.general(n); err != nil {
		return err
	}
	if only.fixed {
		var list []string
		for _, v := range only.values {
			switch {
			case v.kind == isString && only.types&stringType != 0:
				list = append(list, v.text)
			case v.kind == isNull && only.types&nullType != 0:
				m.s.types &^= nullType
			case kinds([]*value{v})&only.types != 0:
				return refused
			}
		}
		if n.fields["pattern"] != nil {
			return refused
		}
		if len(list) > 0 {
			m.s.strings = append(m.s.strings, complement(words(list)))
		}
		return nil
	}
	if p := n.fields["pattern"]; p != nil {
		if err := inner.text(n); err != nil {
			return err
		}
		// It holds for all that is no string, unless the type says otherwise.
		m.s.types &^= only.types &^ stringType
		if only.types&stringType != 0 {
			m.s.strings = append(m.s.strings, complement(only.strings[0]))
		}
		return nil
	}
	if only.types&numberType == integerType {
		return refused // 1.0 is one
	}
	m.s.types &^= only.types
	return nil
}

// maxDistinct bounds the values of which a state for each subset is made.
const maxDistinct = 8

// unrepeated finds the values of items that may not repeat: a grammar keeps track of a few.
func (m *merger) unrepeated() error {
	s := m.s
	if s.unique == nil || s.types&arrayType == 0 || s.maxItems == 0 || s.maxItems == 1 {
		return nil
	}
	refused := refuse(s.unique, `the keyword "uniqueItems" is not supported, but for items of at most %d given values`, maxDistinct)
	if len(s.items) != 1 || len(s.prefix) > 0 || s.items[0].kind != isObject {
		return refused
	}
	item := s.items[0]
	if ref := item.fields["$ref"]; ref != nil && len(item.keys) == 1 {
		target, err := m.c.resolve(ref)
		if err != nil {
			return err
		}
		item = target
	}
	for _, k := range item.keys {
		if !slices.Contains([]string{"enum", "const", "type", "title", "description"}, k) {
			return refused
		}
	}
	values, err := m.c.merge(conjunction{item})
	if err != nil {
		return err
	}
	if !values.fixed || len(values.values) > maxDistinct {
		return refused
	}
	s.distinct = values.values
	if n := len(s.distinct); s.maxItems < 0 || s.maxItems > n {
		s.maxItems = n
	}
	return nil
}

// unrepeated reads an array of different values, with a state for each subset of them.
func (b *builder) unrepeated(from, to int32, s *shape) {
	behind := make([]int32, 1<<len(s.distinct))
	for i := range behind {
		behind[i] = b.state()
	}
	open := b.whitespace(b.literal(from, "["))
	if s.minItems == 0 {
		b.close(open, to, ']', false)
	}
	for used, at := range behind {
		n := bits.OnesCount(uint(used))
		next := open
		if n > 0 {
			if n >= s.minItems {
				b.close(at, to, ']', true)
			}
			next = b.whitespace(b.literal(at, ","))
		}
		if n == s.maxItems || b.full {
			continue
		}
		for i, v := range s.distinct {
			if used>>i&1 == 0 {
				b.value(next, behind[used|1<<i], v)
			}
		}
	}
}
