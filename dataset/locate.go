package dataset

import (
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// document finds answers in the passages of one document.
type document struct {
	passages []Passage
	folded   []folded           // of the passages; made when first needed
	having   map[string][]int   // the passages that have a word, in order
	longest  int                // bytes of a word
	holders  map[string]int     // how many passages have a stem
	places   []map[string][]int // for each passage: at which words a stem stands
}

func (d *document) fold() {
	if d.folded != nil {
		return
	}
	d.holders, d.having = map[string]int{}, map[string][]int{}
	for n, p := range d.passages {
		f := foldText(p.Text)
		places := map[string][]int{}
		for i := range f.len() {
			word := f.word(i)
			if in := d.having[word]; len(in) == 0 || in[len(in)-1] != n {
				d.having[word] = append(in, n)
				d.longest = max(d.longest, len(word))
			}
			stem := stemOf(word)
			places[stem] = append(places[stem], i)
		}
		for stem := range places {
			d.holders[stem]++
		}
		d.folded = append(d.folded, f)
		d.places = append(d.places, places)
	}
}

// answering returns the passage that contains the answer, and the quote if any does, where the question's words are closest. Of
// equals, the first.
func (d *document) answering(fact Fact) (Passage, bool) {
	d.fold()
	terms, answer := d.weigh(fact.Question), foldText(fact.Answer)
	candidates := d.candidates(answer)
	for _, needed := range []folded{foldText(fact.Quote), answer} {
		best, bestScore := -1, math.Inf(-1)
		for _, i := range candidates {
			if len(d.folded[i].find(needed)) == 0 {
				continue
			}
			for _, at := range d.folded[i].find(answer) {
				if score := closeness(terms, d.places[i], at); score > bestScore {
					best, bestScore = i, score
				}
			}
		}
		if best >= 0 {
			return d.passages[best], true
		}
	}
	return Passage{}, false
}

// candidates are the passages, in order, that may have a text, which begins and ends with words of theirs: to read all of a book for
// each of its facts would take the square of its length.
func (d *document) candidates(f folded) []int {
	var begin, end []int
	for n := range min(len(f.text), d.longest) + 1 {
		begin = append(begin, d.having[f.text[:n]]...)
		end = append(end, d.having[f.text[len(f.text)-n:]]...)
	}
	if len(end) < len(begin) {
		begin = end
	}
	slices.Sort(begin)
	return slices.Compact(begin)
}

// term is a stem of a question. The fewer passages have it, the more it weighs.
type term struct {
	stem   string
	weight float64
}

// weigh returns the terms of a question, each once, in their order: sums over them are the same in every run.
func (d *document) weigh(question string) []term {
	var terms []term
	seen := map[string]bool{}
	f := foldText(question)
	for i := range f.len() {
		stem := stemOf(f.word(i))
		if holders := d.holders[stem]; holders > 0 && !seen[stem] {
			terms = append(terms, term{stem, math.Log((float64(len(d.passages)) + 1) / (float64(holders) + 0.5))})
		}
		seen[stem] = true
	}
	return terms
}

// closeness sums the weights of the terms that a passage has, each the less the further it stands from the answer.
func closeness(terms []term, places map[string][]int, answer wordRange) float64 {
	const half = 10 // words away at which a term counts half
	score := 0.0
	for _, term := range terms {
		nearest := math.Inf(1)
		for _, at := range places[term.stem] {
			nearest = min(nearest, float64(max(answer.from-at, at-answer.to+1, 0)))
		}
		score += term.weight / (1 + nearest/half)
	}
	return score
}

// stemOf cuts off what may be an ending, so that "prerequisites" meets "prerequisite", and much the same in other languages that
// inflect. Words with digits are names and stay whole.
func stemOf(word string) string {
	const letters = 5
	if strings.IndexFunc(word, unicode.IsDigit) >= 0 {
		return word
	}
	n := 0
	for i := range word {
		if n == letters {
			return word[:i]
		}
		n++
	}
	if n == letters || n == letters-1 {
		return strings.TrimSuffix(word, "s") // "weeks", but not "bus"
	}
	return word
}

// wordRange is the words [from, to) of a folded text.
type wordRange struct{ from, to int }

// find returns where answer stands in f, beginning and ending with a word. White space inside does not matter: PDFs lose it.
func (f folded) find(answer folded) []wordRange {
	if answer.len() == 0 {
		return nil
	}
	var found []wordRange
	for from := 0; ; {
		i := strings.Index(f.text[from:], answer.text)
		if i < 0 {
			return found
		}
		start := from + i
		first, begins := f.wordAt(start)
		if end, ends := f.wordAt(start + len(answer.text)); begins && ends {
			found = append(found, wordRange{first, end})
		}
		_, size := utf8.DecodeRuneInString(f.text[start:])
		from = start + size
	}
}

// Contains tells whether a text has an answer in it as whole words, compared as Ground compares.
func Contains(text, answer string) bool { return len(foldText(text).find(foldText(answer))) > 0 }

// In tells whether a text has the answer in it, or one that is as good.
func (f Fact) In(text string) bool {
	folded := foldText(text)
	return len(folded.find(foldText(f.Answer))) > 0 ||
		slices.ContainsFunc(f.Accept, func(a string) bool { return len(folded.find(foldText(a))) > 0 })
}
