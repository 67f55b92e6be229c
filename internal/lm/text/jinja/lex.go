package jinja

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The kinds of tokens, beside operators and the ends of tags, which are what they are written as.
const (
	someText  = "text"
	aName     = "a name"
	aString   = "a string"
	anInteger = "an integer"
	aFloat    = "a float"
	theEnd    = "the end"
)

type token struct {
	kind, text string
	line       int
}

func (t token) String() string {
	if t.kind == aName {
		return strconv.Quote(t.text)
	}
	return t.kind
}

// lexer cuts a template into tokens by the rules of Jinja2's lexer.
type lexer struct {
	src       string
	pos       int
	line      int
	out       []token
	lineStart bool // what came before ended a line, so that white space up to a block tag may be stripped
}

func lex(source string) []token {
	source = strings.ReplaceAll(source, "\r\n", "\n")
	source = strings.ReplaceAll(source, "\r", "\n")
	source = strings.TrimSuffix(source, "\n")
	if !utf8.ValidString(source) {
		fail("template is not valid UTF-8")
	}
	l := &lexer{src: source, line: 1, lineStart: true}
	for l.pos < len(l.src) {
		l.data()
	}
	l.emit(theEnd, "")
	return l.out
}

func (l *lexer) fail(format string, args ...any) { failAt(l.line, format, args...) }

func (l *lexer) emit(kind, text string) { l.out = append(l.out, token{kind, text, l.line}) }

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
	text, kind, sign := rest[:at], rest[at:at+2], ""
	if len(rest) > at+2 && (rest[at+2] == '-' || rest[at+2] == '+') {
		sign = rest[at+2 : at+3]
	}
	l.textBefore(text, sign, kind != "{{")
	l.skip(at + 2 + len(sign))
	switch kind {
	case "{#":
		l.comment()
	case "{{":
		l.emit("{{", "")
		l.expression("}}")
	case "{%":
		l.block()
	}
}

func (l *lexer) text(text string) {
	if text != "" {
		l.emit(someText, text)
	}
}

// textBefore is the text in front of a tag with a sign for white space, or none. block: it is no expression.
func (l *lexer) textBefore(text, sign string, block bool) {
	switch {
	case sign == "-":
		text = strings.TrimRightFunc(text, isSpace)
	case sign == "" && block:
		text = l.lstrip(text)
	}
	l.text(text)
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
		l.spaces()
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
	l.emit("{%", "")
	if name != "" {
		l.emit(aName, name)
	}
	l.expression("%}")
}

var endRaw = regexp.MustCompile(`\{%([-+]?)[\s\p{Z}]*endraw[\s\p{Z}]*([-+]?%\})`)

// raw copies text up to the endraw tag.
func (l *lexer) raw() {
	l.spaces()
	if !l.atEnd("%}") {
		l.fail("raw takes no arguments")
	}
	l.tagEnd("%}")
	rest := l.src[l.pos:]
	m := endRaw.FindStringSubmatchIndex(rest)
	if m == nil {
		l.fail("raw without endraw")
	}
	l.textBefore(rest[:m[0]], rest[m[2]:m[3]], true)
	l.skip(m[4])
	l.tagEnd("%}")
}

var operators = strings.Fields("// ** == != >= <= + - * / % ~ = > < ( ) [ ] { } , : . |") // the long ones first

// expression reads the tokens of a tag up to its end, which does not stand inside brackets.
func (l *lexer) expression(end string) {
	var open []string
	for {
		l.spaces()
		if l.pos == len(l.src) {
			l.fail("tag without end, expected %q", end)
		}
		if len(open) == 0 && l.atEnd(end) {
			break
		}
		switch kind := l.token(); kind {
		case "(":
			open = append(open, ")")
		case "[":
			open = append(open, "]")
		case "{":
			open = append(open, "}")
		case ")", "]", "}":
			if len(open) == 0 || open[len(open)-1] != kind {
				l.fail("unbalanced %q", kind)
			}
			open = open[:len(open)-1]
		}
	}
	l.emit(end, "")
	l.tagEnd(end)
}

// token reads one and returns its kind.
func (l *lexer) token() string {
	rest := l.src[l.pos:]
	r, _ := utf8.DecodeRuneInString(rest)
	switch {
	case r == '"' || r == '\'':
		l.str()
	case r >= '0' && r <= '9':
		l.number()
	case r == '_' || unicode.IsLetter(r):
		l.emit(aName, l.name())
	default:
		at := slices.IndexFunc(operators, func(o string) bool { return strings.HasPrefix(rest, o) })
		if at < 0 {
			l.fail("unexpected character %q", r)
		}
		l.emit(operators[at], "")
		l.skip(len(operators[at]))
	}
	return l.out[len(l.out)-1].kind
}

// while skips the characters that are such, and returns them.
func (l *lexer) while(such func(rune) bool) string {
	rest := l.src[l.pos:]
	n := len(rest) - len(strings.TrimLeftFunc(rest, such))
	l.skip(n)
	return rest[:n]
}

func (l *lexer) spaces() { l.while(isSpace) }

func (l *lexer) name() string {
	return l.while(func(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) })
}

var numbers = regexp.MustCompile(`^\d[\d_]*(\.\d[\d_]*)?([eE][+-]?\d[\d_]*)?`)

func (l *lexer) number() {
	text, kind := numbers.FindString(l.src[l.pos:]), anInteger
	if strings.ContainsAny(text, ".eE") {
		kind = aFloat
	}
	l.emit(kind, strings.ReplaceAll(text, "_", ""))
	l.skip(len(text))
}

// str reads a string literal, or several in a row, which are one.
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
	l.emit(aString, text.String())
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
		if m := coded.FindStringSubmatch(s[i:]); m != nil {
			base := 16
			if m[2] != "" {
				base = 8
			}
			if code, _ := strconv.ParseUint(strings.TrimLeft(m[1]+m[2], "xuU"), base, 64); code <= unicode.MaxRune {
				out.WriteRune(rune(code))
				i += len(m[0]) - 1
				continue
			}
		}
		out.WriteByte('\\')
		out.WriteByte(s[i])
	}
	return out.String()
}

// coded is a character by its number, behind the backslash.
var coded = regexp.MustCompile(`^(?:(x[\da-fA-F]{2}|u[\da-fA-F]{4}|U[\da-fA-F]{8})|([0-7]{1,3}))`)

// isSpace is Python's str.isspace.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r >= '\x1c' && r <= '\x1f' }
