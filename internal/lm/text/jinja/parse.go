package jinja

import (
	"slices"
	"strconv"
)

// parser makes closures of tokens, by the grammar of Jinja2's parser: what its methods are named after.
type parser struct {
	tokens     []token // those that are left; the last is theEnd
	depth      int
	filters    map[string]filter
	generation bool
}

// expr gives a value. Others call it through renderer.eval, which counts.
type expr func(r *renderer) any

func (p *parser) fail(format string, args ...any) { failAt(p.tokens[0].line, format, args...) }

// is tells whether the next token is of a kind, an operator, or this word.
func (p *parser) is(what string) bool { return p.tokens[0].is(what) }

func (t token) is(what string) bool { return t.kind == what || t.kind == aName && t.text == what }

func (p *parser) next() token {
	t := p.tokens[0]
	if t.kind != theEnd {
		p.tokens = p.tokens[1:]
	}
	return t
}

// skip takes the next token if it is what is asked for.
func (p *parser) skip(what string) bool {
	is := p.is(what)
	if is {
		p.next()
	}
	return is
}

func (p *parser) expect(what string) token {
	if !p.is(what) {
		p.fail("expected %s, not %s", what, p.tokens[0])
	}
	return p.next()
}

// nest counts the depth of recursion, which a hostile source must not choose; the caller calls what it returns at the end.
func (p *parser) nest() func() {
	if p.depth++; p.depth > maxNest {
		p.fail("more than %d expressions and blocks inside each other", maxNest)
	}
	return func() { p.depth-- }
}

// tuple reads an expression, or several with commas between, up to one of the ends.
func (p *parser) tuple(item func() expr, ends ...string) expr {
	first := item()
	if !p.is(",") {
		return first
	}
	all := []expr{first}
	for p.skip(",") && !slices.ContainsFunc(ends, p.is) {
		all = append(all, item())
	}
	return func(r *renderer) any { return &list{items: r.evalAll(all), tuple: true} }
}

// condition reads "a if b else c", the widest expression.
func (p *parser) condition() expr {
	defer p.nest()()
	value := p.or()
	for p.skip("if") {
		then, test := value, p.or()
		other := expr(func(*renderer) any { return undefined{"the conditional without else"} })
		if p.skip("else") {
			other = p.condition()
		}
		value = func(r *renderer) any {
			if truth(r.eval(test)) {
				return r.eval(then)
			}
			return r.eval(other)
		}
	}
	return value
}

func (p *parser) or() expr {
	left := p.and()
	for p.skip("or") {
		a, b := left, p.and()
		left = func(r *renderer) any {
			if value := r.eval(a); truth(value) {
				return value
			}
			return r.eval(b)
		}
	}
	return left
}

func (p *parser) and() expr {
	left := p.not()
	for p.skip("and") {
		a, b := left, p.not()
		left = func(r *renderer) any {
			if value := r.eval(a); !truth(value) {
				return value
			}
			return r.eval(b)
		}
	}
	return left
}

func (p *parser) not() expr {
	if !p.skip("not") {
		return p.comparison()
	}
	defer p.nest()()
	return negated(p.not())
}

func negated(value expr) expr {
	return func(r *renderer) any { return !truth(r.eval(value)) }
}

// comparison reads "a < b in c", which is true if each of its parts is.
func (p *parser) comparison() expr {
	type link struct {
		test  string
		not   bool
		right expr
	}
	left, chain := p.binary(0), []link(nil)
	for {
		next := link{test: p.tokens[0].kind}
		switch {
		case slices.Contains([]string{"==", "!=", "<", "<=", ">", ">="}, next.test):
			p.next()
		case p.skip("in"):
			next.test = "in"
		case p.is("not") && p.tokens[1].is("in"):
			p.next()
			p.next()
			next.test, next.not = "in", true
		case len(chain) == 0:
			return left
		default:
			return func(r *renderer) any {
				a := r.eval(left)
				for _, c := range chain {
					b := r.eval(c.right)
					if r.test(c.test, a, []any{b}) == c.not {
						return false
					}
					a = b
				}
				return true
			}
		}
		next.right = p.binary(0)
		chain = append(chain, next)
	}
}

// levels are the operators that are computed from left to right, those that bind least first.
var levels = [][]string{{"+", "-"}, {"~"}, {"*", "/", "//", "%"}, {"**"}}

func (p *parser) binary(level int) expr {
	if level == len(levels) {
		return p.unary(true)
	}
	left := p.binary(level + 1)
	for slices.Contains(levels[level], p.tokens[0].kind) {
		operator := p.next().kind
		a, b := left, p.binary(level+1)
		left = func(r *renderer) any { return r.binary(operator, r.eval(a), r.eval(b)) }
	}
	return left
}

func (p *parser) unary(filters bool) expr {
	var value expr
	if sign := p.tokens[0].kind; sign == "-" || sign == "+" {
		defer p.nest()()
		p.next()
		operand := p.unary(false)
		value = func(r *renderer) any { return unary(sign == "-", r.eval(operand)) }
	} else {
		value = p.primary()
	}
	value = p.postfix(value)
	if filters {
		value = p.filtered(value)
	}
	return value
}

var constants = map[string]any{"true": true, "True": true, "false": false, "False": false, "none": nil, "None": nil}

func constant(value any) expr { return func(*renderer) any { return value } }

func (p *parser) primary() expr {
	switch t := p.next(); t.kind {
	case aName:
		if value, ok := constants[t.text]; ok {
			return constant(value)
		}
		return func(r *renderer) any { return r.name(t.text) }
	case aString:
		return constant(t.text)
	case anInteger:
		n, err := strconv.ParseInt(t.text, 10, 64)
		if err != nil {
			failAt(t.line, "integer %.30s is too large", t.text)
		}
		return constant(n)
	case aFloat:
		f, _ := strconv.ParseFloat(t.text, 64) // infinite where Python's is
		return constant(f)
	case "(":
		if p.skip(")") {
			return func(*renderer) any { return &list{tuple: true} }
		}
		value := p.tuple(p.condition, ")")
		p.expect(")")
		return value
	case "[":
		items := p.items("]", p.condition)
		return func(r *renderer) any { return &list{items: r.evalAll(items)} }
	case "{":
		var values []expr
		keys := p.items("}", func() expr {
			key := p.condition()
			p.expect(":")
			values = append(values, p.condition())
			return key
		})
		return func(r *renderer) any {
			out := &dict{}
			for i, key := range keys {
				out.set(hashable(r.eval(key)), r.eval(values[i]))
			}
			return out
		}
	default:
		failAt(t.line, "expected an expression, not %s", t)
		return nil
	}
}

// items reads a list with commas between, and what closes it.
func (p *parser) items(end string, item func() expr) (all []expr) {
	for !p.skip(end) {
		if len(all) > 0 {
			if p.expect(","); p.skip(end) {
				break
			}
		}
		all = append(all, item())
	}
	return all
}

// postfix reads attributes, subscripts and calls.
func (p *parser) postfix(value expr) expr {
	for {
		of := value
		switch {
		case p.skip("."):
			if name := p.next(); name.kind == anInteger {
				i, _ := strconv.ParseInt(name.text, 10, 64)
				value = func(r *renderer) any { return r.item(r.eval(of), i) }
			} else if name.kind == aName {
				value = func(r *renderer) any { return r.attribute(r.eval(of), name.text) }
			} else {
				failAt(name.line, "expected a name or number, not %s", name)
			}
		case p.skip("["):
			value = p.subscript(of)
			p.expect("]")
		case p.is("("):
			value = p.call(of)
		default:
			return value
		}
	}
}

// subscript reads an index, or a slice.
func (p *parser) subscript(of expr) expr {
	var bounds [3]expr
	colons := 0
	for !p.is("]") && colons < 3 {
		if p.skip(":") {
			colons++
			continue
		}
		if colons == 0 {
			bounds[0] = p.tuple(p.condition, "]")
		} else {
			bounds[colons] = p.condition()
		}
		if !p.is("]") && !p.is(":") {
			break
		}
	}
	switch {
	case colons > 0:
		return func(r *renderer) any { return r.slice(r.eval(of), bounds) }
	case bounds[0] == nil:
		p.fail("subscript without an index")
	}
	return func(r *renderer) any { return r.item(r.eval(of), r.eval(bounds[0])) }
}

func (p *parser) call(callee expr) expr {
	line, arguments := p.tokens[0].line, p.arguments()
	return func(r *renderer) any {
		defer at(line)
		f := r.function(r.eval(callee))
		args, kwargs := arguments(r)
		return f.call(r, args, kwargs)
	}
}

// arguments reads those of a call with its brackets, and gives what evaluates them.
func (p *parser) arguments() func(r *renderer) ([]any, *dict) {
	p.expect("(")
	var names []string
	var named []expr
	args := p.items(")", func() expr {
		if p.is(aName) && p.tokens[1].kind == "=" {
			names = append(names, p.next().text)
			p.next()
			value := p.condition()
			named = append(named, value)
			return nil
		}
		if len(names) > 0 {
			p.fail("an argument without a name follows one with")
		}
		return p.condition()
	})
	args = args[:len(args)-len(named)]
	return func(r *renderer) ([]any, *dict) {
		values, kwargs := r.evalAll(args), &dict{}
		for i, name := range names {
			kwargs.set(name, r.eval(named[i]))
		}
		return values, kwargs
	}
}

// filtered reads filters and tests, and calls of what they give. Those that do not exist are refused, as in Jinja2.
func (p *parser) filtered(value expr) expr {
	for {
		of := value
		switch {
		case p.skip("|"):
			name, arguments := p.expect(aName).text, p.noArguments()
			if p.filters[name] == nil {
				p.fail("filter %q is not implemented", name)
			}
			if p.is("(") {
				arguments = p.arguments()
			}
			value = func(r *renderer) any {
				input := r.eval(of)
				args, kwargs := arguments(r)
				return r.filter(name, input, args, kwargs)
			}
		case p.skip("is"):
			value = p.test(of)
		case p.is("("):
			value = p.call(of)
		default:
			return value
		}
	}
}

func (p *parser) noArguments() func(r *renderer) ([]any, *dict) {
	return func(*renderer) ([]any, *dict) { return nil, &dict{} }
}

func (p *parser) test(of expr) expr {
	not, name, arguments := p.skip("not"), p.expect(aName).text, p.noArguments()
	if _, ok := tests[name]; !ok {
		p.fail("test %q is not implemented", name)
	}
	switch next := p.tokens[0]; {
	case next.kind == "(":
		arguments = p.arguments()
	case next.is("is"):
		p.fail("tests cannot be chained")
	case slices.Contains([]string{aName, aString, anInteger, aFloat, "[", "{"}, next.kind) && !slices.ContainsFunc([]string{"else", "or", "and"}, next.is):
		arg := p.postfix(p.primary())
		arguments = func(r *renderer) ([]any, *dict) { return []any{r.eval(arg)}, &dict{} }
	}
	holds := expr(func(r *renderer) any {
		value := r.eval(of)
		args, kwargs := arguments(r)
		if kwargs.size() > 0 {
			fail("test %s takes no keywords", name)
		}
		return r.test(name, value, args)
	})
	if not {
		return negated(holds)
	}
	return holds
}
