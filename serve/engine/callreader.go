package engine

import (
	"slices"
	"strings"

	"github.com/docent-ml/docent/internal/lm/grammar"
	"github.com/docent-ml/docent/serve"
)

// callReader finds the calls in an answer that comes in pieces of any size. Text that may begin a call waits. The grammar
// keeps the model to the format, but for white space, in which models vary.
type callReader struct {
	format grammar.ToolFormat
	one    bool                   // no second call
	known  func(name string) bool // the functions
	either bool                   // the answer is calls or text, and no text that ends with calls
	held   string
	state  callState
	count  int
	depth  jsonDepth
	tokens []serve.TokenLogprob // of held text: dropped if it becomes a call
}

type callState int

const (
	inText  callState = iota
	inPlain           // text to the end
	inName            // up to the arguments
	inArgs
	inTail // behind a call
	finished
)

const space = " \t\r\n"

func newCallReader(f grammar.ToolFormat, r serve.Request) *callReader {
	f.Open = strings.TrimSpace(f.Open)
	known := func(name string) bool {
		return slices.ContainsFunc(r.Tools.List, func(t serve.Tool) bool { return t.Name == name })
	}
	return &callReader{format: f, one: r.Tools.One, known: known, either: r.Format.JSON}
}

// feed takes a piece of the answer and returns the text and the pieces of calls in it.
func (r *callReader) feed(piece string) (out string, calls []serve.CallDelta) {
	r.held += piece
	for {
		before, state := len(r.held), r.state
		switch r.state {
		case inText:
			out += r.text()
		case inPlain:
			out += r.held
			r.held = ""
		case inName:
			calls = append(calls, r.name()...)
		case inArgs:
			calls = append(calls, r.args()...)
		case inTail:
			r.tail()
		case finished:
			r.held = ""
		}
		if len(r.held) == before && r.state == state {
			return out, calls
		}
	}
}

// text gives out what cannot be the beginning of a call.
func (r *callReader) text() (out string) {
	open := r.format.Open
	if open == "" { // the whole answer is a call, or none of it
		switch n, fits := looseMatch(r.held, r.format.Name); {
		case !fits:
			r.state = inPlain
		case n > 0:
			r.state = inName
		}
		return out
	}
	if r.either {
		switch n, fits := looseMatch(r.held, open); {
		case !fits:
			r.state = inPlain
		case n > 0:
			r.held, r.state = r.held[n:], inName
		}
		return ""
	}
	if i := strings.Index(r.held, open); i >= 0 {
		out = strings.TrimRight(r.held[:i], space)
		r.held, r.state = r.held[i+len(open):], inName
		return out
	}
	out = before(r.held, open)
	r.held = r.held[len(out):]
	return out
}

// before is what is neither the beginning of a word that may come nor white space in front of it, which belongs to it.
func before(s, word string) string {
	for n := min(len(word)-1, len(s)); n > 0; n-- {
		if strings.HasSuffix(s, word[:n]) {
			s = s[:len(s)-n]
			break
		}
	}
	return strings.TrimRight(s, space)
}

// name reads up to the arguments.
func (r *callReader) name() []serve.CallDelta {
	n, fits := looseMatch(r.held, r.format.Name)
	if !fits {
		r.noCall()
		return nil
	}
	if n == 0 && r.format.Name != "" {
		return nil
	}
	rest := r.held[n:]
	end := strings.IndexFunc(rest, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-' && c != '.'
	})
	if end < 0 {
		return nil
	}
	m, fits := looseMatch(rest[end:], r.format.Arguments)
	if !fits || r.format.Open == "" && !r.known(rest[:end]) {
		r.noCall()
		return nil
	}
	if m == 0 {
		return nil
	}
	r.held, r.state, r.depth = rest[end+m:], inArgs, jsonDepth{}
	r.count++
	return []serve.CallDelta{{Index: r.count - 1, Name: rest[:end]}}
}

// noCall takes what began like a call and is none: without a word that opens calls, it is an answer that begins with the same
// letters. In other formats a grammar does not let it happen.
func (r *callReader) noCall() {
	if r.state = finished; r.format.Open == "" && r.count == 0 {
		r.state = inPlain
	}
}

// args passes the arguments on until they are complete.
func (r *callReader) args() []serve.CallDelta {
	if !r.depth.begun {
		if r.held = strings.TrimLeft(r.held, space); r.held == "" {
			return nil
		}
	}
	n, complete := r.depth.feed(r.held)
	piece := r.held[:n]
	r.held = r.held[n:]
	if complete {
		r.state = inTail
	}
	if piece == "" {
		return nil
	}
	return []serve.CallDelta{{Index: r.count - 1, Arguments: piece}}
}

// tail drops what closes a call and looks for the next one.
func (r *callReader) tail() {
	if r.one || r.format.Next == "" {
		r.state = finished
		return
	}
	switch n, fits := looseMatch(r.held, r.format.Close+r.format.Next); {
	case !fits:
		r.state = finished
	case n > 0:
		r.held, r.state = r.held[n:], inName
	}
}

// rest is the text that was held when the answer ended: what began like a call and is none.
func (r *callReader) rest() (held string) {
	if r.state == inText || r.state == inName && r.format.Open == "" && r.count == 0 {
		held = r.held
	}
	r.held = ""
	return held
}

// looseMatch matches the beginning of s with a form, in which white space stands for any amount of it. n is the length
// of the match, 0 while s is too short to tell; fits is false when it cannot become one.
func looseMatch(s, form string) (n int, fits bool) {
	rest := s
	for i := 0; i < len(form); i++ {
		if strings.IndexByte(space, form[i]) >= 0 {
			continue
		}
		loose := i == 0 || strings.IndexByte(space, form[i-1]) >= 0
		if loose {
			rest = strings.TrimLeft(rest, space)
		}
		if rest == "" {
			return 0, true
		}
		if rest[0] != form[i] {
			return 0, false
		}
		rest = rest[1:]
	}
	return len(s) - len(rest), true
}

// deltas takes a delta of a model's text apart, into what it holds of text and of calls.
func (r *callReader) deltas(d serve.Delta) []serve.Delta {
	text, calls := r.feed(d.Text)
	if d.Finish != "" {
		text += r.rest()
	}
	r.tokens = append(r.tokens, d.Tokens...)
	d.Text, d.Tokens = text, nil
	if text != "" {
		d.Tokens = r.tokens
	}
	if text != "" || len(calls) > 0 {
		r.tokens = nil
	}
	if d.Finish == serve.FinishStop && r.count > 0 {
		d.Finish = serve.FinishToolCalls
	}
	out := make([]serve.Delta, 0, 1+len(calls))
	if len(calls) == 0 {
		return append(out, d)
	}
	finish := d.Finish
	d.Finish = ""
	out = append(out, d)
	for i := range calls {
		out = append(out, serve.Delta{Choice: d.Choice, Call: &calls[i]})
	}
	out[len(out)-1].Finish = finish
	return out
}

// jsonDepth follows one JSON object to its end.
type jsonDepth struct {
	open         int
	quoted, slip bool
	begun        bool
}

// feed returns how much of s belongs to the value, and whether it is complete.
func (j *jsonDepth) feed(s string) (n int, complete bool) {
	for i := range len(s) {
		j.begun = true
		switch c := s[i]; {
		case j.slip:
			j.slip = false
		case j.quoted:
			j.slip = c == '\\'
			j.quoted = c != '"'
		case c == '"':
			j.quoted = true
		case c == '{' || c == '[':
			j.open++
		case c == '}' || c == ']':
			if j.open--; j.open <= 0 {
				return i + 1, true
			}
		}
	}
	return len(s), false
}
