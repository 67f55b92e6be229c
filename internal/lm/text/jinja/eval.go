package jinja

func (r *renderer) eval(e expr) any {
	r.step(1)
	r.enter()
	value := e(r)
	r.depth-- // a failure leaves the render for good, so this need not be deferred
	return value
}

func (r *renderer) evalAll(all []expr) []any {
	out := make([]any, len(all))
	for i, e := range all {
		out[i] = r.eval(e)
	}
	return out
}

func (r *renderer) name(name string) any {
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

func (r *renderer) function(callee any) *function {
	f, ok := callee.(*function)
	if u, missing := callee.(undefined); missing {
		fail("%q is undefined", u.name)
	}
	if !ok {
		fail("%s is not callable", typeName(callee))
	}
	return f
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

// slice is "value[start:stop:step]".
func (r *renderer) slice(value any, bounds [3]expr) any {
	text, isText := value.(string)
	l, ok := value.(*list)
	if !ok && !isText {
		fail("%s cannot be sliced", typeName(value))
	}
	r.fits(len(text))
	items := r.iterate(value)
	bound := func(e expr) *int64 {
		if e == nil {
			return nil
		}
		value := r.eval(e)
		if value == nil {
			return nil
		}
		i, ok := integer(value)
		if !ok {
			fail("slice index is %s, not int", typeName(value))
		}
		return &i
	}
	at := r.sliceIndices(bound(bounds[0]), bound(bounds[1]), bound(bounds[2]), int64(len(items)))
	out := listOf(r, at, func(i int64) any { return items[i] })
	if isText {
		return join(r, out, "")
	}
	out.tuple = l.tuple
	return out
}

// sliceIndices is Python's range(*slice(start, stop, step).indices(n)).
func (r *renderer) sliceIndices(start, stop, step *int64, n int64) []int64 {
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
	return r.progression(from, to, by)
}
