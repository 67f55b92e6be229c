package jinja

import (
	"strings"
	"time"
)

// flow is how a statement ends: normally, or by leaving or repeating the innermost loop.
type flow int

const (
	flowNext flow = iota
	flowBreak
	flowContinue
)

// scope is what names mean: a loop body and a macro have their own, an if does not.
type scope struct {
	vars   map[string]any
	parent *scope
}

func (s *scope) get(name string) (any, bool) {
	for ; s != nil; s = s.parent {
		if value, ok := s.vars[name]; ok {
			return value, true
		}
	}
	return nil, false
}

// renderer is one execution of a template.
type renderer struct {
	now       time.Time
	filters   map[string]filter
	scope     *scope
	out       *strings.Builder
	captured  int // how many macros and block sets the output goes into, instead of into the text
	generated [][2]int
	steps     int
	depth     int
}

// step counts work. Every statement, expression and list element passes here, so that a render ends.
func (r *renderer) step(cost int) {
	if r.steps += cost; r.steps > maxSteps || r.steps < 0 {
		fail("template takes more than %d steps", maxSteps)
	}
}

// made counts the making of a text of so many bytes.
func (r *renderer) made(bytes int) {
	r.fits(bytes)
	r.step(1 + bytes/costBytes)
}

func (r *renderer) fits(bytes int) {
	if bytes > maxString || bytes < 0 {
		fail("template makes a text of more than %d bytes", maxString)
	}
}

// enter counts the depth of evaluation; the caller takes one off again when it returns.
func (r *renderer) enter() {
	if r.depth++; r.depth > maxDepth {
		fail("template nests deeper than %d", maxDepth)
	}
}

// at gives errors that have none the line of the template.
func at(line int) {
	switch v := recover().(type) {
	case nil:
	case *Error:
		if v.Line == 0 {
			v.Line = line
		}
		panic(v)
	default:
		panic(v)
	}
}

// run executes a block.
func (r *renderer) run(block []stmt) flow {
	for _, execute := range block {
		r.step(1)
		if f := execute(r); f != flowNext {
			return f
		}
	}
	return flowNext
}

func (r *renderer) write(text string) {
	r.fits(r.out.Len() + len(text))
	r.made(len(text))
	r.out.WriteString(text)
}

// loop executes the body of a for tag for those items that the filter, if it is not nil, lets through; without any, none.
func (r *renderer) loop(into target, all []any, filter expr, body, none []stmt) flow {
	outer := r.scope
	defer func() { r.scope = outer }()
	var items []any
	for _, item := range all {
		r.step(1)
		if filter != nil {
			r.scope = &scope{vars: map[string]any{}, parent: outer}
			into(r, item)
			if !truth(r.eval(filter)) {
				continue
			}
		}
		items = append(items, item)
	}
	if len(items) == 0 {
		r.scope = &scope{vars: map[string]any{}, parent: outer}
		return r.run(none)
	}
	state := &loop{items: items}
	for i, item := range items {
		r.step(1)
		state.index = i
		r.scope = &scope{vars: map[string]any{"loop": state}, parent: outer}
		into(r, item)
		if r.run(body) == flowBreak {
			break
		}
	}
	return flowNext
}

// capture returns what a block writes.
func (r *renderer) capture(block []stmt) string {
	outer := r.out
	r.out = &strings.Builder{}
	r.captured++
	defer func() {
		r.out = outer
		r.captured--
	}()
	r.run(block)
	return r.out.String()
}

// macro is a macro tag.
type macro struct {
	name     string
	names    []string // of the parameters
	values   []expr   // of parameters that are not given
	defaults bool
	body     []stmt
}

// macro makes the callable of a macro tag. Its body sees the names of the place where it is defined.
func (r *renderer) macro(m macro) *function {
	defined := r.scope
	return &function{name: m.name, call: func(r *renderer, args []any, kwargs *dict) any {
		r.enter()
		outer := r.scope
		defer func() {
			r.scope = outer
			r.depth--
		}()
		r.scope = &scope{vars: map[string]any{}, parent: defined}
		if len(args) > len(m.names) {
			fail("macro %s takes %d arguments, not %d", m.name, len(m.names), len(args))
		}
		known := 0
		for i, name := range m.names {
			value, named := kwargs.get(name)
			switch {
			case i < len(args):
				if named {
					fail("macro %s has two values for %s", m.name, name)
				}
				value = args[i]
			case named:
				known++
			default:
				value = r.eval(m.values[i])
			}
			r.scope.vars[name] = value
		}
		if known != kwargs.size() {
			fail("macro %s has no parameter named %v", m.name, kwargs.keys)
		}
		return r.capture(m.body)
	}}
}
