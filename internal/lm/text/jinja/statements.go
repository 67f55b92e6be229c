package jinja

import "slices"

// stmt writes to the renderer's output. Others execute it through renderer.run, which counts.
type stmt func(r *renderer) flow

// block reads statements up to a tag that has one of the names, or to the end of the template, and which it was.
func (p *parser) block(ends ...string) (body []stmt, end string) {
	defer p.nest()()
	for {
		switch t := p.next(); t.kind {
		case theEnd:
			if len(ends) > 0 {
				p.fail("the template ends before %s", ends[len(ends)-1])
			}
			return body, ""
		case someText:
			body = append(body, func(r *renderer) flow { r.write(t.text); return flowNext })
		case "{{":
			value := p.tuple(p.condition, "}}")
			p.expect("}}")
			body = append(body, func(r *renderer) flow {
				defer at(t.line)
				r.write(r.toString(r.eval(value)))
				return flowNext
			})
		default: // "{%"
			name := p.expect(aName).text
			if slices.Contains(ends, name) {
				return body, name
			}
			parse := p.tag(name)
			if parse == nil {
				failAt(t.line, "tag %q is not implemented", name)
			}
			execute := parse()
			p.expect("%}")
			body = append(body, func(r *renderer) flow {
				defer at(t.line)
				r.enter()
				defer func() { r.depth-- }()
				return execute(r)
			})
		}
	}
}

// body is the block behind a tag.
func (p *parser) body(ends ...string) (body []stmt, end string) {
	p.skip(":")
	p.expect("%}")
	return p.block(ends...)
}

// tag is what parses the rest of a tag of that name, up to the end of the last tag that belongs to it; nil if there is none.
func (p *parser) tag(name string) func() stmt {
	switch name {
	case "if":
		return p.ifTag
	case "for":
		return p.forTag
	case "set":
		return p.setTag
	case "macro":
		return p.macroTag
	case "generation":
		return p.generationTag
	case "break":
		return func() stmt { return func(*renderer) flow { return flowBreak } }
	case "continue":
		return func() stmt { return func(*renderer) flow { return flowContinue } }
	}
	return nil
}

func (p *parser) ifTag() stmt {
	test := p.tuple(p.or, "%}")
	then, end := p.body("elif", "else", "endif")
	other := stmt(func(*renderer) flow { return flowNext })
	switch end {
	case "elif":
		other = p.ifTag()
	case "else":
		body, _ := p.body("endif")
		other = func(r *renderer) flow { return r.run(body) }
	}
	return func(r *renderer) flow {
		if truth(r.eval(test)) {
			return r.run(then)
		}
		return other(r)
	}
}

func (p *parser) forTag() stmt {
	into := p.target(false, "in")
	p.expect("in")
	items, filter := p.tuple(p.or, "%}", "if"), expr(nil)
	if p.skip("if") {
		filter = p.condition()
	}
	if p.is("recursive") {
		p.fail("recursive loops are not implemented")
	}
	body, end := p.body("else", "endfor")
	var none []stmt
	if end == "else" {
		none, _ = p.body("endfor")
	}
	return func(r *renderer) flow { return r.loop(into, r.iterate(r.eval(items)), filter, body, none) }
}

func (p *parser) setTag() stmt {
	into, value := p.target(true, "="), expr(nil)
	if p.skip("=") {
		value = p.tuple(p.condition, "%}")
	} else {
		var body []stmt
		value = p.filtered(func(r *renderer) any { return r.capture(body) })
		body, _ = p.body("endset")
	}
	return func(r *renderer) flow {
		into(r, r.eval(value))
		return flowNext
	}
}

func (p *parser) macroTag() stmt {
	m := macro{name: p.expect(aName).text}
	p.expect("(")
	p.items(")", func() expr {
		name := p.expect(aName).text
		value := expr(func(*renderer) any { return undefined{name} })
		if p.skip("=") {
			value, m.defaults = p.condition(), true
		} else if m.defaults {
			p.fail("a parameter without default follows one with")
		}
		m.names, m.values = append(m.names, name), append(m.values, value)
		return value
	})
	m.body, _ = p.body("endmacro")
	return func(r *renderer) flow {
		r.scope.vars[m.name] = r.macro(m)
		return flowNext
	}
}

func (p *parser) generationTag() stmt {
	p.generation = true
	body, _ := p.body("endgeneration")
	return func(r *renderer) flow {
		start := r.out.Len()
		f := r.run(body)
		if r.captured == 0 {
			r.generated = append(r.generated, [2]int{start, r.out.Len()})
		}
		return f
	}
}

// target takes a value that is assigned.
type target func(r *renderer, value any)

// target reads a name, or several with commas between, among which a value is divided. spaces allows attributes of namespaces.
func (p *parser) target(spaces bool, end string) target {
	defer p.nest()()
	var all []target
	tuple := false
	for len(all) == 0 || tuple && !p.is(end) && !p.is(")") {
		if p.skip("(") {
			all = append(all, p.target(spaces, ")"))
			p.expect(")")
		} else {
			all = append(all, p.name(spaces))
		}
		if !p.skip(",") {
			break
		}
		tuple = true
	}
	if !tuple {
		return all[0]
	}
	return func(r *renderer, value any) {
		values := r.iterate(value)
		if len(values) != len(all) {
			fail("cannot unpack %d values into %d names", len(values), len(all))
		}
		for i, assign := range all {
			assign(r, values[i])
		}
	}
}

func (p *parser) name(spaces bool) target {
	name := p.expect(aName).text
	if _, ok := constants[name]; ok {
		p.fail("cannot assign to %s", name)
	}
	if !spaces || !p.skip(".") {
		return func(r *renderer, value any) { r.scope.vars[name] = value }
	}
	attribute := p.expect(aName).text
	return func(r *renderer, value any) {
		space, ok := r.name(name).(*namespace)
		if !ok {
			fail("cannot assign an attribute of %s: it is no namespace", name)
		}
		space.vars[attribute] = value
	}
}
