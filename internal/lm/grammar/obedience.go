package grammar

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// Obedience is what becomes of keywords that a grammar cannot keep.
type Obedience uint8

const (
	Strict     Obedience = iota // every keyword is kept, or the schema is refused
	Assertions                  // unknown keywords are annotations, as the dialect has it; what it asserts is kept or refused
	BestEffort                  // what cannot be kept is left out
)

// Limits bound the enums of one schema, as OpenAI does. The zero value has its limits.
type Limits struct {
	EnumValues int // of all enums together; 0: 1,000
	EnumText   int // characters of an enum of more than 250 values; 0: 15,000
}

const manyValues = 250 // from here on EnumText counts

// errLimit is a fault that no obedience forgives.
var errLimit = errors.New("limit")

// Ignored is a keyword that a grammar left out.
type Ignored struct {
	Tool int    // whose parameters have it; -1: the schema of the answer
	Path string // a JSON pointer (#/properties/x/contains); # for all of a schema
}

// Ignored names what the grammar does not keep to, in at most 32 places.
func (g *Grammar) Ignored() []Ignored { return g.ignored }

// assertions are keywords that the dialect, or an earlier one, gives a meaning which no grammar keeps.
var assertions = map[string]bool{
	"contains": true, "minContains": true, "maxContains": true, "if": true, "then": true, "else": true,
	"dependentRequired": true, "dependentSchemas": true, "dependencies": true,
	"unevaluatedProperties": true, "unevaluatedItems": true, "$dynamicRef": true, "$recursiveRef": true,
	"extends": true, "disallow": true, "divisibleBy": true,
}

// known sees to the keywords that no grammar has.
func (c *compiler) known(s *value) error {
	stays := s.keys[:0:0]
	for _, k := range s.keys {
		if _, ok := keywords[k]; ok || strings.HasPrefix(k, "x-") {
			stays = append(stays, k)
			continue
		}
		if c.mode == Strict || c.mode == Assertions && assertions[k] {
			return refuse(s.fields[k], "the keyword %q is not supported", k)
		}
		c.ignored = append(c.ignored, s.fields[k].path())
		delete(s.fields, k)
	}
	s.keys = stays
	return nil
}

// leaveOut takes a keyword out of its schema.
func (c *compiler) leaveOut(v *value) {
	c.ignored = append(c.ignored, v.path())
	delete(v.parent.fields, v.key)
	v.parent.keys = slices.DeleteFunc(v.parent.keys, func(k string) bool { return k == v.key })
}

// forgive leaves out the keyword that an error is about, if that is allowed.
func (c *compiler) forgive(err error) bool {
	e, ok := errors.AsType[*SchemaError](err)
	if !ok || c.mode != BestEffort || e.at == nil {
		return false
	}
	v := e.at
	if e.schema && v.kind != isObject { // what is no schema allows anything
		c.ignored = append(c.ignored, v.path())
		v.kind = isTrue
		return true
	}
	for v.parent != nil && v.parent.kind == isArray {
		v = v.parent
	}
	if v.parent == nil || v.parent.fields[v.key] != v {
		return false
	}
	c.leaveOut(v)
	return true
}

// hopeless tells whether a schema is given up as a whole for err.
func (mode Obedience) hopeless(ctx context.Context, err error) bool {
	return mode == BestEffort && ctx.Err() == nil && errors.Is(err, ErrSchema) && !errors.Is(err, errLimit)
}
