package recipe

import (
	"math/rand/v2"
	"strings"
	"unicode"

	"github.com/docent-ml/docent/dataset"
)

// longest is how many characters a statement has at most: about forty tokens of English.
const longest = 240

// Statement is the sentence of the document, or the row of a table, that states a fact: its Quote, or what of its passage
// stands around the answer. "" where there is none, or where it is too long to be an answer.
func Statement(f dataset.GroundedFact) string {
	if q := squeeze(f.Quote); q != "" && f.In(q) && len([]rune(q)) <= longest {
		return q
	}
	if !f.Found {
		return ""
	}
	best, score := "", -1
	for s := range sentences(f.Passage.Text) {
		s = squeeze(s)
		if n := shared(s, f.Question); f.In(s) && n > score && len([]rune(s)) <= longest {
			best, score = s, n
		}
	}
	return best
}

func squeeze(s string) string { return strings.Join(strings.Fields(s), " ") }

// sentences are the pieces of a text between line ends that end a block and stops that end a sentence.
func sentences(text string) func(func(string) bool) {
	return func(yield func(string) bool) {
		start := 0
		runes := []rune(text)
		for i, r := range runes {
			if ends(runes, i, r) {
				if s := strings.TrimSpace(string(runes[start : i+1])); s != "" && !yield(s) {
					return
				}
				start = i + 1
			}
		}
		if s := strings.TrimSpace(string(runes[start:])); s != "" {
			yield(s)
		}
	}
}

// ends tells whether a piece ends with rune i: at a stop that a capital follows behind white space, or at a line end, unless the
// line is broken inside a sentence.
func ends(text []rune, i int, r rune) bool {
	next := i + 1
	for next < len(text) && unicode.IsSpace(text[next]) {
		next++
	}
	if next == len(text) {
		return false
	}
	switch {
	case r == '\n':
		prev := i - 1
		for prev >= 0 && unicode.IsSpace(text[prev]) {
			prev--
		}
		return prev < 0 || text[i+1] == '\n' || !(unicode.IsLower(text[next]) || strings.ContainsRune(",;-–(", text[prev]) || unicode.IsDigit(text[next]) && unicode.IsLower(text[prev]))
	case strings.ContainsRune(".!?…", r):
		return next > i+1 && !unicode.IsLower(text[next]) && (i < 2 || !unicode.IsSpace(text[i-2]) || !unicode.IsLetter(text[i-1]))
	case strings.ContainsRune("。！？", r):
		return true
	}
	return false
}

// shared counts the words of the question, but for the shortest, that a sentence has.
func shared(sentence, question string) (n int) {
	in := map[string]bool{}
	for w := range words(sentence) {
		in[stem(w)] = true
	}
	for w := range words(question) {
		if len([]rune(w)) > 3 && in[stem(w)] {
			n++
		}
	}
	return n
}

func words(text string) func(func(string) bool) {
	return strings.FieldsFuncSeq(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) })
}

// stem cuts a word to its first five letters, which endings leave alone.
func stem(w string) string {
	if r := []rune(w); len(r) > 5 {
		return string(r[:5])
	}
	return w
}

// beside is how many characters on either side of a statement are read with it at most.
const beside = 300

// around is the part of a passage near a statement: an eighth of the time all of it, else the statement with some text on either
// side, to whole words. A model that is asked with much or little text in front learns from both, and
// short ones cost less.
func around(passage, statement string, random *rand.Rand) string {
	at := strings.Index(passage, statement)
	before, after := random.IntN(beside), random.IntN(beside)
	if random.IntN(8) == 0 || statement == "" || at < 0 {
		return passage
	}
	from, to := max(0, at-before), min(len(passage), at+len(statement)+after)
	if i := strings.IndexByte(passage[from:at], ' '); from > 0 && i >= 0 {
		from += i + 1
	} else if from > 0 {
		from = at
	}
	if i := strings.LastIndexByte(passage[at+len(statement):to], ' '); to < len(passage) && i >= 0 {
		to = at + len(statement) + i
	} else if to < len(passage) {
		to = at + len(statement)
	}
	return strings.TrimSpace(passage[from:to])
}
