package jinja

import (
	"strings"
	"time"

	"github.com/nikolalohinski/gonja/v2/nodes"
	"github.com/nikolalohinski/gonja/v2/tokens"
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
	if bytes > maxString || bytes < 0 {
		fail("template makes a text of more than %d bytes", maxString)
	}
	r.step(1 + bytes/costBytes)
}

// enter counts the depth of evaluation; the caller takes one off again when it returns.
func (r *renderer) enter() {
	if r.depth++; r.depth > maxDepth {
		fail("template nests deeper than %d", maxDepth)
	}
}

// at gives errors that have none the line of a node.
func at(place *tokens.Token) {
	switch v := recover().(type) {
	case nil:
	case *Error:
		if v.Line == 0 && place != nil {
			v.Line = place.Line
		}
		panic(v)
	default:
		panic(v)
	}
}

func (r *renderer) run(list []nodes.Node) flow {
	for _, n := range list {
		if f := r.statement(n); f != flowNext {
			return f
		}
	}
	return flowNext
}

func (r *renderer) statement(n nodes.Node) flow {
	if n == nil {
		return flowNext
	}
	r.step(1)
	switch n := n.(type) {
	case *nodes.Data:
		r.write(n.Data.Val)
	case *nodes.Output:
		defer at(n.Start)
		r.write(r.toString(r.eval(n.Expression)))
	case *nodes.ControlStructureBlock:
		defer at(n.Location)
		r.enter()
		defer func() { r.depth-- }()
		return r.tag(n.ControlStructure)
	default:
		fail("unexpected %T", n)
	}
	return flowNext
}

func (r *renderer) write(text string) {
	if r.out.Len()+len(text) > maxString {
		fail("template makes a text of more than %d bytes", maxString)
	}
	r.made(len(text))
	r.out.WriteString(text)
}

func (r *renderer) tag(n nodes.ControlStructure) flow {
	switch n := n.(type) {
	case *ifTag:
		return r.ifTag(n)
	case *forTag:
		return r.forTag(n)
	case *setTag:
		r.setTag(n)
	case *macroTag:
		r.scope.vars[n.name] = r.macro(n)
	case *generationTag:
		start := r.out.Len()
		f := r.run(n.body.Nodes)
		if r.captured == 0 {
			r.generated = append(r.generated, [2]int{start, r.out.Len()})
		}
		return f
	case *jumpTag:
		return n.flow
	default:
		fail("unexpected %T", n)
	}
	return flowNext
}

func (r *renderer) ifTag(n *ifTag) flow {
	for i, condition := range n.conditions {
		if truth(r.eval(condition)) {
			return r.run(n.bodies[i].Nodes)
		}
	}
	if len(n.bodies) > len(n.conditions) {
		return r.run(n.bodies[len(n.bodies)-1].Nodes)
	}
	return flowNext
}

func (r *renderer) forTag(n *forTag) flow {
	outer := r.scope
	defer func() { r.scope = outer }()
	var items []any
	for _, item := range r.iterate(r.eval(n.items)) {
		r.step(1)
		if n.filter != nil {
			r.scope = &scope{vars: map[string]any{}, parent: outer}
			r.unpack(n.targets, item)
			if !truth(r.eval(n.filter)) {
				continue
			}
		}
		items = append(items, item)
	}
	if len(items) == 0 && n.none != nil {
		r.scope = &scope{vars: map[string]any{}, parent: outer}
		return r.run(n.none.Nodes)
	}
	state := &loop{items: items}
	for i, item := range items {
		r.step(1)
		state.index = i
		r.scope = &scope{vars: map[string]any{"loop": state}, parent: outer}
		r.unpack(n.targets, item)
		if r.run(n.body.Nodes) == flowBreak {
			break
		}
	}
	return flowNext
}

// unpack assigns an item to one name, or its elements to several.
func (r *renderer) unpack(names []string, item any) {
	if len(names) == 1 {
		r.scope.vars[names[0]] = item
		return
	}
	elements := r.iterate(item)
	if len(elements) != len(names) {
		fail("cannot unpack %d values into %d names", len(elements), len(names))
	}
	for i, name := range names {
		r.scope.vars[name] = elements[i]
	}
}

func (r *renderer) setTag(n *setTag) {
	var value any
	if n.body != nil {
		value = r.capture(func() { r.run(n.body.Nodes) })
	} else {
		value = r.eval(n.value)
	}
	values := []any{value}
	if len(n.targets) > 1 {
		if values = r.iterate(value); len(values) != len(n.targets) {
			fail("cannot unpack %d values into %d names", len(values), len(n.targets))
		}
	}
	for i, target := range n.targets {
		switch target := target.(type) {
		case *nodes.Name:
			r.scope.vars[target.Name.Val] = values[i]
		case *nodes.GetAttribute:
			space, ok := r.eval(target.Node).(*namespace)
			if !ok {
				fail("cannot assign an attribute of %s: it is no namespace", target.Node)
			}
			space.vars[target.Attribute] = values[i]
		}
	}
}

// capture returns what f writes.
func (r *renderer) capture(f func()) string {
	outer := r.out
	r.out = &strings.Builder{}
	r.captured++
	defer func() {
		r.out = outer
		r.captured--
	}()
	f()
	return r.out.String()
}

// macro makes the callable of a macro tag. Its body sees the names of the place where it is defined.
func (r *renderer) macro(n *macroTag) *function {
	defined := r.scope
	return &function{name: n.name, call: func(r *renderer, args []any, kwargs *dict) any {
		r.enter()
		outer := r.scope
		defer func() {
			r.scope = outer
			r.depth--
		}()
		r.scope = &scope{vars: map[string]any{}, parent: defined}
		if len(args) > len(n.parameters) {
			fail("macro %s takes %d arguments, not %d", n.name, len(n.parameters), len(args))
		}
		known := 0
		for i, p := range n.parameters {
			value, named := kwargs.get(p.name)
			switch {
			case i < len(args):
				if named {
					fail("macro %s has two values for %s", n.name, p.name)
				}
				value = args[i]
			case named:
				known++
			case p.value != nil:
				value = r.eval(p.value)
			default:
				value = undefined{p.name}
			}
			r.scope.vars[p.name] = value
		}
		if known != kwargs.size() {
			fail("macro %s has no parameter named %v", n.name, kwargs.keys)
		}
		return r.capture(func() { r.run(n.body.Nodes) })
	}}
}
