package recipe

import (
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"

	"github.com/docent-ml/docent/dataset"
)

// Swapping is a fact as it would be if the document said something else.
type Swapping struct {
	Answer    string // the other value
	Statement string // the fact's Statement with it
	Passage   string // the fact's passage with it
}

// Swap replaces the value of a fact in its statement and passage: a number by another one, else by a value of another fact. ok is
// false if the answer stands there in other words, or nothing can take its place.
func Swap(f dataset.GroundedFact, others []dataset.GroundedFact, random *rand.Rand) (s Swapping, ok bool) {
	answer, statement := squeeze(f.Answer), Statement(f)
	passage := squeeze(f.Passage.Text)
	if statement == "" || !strings.Contains(statement, answer) || !strings.Contains(passage, statement) {
		return s, false
	}
	s.Answer, ok = otherNumber(answer, random)
	if !ok {
		s.Answer, ok = otherValue(f, others, random)
	}
	if !ok || dataset.Contains(s.Answer, answer) {
		return s, false
	}
	s.Statement = strings.Replace(statement, answer, s.Answer, 1)
	s.Passage = strings.Replace(passage, statement, s.Statement, 1)
	return s, true
}

var digits = regexp.MustCompile(`\d+`)

// otherNumber changes the first number of a text to one of the same order. A time stays a time, a year a year of its century.
func otherNumber(text string, random *rand.Rand) (string, bool) {
	at := digits.FindStringIndex(text)
	if at == nil || at[1]-at[0] > 6 {
		return "", false
	}
	old, err := strconv.Atoi(text[at[0]:at[1]])
	if err != nil {
		return "", false
	}
	for range 20 {
		var n int
		switch {
		case strings.HasPrefix(text[at[1]:], ":") && old < 24:
			n = 7 + random.IntN(14)
		case old >= 1900 && old < 2100:
			n = old - 9 + random.IntN(18)
		case old < 10:
			n = 1 + random.IntN(12)
		case old%10 == 0:
			n = max(10, old*(5+random.IntN(11))/100*10)
		default:
			n = max(1, old*(50+random.IntN(110))/100)
		}
		if n != old {
			return text[:at[0]] + strconv.Itoa(n) + text[at[1]:], true
		}
	}
	return "", false
}

// otherValue takes the answer of another fact, without a number and of like length, of the same document if there is one.
func otherValue(f dataset.GroundedFact, others []dataset.GroundedFact, random *rand.Rand) (string, bool) {
	var same, any []string
	for _, g := range others {
		a := squeeze(g.Answer)
		n, m := len(strings.Fields(a)), len(strings.Fields(f.Answer))
		if digits.MatchString(a) || n > 2*m+1 || m > 2*n+1 || f.In(a) || g.In(f.Answer) {
			continue
		}
		any = append(any, a)
		if g.Source == f.Source {
			same = append(same, a)
		}
	}
	if len(same) == 0 {
		same = any
	}
	if len(same) == 0 {
		return "", false
	}
	return same[random.IntN(len(same))], true
}

// SwapFor is Swap with a choice that depends on the fact and the seed alone, and differs from those that are trained on.
func SwapFor(f dataset.GroundedFact, others []dataset.GroundedFact, seed uint64) (Swapping, bool) {
	return Swap(f, others, seeded(seed, "evaluate", f.Question))
}
