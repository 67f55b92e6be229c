package grammar

import "slices"

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

	props    []property
	index    map[string]int // into props
	patterns []patterned    // of names, also of those in props
	others   conjunction    // for properties that are neither in props nor match a pattern of the same schema
	names    conjunction    // of the properties
	closed   bool           // there are no others
	minProps int
	maxProps int // -1: none

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

// patterned are the properties with names of a pattern.
type patterned struct {
	names *language
	value *value
}

// beside is what all schemas say of a property that they do not declare, whose name matches these patterns.
func (s *shape) beside(matched []patterned) (all conjunction) {
	for _, p := range matched {
		all = append(all, p.value)
	}
	for _, o := range s.others {
		if !slices.ContainsFunc(matched, func(p patterned) bool { return p.value.parent.parent == o.parent }) {
			all = append(all, o)
		}
	}
	return all
}

// matching are the patterns that a name matches.
func (s *shape) matching(name string) (matched []patterned) {
	for _, p := range s.patterns {
		if p.names.has(name) {
			matched = append(matched, p)
		}
	}
	return matched
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
	"$comment": 0, "$schema": 0, "$id": 0, "id": 0, "$vocabulary": 0, "$anchor": 0, "$dynamicAnchor": 0, "$recursiveAnchor": 0,
	"$defs": 0, "definitions": 0, "contentMediaType": 0, "contentEncoding": 0, "contentSchema": 0,
	"type": 0, "not": 0, "enum": 0, "const": 0, "anyOf": 0, "oneOf": 0, "allOf": 0, "$ref": 0,
	"properties": objectType, "required": objectType, "additionalProperties": objectType, "propertyNames": objectType,
	"patternProperties": objectType, "minProperties": objectType, "maxProperties": objectType,
	"items": arrayType, "prefixItems": arrayType, "additionalItems": arrayType, "minItems": arrayType, "maxItems": arrayType, "uniqueItems": arrayType,
	"minLength": stringType, "maxLength": stringType, "pattern": stringType,
	"format":  0, // of strings and of numbers
	"minimum": numberType, "maximum": numberType, "exclusiveMinimum": numberType, "exclusiveMaximum": numberType, "multipleOf": numberType,
}
