package pdf

import (
	"bytes"
	"strconv"
)

// The kinds of token that PDF files, content streams and character maps share.
type kind uint8

const (
	eof kind = iota
	number
	text // a literal or hexadecimal string, decoded
	name
	arrayOpen
	arrayClose
	dictOpen
	dictClose
	keyword
)

type token struct {
	kind kind
	num  float64
	text []byte // valid until the lexer's next reset
}

func (t token) is(word string) bool { return t.kind == keyword && string(t.text) == word }

// lexer splits bytes into tokens. Unlike a parser that reads a file as its
// author meant it, it never fails and always advances: an unknown escape, a
// stray delimiter or a string without an end costs that token, not the page.
type lexer struct {
	data    []byte
	pos     int
	scratch []byte       // decoded strings and names since the last reset
	repair  bool         // blank out, in data, escapes that the parser library refuses
	named   map[ref]bool // of the references that are its keys, those that were read
	lenient bool         // take out what does not fit, see readObject
	misfits []misfit
}

// reset lets the memory of earlier tokens be used again.
func (l *lexer) reset() { l.scratch = l.scratch[:0] }

func (l *lexer) next() token {
	l.skipSpace()
	if l.pos >= len(l.data) {
		return token{}
	}
	c := l.data[l.pos]
	switch c {
	case '(':
		l.pos++
		return token{kind: text, text: l.literal()}
	case '<':
		l.pos++
		if l.peek() == '<' {
			l.pos++
			return token{kind: dictOpen}
		}
		return token{kind: text, text: l.hex()}
	case '>':
		l.pos++
		if l.peek() == '>' {
			l.pos++
			return token{kind: dictClose}
		}
		return l.next()
	case '[':
		l.pos++
		return token{kind: arrayOpen}
	case ']':
		l.pos++
		return token{kind: arrayClose}
	case '{', '}', ')':
		l.pos++
		return token{kind: keyword, text: l.data[l.pos-1 : l.pos]}
	case '/':
		l.pos++
		return token{kind: name, text: l.name()}
	}
	word := l.regular()
	if c == '+' || c == '-' || c == '.' || isDigit(c) {
		if n, ok := parseNumber(word); ok {
			return token{kind: number, num: n}
		}
	}
	return token{kind: keyword, text: word}
}

func (l *lexer) peek() byte {
	if l.pos < len(l.data) {
		return l.data[l.pos]
	}
	return 0
}

func (l *lexer) skipSpace() {
	for l.pos < len(l.data) {
		switch c := l.data[l.pos]; {
		case isSpace(c):
			l.pos++
		case c == '%':
			for l.pos < len(l.data) && l.data[l.pos] != '\n' && l.data[l.pos] != '\r' {
				l.pos++
			}
		default:
			return
		}
	}
}

// regular returns the bytes up to the next space or delimiter.
func (l *lexer) regular() []byte {
	start := l.pos
	for l.pos < len(l.data) && !isSpace(l.data[l.pos]) && !isDelim(l.data[l.pos]) {
		l.pos++
	}
	return l.data[start:l.pos]
}

func (l *lexer) name() []byte {
	raw := l.regular()
	for i, c := range raw {
		if c == '#' {
			return l.unescapeName(raw, i)
		}
	}
	return raw
}

func (l *lexer) unescapeName(raw []byte, from int) []byte {
	start := len(l.scratch)
	l.scratch = append(l.scratch, raw[:from]...)
	for i := from; i < len(raw); i++ {
		if raw[i] == '#' && i+2 < len(raw) {
			if hi, lo := unhex(raw[i+1]), unhex(raw[i+2]); hi >= 0 && lo >= 0 {
				l.scratch = append(l.scratch, byte(hi<<4|lo))
				i += 2
				continue
			}
		}
		l.scratch = append(l.scratch, raw[i])
	}
	return l.scratch[start:]
}

// literal reads a string in parentheses; the opening one is already read.
func (l *lexer) literal() []byte {
	from := len(l.scratch)
	for depth := 1; l.pos < len(l.data); {
		c := l.data[l.pos]
		l.pos++
		switch c {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return l.scratch[from:]
			}
		case '\\':
			l.escape()
			continue
		case '\r':
			if l.peek() == '\n' {
				l.pos++
			}
			c = '\n'
		}
		l.scratch = append(l.scratch, c)
	}
	return l.scratch[from:]
}

func (l *lexer) escape() {
	if l.pos >= len(l.data) {
		return
	}
	c := l.data[l.pos]
	l.pos++
	switch c {
	case 'n', 'r', 't', 'b', 'f':
		c = "\n\r\t\b\f"[bytes.IndexByte([]byte("nrtbf"), c)]
	case '\r':
		if l.peek() == '\n' {
			l.pos++
		}
		return
	case '\n':
		return
	case '0', '1', '2', '3', '4', '5', '6', '7':
		v := int(c - '0')
		for i := 0; i < 2 && l.peek() >= '0' && l.peek() <= '7' && l.pos < len(l.data); i++ {
			v = v*8 + int(l.data[l.pos]-'0')
			l.pos++
		}
		if v > 255 && l.repair {
			l.data[l.pos-3] = '0' // the library refuses what overflows; all others drop the bit
		}
		c = byte(v)
	case '(', ')', '\\':
	default:
		if l.repair {
			l.data[l.pos-2] = ' '
		}
	}
	l.scratch = append(l.scratch, c)
}

func (l *lexer) hex() []byte {
	from, high := len(l.scratch), -1
	for l.pos < len(l.data) {
		c := l.data[l.pos]
		l.pos++
		if c == '>' {
			break
		}
		x := unhex(c)
		switch {
		case x < 0:
		case high < 0:
			high = x
		default:
			l.scratch = append(l.scratch, byte(high<<4|x))
			high = -1
		}
	}
	if high >= 0 { // a missing last digit counts as 0
		l.scratch = append(l.scratch, byte(high<<4))
	}
	return l.scratch[from:]
}

// parseNumber reads what viewers accept: several signs, and "12-3" or "1.2.3"
// up to the first byte that does not fit.
func parseNumber(word []byte) (float64, bool) {
	i, sign := 0, 1.0
	for i < len(word) && (word[i] == '+' || word[i] == '-') {
		if word[i] == '-' {
			sign = -1
		}
		i++
	}
	var v, scale float64
	digits := 0
	for ; i < len(word); i++ {
		switch c := word[i]; {
		case isDigit(c) && scale == 0:
			v = v*10 + float64(c-'0')
			digits++
		case isDigit(c):
			v += float64(c-'0') * scale
			scale /= 10
			digits++
		case c == '.' && scale == 0:
			scale = 0.1
		case c == '.' || c == '-':
			return sign * v, digits > 0
		default:
			return 0, false
		}
	}
	return sign * v, digits > 0 || scale > 0
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isSpace(c byte) bool {
	return c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == '\f' || c == 0
}

func isDelim(c byte) bool {
	switch c {
	case '<', '>', '(', ')', '[', ']', '{', '}', '/', '%':
		return true
	}
	return false
}

func unhex(c byte) int {
	switch {
	case isDigit(c):
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// Objects as the lexer builds them: nil, bool, float64, string, nameObj, ref,
// array and dict. They serve the file's skeleton only; fonts and resources are
// read through the parser library.
type (
	nameObj string
	ref     struct{ num, gen int }
	array   []any
	dict    map[string]any
)

func (r ref) String() string { return strconv.Itoa(r.num) + " " + strconv.Itoa(r.gen) + " R" }

func (d dict) name(key string) string {
	n, _ := d[key].(nameObj)
	return string(n)
}

// int returns the integer at key, and whether there is one a file can mean.
func (d dict) int(key string) (int, bool) {
	f, ok := d[key].(float64)
	if !ok || f < -1<<31 || f > 1<<40 {
		return 0, false
	}
	return int(f), true
}

// maxNesting and maxElements bound what one object of a file may ask for.
const (
	maxNesting  = 100
	maxElements = 1 << 20
)

// object reads one object. ok is false at the end of the data and where a
// keyword stands that begins no object; that keyword is not consumed.
func (l *lexer) object(depth int) (obj any, ok bool) {
	l.reset()
	start := l.pos
	t := l.next()
	switch t.kind {
	case number:
		if r, ok := l.refAfter(t.num); ok {
			return r, true
		}
		return t.num, true
	case text:
		return string(t.text), true
	case name:
		return nameObj(t.text), true
	case arrayOpen:
		return l.arrayObject(depth)
	case dictOpen:
		return l.dictObject(depth)
	case keyword:
		switch string(t.text) {
		case "true":
			return true, true
		case "false":
			return false, true
		case "null":
			return nil, true
		}
		if depth > 0 && l.isMisfit(t.text) {
			return 0.0, true
		}
	}
	l.pos = start
	return nil, false
}

// refAfter reads the rest of "N G R" when the number just read begins one.
func (l *lexer) refAfter(num float64) (ref, bool) {
	start := l.pos
	if num >= 0 && num == float64(int32(num)) {
		if gen := l.next(); gen.kind == number && gen.num >= 0 && gen.num <= 65535 {
			if l.next().is("R") {
				r := ref{int(num), int(gen.num)}
				if _, watched := l.named[r]; watched {
					l.named[r] = true
				}
				return r, true
			}
		}
	}
	l.pos = start
	return ref{}, false
}

func (l *lexer) arrayObject(depth int) (any, bool) {
	a := array{}
	for depth < maxNesting {
		l.skipSpace()
		if l.peek() == ']' {
			l.pos++
			return a, true
		}
		v, ok := l.object(depth + 1)
		if !ok {
			return a, false
		}
		if a = append(a, v); len(a) > maxElements {
			return a, false
		}
	}
	return a, false
}

func (l *lexer) dictObject(depth int) (any, bool) {
	d := dict{}
	for depth < maxNesting {
		l.reset()
		start := l.pos
		t := l.next()
		if t.kind == dictClose {
			return d, true
		}
		if t.kind != name {
			l.pos = start
			if !l.lenient || !l.skipMisfit(depth) {
				return d, false
			}
			continue
		}
		key := string(t.text)
		v, ok := l.object(depth + 1)
		if !ok {
			return d, false
		}
		d[key] = v
	}
	return d, false
}
