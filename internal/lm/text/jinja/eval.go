package jinja

import (
	"cmp"
	"maps"
	"slices"

	"github.com/nikolalohinski/gonja/v2/nodes"
	"github.com/nikolalohinski/gonja/v2/tokens"
)

func (r *renderer) eval(n nodes.Node) any {
	r.step(1)
	r.enter()
	value := r.expression(n)
	r.depth-- // a failure leaves the render for good, so this need not be deferred
	return value
}

func (r *renderer) expression(n nodes.Node) any {
	switch n := n.(type) {
	case *nodes.None:
		return nil
	case *nodes.Bool:
		return n.Val
	case *nodes.Integer:
		return int64(n.Val)
	case *nodes.Float:
		return n.Val
	case *nodes.String:
		return n.Val
	case *nodes.List:
		return &list{items: r.evalAll(n.Val)}
	case *nodes.Tuple:
		return &list{items: r.evalAll(n.Val), tuple: true}
	case *nodes.Dict:
		out := &dict{}
		for _, pair := range n.Pairs {
			out.set(hashable(r.eval(pair.Key)), r.eval(pair.Value))
		}
		return out
	case *nodes.Name:
		return r.name(n.Name.Val)
	case *nodes.GetAttribute:
		if n.Attribute == "" {
			return r.item(r.eval(n.Node), int64(n.Index))
		}
		return r.attribute(r.eval(n.Node), n.Attribute)
	case *nodes.GetItem:
		if n.Arg == nil {
			fail("subscript without an index")
		}
		return r.item(r.eval(n.Node), r.eval(n.Arg))
	case *nodes.GetSlice:
		return r.slice(n)
	case *nodes.Call:
		return r.call(n)
	case *nodes.Negation:
		return !truth(r.eval(n.Term))
	case *nodes.UnaryExpression:
		return unary(n.Negative, r.eval(n.Term))
	case *nodes.BinaryExpression:
		return r.binary(n)
	case *nodes.FilteredExpression:
		value := r.eval(n.Expression)
		for _, f := range n.Filters {
			args, kwargs := r.arguments(f.Args, f.Kwargs)
			value = r.filter(f.Name, value, args, kwargs)
		}
		return value
	case *nodes.TestExpression:
		args, kwargs := r.arguments(n.Test.Args, n.Test.Kwargs)
		if kwargs.size() > 0 {
			fail("test %s takes no keywords", n.Test.Name)
		}
		return r.test(n.Test.Name, r.eval(n.Expression), args)
	}
	fail("expected an expression")
	return nil
}

func (r *renderer) evalAll(list []nodes.Expression) []any {
	out := make([]any, len(list))
	for i, n := range list {
		out[i] = r.eval(n)
	}
	return out
}

func (r *renderer) name(name string) any {
	if name == "none" { // gonja knows the constants true, false and None
		return nil
	}
	if value, ok := r.scope.get(name); ok {
		return value
	}
	return undefined{name}
}

func hashable(value any) any {
	if !isHashable(value) {
		fail("%s cannot be a key", typeName(value))
	}
	return value
}

func isHashable(value any) bool {
	switch value.(type) {
	case nil, bool, int64, float64, string:
		return true
	}
	return false
}

// arguments evaluates in source order, which decides the order of dict(b=1, a=2).
func (r *renderer) arguments(args []nodes.Expression, kwargs map[string]nodes.Expression) ([]any, *dict) {
	values, named := r.evalAll(args), &dict{}
	names := slices.SortedFunc(maps.Keys(kwargs), func(a, b string) int {
		return cmp.Or(cmp.Compare(kwargs[a].Position().Pos, kwargs[b].Position().Pos), cmp.Compare(a, b))
	})
	for _, name := range names {
		named.set(name, r.eval(kwargs[name]))
	}
	return values, named
}

func (r *renderer) call(n *nodes.Call) any {
	defer at(n.Location)
	if name, ok := n.Func.(*nodes.Name); ok && name.Name.Val == conditional {
		switch {
		case truth(r.eval(n.Args[0])):
			return r.eval(n.Args[1])
		case len(n.Args) > 2:
			return r.eval(n.Args[2])
		}
		return undefined{"the conditional without else"}
	}
	callee := r.eval(n.Func)
	f, ok := callee.(*function)
	if !ok {
		if u, ok := callee.(undefined); ok {
			fail("%q is undefined", u.name)
		}
		fail("%s is not callable", typeName(callee))
	}
	args, kwargs := r.arguments(n.Args, n.Kwargs)
	return f.call(r, args, kwargs)
}

// attribute is "value.name": a method first, then an element.
func (r *renderer) attribute(value any, name string) any {
	switch v := value.(type) {
	case undefined:
		fail("%q is undefined, so it has no attribute %q", v.name, name)
	case *namespace:
		if element, ok := v.vars[name]; ok {
			return element
		}
		return undefined{name}
	case *loop:
		return v.attribute(name)
	}
	if m := method(value, name); m != nil {
		return m
	}
	if d, ok := value.(*dict); ok {
		if element, ok := d.get(name); ok {
			return element
		}
	}
	return undefined{name}
}

// item is "value[key]": an element first, then a method. What is not there is undefined.
func (r *renderer) item(value, key any) any {
	switch v := value.(type) {
	case undefined:
		fail("%q is undefined, so it has no elements", v.name)
	case *dict:
		if isHashable(key) { // else undefined, as in Jinja2: tool templates look up a schema's type, which may be a list
			if element, ok := v.get(key); ok {
				return element
			}
		}
	case *list:
		if i, ok := integer(key); ok {
			if i, ok = index(i, len(v.items)); ok {
				return v.items[i]
			}
		}
	case string:
		if i, ok := integer(key); ok {
			r.made(len(v))
			chars := []rune(v)
			if i, ok = index(i, len(chars)); ok {
				return string(chars[i])
			}
		}
	}
	if name, ok := key.(string); ok {
		if _, isDict := value.(*dict); !isDict {
			return r.attribute(value, name)
		}
		if m := method(value, name); m != nil {
			return m
		}
	}
	return undefined{r.toString(key)}
}

// index resolves a negative index.
func index(i int64, n int) (int64, bool) {
	if i < 0 {
		i += int64(n)
	}
	return i, i >= 0 && i < int64(n)
}

func (r *renderer) slice(n *nodes.GetSlice) any {
	value := r.eval(n.Node)
	var chars []rune
	var items []any
	size := 0
	switch v := value.(type) {
	case string:
		chars = []rune(v)
		size = len(chars)
		r.made(len(v))
	case *list:
		items, size = v.items, len(v.items)
	default:
		fail("%s cannot be sliced", typeName(value))
	}
	bound := func(n nodes.Node) *int64 {
		if n == nil {
			return nil
		}
		value := r.eval(n)
		if value == nil {
			return nil
		}
		i, ok := integer(value)
		if !ok {
			fail("slice index is %s, not int", typeName(value))
		}
		return &i
	}
	at := sliceIndices(bound(n.Start), bound(n.End), bound(n.Step), int64(size))
	r.step(len(at))
	if items == nil {
		out := make([]rune, len(at))
		for i, from := range at {
			out[i] = chars[from]
		}
		if _, ok := value.(string); ok {
			return string(out)
		}
	}
	out := make([]any, len(at))
	for i, from := range at {
		out[i] = items[from]
	}
	return &list{items: out, tuple: value.(*list).tuple}
}

// sliceIndices is Python's range(*slice(start, stop, step).indices(n)).
func sliceIndices(start, stop, step *int64, n int64) (at []int64) {
	by := int64(1)
	if step != nil {
		by = *step
	}
	if by == 0 {
		fail("slice step is zero")
	}
	low, high := int64(0), n
	if by < 0 {
		low, high = -1, n-1
	}
	clip := func(i *int64, absent int64) int64 {
		if i == nil {
			return absent
		}
		if *i < 0 {
			return max(*i+n, low)
		}
		return min(*i, high)
	}
	from, to := clip(start, low), clip(stop, high)
	if by < 0 {
		from, to = clip(start, high), clip(stop, low)
	}
	for i := from; by > 0 && i < to || by < 0 && i > to; {
		at = append(at, i)
		if next := i + by; (next > i) != (by > 0) {
			break // overflow
		} else {
			i = next
		}
	}
	return at
}

func (r *renderer) binary(n *nodes.BinaryExpression) any {
	left := r.eval(n.Left)
	switch n.Operator.Token.Type {
	case tokens.And:
		if !truth(left) {
			return left
		}
		return r.eval(n.Right)
	case tokens.Or:
		if truth(left) {
			return left
		}
		return r.eval(n.Right)
	}
	if n.Right == nil {
		fail("operator %s has no right side", n.Operator.Token.Val)
	}
	right := r.eval(n.Right)
	switch n.Operator.Token.Type {
	case tokens.Equals:
		return r.equal(left, right)
	case tokens.Ne:
		return !r.equal(left, right)
	case tokens.LowerThan:
		return r.compare(left, right) < 0
	case tokens.LowerThanOrEqual:
		return r.compare(left, right) <= 0
	case tokens.GreaterThan:
		return r.compare(left, right) > 0
	case tokens.GreaterThanOrEqual:
		return r.compare(left, right) >= 0
	case tokens.Tilde:
		a, b := r.toString(left), r.toString(right)
		r.made(len(a) + len(b))
		return a + b
	case tokens.Addition:
		return r.add(left, right)
	case tokens.Multiply:
		return r.multiply(left, right)
	}
	return arithmetic(n.Operator.Token, left, right)
}
