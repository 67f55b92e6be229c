package grammar

import "slices"

// exclusive makes sure that a document made for one schema of a oneOf fits no other: an automaton cannot count how many
// schemas hold.
func (c *compiler) exclusive(group *value) error {
	if c.checked[group] {
		return nil
	}
	c.checked[group] = true
	all := make([][]shape, len(group.list))
	for i, schema := range group.list {
		var err error
		if all[i], err = c.shapes(conjunction{schema}); err != nil {
			return err
		}
	}
	for i := range all {
		for j := range all[:i] {
			for k := range all[i] {
				for l := range all[j] {
					if a, b := &all[i][k], &all[j][l]; !c.apart(a, b, 0) || !c.apart(b, a, 0) {
						if c.mode == BestEffort { // as anyOf
							c.ignored = append(c.ignored, group.path())
							return nil
						}
						return refuse(group, "schemas %d and %d may both hold for one document, which only anyOf allows", j, i)
					}
				}
			}
		}
	}
	return nil
}

// apart reports whether it is certain that nothing made for a is valid for b, by what the standard says of b.
func (c *compiler) apart(a, b *shape, depth int) bool {
	if c.work++; c.work > maxWork {
		return false
	}
	if a.fixed && b.fixed {
		return !slices.ContainsFunc(a.values, func(v *value) bool { return slices.ContainsFunc(b.values, v.equal) })
	}
	both := a.types & b.stated
	if a.fixed {
		both &= kinds(a.values)
	}
	if b.fixed {
		both &= kinds(b.values)
	}
	return both&(nullType|booleanType) == 0 &&
		(both&numberType == 0 || numbersApart(a, b)) &&
		(both&stringType == 0 || c.stringsApart(a, b)) &&
		both&arrayType == 0 &&
		(both&objectType == 0 || c.objectsApart(a, b, depth))
}

func kinds(values []*value) (t types) {
	for _, v := range values {
		t |= [...]types{nullType, booleanType, booleanType, numberType, stringType, arrayType, objectType}[v.kind]
	}
	return t
}

func numbersApart(a, b *shape) bool {
	if a.fixed || b.fixed {
		return false
	}
	below := func(x, y bounds) bool {
		if x.hi == nil || y.lo == nil {
			return false
		}
		order := x.hi.Cmp(y.lo)
		return order < 0 || order == 0 && (x.hiOpen || y.loOpen)
	}
	return below(a.numbers, b.numbers) || below(b.numbers, a.numbers)
}

func (c *compiler) stringsApart(a, b *shape) bool {
	x, y := c.strings(a), c.strings(b)
	if x == nil || y == nil {
		return false
	}
	both := c.intersect(x, y)
	return both != nil && both.empty()
}

// objectsApart looks for a property that tells the shapes apart.
func (c *compiler) objectsApart(a, b *shape, depth int) bool {
	if a.fixed || b.fixed || depth > 8 {
		return false
	}
	for _, p := range b.props { // b wants what a never writes
		if p.required && a.closed && a.property(p.name) == nil && a.matching(p.name) == nil {
			return true
		}
	}
	for _, p := range a.props { // a writes what b forbids
		if !p.required {
			continue
		}
		other := b.beside(b.matching(p.name))
		if q := b.property(p.name); q != nil {
			other = q.value
		}
		x, errA := c.shapes(p.value)
		y, errB := c.shapes(other)
		if errA != nil || errB != nil {
			return false // the schema is refused where it is compiled
		}
		apart := true
		for i := range x {
			for j := range y {
				apart = apart && c.apart(&x[i], &y[j], depth+1)
			}
		}
		if apart {
			return true
		}
	}
	return false
}
