package grammar

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Tool is a function that a model may call.
type Tool struct {
	Name       string // letters, digits, '_', '-' and '.'
	Parameters []byte // the schema of its arguments, an object; empty: it has none
	Strict     bool   // Parameters is obeyed or refused; else it is taken by BestEffort where text is allowed, and by Assertions where not
}

// ToolFormat is how a model writes calls, as its chat template shows them. The model's own variations of white space are
// allowed where the format has some.
type ToolFormat struct {
	Open      string // before the first call: "<tool_call>\n"; may be empty
	Name      string // before the name: `{"name": "`
	Arguments string // between the name and the arguments: `", "arguments": `
	Close     string // behind the arguments: "}\n</tool_call>"
	Next      string // between two calls: "\n<tool_call>\n"; empty: there is one call only
	End       string // behind the last call
}

// ToolChoice is what the answer may be. To demand one function give only that.
type ToolChoice struct {
	Text     bool // text before the calls, or instead of them
	Parallel bool // more than one call, if the format has that

	Answer []byte    // with Text: the schema of an answer that calls nothing; empty: any text
	Mode   Obedience // to Answer
}

// ToolError is a fault of the schema of a tool, or, with the number -1, of the answer's.
type ToolError struct {
	Tool int
	Name string
	Err  error // a *SchemaError
}

func (e *ToolError) Error() string {
	if e.Tool < 0 {
		return e.Err.Error()
	}
	return fmt.Sprintf("tool %s: %v", e.Name, e.Err)
}

func (e *ToolError) Unwrap() error { return e.Err }

// ToolCalls is the grammar of an answer that calls tools. Text before a call ends where the format's Open begins; with
// an empty Open, an answer that begins like a call is one. An answer that follows a schema has no text before a call. A
// fault of a schema is a [*ToolError]; other errors are those of ctx and of the names of tools.
func ToolCalls(ctx context.Context, tools []Tool, format ToolFormat, choice ToolChoice, limits Limits) (*Grammar, error) {
	var given []Ignored
	for {
		g, err := toolCalls(ctx, tools, format, choice, limits)
		if err == nil {
			g.ignored = append(g.ignored, given...)
			return g, nil
		}
		// A schema that is hopeless as a whole is given up, and the rest is tried again.
		e, ok := errors.AsType[*ToolError](err)
		mode := choice.Mode
		if ok && e.Tool >= 0 {
			mode = tools[e.Tool].mode(choice)
		}
		if !ok || !mode.hopeless(ctx, err) || slices.Contains(given, Ignored{e.Tool, "#"}) {
			return nil, err
		}
		given = append(given, Ignored{e.Tool, "#"})
		if e.Tool < 0 {
			choice.Answer = []byte("{}")
			continue
		}
		tools = slices.Clone(tools)
		tools[e.Tool].Parameters = []byte("{}")
	}
}

func (t Tool) mode(choice ToolChoice) Obedience {
	switch {
	case t.Strict:
		return Strict
	case choice.Text:
		return BestEffort
	}
	return Assertions
}

func toolCalls(ctx context.Context, tools []Tool, format ToolFormat, choice ToolChoice, limits Limits) (*Grammar, error) {
	b := newBuilder(ctx)
	end := b.state()
	b.states[end].final = true
	open := strings.TrimRightFunc(format.Open, unicode.IsSpace)
	if len(tools) == 0 {
		return nil, errors.New("grammar: no tools to call")
	}
	call := b.state() // where the first call begins, behind open
	begin := call     // where each begins
	if open != format.Open {
		begin = b.whitespace(call)
	}
	start := b.rules[0].start
	var left []Ignored
	answer := b.state()
	switch {
	case choice.Text && len(choice.Answer) > 0:
		root, err := parse(choice.Answer, limits)
		var ignored []string
		if err == nil {
			ignored, err = b.schema(answer, end, root, conjunction{root}, choice.Mode)
		}
		if err != nil {
			return nil, &ToolError{Tool: -1, Err: err}
		}
		left = leftOut(left, -1, ignored)
		b.eps(start, answer)
		b.eps(b.literal(start, open), call)
	case choice.Text:
		b.textBefore(start, end, call, open, format.Name)
	default:
		b.eps(b.literal(start, open), call)
	}
	name, closed := b.loose(begin, format.Name), b.state()
	entries := make([]int32, len(tools)) // where the arguments of each begin
	for i, tool := range tools {
		if strings.Trim(tool.Name, nameCharacters) != "" || tool.Name == "" {
			return nil, fmt.Errorf("grammar: tool %q: a name has letters, digits, _, - and .", tool.Name)
		}
		schema := tool.Parameters
		if len(schema) == 0 {
			schema = []byte(`{"additionalProperties":false}`)
		}
		root, err := parse(schema, limits)
		entries[i] = b.loose(b.literal(name, tool.Name), format.Arguments)
		var ignored []string
		if err == nil {
			ignored, err = b.schema(entries[i], closed, root, conjunction{object, root}, tool.mode(choice))
		}
		if err != nil {
			return nil, &ToolError{i, tool.Name, err}
		}
		left = leftOut(left, i, ignored)
	}
	last := b.loose(closed, format.Close)
	b.eps(b.loose(last, format.End), end)
	if choice.Parallel && format.Next != "" {
		b.eps(b.loose(last, format.Next), begin)
	}
	g, err := newGrammar(b)
	if err != nil {
		return nil, err
	}
	for i, tool := range tools {
		if err := g.fulfils(entries[i]); err != nil {
			return nil, &ToolError{i, tool.Name, err}
		}
	}
	if len(choice.Answer) > 0 {
		if err := g.fulfils(answer); err != nil {
			return nil, &ToolError{Tool: -1, Err: err}
		}
	}
	g.ignored = left
	return g, nil
}

const nameCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-."

// loose reads text, with the usual white space wherever it has some.
func (b *builder) loose(from int32, text string) int32 {
	for text != "" {
		n := strings.IndexFunc(text, unicode.IsSpace)
		switch {
		case n < 0:
			return b.literal(from, text)
		case n > 0:
			from = b.literal(from, text[:n])
		}
		text = strings.TrimLeftFunc(text[n:], unicode.IsSpace)
		from = b.whitespace(from)
	}
	return from
}

// textBefore reads any text: to end if there is no call in it, and to call at the first place that opens one.
func (b *builder) textBefore(from, end, call int32, open, name string) {
	if open == "" { // no text begins like a call
		first, _ := utf8.DecodeRuneInString(name)
		b.eps(from, call)
		b.raw(from, end, &language{
			edges: [][]span{{{0, first - 1, 1}, {first + 1, utf8.MaxRune, 1}}, {{0, utf8.MaxRune, 1}}}, final: []bool{true, true},
		})
		return
	}
	found := len([]rune(open))
	b.spelled(from, until(open), false, func(read int, at int32) {
		if read == found {
			b.eps(at, call)
		} else {
			b.eps(at, end)
		}
	})
}

// until returns the language of texts up to the first place where word stands. State i has just read i characters of it.
func until(word string) *language {
	runes := []rune(word)
	letters := slices.Clone(runes)
	slices.Sort(letters)
	letters = slices.Compact(letters)
	l := &language{edges: make([][]span, len(runes)+1), final: make([]bool, len(runes)+1)}
	for i := range l.final {
		l.final[i] = true
		if i == len(runes) {
			break
		}
		var at rune
		for _, r := range letters {
			read := append(slices.Clone(runes[:i]), r)
			to := len(read)
			for ; !slices.Equal(read[len(read)-to:], runes[:min(to, len(runes))]); to-- {
			}
			if at < r {
				l.edges[i] = append(l.edges[i], span{at, r - 1, 0})
			}
			l.edges[i] = append(l.edges[i], span{r, r, int32(to)})
			at = r + 1
		}
		l.edges[i] = append(l.edges[i], span{at, utf8.MaxRune, 0})
	}
	return l
}
