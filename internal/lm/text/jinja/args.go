package jinja

// params is the argument list of a filter, method or function: it hands out the arguments by position or name and
// then refuses what is left over.
type params struct {
	r      *renderer
	callee string
	args   []any
	kwargs *dict
	used   int // of kwargs
	next   int // of args
}

// builtin is a function that takes its arguments from its parameters.
func builtin(name string, f func(p *params) any) *function {
	return &function{name: name, call: func(r *renderer, args []any, kwargs *dict) any {
		p := &params{r: r, callee: name, args: args, kwargs: kwargs}
		result := f(p)
		p.end()
		if s, ok := result.(string); ok {
			r.made(len(s))
		}
		return result
	}}
}

// take returns the next parameter; ok is false if the caller left it out. An empty name cannot be given by keyword.
func (p *params) take(name string) (value any, ok bool) {
	if name != "" {
		if value, ok = p.kwargs.get(name); ok {
			p.used++
		}
	}
	if p.next < len(p.args) {
		if ok {
			fail("%s has two values for %s", p.callee, name)
		}
		value, ok = p.args[p.next], true
	}
	p.next++
	return value, ok
}

func (p *params) end() {
	if p.next < len(p.args) || p.used < p.kwargs.size() {
		fail("%s has too many arguments", p.callee)
	}
}

func (p *params) any(name string) any {
	value, ok := p.take(name)
	if !ok {
		fail("%s needs an argument %s", p.callee, name)
	}
	return value
}

// text and whole return the parameter, or what it is when it is left out or None; flag whether it is given and true.
func (p *params) text(name, absent string) string {
	value, ok := p.take(name)
	if !ok || value == nil {
		return absent
	}
	s, ok := value.(string)
	if !ok {
		fail("%s: %s is %s, not str", p.callee, name, typeName(value))
	}
	return s
}

func (p *params) whole(name string, absent int64) int64 {
	value, ok := p.take(name)
	if !ok || value == nil {
		return absent
	}
	return wantInt(p.callee, value)
}

func (p *params) flag(name string) bool {
	value, ok := p.take(name)
	return ok && truth(value)
}
