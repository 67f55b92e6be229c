package grammar

import (
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxProgram bounds the size of a compiled expression: nested counts multiply.
const maxProgram = 20000

// pattern returns the strings in which a regular expression of JSON Schema (ECMA 262) is found. What Go's syntax
// does not have, or gives another meaning, is refused. work counts the steps of all expressions of a schema.
func pattern(expr string, work *int) (*language, error) {
	all, rest := lookaheads(expr)
	if len(all) == 0 {
		return searched(expr, work)
	}
	l, err := searched(`^(?:`+rest+`)`, work)
	for i := 0; i < len(all) && err == nil; i++ {
		var ahead *language
		if ahead, err = searched(`^(?:`+all[i][1:]+`)`, work); err != nil {
			break
		}
		if all[i][0] == '!' {
			ahead = complement(ahead)
		}
		if l = intersect(l, ahead, maxLanguage); l == nil {
			err = errors.New("too large")
		}
	}
	return l, err
}

// lookaheads takes the conditions off an expression that begins with some, (?=…) or (?!…), as most do that have any. What is
// found at the beginning of a text is enough, and the rest must not be an alternative to them.
func lookaheads(expr string) (all []string, rest string) {
	rest = strings.TrimPrefix(expr, "^")
	for strings.HasPrefix(rest, "(?=") || strings.HasPrefix(rest, "(?!") {
		end := outside(rest[3:], ")")
		if end < 0 {
			return nil, expr
		}
		all, rest = append(all, rest[2:3+end]), rest[3+end+1:]
	}
	if outside(rest, "|") >= 0 {
		return nil, expr
	}
	return all, rest
}

// outside is where a character of stops first stands outside of groups and classes, or -1.
func outside(expr, stops string) int {
	depth, class := 0, false
	for i := 0; i < len(expr); i++ {
		switch c := expr[i]; {
		case c == '\\':
			i++
		case class:
			class = c != ']'
		case depth == 0 && strings.IndexByte(stops, c) >= 0:
			return i
		case c == '[':
			class = true
		case c == '(':
			depth++
		case c == ')':
			depth--
		}
	}
	return -1
}

// searched is pattern for an expression without conditions.
func searched(expr string, work *int) (*language, error) {
	expr, err := translate(expr)
	if err != nil {
		return nil, err
	}
	tree, err := syntax.Parse("(?s:.*)(?:"+expr+")", syntax.Perl)
	if err != nil {
		var e *syntax.Error
		if errors.As(err, &e) {
			return nil, fmt.Errorf("%s: %s", e.Code, e.Expr)
		}
		return nil, err
	}
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return nil, err
	}
	if len(prog.Inst) > maxProgram {
		return nil, errors.New("too large")
	}
	m := &matcher{prog: prog, work: work}
	if l := m.language(); l != nil && *m.work < maxMatching {
		return l, nil
	}
	return nil, errors.New("too large")
}

// matcher makes the states of an expression deterministic.
type matcher struct {
	prog *syntax.Prog
	work *int
}

// position is a state: the instructions that may come next, as a key. An end of text at the start is also its beginning.
type position struct {
	start bool
	key   string
}

// all is the key behind a match: whatever follows, the string matches.
const all = "all"

func (m *matcher) language() *language {
	start := position{true, m.key([]uint32{uint32(m.prog.Start)}, syntax.EmptyBeginText)}
	return explore(start, func(p position) ([]span, []position) {
		if p.key == all {
			return []span{{0, utf8.MaxRune, 0}}, []position{{key: all}}
		}
		return m.next(decode(p.key))
	}, func(p position) bool {
		flags := syntax.EmptyEndText
		if p.start {
			flags |= syntax.EmptyBeginText
		}
		return p.key == all || m.key(decode(p.key), flags) == all
	}, maxLanguage)
}

// next gives the edges of a state, by the boundaries of what its instructions read.
func (m *matcher) next(state []uint32) (spans []span, targets []position) {
	cuts := []rune{0, '\n', '\n' + 1, '\r', '\r' + 1, 0x2028, 0x202a, utf8.MaxRune + 1}
	for _, pc := range state {
		if inst := &m.prog.Inst[pc]; inst.Op == syntax.InstRune || inst.Op == syntax.InstRune1 {
			for i := 0; i < len(inst.Rune); i += 2 {
				cuts = append(cuts, inst.Rune[i], inst.Rune[min(i+1, len(inst.Rune)-1)]+1)
			}
			if len(inst.Rune) == 1 && syntax.Flags(inst.Arg)&syntax.FoldCase != 0 { // [bB] becomes this
				for r := unicode.SimpleFold(inst.Rune[0]); r != inst.Rune[0]; r = unicode.SimpleFold(r) {
					cuts = append(cuts, r, r+1)
				}
			}
		}
	}
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)
	if *m.work += len(cuts) * (len(state) + 1); *m.work >= maxMatching {
		return nil, nil // the caller gives up
	}
	index := map[string]int32{}
	for i := range len(cuts) - 1 {
		var after []uint32
		for _, pc := range state {
			if inst := &m.prog.Inst[pc]; reads(inst, cuts[i]) {
				after = append(after, inst.Out)
			}
		}
		if after == nil {
			continue
		}
		key := m.key(after, 0)
		to, ok := index[key]
		if !ok {
			to = int32(len(targets))
			index[key] = to
			targets = append(targets, position{key: key})
		}
		if n := len(spans); n > 0 && spans[n-1].to == to && spans[n-1].hi == cuts[i]-1 {
			spans[n-1].hi = cuts[i+1] - 1
		} else {
			spans = append(spans, span{cuts[i], cuts[i+1] - 1, to})
		}
	}
	return spans, targets
}

func reads(inst *syntax.Inst, r rune) bool {
	switch inst.Op {
	case syntax.InstRune, syntax.InstRune1:
		return inst.MatchRune(r)
	case syntax.InstRuneAny:
		return true
	case syntax.InstRuneAnyNotNL:
		return r != '\n' && r != '\r' && r != 0x2028 && r != 0x2029
	}
	return false
}

// key is the state that is reached from instructions without reading.
func (m *matcher) key(pcs []uint32, have syntax.EmptyOp) string {
	seen := map[uint32]bool{}
	var state []uint32
	for len(pcs) > 0 {
		pc := pcs[len(pcs)-1]
		pcs = pcs[:len(pcs)-1]
		if seen[pc] {
			continue
		}
		seen[pc] = true
		switch inst := &m.prog.Inst[pc]; inst.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			pcs = append(pcs, inst.Out, inst.Arg)
		case syntax.InstCapture, syntax.InstNop:
			pcs = append(pcs, inst.Out)
		case syntax.InstEmptyWidth:
			if need := syntax.EmptyOp(inst.Arg); need&^have == 0 {
				pcs = append(pcs, inst.Out)
			} else if need == syntax.EmptyEndText {
				state = append(state, pc) // passed if the text ends here
			}
		case syntax.InstMatch:
			return all
		case syntax.InstFail:
		default:
			state = append(state, pc)
		}
	}
	slices.Sort(state)
	key := make([]byte, 0, 4*len(state))
	for _, pc := range state {
		key = binary.LittleEndian.AppendUint32(key, pc)
	}
	return string(key)
}

func decode(key string) []uint32 {
	state := make([]uint32, 0, len(key)/4)
	for i := 0; i+4 <= len(key); i += 4 {
		state = append(state, binary.LittleEndian.Uint32([]byte(key[i:])))
	}
	return state
}

// White space of ECMA. Other engines take only that of ASCII, so \s gives ASCII and \S excludes all.
const (
	asciiSpaces = `\t\n\f\r `
	anySpaces   = `\t\n\v\f\r \x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{feff}`
)

// group is what stands behind the parenthesis of a group that may have a name, and is no condition.
var group = regexp.MustCompile(`^\?(?::|P?<\w+>)`)

// translate turns an expression of ECMA 262 into one of Go with the same meaning.
func translate(expr string) (string, error) {
	var out strings.Builder
	class, negated := false, false
	refuse := func(what string) (string, error) { return "", fmt.Errorf("%s is not supported", what) }
	for i := 0; i < len(expr); i++ {
		c := expr[i]
		switch {
		case c == '\\' && i+1 < len(expr):
			i++
			switch e := expr[i]; {
			case e == 's' && negated:
				out.WriteString(anySpaces)
			case e == 's' && class:
				out.WriteString(asciiSpaces)
			case e == 's':
				out.WriteString("[" + asciiSpaces + "]")
			case e == 'S' && !class:
				out.WriteString("[^" + anySpaces + "]")
			case e == '0' && (i+1 == len(expr) || expr[i+1] < '0' || expr[i+1] > '9'):
				out.WriteString(`\x00`)
			case e == 'u' && i+4 < len(expr) && isHex(expr[i+1:i+5]):
				out.WriteString(`\x{` + expr[i+1:i+5] + `}`)
				i += 4
			case e == 'u' && strings.HasPrefix(expr[i+1:], "{"):
				out.WriteString(`\x`)
			case e == 'b' && class:
				out.WriteString(`\x08`)
			case e == '_':
				out.WriteByte(e)
			case strings.IndexByte("dDwWnrtfvxpP", e) >= 0 || e < utf8.RuneSelf && !isWord(e):
				out.WriteString(`\` + string(rune(e)))
			default:
				return refuse(`\` + string(rune(e)))
			}
		case class && c == '[':
			out.WriteString(`\[`)
		case c == '[':
			class, negated = true, strings.HasPrefix(expr[i+1:], "^")
			out.WriteByte(c)
			if negated {
				i++
				out.WriteByte('^')
			}
			if strings.HasPrefix(expr[i+1:], "]") {
				return refuse("an empty class")
			}
		case c == ']' && class:
			class, negated = false, false
			out.WriteByte(c)
		case c == '(' && !class && strings.HasPrefix(expr[i+1:], "?") && !group.MatchString(expr[i+1:]):
			return refuse("(?…)")
		default:
			out.WriteByte(c)
		}
	}
	return out.String(), nil
}

func isHex(s string) bool { return strings.Trim(s, "0123456789abcdefABCDEF") == "" }

func isWord(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
