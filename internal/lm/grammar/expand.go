package grammar

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// item is a schema on the way through references and combinations; via is the one that led to it.
type item struct {
	schema *value
	via    *item
}

// shapes returns the alternatives of a conjunction, without what may be and has to be left out.
func (c *compiler) shapes(all conjunction) ([]shape, error) {
	for {
		shapes, err := c.alternatives(all)
		if err == nil || !c.forgive(err) {
			return shapes, err
		}
	}
}

func (c *compiler) alternatives(all conjunction) ([]shape, error) {
	var todo []item
	for _, s := range all {
		todo = append(todo, item{schema: s})
	}
	var found []conjunction
	if err := c.expand(todo, nil, nil, &found); err != nil {
		return nil, err
	}
	var shapes []shape
	for _, f := range found {
		s, err := c.merge(f)
		if err != nil {
			return nil, err
		}
		shapes = append(shapes, s)
	}
	return shapes, nil
}

// expand resolves references and allOf, and takes anyOf and oneOf apart, into conjunctions of plain schemas.
func (c *compiler) expand(todo []item, plain conjunction, choices [][]item, found *[]conjunction) error {
	for len(todo) > 0 {
		if c.work++; c.work%256 == 0 && c.b.ctx.Err() != nil {
			return c.b.ctx.Err()
		}
		if c.work > maxWork {
			return &SchemaError{Path: c.root.path(), Reason: "too many combinations of anyOf, oneOf and allOf"}
		}
		it := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		s := it.schema
		for via := it.via; via != nil; via = via.via {
			if via.schema == s {
				return refuse(s, "the schema refers to itself without an object or array between")
			}
		}
		switch s.kind {
		case isTrue:
			continue
		case isFalse:
			return nil
		case isObject:
		default:
			return &SchemaError{Path: s.path(), Reason: fmt.Sprintf("a schema must be an object or a boolean, not %s", s.kind), at: s, schema: true}
		}
		if slices.Contains(plain, s) {
			continue
		}
		if err := c.known(s); err != nil {
			return err
		}
		plain = append(plain, s)
		if ref := s.fields["$ref"]; ref != nil {
			target, err := c.resolve(ref)
			if err != nil {
				return err
			}
			todo = append(todo, item{target, &it})
		}
		for _, name := range []string{"allOf", "anyOf", "oneOf"} {
			group := s.fields[name]
			if group == nil {
				continue
			}
			if group.kind != isArray || len(group.list) == 0 {
				return refuse(group, "must be a list of schemas")
			}
			var items []item
			for _, member := range group.list {
				items = append(items, item{member, &it})
			}
			if name == "allOf" {
				todo = append(todo, items...)
				continue
			}
			if name == "oneOf" {
				if err := c.exclusive(group); err != nil {
					return err
				}
			}
			choices = append(choices, items)
		}
	}
	if len(choices) > 0 {
		for _, chosen := range choices[0] {
			if err := c.expand([]item{chosen}, slices.Clone(plain), choices[1:len(choices):len(choices)], found); err != nil {
				return err
			}
		}
		return nil
	}
	if len(*found) == maxAlternatives {
		return &SchemaError{Path: c.root.path(), Reason: "too many combinations of anyOf and oneOf"}
	}
	*found = append(*found, plain)
	return nil
}

func (c *compiler) resolve(ref *value) (*value, error) {
	if ref.kind != isString {
		return nil, refuse(ref, "must be a string")
	}
	pointer, local := strings.CutPrefix(ref.text, "#")
	unescaped, err := url.PathUnescape(pointer)
	if !local || err != nil || unescaped != "" && unescaped[0] != '/' {
		return nil, refuse(ref, "only references into the schema itself (#/…) are supported")
	}
	target := c.root.at(unescaped)
	if target == nil {
		return nil, refuse(ref, "nothing is at %q", ref.text)
	}
	return target, nil
}
