package jinja

import (
	"math"
	"slices"
	"strings"
)

func unary(negative bool, value any) any {
	n, whole := integer(value)
	f, ok := number(value)
	switch {
	case !ok:
		fail("%s has no sign", typeName(value))
	case whole && negative:
		return -n
	case whole:
		return n
	case negative:
		return -f
	}
	return f
}

func (r *renderer) add(left, right any) any {
	switch a := left.(type) {
	case string:
		if b, ok := right.(string); ok {
			r.made(len(a) + len(b))
			return a + b
		}
	case *list:
		if b, ok := right.(*list); ok && a.tuple == b.tuple {
			r.step(len(a.items) + len(b.items))
			return &list{items: slices.Concat(a.items, b.items), tuple: a.tuple}
		}
	}
	if a, b, ok := integers(left, right); ok {
		if sum := a + b; (sum > a) == (b > 0) {
			return sum
		}
		fail("integer overflow")
	}
	a, okA := number(left)
	b, okB := number(right)
	if !okA || !okB {
		cannot("add", left, right)
	}
	return a + b
}

func (r *renderer) multiply(left, right any) any {
	if _, ok := integer(left); ok {
		left, right = right, left
	}
	count, ok := integer(right)
	switch v := left.(type) {
	case string:
		if ok {
			return r.repeat(v, count)
		}
	case *list:
		if ok {
			count = max(count, 0)
			if count > maxSteps {
				fail("template repeats a list %d times", count)
			}
			r.step(int(count) * max(len(v.items), 1))
			return &list{items: slices.Repeat(v.items, int(count)), tuple: v.tuple}
		}
	}
	if a, b, ok := integers(left, right); ok {
		if product := a * b; a == 0 || product/a == b && !(a == -1 && b == math.MinInt64) {
			return product
		}
		fail("integer overflow")
	}
	a, okA := number(left)
	b, okB := number(right)
	if !okA || !okB {
		cannot("multiply", left, right)
	}
	return a * b
}

// repeat checks the length before it is made.
func (r *renderer) repeat(text string, count int64) string {
	n := int(min(max(count, 0), maxString+1))
	r.made(len(text) * n)
	return strings.Repeat(text, n)
}

func integers(left, right any) (a, b int64, ok bool) {
	a, okA := integer(left)
	b, okB := integer(right)
	return a, b, okA && okB
}

func cannot(verb string, left, right any) {
	for _, value := range []any{left, right} {
		if u, ok := value.(undefined); ok {
			fail("%q is undefined", u.name)
		}
	}
	fail("cannot %s %s and %s", verb, typeName(left), typeName(right))
}

// binary is "left operator right".
func (r *renderer) binary(operator string, left, right any) any {
	switch operator {
	case "~":
		a, b := r.toString(left), r.toString(right)
		r.made(len(a) + len(b))
		return a + b
	case "+":
		return r.add(left, right)
	case "*":
		return r.multiply(left, right)
	}
	a, okA := number(left)
	b, okB := number(right)
	if !okA || !okB {
		cannot("compute "+operator+" of", left, right)
	}
	x, y, whole := integers(left, right)
	switch operator {
	case "-":
		if whole {
			if diff := x - y; (diff < x) == (y > 0) {
				return diff
			}
			fail("integer overflow")
		}
		return a - b
	case "**":
		power := math.Pow(a, b)
		if whole && y >= 0 {
			if math.Abs(power) >= 1<<53 {
				fail("integer overflow")
			}
			return int64(power)
		}
		return power
	case "/", "//", "%":
		if b == 0 {
			fail("division by zero")
		}
	}
	switch operator {
	case "/":
		return a / b
	case "//":
		if whole {
			return (x - modulo(x, y)) / y
		}
		return math.Floor(a / b)
	case "%":
		if whole {
			return modulo(x, y)
		}
		return a - b*math.Floor(a/b)
	}
	fail("unknown operator %s", operator)
	return nil
}

// modulo has the sign of the divisor, as in Python.
func modulo(a, b int64) int64 {
	m := a % b
	if m != 0 && (m < 0) != (b < 0) {
		m += b
	}
	return m
}
