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
		how, interval := "", false
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

// property are the items of \p{name}.
func (t *translator) property(name string, fold bool) string {
	plain := func(s string) string {
		return strings.ToLower(strings.NewReplacer("_", "", " ", "", "-", "").Replace(s))
	}
	for long, short := range unicode.CategoryAliases {
		if plain(long) == plain(name) {
			name = short
		}
	}
	items := ""
	for _, tables := range []map[string]*unicode.RangeTable{unicode.Categories, unicode.Scripts} {
		for known, table := range tables {
			if plain(known) != plain(name) || known == "LC" || known == "Cn" || known == "C" {
				continue
			}
			if fold && cased(table) {
				t.refuse(`\p{` + name + "} where case is ignored")
			}
			items = `\p{` + known + "}"
		}
	}
	if items == "" {
		items = t.bracket(plain(name), fold)
	}
	return items
}

// posix reads [:name:] behind its first colon.
func (t *translator) posix(fold bool) set {
	s := set{negated: t.take("^")}
	s.items = t.bracket(t.until(':'), fold)
	if !t.take("]") {
		t.refuse("[: without :]")
	}
	return s
}

// bracket are the items of POSIX's classes, and of the properties that they are called by too.
func (t *translator) bracket(name string, fold bool) string {
	const alpha = `\p{L}\p{Nl}`
	letters := func(items, other string) string {
		if fold {
			t.refuse(name + " where case is ignored")
		}
		return items + ranges(unicode.Properties[other])
	}
	switch name {
	case "alpha", "alphabetic":
		return letters(alpha, "Other_Alphabetic")
	case "alnum":
		return letters(alpha+`\p{Nd}`, "Other_Alphabetic")
	case "word":
		return wordItems
	case "lower", "lowercase":
		return letters(`\p{Ll}`, "Other_Lowercase")
	case "upper", "uppercase":
		return letters(`\p{Lu}`, "Other_Uppercase")
	case "digit":
		return `\p{Nd}`
	case "space", "whitespace":
		return `\s`
	case "punct":
		return `\p{P}\p{S}`
	case "blank":
		return `\t\p{Zs}`
	case "cntrl":
		return `\p{Cc}`
	case "xdigit":
		return "0-9a-fA-F"
	case "ascii":
		return `\x00-\x7F`
	case "any":
		return `\s\S`
	}
	t.refuse("the class " + name)
	return ""
}

// ranges writes a table out.
func ranges(table *unicode.RangeTable) string {
	var out strings.Builder
	add := func(from, to, stride rune) {
		if stride == 1 && from < to {
			out.WriteString(string(from) + "-" + string(to))
			return
		}
		for r := from; r <= to; r += stride {
			out.WriteRune(r)
		}
	}
	for _, r := range table.R16 {
		add(rune(r.Lo), rune(r.Hi), rune(r.Stride))
	}
	for _, r := range table.R32 {
		add(rune(r.Lo), rune(r.Hi), rune(r.Stride))
	}
	return out.String()
}

// cased tells whether a table has characters with another case.
func cased(table *unicode.RangeTable) bool {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if unicode.Is(table, r) && unicode.SimpleFold(r) != r {
			return true
		}
	}
	return false
}
