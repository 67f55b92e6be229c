package text

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// oniguruma translates a regular expression of Oniguruma in Ruby's syntax, in which tokenizers reads patterns, into regexp2's
// dialect, which is .NET's. Where both have a construct but mean different things by it (\w, ^, $, classes in classes, what
// ignores case), what Oniguruma means is written out; constructs that it does not know are refused by name.
func oniguruma(source string) (out string, err error) {
	t := &translator{rest: []rune(source)}
	defer func() {
		if r := recover(); r != nil {
			refusal, ok := r.(untranslatable)
			if !ok {
				panic(r)
			}
			err = fmt.Errorf("%w: pattern %q: %s", ErrUnsupported, source, string(refusal))
		}
	}()
	out = t.alternatives(false, false)
	if len(t.rest) > 0 {
		t.refuse("an unmatched )")
	}
	return out, nil
}

type translator struct {
	rest  []rune
	depth int
}

type untranslatable string

func (t *translator) refuse(what string) { panic(untranslatable(what + " is not understood")) }

// take reads a prefix if it stands next.
func (t *translator) take(prefix string) bool {
	p := []rune(prefix)
	if len(t.rest) < len(p) || !slices.Equal(t.rest[:len(p)], p) {
		return false
	}
	t.rest = t.rest[len(p):]
	return true
}

func (t *translator) next() rune {
	if len(t.rest) == 0 {
		t.refuse("an end too early")
	}
	r := t.rest[0]
	t.rest = t.rest[1:]
	return r
}

// until reads up to a delimiter, which is dropped.
func (t *translator) until(end rune) string {
	at := slices.Index(t.rest, end)
	if at < 0 {
		t.refuse("an end too early")
	}
	out := string(t.rest[:at])
	t.rest = t.rest[at+1:]
	return out
}

// alternatives reads up to the end of a group. fold: case is ignored; all: the dot matches new lines too.
func (t *translator) alternatives(fold, all bool) string {
	if t.depth++; t.depth > 200 {
		t.refuse("a group so deep")
	}
	defer func() { t.depth-- }()
	var out strings.Builder
	before := rune(0) // the letter before, where case is ignored
	for len(t.rest) > 0 && t.rest[0] != ')' {
		if t.take("|") {
			out.WriteByte('|')
			before = 0
			continue
		}
		if fold && len(t.rest) > 0 {
			before = t.checkFold(before, t.rest[0])
		}
		item, repeatable := t.item(fold, all)
		out.WriteString(t.repeated(item, repeatable))
	}
	return out.String()
}

// checkFold refuses what may match a character that stands for several: "ss" is ß where case is ignored.
func (t *translator) checkFold(before, r rune) rune {
	r = unicode.ToLower(r)
	if slices.Contains([]string{"ss", "ff", "fi", "fl", "st"}, string([]rune{before, r})) {
		t.refuse(fmt.Sprintf("%c%c where case is ignored", before, r))
	}
	return r
}

// \w, which outside of a class has some characters of Latin-1 more.
const (
	wordItems = `\p{L}\p{Nl}\p{Nd}\p{M}\p{Pc}Ⓐ-ⓩ🄰-🅉🅐-🅩🅰-🆉`
	wordSet   = "[" + wordItems + "²³¹¼-¾]"
)

// item reads one thing that can be repeated, or an anchor.
func (t *translator) item(fold, all bool) (out string, repeatable bool) {
	switch r := t.next(); r {
	case '(':
		return t.group(fold, all)
	case '[':
		return t.class(fold).expression(), true
	case '.':
		if all {
			return `[\s\S]`, true
		}
		return `[^\n]`, true
	case '^':
		return `(?:\A|(?<=\n)(?!\z))`, false
	case '$':
		return `(?=\n|\z)`, false
	case '*', '+', '?':
		t.refuse(string(r) + " with nothing to repeat")
		return "", false
	case '\\':
		return t.escape(fold)
	default:
		return t.literal(r, fold).expression(), true
	}
}

func (t *translator) escape(fold bool) (out string, repeatable bool) {
	switch r := t.next(); r {
	case 'A', 'z':
		return `\` + string(r), false
	case 'Z':
		return `(?=\n?\z)`, false
	case 'b':
		return `(?:(?<=` + wordSet + `)(?!` + wordSet + `)|(?<!` + wordSet + `)(?=` + wordSet + `))`, false
	case 'B':
		return `(?:(?<=` + wordSet + `)(?=` + wordSet + `)|(?<!` + wordSet + `)(?!` + wordSet + `))`, false
	case 'w':
		return wordSet, true
	case 'W':
		return "[^" + wordSet[1:], true
	case 'R':
		return `(?>\r\n|[\n-\r\x85\u2028\u2029])`, true
	default:
		s := t.escaped(r, fold)
		if s.items == wordItems { // \p{Word} is \w
			s.items = strings.Trim(wordSet, "[]")
		}
		return s.expression(), true
	}
}

func (t *translator) group(fold, all bool) (out string, repeatable bool) {
	if !t.take("?") {
		return t.inside("(?:", fold, all), true
	}
	for _, look := range []string{"=", "!", "<=", "<!"} {
		if t.take(look) {
			return t.inside("(?"+look, fold, all), false
		}
	}
	switch {
	case t.take(":"):
		return t.inside("(?:", fold, all), true
	case t.take(">"):
		return t.inside("(?>", fold, all), true
	case t.take("#"):
		t.until(')')
		return "", false
	case t.take("<"):
		t.until('>') // the name; nothing refers to it, for references are refused
		return t.inside("(?:", fold, all), true
	}
	on := true
	for {
		switch r := t.next(); r {
		case '-':
			on = false
		case 'i':
			fold = on
		case 'm':
			all = on
		case ':':
			return t.inside("(?:", fold, all), true
		case ')': // to the end of the group, alternatives included
			return "(?:" + t.alternatives(fold, all) + ")", false
		default:
			t.refuse("the group (?" + string(r))
		}
	}
}

func (t *translator) inside(open string, fold, all bool) string {
	out := open + t.alternatives(fold, all) + ")"
	if !t.take(")") {
		t.refuse("an end too early")
	}
	return out
}

// repeated adds the quantifiers that follow.
func (t *translator) repeated(item string, repeatable bool) string {
	for first := true; len(t.rest) > 0; first = false {
		var how string
		interval := false
		switch r := t.rest[0]; r {
		case '*', '+', '?':
			t.rest = t.rest[1:]
			how = string(r)
		case '{':
			if how = t.interval(); how == "" {
				return item
			}
			interval = true
		default:
			return item
		}
		if !repeatable {
			t.refuse(how + " after an anchor")
		}
		if !first {
			item = "(?:" + item + ")"
		}
		item += how
		switch {
		case interval && len(t.rest) > 0 && t.rest[0] == '?' && !strings.Contains(how, ","):
			t.refuse(how + "?") // optional, not lazy
		case t.take("?"):
			item += "?"
		case !interval && t.take("+"):
			item = "(?>" + item + ")"
		}
	}
	return item
}

// interval reads {n}, {n,}, {,m} or {n,m}. Any other brace is a character.
func (t *translator) interval() string {
	at := slices.Index(t.rest, '}')
	if at < 0 {
		return ""
	}
	low, high, comma := strings.Cut(string(t.rest[1:at]), ",")
	if comma && low == "" && high != "" {
		low = "0"
	}
	n, err := strconv.Atoi(low)
	m, errHigh := strconv.Atoi(high)
	if err != nil || high != "" && errHigh != nil {
		return ""
	}
	if high != "" && n > m {
		t.refuse(string(t.rest[:at+1]))
	}
	t.rest = t.rest[at+1:]
	if comma {
		low += ","
	}
	return "{" + low + high + "}"
}
