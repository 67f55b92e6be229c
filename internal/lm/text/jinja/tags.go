package jinja

import (
	"fmt"

	"github.com/nikolalohinski/gonja/v2/nodes"
	"github.com/nikolalohinski/gonja/v2/parser"
	"github.com/nikolalohinski/gonja/v2/tokens"
)

// The syntax of the tags. Each parser returns one of the statement types below, which exec.go executes.
type (
	ifTag struct {
		at         *tokens.Token
		conditions []nodes.Expression
		bodies     []*nodes.Wrapper // one more than conditions where there is an else
	}
	forTag struct {
		at         *tokens.Token
		targets    []string
		items      nodes.Expression
		filter     nodes.Expression // nil: all
		body, none *nodes.Wrapper   // none: executed if there is nothing to repeat; may be nil
	}
	setTag struct {
		at      *tokens.Token
		targets []nodes.Node // names, or one attribute of a namespace
		value   nodes.Expression
		body    *nodes.Wrapper // instead of value
	}
	macroTag struct {
		at         *tokens.Token
		name       string
		parameters []parameter
		body       *nodes.Wrapper
	}
	generationTag struct {
		at   *tokens.Token
		body *nodes.Wrapper
	}
	jumpTag struct {
		at   *tokens.Token
		flow flow
	}
)

type parameter struct {
	name  string
	value nodes.Expression // nil: undefined unless given
}

func (t *ifTag) Position() *tokens.Token         { return t.at }
func (t *forTag) Position() *tokens.Token        { return t.at }
func (t *setTag) Position() *tokens.Token        { return t.at }
func (t *macroTag) Position() *tokens.Token      { return t.at }
func (t *generationTag) Position() *tokens.Token { return t.at }
func (t *jumpTag) Position() *tokens.Token       { return t.at }

func (*ifTag) String() string         { return "if" }
func (*forTag) String() string        { return "for" }
func (*setTag) String() string        { return "set" }
func (*macroTag) String() string      { return "macro" }
func (*generationTag) String() string { return "generation" }
func (*jumpTag) String() string       { return "break or continue" }

// tags implements gonja's ControlStructureGetter.
type tags map[string]parser.ControlStructureParser

func (t tags) Get(name string) (parser.ControlStructureParser, bool) {
	parse, ok := t[name]
	return func(p, args *parser.Parser) (nodes.ControlStructure, error) {
		line := args.Current().Line
		if line == 0 { // a tag without arguments
			line = p.Current().Line
		}
		n, err := parse(p, args)
		if err != nil {
			if own := parseError(err); own.Line == 0 {
				own.Line = line
				return nil, own
			}
		}
		return n, err
	}, ok
}

func (t *Template) tags() tags {
	return tags{
		"if": parseIf, "for": parseFor, "set": parseSet, "macro": parseMacro,
		"break": jump(flowBreak), "continue": jump(flowContinue),
		"generation": func(p, args *parser.Parser) (nodes.ControlStructure, error) {
			t.Generation = true
			tag := &generationTag{at: p.Current()}
			var err error
			if tag.body, err = body(p, args, "endgeneration"); err != nil {
				return nil, err
			}
			return tag, nil
		},
	}
}

// body reads up to the end tag; neither of the two tags may have (more) arguments.
func body(p, args *parser.Parser, ends ...string) (*nodes.Wrapper, error) {
	if !args.End() {
		return nil, args.Error("unexpected argument", args.Current())
	}
	wrapper, rest, err := p.WrapUntil(ends...)
	if err != nil {
		return nil, err
	}
	if wrapper.EndTag != "elif" && !rest.End() {
		return nil, rest.Error("unexpected argument", rest.Current())
	}
	return wrapper, nil
}

// expression is ParseExpression, which returns nil for some broken input.
func expression(args *parser.Parser) (nodes.Expression, error) {
	e, err := args.ParseExpression()
	if err == nil && e == nil {
		err = args.Error("expected an expression", args.Current())
	}
	return e, err
}

func parseIf(p, args *parser.Parser) (nodes.ControlStructure, error) {
	tag := &ifTag{at: args.Current()}
	for {
		condition, err := expression(args)
		if err != nil {
			return nil, err
		}
		if !args.End() {
			return nil, args.Error("unexpected token in condition", args.Current())
		}
		wrapper, rest, err := p.WrapUntil("elif", "else", "endif")
		if err != nil {
			return nil, err
		}
		tag.conditions = append(tag.conditions, condition)
		tag.bodies = append(tag.bodies, wrapper)
		switch wrapper.EndTag {
		case "elif":
			args = rest
		case "else":
			last, err := body(p, rest, "endif")
			if err != nil {
				return nil, err
			}
			tag.bodies = append(tag.bodies, last)
			return tag, nil
		default:
			return tag, nil
		}
	}
}

func parseFor(p, args *parser.Parser) (nodes.ControlStructure, error) {
	tag := &forTag{at: args.Current()}
	bracket := args.Match(tokens.LeftParenthesis) != nil
	for {
		name := args.Match(tokens.Name)
		if name == nil {
			return nil, args.Error("expected a name", args.Current())
		}
		tag.targets = append(tag.targets, name.Val)
		if args.Match(tokens.Comma) == nil {
			break
		}
	}
	if bracket && args.Match(tokens.RightParenthesis) == nil {
		return nil, args.Error("expected )", args.Current())
	}
	if args.Match(tokens.In) == nil {
		return nil, args.Error("expected in", args.Current())
	}
	var err error
	if tag.items, err = expression(args); err != nil {
		return nil, err
	}
	if args.MatchName("if") != nil {
		if tag.filter, err = expression(args); err != nil {
			return nil, err
		}
	}
	if args.CurrentName("recursive") != nil {
		return nil, args.Error("recursive loops are not implemented", args.Current())
	}
	if tag.body, err = body(p, args, "else", "endfor"); err != nil {
		return nil, err
	}
	if tag.body.EndTag == "else" {
		if tag.none, err = body(p, args, "endfor"); err != nil {
			return nil, err
		}
	}
	return tag, nil
}

func parseSet(p, args *parser.Parser) (nodes.ControlStructure, error) {
	tag := &setTag{at: args.Current()}
	for {
		target, err := args.ParseVariableOrLiteral()
		if err != nil {
			return nil, err
		}
		switch target.(type) {
		case *nodes.Name, *nodes.GetAttribute:
			tag.targets = append(tag.targets, target)
		default:
			return nil, args.Error("cannot assign to this", target.Position())
		}
		if args.Match(tokens.Comma) == nil {
			break
		}
	}
	var err error
	if args.Match(tokens.Assign) == nil {
		if len(tag.targets) > 1 {
			return nil, args.Error("expected =", args.Current())
		}
		if tag.body, err = body(p, args, "endset"); err != nil {
			return nil, err
		}
		return tag, nil
	}
	if tag.value, err = tuple(args); err != nil {
		return nil, err
	}
	if !args.End() {
		return nil, args.Error("unexpected token after the value", args.Current())
	}
	return tag, nil
}

// tuple reads an expression, or several with commas between, which are a tuple also without brackets.
func tuple(args *parser.Parser) (nodes.Expression, error) {
	at := args.Current()
	first, err := expression(args)
	if err != nil || args.Current(tokens.Comma) == nil {
		return first, err
	}
	all := &nodes.Tuple{Location: at, Val: []nodes.Expression{first}}
	for args.Match(tokens.Comma) != nil && !args.End() {
		next, err := expression(args)
		if err != nil {
			return nil, err
		}
		all.Val = append(all.Val, next)
	}
	return all, nil
}

func parseMacro(p, args *parser.Parser) (nodes.ControlStructure, error) {
	tag := &macroTag{at: args.Current()}
	name := args.Match(tokens.Name)
	if name == nil || args.Match(tokens.LeftParenthesis) == nil {
		return nil, args.Error("expected a name and its parameters", args.Current())
	}
	tag.name = name.Val
	for args.Match(tokens.RightParenthesis) == nil {
		name := args.Match(tokens.Name)
		if name == nil {
			return nil, args.Error("expected a parameter name", args.Current())
		}
		param := parameter{name: name.Val}
		if args.Match(tokens.Assign) != nil {
			var err error
			if param.value, err = expression(args); err != nil {
				return nil, err
			}
		} else if n := len(tag.parameters); n > 0 && tag.parameters[n-1].value != nil {
			return nil, args.Error("a parameter without default follows one with", name)
		}
		tag.parameters = append(tag.parameters, param)
		if args.Match(tokens.Comma) == nil && args.Current(tokens.RightParenthesis) == nil {
			return nil, args.Error("expected , or )", args.Current())
		}
	}
	var err error
	if tag.body, err = body(p, args, "endmacro"); err != nil {
		return nil, err
	}
	return tag, nil
}

func jump(f flow) parser.ControlStructureParser {
	return func(p, args *parser.Parser) (nodes.ControlStructure, error) {
		if !args.End() {
			return nil, args.Error(fmt.Sprintf("unexpected argument of %v", f), args.Current())
		}
		return &jumpTag{at: args.Current(), flow: f}, nil
	}
}
