package text

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// set is a set of characters: what a class of .NET can say, and what takes more.
type set struct {
	items   string   // between the brackets of a class
	more    []string // expressions that each match one character
	negated bool
}

// expression matches one character of the set.
func (s set) expression() string {
	if len(s.more) == 0 {
		if s.items == "" { // no character at all
			s.items, s.negated = `\s\S`, !s.negated
		}
		if s.negated {
			return "[^" + s.items + "]"
		}
		return "[" + s.items + "]"
	}
	parts := s.more
	if s.items != "" {
		parts = append([]string{"[" + s.items + "]"}, parts...)
	}
	any := "(?:" + strings.Join(parts, "|") + ")"
	if s.negated {
		return `(?:(?!` + any + `)[\s\S])`
	}
	return any
}

// add joins another set to one that is not negated.
func (s *set) add(o set) {
	if o.negated || len(o.more) > 0 {
		s.more = append(s.more, o.expression())
		return
	}
	s.items += o.items
}

// class reads a class behind its opening bracket.
func (t *translator) class(fold bool) set {
	if t.depth++; t.depth > 200 {
		t.refuse("a class so deep")
	}
	defer func() { t.depth-- }()
	var all *set // what the parts before && have in common
	s := set{}
	negated := t.take("^")
	meet := func() {
		if all == nil {
			all = &set{items: s.items, more: s.more}
		} else {
			all = &set{more: []string{"(?:(?=" + s.expression() + ")" + all.expression() + ")"}}
		}
	}
	for first := true; ; first = false {
		switch {
		case !first && t.take("]"):
			if all != nil {
				meet()
				s = *all
			}
			s.negated = negated
			return s
		case t.take("&&"):
			meet()
			s = set{}
		case t.take("[:"):
			s.add(t.posix(fold))
		case t.take("["):
			s.add(t.class(fold))
		default:
			s.add(t.member(fold))
		}
	}
}

// member reads a character, a range of them, or an escape that stands for a set.
func (t *translator) member(fold bool) set {
	r := t.next()
	if r == '\\' {
		if r = t.next(); !t.stands(r) {
			return t.escaped(r, fold)
		}
		r = t.character(r)
	}
	if len(t.rest) < 2 || t.rest[0] != '-' || t.rest[1] == ']' {
		return t.literal(r, fold)
	}
	t.next()
	last := t.next()
	if last == '\\' {
		if last = t.next(); !t.stands(last) {
			t.refuse("a range up to a set")
		}
		last = t.character(last)
	}
	if last == '[' || last < r {
		t.refuse("a range so written")
	}
	s := set{items: quote(r) + "-" + quote(last)}
	if fold {
		for c := r; c <= last; c++ {
			if c > unicode.MaxASCII && unicode.SimpleFold(c) != c {
				t.refuse("a range of letters beyond ASCII where case is ignored")
			}
			if unicode.SimpleFold(c) != c {
				s.add(t.literal(c, fold))
			}
		}
	}
	return s
}

// literal is a character, and where case is ignored all that differ from it in nothing else.
func (t *translator) literal(r rune, fold bool) set {
	s := set{items: quote(r)}
	if fold {
		if r > unicode.MaxASCII && (unicode.SimpleFold(r) != r || unicode.Is(unicode.M, r)) {
			t.refuse(fmt.Sprintf("%q where case is ignored", r))
		}
		for c := unicode.SimpleFold(r); c != r; c = unicode.SimpleFold(c) {
			s.items += quote(c)
		}
	}
	return s
}

// quote writes a character so that it stands for itself in a class.
func quote(r rune) string {
	if strings.ContainsRune(`\]^-[`, r) {
		return `\` + string(r)
	}
	return string(r)
}

// stands tells whether an escape stands for one character.
func (t *translator) stands(r rune) bool {
	return strings.ContainsRune("tnrfvaeux", r) || r >= '0' && r <= '7' || !(r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)))
}

// character reads the rest of an escape that stands for one.
func (t *translator) character(r rune) rune {
	digits := ""
	switch at := strings.IndexRune("tnrfvae", r); {
	case at >= 0:
		return rune("\t\n\r\f\v\a\x1b"[at])
	case r == 'x' && t.take("{"):
		digits = t.until('}')
	case r == 'x' || r == 'u':
		size := map[rune]int{'x': 2, 'u': 4}[r]
		if len(t.rest) < size {
			t.refuse(`\` + string(r))
		}
		digits, t.rest = string(t.rest[:size]), t.rest[size:]
	case r >= '0' && r <= '7': // octal, or what a group matched
		t.refuse(`\` + string(r))
	default:
		return r
	}
	code, err := strconv.ParseUint(digits, 16, 21)
	if err != nil || code > unicode.MaxRune {
		t.refuse(`\` + string(r) + digits)
	}
	return rune(code)
}

// escaped reads an escape that stands for a character or a set.
func (t *translator) escaped(r rune, fold bool) set {
	if t.stands(r) {
		return t.literal(t.character(r), fold)
	}
	s := set{negated: unicode.IsUpper(r)}
	switch unicode.ToLower(r) {
	case 'd':
		s.items = `\p{Nd}`
	case 's':
		s.items = `\s`
	case 'w':
		s.items = wordItems
	case 'h':
		s.items = "0-9a-fA-F"
	case 'p':
		if !t.take("{") {
			t.refuse(`\` + string(r) + " without braces")
		}
		name := t.until('}')
		if rest, not := strings.CutPrefix(name, "^"); not {
			name, s.negated = rest, !s.negated
		}
		s.items = t.property(name, fold)
	default:
		t.refuse(`\` + string(r))
	}
	return s
}
