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
	holders  map[string]int     // how many passages have a stem
	places   []map[string][]int // for each passage: at which words a stem stands
}

func (d *document) fold() {
	if d.folded != nil {
		return
	}
	d.holders = map[string]int{}
	for _, p := range d.passages {
		f := foldText(p.Text)
		places := map[string][]int{}
		for i := range f.len() {
			stem := stemOf(f.word(i))
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
	terms, answer, quote := d.weigh(fact.Question), foldText(fact.Answer), foldText(fact.Quote)
	best, bestScore, bestQuotes := -1, math.Inf(-1), false
	for i, f := range d.folded {
		quotes := len(f.find(quote)) > 0
		for _, at := range f.find(answer) {
			score := closeness(terms, d.places[i], at)
			if quotes && !bestQuotes || quotes == bestQuotes && score > bestScore {
				best, bestScore, bestQuotes = i, score, quotes
			}
		}
	}
	if best < 0 {
		return Passage{}, false
	}
	return d.passages[best], true
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
