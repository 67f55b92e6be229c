package jinja

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/nikolalohinski/gonja/v2/tokens"
)

// lexer cuts a template into the tokens of gonja's parser by the rules of Jinja2's lexer.
type lexer struct {
	src       string
	pos       int
	line      int
	out       []*tokens.Token
	lineStart bool // what came before ended a line, so that white space up to a block tag may be stripped
	blocks    int
	filters   map[string]filter
}

func lex(source string) ([]*tokens.Token, error) {
	source = strings.ReplaceAll(source, "\r\n", "\n")
	source = strings.ReplaceAll(source, "\r", "\n")
	source = strings.TrimSuffix(source, "\n")
	if !utf8.ValidString(source) {
		return nil, &Error{Message: "template is not valid UTF-8"}
	}
	l := &lexer{src: source, line: 1, lineStart: true, filters: allFilters()}
	for l.pos < len(l.src) {
		l.data()
	}
	l.emit(tokens.EOF, "")
	return l.out, nil
}

func (l *lexer) fail(format string, args ...any) {
	defer func() {
		e := recover().(*Error)
		e.Line = l.line
		panic(e)
	}()
	fail(format, args...)
}

func (l *lexer) emit(kind tokens.Type, val string) {
	// The position orders keyword arguments, so it counts tokens, those that rewriting adds included.
	l.out = append(l.out, &tokens.Token{Type: kind, Val: val, Pos: len(l.out), Line: l.line, Col: 1})
}

// skip moves on by n bytes and counts lines.
func (l *lexer) skip(n int) {
	l.line += strings.Count(l.src[l.pos:l.pos+n], "\n")
	l.pos += n
}

// data reads the text up to the next tag, and then the tag.
func (l *lexer) data() {
	rest := l.src[l.pos:]
	at := nextTag(rest)
	if at < 0 {
		l.text(rest)
		l.skip(len(rest))
		return
	}
	text, kind := rest[:at], rest[at:at+2]
	sign := byte(0)
	if len(rest) > at+2 && (rest[at+2] == '-' || rest[at+2] == '+') {
		sign = rest[at+2]
	}
	switch {
	case sign == '-':
		text = strings.TrimRightFunc(text, isSpace)
	case sign != '+' && kind != "{{":
		text = l.lstrip(text)
	}
	l.text(text)
	l.skip(at + 2)
	if sign != 0 {
		l.skip(1)
	}
	switch kind {
	case "{#":
		l.comment()
	case "{{":
		l.emit(tokens.VariableBegin, "{{")
		l.expression("", "}}", tokens.VariableEnd)
	case "{%":
		l.block()
	}
}

func (l *lexer) text(text string) {
	if text != "" {
		l.emit(tokens.Data, text)
	}
}

func nextTag(s string) int {
	for i := 0; i+1 < len(s); i++ {
		if s[i] == '{' && strings.IndexByte("{%#", s[i+1]) >= 0 {
			return i
		}
	}
	return -1
}

// lstrip is lstrip_blocks: white space between the start of the line and a block tag goes.
func (l *lexer) lstrip(text string) string {
	at := strings.LastIndexByte(text, '\n') + 1
	if (at > 0 || l.lineStart) && strings.TrimFunc(text[at:], isSpace) == "" {
		return text[:at]
	}
	return text
}

// tagEnd skips the end of a tag and what white space control removes after it.
func (l *lexer) tagEnd(end string) {
	sign := l.src[l.pos]
	if sign == '-' || sign == '+' {
		l.skip(1)
	}
	l.skip(len(end))
	start := l.pos
	switch {
	case sign == '-':
		rest := l.src[l.pos:]
		l.skip(len(rest) - len(strings.TrimLeftFunc(rest, isSpace)))
	case sign != '+' && end != "}}" && strings.HasPrefix(l.src[l.pos:], "\n"):
		l.skip(1) // trim_blocks
	}
	l.lineStart = l.pos > start && l.src[l.pos-1] == '\n'
}

// atEnd tells whether the end of the tag stands here, with its sign if it has one.
func (l *lexer) atEnd(end string) bool {
	rest := l.src[l.pos:]
	if rest != "" && (rest[0] == '-' || rest[0] == '+' && end != "}}") {
		rest = rest[1:]
	}
	return strings.HasPrefix(rest, end)
}

func (l *lexer) comment() {
	at := strings.Index(l.src[l.pos:], "#}")
	if at < 0 {
		l.fail("comment without end")
	}
	if at > 0 && strings.IndexByte("-+", l.src[l.pos+at-1]) >= 0 {
		at--
	}
	l.skip(at)
	l.tagEnd("#}")
}

func (l *lexer) block() {
	l.spaces()
	name := l.name()
	if name == "raw" {
		l.raw()
		return
	}
	// gonja's parser is recursive in blocks, so a hostile source must not nest them at will.
	if strings.HasPrefix(name, "end") {
		l.blocks--
	} else if name == "if" || name == "for" || name == "macro" || name == "generation" || name == "set" {
		l.blocks++
	}
	set := name == "set" // has an end only without "="
	start := len(l.out)
	l.emit(tokens.BlockBegin, "{%")
	l.emit(tokens.Name, name)
	l.expression(name, "%}", tokens.BlockEnd)
	if set && containsType(l.out[start:], tokens.Assign) {
		l.blocks--
	}
	if l.blocks > maxNest {
		l.fail("more than %d blocks inside each other", maxNest)
	}
}

func containsType(list []*tokens.Token, kind tokens.Type) bool {
	for _, t := range list {
		if t.Type == kind {
			return true
		}
	}
	return false
}

// raw copies text up to the endraw tag.
func (l *lexer) raw() {
	l.spaces()
	if !l.atEnd("%}") {
		l.fail("raw takes no arguments")
	}
	l.tagEnd("%}")
	for from := l.pos; ; {
		at := strings.Index(l.src[from:], "{%")
		if at < 0 {
			l.fail("raw without endraw")
		}
		open := from + at
		from = open + 2
		inner := strings.TrimLeft(l.src[from:], "-+")
		if !strings.HasPrefix(strings.TrimLeftFunc(inner, isSpace), "endraw") {
			continue
		}
		text := l.src[l.pos:open]
		switch l.src[from] {
		case '-':
			text = strings.TrimRightFunc(text, isSpace)
		case '+':
		default:
			text = l.lstrip(text)
		}
		l.text(text)
		l.skip(from - l.pos)
		if l.src[l.pos] == '-' || l.src[l.pos] == '+' {
			l.skip(1)
		}
		l.spaces()
		l.name()
		l.spaces()
		if !l.atEnd("%}") {
			l.fail("endraw takes no arguments")
		}
		l.tagEnd("%}")
		return
	}
}

var operators = map[string]tokens.Type{
	"+": tokens.Addition, "-": tokens.Subtraction, "*": tokens.Multiply, "/": tokens.Division, "%": tokens.Modulo,
	"//": tokens.FloorDivision, "**": tokens.Power, "~": tokens.Tilde, "=": tokens.Assign, "==": tokens.Equals,
	"!=": tokens.Ne, ">": tokens.GreaterThan, ">=": tokens.GreaterThanOrEqual, "<": tokens.LowerThan,
	"<=": tokens.LowerThanOrEqual, "(": tokens.LeftParenthesis, ")": tokens.RightParenthesis, "[": tokens.LeftBracket,
	"]": tokens.RightBracket, "{": tokens.LeftBrace, "}": tokens.RightBrace, ",": tokens.Comma, ":": tokens.Colon,
	".": tokens.Dot, "|": tokens.Pipe,
}

var keywords = map[string]tokens.Type{
	"and": tokens.And, "or": tokens.Or, "not": tokens.Not, "in": tokens.In, "is": tokens.Is,
}

var closing = map[tokens.Type]tokens.Type{
	tokens.LeftParenthesis: tokens.RightParenthesis, tokens.LeftBracket: tokens.RightBracket,
	tokens.LeftBrace: tokens.RightBrace,
}

// expression reads the tokens of a tag up to its end. name is that of a block tag.
func (l *lexer) expression(name, end string, endKind tokens.Type) {
	start := len(l.out)
	var open []tokens.Type
	for {
		l.spaces()
		if l.pos == len(l.src) {
			l.fail("tag without end, expected %q", end)
		}
		if len(open) == 0 && l.atEnd(end) {
			break
		}
		l.token()
		kind := l.out[len(l.out)-1].Type
		if want, ok := closing[kind]; ok {
			open = append(open, want)
		} else if kind == tokens.RightParenthesis || kind == tokens.RightBracket || kind == tokens.RightBrace {
			if len(open) == 0 || open[len(open)-1] != kind {
				l.fail("unbalanced %q", l.out[len(l.out)-1].Val)
			}
			open = open[:len(open)-1]
		}
		if len(open) > maxNest {
			l.fail("more than %d brackets inside each other", maxNest)
		}
	}
	list := l.out[start:]
	l.out = append(l.out[:start:start], l.rewrite(name, list)...)
	l.emit(endKind, end)
	l.tagEnd(end)
}

func (l *lexer) token() {
	rest := l.src[l.pos:]
	r, _ := utf8.DecodeRuneInString(rest)
	switch {
	case r == '"' || r == '\'':
		l.str()
	case r >= '0' && r <= '9':
		l.number()
	case r == '_' || unicode.IsLetter(r):
		name := l.name()
		kind, ok := keywords[name]
		if !ok {
			kind = tokens.Name
		}
		l.emit(kind, name)
	default:
		for _, n := range []int{2, 1} {
			if kind, ok := operators[rest[:min(n, len(rest))]]; ok {
				l.emit(kind, rest[:n])
				l.skip(n)
				return
			}
		}
		l.fail("unexpected character %q", r)
	}
}

func (l *lexer) spaces() {
	rest := l.src[l.pos:]
	l.skip(len(rest) - len(strings.TrimLeftFunc(rest, isSpace)))
}

func (l *lexer) name() string {
	rest := l.src[l.pos:]
	end := strings.IndexFunc(rest, func(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	if end < 0 {
		end = len(rest)
	}
	l.skip(end)
	return rest[:end]
}

func (l *lexer) number() {
	rest := l.src[l.pos:]
	digits := func(i int) int {
		for i < len(rest) && (rest[i] >= '0' && rest[i] <= '9' || rest[i] == '_') {
			i++
		}
		return i
	}
	end, kind := digits(0), tokens.Integer
	if end+1 < len(rest) && rest[end] == '.' && rest[end+1] >= '0' && rest[end+1] <= '9' {
		end, kind = digits(end+1), tokens.Float
	}
	if m := end; m < len(rest) && (rest[m] == 'e' || rest[m] == 'E') {
		m++
		if m < len(rest) && (rest[m] == '+' || rest[m] == '-') {
			m++
		}
		if e := digits(m); e > m {
			end, kind = e, tokens.Float
		}
	}
	text := strings.ReplaceAll(rest[:end], "_", "")
	if kind == tokens.Integer {
		if text = strings.TrimLeft(text, "0"); text == "" { // to gonja a leading zero means octal
			text = "0"
		}
	}
	l.skip(end)
	l.emit(kind, text)
}

// str reads a string literal, or several in a row, which are one. gonja's parser resolves escapes once more, so
// backslashes are handed to it doubled.
func (l *lexer) str() {
	var text strings.Builder
	for l.pos < len(l.src) && strings.IndexByte(`"'`, l.src[l.pos]) >= 0 {
		rest := l.src[l.pos:]
		end := 1
		for end < len(rest) && rest[end] != rest[0] {
			if rest[end] == '\\' {
				end++
			}
			end++
		}
		if end >= len(rest) {
			l.fail("string without end")
		}
		text.WriteString(unescape(rest[1:end]))
		l.skip(end + 1)
		l.spaces()
	}
	l.emit(tokens.String, strings.ReplaceAll(text.String(), `\`, `\\`))
}

// unescape resolves the escapes of a Python string literal; an unknown one stands for itself.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			out.WriteByte(s[i])
			continue
		}
		i++
		if at := strings.IndexByte("\nabfnrtv\\'\"", s[i]); at > 0 {
			out.WriteByte("\n\a\b\f\n\r\t\v\\'\""[at])
			continue
		} else if at == 0 {
			continue // a line continued
		}
		if size := map[byte]int{'x': 2, 'u': 4, 'U': 8}[s[i]]; size > 0 && i+size < len(s) {
			if code, err := strconv.ParseUint(s[i+1:i+1+size], 16, 32); err == nil && code <= unicode.MaxRune {
				out.WriteRune(rune(code))
				i += size
				continue
			}
		}
		if n := octal(s[i:]); n > 0 {
			code, _ := strconv.ParseUint(s[i:i+n], 8, 16)
			out.WriteRune(rune(code))
			i += n - 1
			continue
		}
		out.WriteByte('\\')
		out.WriteByte(s[i])
	}
	return out.String()
}

func octal(s string) (n int) {
	for n < len(s) && n < 3 && s[n] >= '0' && s[n] <= '7' {
		n++
	}
	return n
}

// isSpace is Python's str.isspace.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r >= '\x1c' && r <= '\x1f' }
