package grammar

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// refuse makes the error for a place in the schema.
func refuse(at *value, format string, args ...any) error {
	return &SchemaError{Path: at.path(), Reason: fmt.Sprintf(format, args...), at: at}
}

// merge puts plain schemas together. Where they name no type, they mean the types that their keywords are about.
// Properties and items beside the declared ones are allowed only where a schema says so: a model that may go on will.
func (c *compiler) merge(plain conjunction) (shape, error) {
	s := shape{types: allTypes, maxLen: -1, maxItems: -1, maxProps: -1, index: map[string]int{}}
	m := merger{c: c, s: &s}
	if len(plain) > 0 {
		s.at = plain[0]
	}
	for _, schema := range plain {
		for _, step := range []func(*value) error{m.general, m.not, m.text, m.number, m.array, m.object} {
			if err := step(schema); err != nil {
				return s, err
			}
		}
	}
	s.stated = s.types
	if !m.typed && m.implied != 0 {
		s.types = m.implied
	}
	if s.types&numberType == integerType {
		s.numbers.integer = true
	}
	m.members(plain)
	if err := m.counted(plain); err != nil {
		return s, err
	}
	if s.fixed {
		return s, m.filter(plain)
	}
	return s, m.unrepeated()
}

type merger struct {
	c       *compiler
	s       *shape
	typed   bool
	implied types
}

func (m *merger) general(schema *value) error {
	for _, k := range schema.keys {
		m.implied |= keywords[k]
	}
	if t := schema.fields["type"]; t != nil {
		m.typed = true
		var any types
		list := t.list
		if t.kind == isString {
			list = []*value{t}
		}
		for _, name := range list {
			one, ok := typeNames[name.text]
			if name.kind != isString || !ok {
				return refuse(name, "must be one of null, boolean, integer, number, string, array, object")
			}
			any |= one
		}
		if len(list) == 0 {
			return refuse(t, "must be a type or a list of types")
		}
		m.s.types &= any
	}
	fix := func(values []*value) {
		m.typed = true
		if m.s.fixed {
			values = slices.DeleteFunc(slices.Clone(values), func(v *value) bool {
				return !slices.ContainsFunc(m.s.values, v.equal)
			})
		}
		m.s.fixed, m.s.values = true, values
	}
	if e := schema.fields["enum"]; e != nil {
		if len(e.list) == 0 {
			return refuse(e, "must be a list of values, at least one")
		}
		fix(e.list)
	}
	if v := schema.fields["const"]; v != nil {
		fix([]*value{v})
	}
	return nil
}

// count reads a keyword that is a number of things.
func count(schema *value, keyword string) (n int, ok bool, err error) {
	v := schema.fields[keyword]
	if v == nil {
		return 0, false, nil
	}
	x, exact := rational(v.text)
	if v.kind != isNumber || !exact || !x.IsInt() || x.Sign() < 0 {
		return 0, false, refuse(v, "must be a whole number, not negative")
	}
	if x.Cmp(big.NewRat(maxCount, 1)) > 0 {
		return 0, false, refuse(v, "%s is more than %d", v.text, maxCount)
	}
	return int(x.Num().Int64()), true, nil
}

// counts reads two keywords that bound a number of things.
func counts(schema *value, least, most string, lo, hi *int) error {
	n, _, err := count(schema, least)
	if err != nil {
		return err
	}
	*lo = max(*lo, n)
	n, ok, err := count(schema, most)
	if ok {
		atMost(hi, n)
	}
	return err
}

// atMost lowers a limit that is -1 where there is none.
func atMost(limit *int, n int) {
	if *limit < 0 || n < *limit {
		*limit = n
	}
}

func (m *merger) text(schema *value) error {
	if err := counts(schema, "minLength", "maxLength", &m.s.minLen, &m.s.maxLen); err != nil {
		return err
	}
	if p := schema.fields["pattern"]; p != nil {
		if p.kind != isString {
			return refuse(p, "must be a string")
		}
		l, err := m.c.language("pattern", p.text)
		if err != nil {
			return refuse(p, "regular expression: %v", err)
		}
		m.s.strings = append(m.s.strings, l)
	}
	f := schema.fields["format"]
	if f == nil {
		return nil
	}
	if size, ok := map[string]uint{"int32": 31, "int64": 63}[f.text]; ok {
		m.implied |= numberType
		power := new(big.Int).Lsh(big.NewInt(1), size)
		m.s.numbers.atLeast(new(big.Rat).SetInt(new(big.Int).Neg(power)), false)
		m.s.numbers.atMost(new(big.Rat).SetInt(power), true)
		return nil
	}
	if t, any := map[string]types{"float": numberType, "double": numberType, "binary": stringType, "password": stringType, "path": stringType}[f.text]; any {
		m.implied |= t
		return nil
	}
	expr, ok := formats[f.text]
	if f.kind == isString && !ok && m.c.mode != Strict { // an annotation, as the dialect has it
		m.c.leaveOut(f)
		return nil
	}
	if !ok || f.kind != isString {
		return refuse(f, "the format %q is not supported", f.text)
	}
	m.implied |= stringType
	l, err := m.c.language("format", expr)
	if err != nil {
		return refuse(f, "%v", err)
	}
	m.s.strings = append(m.s.strings, l)
	return nil
}

func (m *merger) number(schema *value) error {
	for _, k := range []string{"minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"} {
		v := schema.fields[k]
		if v == nil {
			continue
		}
		open := strings.HasPrefix(k, "exclusive")
		if open && (v.kind == isTrue || v.kind == isFalse) {
			continue
		}
		x, ok := rational(v.text)
		if v.kind != isNumber || !ok {
			return refuse(v, "must be a number of at most 40 digits")
		}
		if x := schema.fields["exclusiveM"+k[1:]]; x != nil && x.kind == isTrue { // as draft 4 has it
			open = true
		}
		if strings.HasSuffix(strings.ToLower(k), "minimum") {
			m.s.numbers.atLeast(x, open)
		} else {
			m.s.numbers.atMost(x, open)
		}
	}
	return m.multiple(schema)
}

// multiple reads multipleOf.
func (m *merger) multiple(schema *value) error {
	v := schema.fields["multipleOf"]
	if v == nil {
		return nil
	}
	x, ok := rational(v.text)
	if v.kind != isNumber || !ok || x.Sign() <= 0 {
		return refuse(v, "must be a number above 0 of at most 40 digits")
	}
	if !m.s.numbers.multiples(x) {
		return refuse(v, "multiples of %s are not supported", v.text)
	}
	return nil
}

func (m *merger) array(schema *value) error {
	if err := counts(schema, "minItems", "maxItems", &m.s.minItems, &m.s.maxItems); err != nil {
		return err
	}
	if u := schema.fields["uniqueItems"]; u != nil && u.kind != isFalse {
		m.s.unique = u
	}
	if p := schema.fields["prefixItems"]; p != nil && p.kind != isArray {
		return refuse(p, "must be a list of schemas")
	}
	return nil
}

func (m *merger) object(schema *value) error {
	if p := schema.fields["properties"]; p != nil && p.kind != isObject {
		return refuse(p, "must be an object of schemas")
	}
	if n := schema.fields["propertyNames"]; n != nil {
		m.s.names = append(m.s.names, n)
	}
	if err := counts(schema, "minProperties", "maxProperties", &m.s.minProps, &m.s.maxProps); err != nil {
		return err
	}
	if p := schema.fields["patternProperties"]; p != nil {
		if p.kind != isObject {
			return refuse(p, "must be an object of schemas")
		}
		for _, expr := range p.keys {
			l, err := m.c.language("pattern", expr)
			if err != nil {
				return refuse(p.fields[expr], "regular expression: %v", err)
			}
			m.s.patterns = append(m.s.patterns, patterned{l, p.fields[expr]})
		}
		if len(m.s.patterns) > maxPatterns {
			return refuse(p, "there are more than %d patterns", maxPatterns)
		}
	}
	r := schema.fields["required"]
	if r == nil {
		return nil
	}
	if r.kind != isArray || slices.ContainsFunc(r.list, func(v *value) bool { return v.kind != isString }) {
		return refuse(r, "must be a list of names")
	}
	return nil
}

// maxPatterns bounds the patterns of names, since any of them may match one name.
const maxPatterns = 6

// tuple are the schemas of the first items, and that of those behind. Drafts before 2020-12 have the list in items.
func tuple(schema *value) (first, rest *value) {
	first, rest = schema.fields["prefixItems"], schema.fields["items"]
	if first == nil && rest != nil && rest.kind == isArray {
		return rest, schema.fields["additionalItems"]
	}
	return first, rest
}

// members works out what each property and each item has to be: what all schemas say of it.
func (m *merger) members(plain conjunction) {
	declared, decided := false, false
	length, itemsDecided := 0, false
	for _, schema := range plain {
		if p := schema.fields["properties"]; p != nil {
			declared = true
			for _, name := range p.keys {
				m.s.declare(name)
			}
		}
		declared = declared || schema.fields["patternProperties"] != nil
		first, rest := tuple(schema)
		if first != nil {
			length = max(length, len(first.list))
		}
		itemsDecided = itemsDecided || rest != nil
		decided = decided || schema.fields["additionalProperties"] != nil
	}
	m.s.closed = declared && !decided
	for _, schema := range plain { // names that are required but not declared come last
		if r := schema.fields["required"]; r != nil {
			for _, name := range r.list {
				m.s.declare(name.text).required = true
			}
		}
	}
	for _, schema := range plain {
		if others := schema.fields["additionalProperties"]; others != nil {
			m.s.others = append(m.s.others, others)
			m.s.closed = m.s.closed || others.kind == isFalse
		}
	}
	for i := range m.s.props {
		p := &m.s.props[i]
		declares := func(schema *value) bool {
			d := schema.fields["properties"]
			return d != nil && d.fields[p.name] != nil
		}
		p.value = slices.DeleteFunc(m.s.beside(m.s.matching(p.name)), func(v *value) bool {
			return v.key == "additionalProperties" && slices.Contains(m.s.others, v) && declares(v.parent)
		})
		for _, schema := range plain {
			if declares(schema) {
				p.value = append(p.value, schema.fields["properties"].fields[p.name])
			}
		}
	}
	m.s.prefix = make([]conjunction, length)
	for _, schema := range plain {
		prefix, items := tuple(schema)
		if items != nil {
			m.s.items = append(m.s.items, items)
		}
		for i := range m.s.prefix {
			if prefix != nil && i < len(prefix.list) {
				m.s.prefix[i] = append(m.s.prefix[i], prefix.list[i])
			} else if items != nil {
				m.s.prefix[i] = append(m.s.prefix[i], items)
			}
		}
	}
	if length > 0 && !itemsDecided && m.s.minItems <= length {
		atMost(&m.s.maxItems, length)
	}
}

// maxCounted bounds the properties of a map that are counted, with a state for each number of them.
const maxCounted = 256

// counted sees to the bounds of the number of properties.
func (m *merger) counted(plain conjunction) error {
	s, least := m.s, 1 // of a map, where a name may come twice
	for _, p := range s.props {
		if p.required {
			least++
		}
	}
	keyword := func(name string) *value {
		i := slices.IndexFunc(plain, func(schema *value) bool { return schema.fields[name] != nil })
		return plain[i].fields[name]
	}
	switch mapped := !s.closed || len(s.patterns) > 0; {
	case mapped && s.minProps > least:
		return refuse(keyword("minProperties"), "of properties that are not declared, one may be demanded")
	case mapped && s.maxProps > maxCounted:
		return refuse(keyword("maxProperties"), "more than %d are not counted", maxCounted)
	case !mapped && s.maxProps >= len(s.props):
		s.maxProps = -1
	}
	return nil
}

// filter keeps the values of enum and const that the other keywords allow.
func (m *merger) filter(plain conjunction) error {
	s := m.s
	var kept []*value
	for _, v := range s.values {
		ok := false
		switch v.kind {
		case isNull:
			ok = s.types&nullType != 0
		case isTrue, isFalse:
			ok = s.types&booleanType != 0
		case isNumber:
			if s.types&numberType == numberType && s.numbers.lo == nil && s.numbers.hi == nil && s.numbers.multiple == nil {
				ok = true
				break
			}
			x, exact := rational(v.text)
			ok = exact && s.types&numberType != 0 && s.numbers.has(x)
		case isString:
			n := len([]rune(v.text))
			ok = s.types&stringType != 0 && n >= s.minLen && (s.maxLen < 0 || n <= s.maxLen) &&
				!slices.ContainsFunc(s.strings, func(l *language) bool { return !l.has(v.text) })
		case isArray, isObject:
			t := objectType
			if v.kind == isArray {
				t = arrayType
			}
			for _, schema := range plain {
				for _, k := range schema.keys {
					if keywords[k]&t != 0 {
						return refuse(schema.fields[k], "%q is not supported beside an enum or const with %s", k, v.kind)
					}
				}
			}
			ok = s.types&t != 0
		}
		if ok && !slices.ContainsFunc(kept, v.equal) {
			kept = append(kept, v)
		}
	}
	s.values = kept
	return nil
}

// language compiles an expression once for each schema.
func (c *compiler) language(what, expr string) (*language, error) {
	key := what + strconv.Quote(expr)
	if l := c.languages[key]; l != nil {
		return l, nil
	}
	l, err := pattern(expr, &c.matching)
	if err == nil && l.empty() {
		err = errors.New("no string matches")
	}
	if err == nil {
		c.languages[key] = l
	}
	return l, err
}
