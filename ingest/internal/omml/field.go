package omml

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

var eqField = regexp.MustCompile(`(?is)^\s*EQ\s+(.+)`)

// Field returns what the code of an EQ field shows, and "" of others: the formulas of Word before it had others, and texts
// that stand above each other, of which the last one is the text that others are set above.
func Field(code string) string {
	m := eqField.FindStringSubmatch(code)
	if m == nil {
		return ""
	}
	f := &field{rest: m[1]}
	var b strings.Builder
	for f.rest != "" {
		b.WriteString(f.text(0))
		if f.rest != "" { // a comma or bracket that belongs to nothing
			b.WriteByte(f.rest[0])
			f.rest = f.rest[1:]
		}
	}
	return strings.TrimSpace(b.String())
}

type field struct{ rest string }

const maxFieldDepth = 32

// text reads up to a separator or a bracket that nothing here has opened.
func (f *field) text(depth int) string {
	var b strings.Builder
	for f.rest != "" && depth < maxFieldDepth {
		switch c := f.rest[0]; {
		case c == ',' || c == ';' || c == ')':
			return b.String()
		case c == '(':
			b.WriteString("(" + strings.Join(f.arguments(depth), ",") + ")")
		case strings.HasPrefix(f.rest, `\*`): // how the result is formatted: a word, or one in quotes
			f.rest = strings.TrimLeft(f.rest[2:], " ")
			if quoted, ok := strings.CutPrefix(f.rest, `"`); ok {
				_, f.rest, _ = strings.Cut(quoted, `"`)
			} else {
				f.rest = strings.TrimLeft(f.rest, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
			}
			f.rest = strings.TrimLeft(f.rest, " ")
		case c == '\\' && len(f.rest) > 1 && unicode.IsLetter(rune(f.rest[1])):
			b.WriteString(f.command(depth))
		case c == '\\' && len(f.rest) > 1:
			f.rest = f.rest[1:]
			fallthrough
		default:
			r, size := utf8.DecodeRuneInString(f.rest)
			b.WriteRune(r)
			f.rest = f.rest[size:]
		}
	}
	return b.String()
}

// arguments reads what stands in brackets, if anything does.
func (f *field) arguments(depth int) (all []string) {
	if !strings.HasPrefix(f.rest, "(") {
		return nil
	}
	for end := false; !end && f.rest != ""; {
		f.rest = f.rest[1:]
		all = append(all, f.text(depth+1))
		end = strings.HasPrefix(f.rest, ")")
	}
	f.rest = strings.TrimPrefix(f.rest, ")")
	return all
}

// command reads a command with its settings and arguments.
func (f *field) command(depth int) string {
	name := unicode.ToLower(rune(f.rest[1]))
	if i := strings.IndexByte(f.rest, '('); i >= 0 && !strings.ContainsAny(f.rest[:i], ",;)") {
		f.rest = f.rest[i:]
	} else {
		f.rest = f.rest[2:]
	}
	args := f.arguments(depth)
	switch last := len(args) - 1; {
	case last < 0:
		return ""
	case name == 'f' && last == 1:
		return group(args[0]) + "/" + group(args[1])
	case name == 'r' && last == 1:
		return "√(" + args[0] + "&" + args[1] + ")"
	case name == 'r':
		return "√" + group(args[0])
	case name == 'b':
		return "(" + strings.Join(args, ",") + ")"
	case name == 'i' && last == 2:
		return "∫" + script("_", args[0]) + script("^", args[1]) + " " + args[2]
	case name == 'o':
		return args[last]
	case name == 's' || name == 'a':
		return strings.Join(args, " ")
	}
	return strings.Join(args, ",")
}
