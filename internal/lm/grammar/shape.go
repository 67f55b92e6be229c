package grammar

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// conjunction is a list of schemas that all have to hold. One without members, or with empty ones, allows anything.
type conjunction []*value

// shape is one alternative of a conjunction, with everything that its schemas demand of it put together.
type shape struct {
	types   types
	stated  types // without those that are only implied
	fixed   bool  // to values, which are checked against the rest
	values  []*value
	strings []*language // all of them
	at      *value      // a schema that it comes from
	minLen  int
	maxLen  int // -1: none
	numbers bounds

	props  []property
	index  map[string]int // into props
	others conjunction    // for properties that are not in props
	names  conjunction    // of the properties
	closed bool           // there are no others

	prefix             []conjunction
	items              conjunction
	minItems, maxItems int      // maxItems -1: none
	unique             *value   // the keyword, if items may not repeat
	distinct           []*value // then: all that items may be
}

type property struct {
	name     string
	value    conjunction
	required bool
}

func (s *shape) property(name string) *property {
	i, ok := s.index[name]
	if !ok {
		return nil
	}
	return &s.props[i]
}

func (s *shape) declare(name string) *property {
	if s.property(name) == nil {
		s.index[name] = len(s.props)
		s.props = append(s.props, property{name: name})
	}
	return s.property(name)
}

type types uint8

const (
	nullType types = 1 << iota
	booleanType
	integerType
	fractionType // numbers that are not written as integers
	stringType
	arrayType
	objectType

	numberType = integerType | fractionType
	allTypes   = objectType<<1 - 1
)

var typeNames = map[string]types{
	"null": nullType, "boolean": booleanType, "integer": integerType, "number": numberType,
	"string": stringType, "array": arrayType, "object": objectType,
}

// keywords are those that are known, each with the type that it is about; 0 for all or none.
var keywords = map[string]types{
	"title": 0, "description": 0, "default": 0, "examples": 0, "example": 0, "deprecated": 0, "readOnly": 0, "writeOnly": 0,
	"$comment": 0, "$schema": 0, "$id": 0, "$defs": 0, "definitions": 0, "contentMediaType": 0, "contentEncoding": 0,
	"type": 0, "not": 0, "enum": 0, "const": 0, "anyOf": 0, "oneOf": 0, "allOf": 0, "$ref": 0,
	"properties": objectType, "required": objectType, "additionalProperties": objectType, "propertyNames": objectType,
	"items": arrayType, "prefixItems": arrayType, "minItems": arrayType, "maxItems": arrayType, "uniqueItems": arrayType,
	"minLength": stringType, "maxLength": stringType, "pattern": stringType,
	"format":  0, // of strings and of numbers
	"minimum": numberType, "maximum": numberType, "exclusiveMinimum": numberType, "exclusiveMaximum": numberType, "multipleOf": numberType,
}

// refuse makes the error for a place in the schema.
func refuse(at *value, format string, args ...any) error {
	return &SchemaError{Path: at.path(), Reason: fmt.Sprintf(format, args...), at: at}
}

// merge puts plain schemas together. Where they name no type, they mean the types that their keywords are about.
// Properties and items beside the declared ones are allowed only where a schema says so: a model that may go on will.
func (c *compiler) merge(plain conjunction) (shape, error) {
	s := shape{types: allTypes, maxLen: -1, maxItems: -1, index: map[string]int{}}
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
		if e.kind != isArray {
			return refuse(e, "must be a list of values")
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

// atMost lowers a limit that is -1 where there is none.
func atMost(limit *int, n int) {
	if *limit < 0 || n < *limit {
		*limit = n
	}
}

func (m *merger) text(schema *value) error {
	if n, ok, err := count(schema, "minLength"); err != nil {
		return err
	} else if ok {
		m.s.minLen = max(m.s.minLen, n)
	}
	if n, ok, err := count(schema, "maxLength"); err != nil {
		return err
	} else if ok {
		atMost(&m.s.maxLen, n)
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
	if f.text == "float" || f.text == "double" {
		m.implied |= numberType
		return nil
	}
	if f.text == "binary" || f.text == "password" || f.text == "path" { // any string
		m.implied |= stringType
		return nil
	}
	expr, ok := formats[f.text]
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
		x, ok := rational(v.text)
		if v.kind != isNumber || !ok {
			return refuse(v, "must be a number of at most 40 digits")
		}
		if open := strings.HasPrefix(k, "exclusive"); strings.HasSuffix(strings.ToLower(k), "minimum") {
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
	if n, ok, err := count(schema, "minItems"); err != nil {
		return err
	} else if ok {
		m.s.minItems = max(m.s.minItems, n)
	}
	if n, ok, err := count(schema, "maxItems"); err != nil {
		return err
	} else if ok {
		atMost(&m.s.maxItems, n)
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
	r := schema.fields["required"]
	if r == nil {
		return nil
	}
	if r.kind != isArray || slices.ContainsFunc(r.list, func(v *value) bool { return v.kind != isString }) {
		return refuse(r, "must be a list of names")
	}
	return nil
}

// members works out what each property and each item has to be: what all schemas say of it.
func (m *merger) members(plain conjunction) {
	declared, decided := false, false
	tuple, itemsDecided := 0, false
	for _, schema := range plain {
		if p := schema.fields["properties"]; p != nil {
			declared = true
			for _, name := range p.keys {
				m.s.declare(name)
			}
		}
		if p := schema.fields["prefixItems"]; p != nil {
			tuple = max(tuple, len(p.list))
		}
		itemsDecided = itemsDecided || schema.fields["items"] != nil
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
		declared, others := schema.fields["properties"], schema.fields["additionalProperties"]
		if others != nil {
			m.s.others = append(m.s.others, others)
			m.s.closed = m.s.closed || others.kind == isFalse
		}
		for i := range m.s.props {
			p := &m.s.props[i]
			if declared != nil && declared.fields[p.name] != nil {
				p.value = append(p.value, declared.fields[p.name])
			} else if others != nil {
				p.value = append(p.value, others)
			}
		}
	}
	m.s.prefix = make([]conjunction, tuple)
	for _, schema := range plain {
		items, prefix := schema.fields["items"], schema.fields["prefixItems"]
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
	if tuple > 0 && !itemsDecided && m.s.minItems <= tuple {
		atMost(&m.s.maxItems, tuple)
	}
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
