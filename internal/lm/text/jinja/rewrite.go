package jinja

import (
	"slices"

	"github.com/nikolalohinski/gonja/v2/tokens"
)

// conditional is the name of the call that "a if c else b" is written as: gonja's parser knows conditional
// expressions at the outermost level of a tag only. No identifier can have this name.
const conditional = "if-else"

// rewrite brings the tokens of one tag into the subset of Jinja2 that gonja's parser reads as Jinja2 does.
func (l *lexer) rewrite(tag string, list []*tokens.Token) []*tokens.Token {
	l.checkNames(list)
	switch tag {
	case "set":
		if at := find(list, func(t *tokens.Token) bool { return t.Type == tokens.Assign }); at >= 0 {
			return slices.Concat(list[:at+1], l.condition(0, list[at+1:]))
		}
	case "for":
		at := find(list, func(t *tokens.Token) bool { return t.Type == tokens.In })
		if at < 0 {
			l.fail("for without in")
		}
		rest := list[at+1:]
		filter := find(rest, isName("if"))
		if filter < 0 {
			return slices.Concat(list[:at+1], l.plain(rest))
		}
		return slices.Concat(list[:at+1], l.plain(rest[:filter]), rest[filter:filter+1], l.condition(0, rest[filter+1:]))
	}
	return l.list(list)
}

// checkNames refuses filters and tests that do not exist, as Jinja2 does when it compiles.
func (l *lexer) checkNames(list []*tokens.Token) {
	for i, t := range list[:max(0, len(list)-1)] {
		name := list[i+1]
		switch t.Type {
		case tokens.Pipe:
			if _, ok := l.filters[name.Val]; !ok {
				l.fail("filter %q is not implemented", name.Val)
			}
		case tokens.Is:
			if name.Type == tokens.Not && i+2 < len(list) {
				name = list[i+2]
			}
			if _, ok := tests[name.Val]; !ok {
				l.fail("test %q is not implemented", name.Val)
			}
		}
	}
}

func isName(name string) func(*tokens.Token) bool {
	return func(t *tokens.Token) bool { return t.Type == tokens.Name && t.Val == name }
}

// find returns the index of the first token outside brackets that is wanted, or -1.
func find(list []*tokens.Token, wanted func(*tokens.Token) bool) int {
	depth := 0
	for i, t := range list {
		switch t.Type {
		case tokens.LeftParenthesis, tokens.LeftBracket, tokens.LeftBrace:
			depth++
		case tokens.RightParenthesis, tokens.RightBracket, tokens.RightBrace:
			depth--
		default:
			if depth == 0 && wanted(t) {
				return i
			}
		}
	}
	return -1
}

// list rewrites expressions that are separated by commas, colons or assignments.
func (l *lexer) list(list []*tokens.Token) (out []*tokens.Token) {
	for len(list) > 0 {
		at := find(list, func(t *tokens.Token) bool {
			return t.Type == tokens.Comma || t.Type == tokens.Colon || t.Type == tokens.Assign
		})
		if at < 0 {
			return append(out, l.condition(0, list)...)
		}
		out = append(out, l.condition(0, list[:at])...)
		out = append(out, list[at])
		list = list[at+1:]
	}
	return out
}

// condition rewrites "a if c else b" as a call, which evaluates c first and then one of the others only.
func (l *lexer) condition(depth int, list []*tokens.Token) []*tokens.Token {
	at := find(list, isName("if"))
	if at < 0 {
		return l.plain(list)
	}
	value, rest := l.plain(list[:at]), list[at+1:]
	for ; ; depth++ {
		if depth > maxNest {
			l.fail("more than %d conditional expressions inside each other", maxNest)
		}
		end := find(rest, func(t *tokens.Token) bool { return isName("if")(t) || isName("else")(t) })
		test, more := rest, []*tokens.Token(nil)
		if end >= 0 {
			test, more = rest[:end], rest[end+1:]
		}
		hasElse := end >= 0 && rest[end].Val == "else"
		if len(value) == 0 || len(test) == 0 || hasElse && len(more) == 0 {
			l.fail("incomplete conditional expression")
		}
		call := []*tokens.Token{l.at(value[0], tokens.Name, conditional), l.at(value[0], tokens.LeftParenthesis, "(")}
		comma := l.at(value[0], tokens.Comma, ",")
		call = slices.Concat(call, l.plain(test), []*tokens.Token{comma}, value)
		if hasElse {
			call = slices.Concat(call, []*tokens.Token{comma}, l.condition(depth+1, more))
		}
		value = append(call, l.at(value[0], tokens.RightParenthesis, ")"))
		if hasElse || end < 0 {
			return value
		}
		rest = more
	}
}

func (l *lexer) at(place *tokens.Token, kind tokens.Type, val string) *tokens.Token {
	return &tokens.Token{Type: kind, Val: val, Pos: place.Pos, Line: place.Line, Col: place.Col}
}

// plain rewrites an expression that has no conditional outside brackets. The right side of "in" is put in brackets,
// because gonja takes one bare name there and applies what follows, such as a filter, to the outcome.
func (l *lexer) plain(list []*tokens.Token) (out []*tokens.Token) {
	for i := 0; i < len(list); {
		t := list[i]
		if end, ok := closing[t.Type]; ok {
			close := matching(list, i)
			inner := l.list(list[i+1 : close])
			if end == tokens.RightBrace && len(inner) > 0 && inner[len(inner)-1].Type == tokens.Comma {
				inner = inner[:len(inner)-1]
			}
			out = append(append(append(out, t), inner...), list[close])
			i = close + 1
			continue
		}
		out = append(out, t)
		i++
		if t.Type != tokens.In {
			continue
		}
		size := find(list[i:], endsOperand)
		if size < 0 {
			size = len(list) - i
		}
		if size == 0 {
			l.fail("in without a right side")
		}
		out = append(out, l.at(t, tokens.LeftParenthesis, "("))
		out = append(out, l.plain(list[i:i+size])...)
		out = append(out, l.at(t, tokens.RightParenthesis, ")"))
		i += size
	}
	return out
}

func endsOperand(t *tokens.Token) bool {
	switch t.Type {
	case tokens.And, tokens.Or, tokens.Not, tokens.Is, tokens.In, tokens.Equals, tokens.Ne, tokens.GreaterThan,
		tokens.GreaterThanOrEqual, tokens.LowerThan, tokens.LowerThanOrEqual:
		return true
	}
	return false
}

// matching returns the index of the bracket that closes the one at open; the lexer has checked that there is one.
func matching(list []*tokens.Token, open int) int {
	depth := 0
	for i := open; ; i++ {
		switch list[i].Type {
		case tokens.LeftParenthesis, tokens.LeftBracket, tokens.LeftBrace:
			depth++
		case tokens.RightParenthesis, tokens.RightBracket, tokens.RightBrace:
			if depth--; depth == 0 {
				return i
			}
		}
	}
}
