package jinja

import (
	"strings"
	"unicode"
)

// test is "value is name(args)".
func (r *renderer) test(name string, value any, args []any) bool {
	t, ok := tests[name]
	if !ok {
		fail("test %q is not implemented", name)
	}
	if len(args) != t.args {
		fail("test %s takes %d arguments, not %d", name, t.args, len(args))
	}
	var arg any
	if t.args > 0 {
		arg = args[0]
	}
	return t.holds(r, value, arg)
}

type test struct {
	args  int
	holds func(r *renderer, value, arg any) bool
}

func is(holds func(value any) bool) test {
	return test{holds: func(_ *renderer, value, _ any) bool { return holds(value) }}
}

func ordered(holds func(order int) bool) test {
	return test{1, func(r *renderer, value, arg any) bool { return holds(r.compare(value, arg)) }}
}

var tests = allTests()

func allTests() map[string]test {
	equals := test{1, (*renderer).equal}
	differs := test{1, func(r *renderer, a, b any) bool { return !r.equal(a, b) }}
	less := ordered(func(order int) bool { return order < 0 })
	lessOrEqual := ordered(func(order int) bool { return order <= 0 })
	greater := ordered(func(order int) bool { return order > 0 })
	greaterOrEqual := ordered(func(order int) bool { return order >= 0 })
	return map[string]test{
		"defined":   is(func(v any) bool { _, ok := v.(undefined); return !ok }),
		"undefined": is(func(v any) bool { _, ok := v.(undefined); return ok }),
		"none":      is(func(v any) bool { return v == nil }),
		"boolean":   is(func(v any) bool { _, ok := v.(bool); return ok }),
		"true":      is(func(v any) bool { return v == true }),
		"false":     is(func(v any) bool { return v == false }),
		"integer":   is(func(v any) bool { _, ok := v.(int64); return ok }),
		"float":     is(func(v any) bool { _, ok := v.(float64); return ok }),
		"number":    is(func(v any) bool { _, ok := number(v); return ok }),
		"string":    is(func(v any) bool { _, ok := v.(string); return ok }),
		"mapping":   is(func(v any) bool { _, ok := v.(*dict); return ok }),
		"iterable":  is(iterable),
		"sequence":  is(iterable),
		"callable":  is(func(v any) bool { _, ok := v.(*function); return ok }),
		"lower":     {0, func(r *renderer, v, _ any) bool { return isCase(r.toString(v), unicode.IsLower, unicode.IsUpper) }},
		"upper":     {0, func(r *renderer, v, _ any) bool { return isCase(r.toString(v), unicode.IsUpper, unicode.IsLower) }},
		"odd":       is(func(v any) bool { return modulo(wantInt("odd", v), 2) == 1 }),
		"even":      is(func(v any) bool { return modulo(wantInt("even", v), 2) == 0 }),
		"divisibleby": {1, func(_ *renderer, v, by any) bool {
			n := wantInt("divisibleby", by)
			if n == 0 {
				fail("division by zero")
			}
			return modulo(wantInt("divisibleby", v), n) == 0
		}},
		"sameas": {1, func(r *renderer, a, b any) bool { return typeName(a) == typeName(b) && r.equal(a, b) }},
		"in":     {1, func(r *renderer, v, in any) bool { return r.contains(in, v) }},
		"eq":     equals, "equalto": equals, "==": equals,
		"ne": differs, "!=": differs,
		"lt": less, "lessthan": less, "<": less, "le": lessOrEqual, "<=": lessOrEqual,
		"gt": greater, "greaterthan": greater, ">": greater, "ge": greaterOrEqual, ">=": greaterOrEqual,
	}
}

func iterable(value any) bool {
	switch value.(type) {
	case string, *list, *dict, undefined:
		return true
	}
	return false
}

// isCase is str.islower and str.isupper: some letter of the one case and none of the other.
func isCase(s string, want, other func(rune) bool) bool {
	return strings.IndexFunc(s, want) >= 0 && strings.IndexFunc(s, other) < 0
}

func wantInt(place string, value any) int64 {
	n, ok := integer(value)
	if !ok {
		fail("%s needs an int, not %s", place, typeName(value))
	}
	return n
}

// contains is the operator "in".
func (r *renderer) contains(in, value any) bool {
	switch in := in.(type) {
	case string:
		text, ok := value.(string)
		if !ok {
			cannot("look in", value, in)
		}
		r.made(len(in))
		return strings.Contains(in, text)
	case *dict:
		_, ok := in.get(hashable(value))
		return ok
	}
	for _, item := range r.iterate(in) {
		r.step(1)
		if r.equal(item, value) {
			return true
		}
	}
	return false
}
