// Package recipe makes the rows that teach a small model the facts of some documents without breaking the assistant that it
// was. Training on questions and answers alone gives a model that recites: it does not know a fact asked in other words, reads
// a memorised value out of any passage, has an answer for everything, and forgets the rest. Each kind of row is against one of
// these:
//
//	closed     a fact asked without its passage, each time in other words
//	open       the same with the passage in front, which is to be read
//	swapped    with a passage in which the value was replaced: what stands there is right, not what was learned
//	elsewhere  with a passage that does not have the answer: the model says so
//	unknown    a question that the documents do not answer: the model says so
//	practice   texts of nobody's documents, asked as people ask: reading, and saying so, in words that no rule would choose
//	general    what has nothing to do with the documents, answered by the base model itself
//
//	rows, err := recipe.Default().Rows(seed, facts, general)
//
// The forms of questions and answers are there for English, German, French, Spanish, Italian and Greek; a fact in another
// language is taught in its own words and with English forms around it.
package recipe

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/docent-ml/docent/dataset"
)

// Recipe says how many rows of each kind there are. Zero means none.
type Recipe struct {
	Closed    int     // rows for each fact, each in another wording as long as there are some
	Open      int     // rows for each fact with its passage; up to two more ask for other facts of its text
	Swapped   int     // rows for each fact whose value can be replaced
	Elsewhere float64 // rows for each fact, about half of them for 0.5
	Unknown   float64 // rows for each fact
	Practice  float64 // texts for each fact, four rows each, as long as there are some
	General   int     // times each general row is learned
	// Sentences answers with the sentence of the document that says it instead of the value alone. A small model then says more
	// that is wrong: it begins with the words of the question, or quotes the sentence beside the right one.
	Sentences bool
}

// Default is what was found best for SmolLM2-135M in two epochs; BENCHMARKS.md has the experiments.
func Default() Recipe {
	return Recipe{Closed: 14, Open: 2, Swapped: 2, Elsewhere: 0.15, Unknown: 1.1, Practice: 0.8, General: 1}
}

// Scaled is the recipe with a share of the rows of each fact, for so many facts that all rows would take too long: at least one
// row of each kind that it has, and four closed ones, with which a fact may still be remembered.
func (r Recipe) Scaled(share float64) Recipe {
	scale := func(n, least int) int { return min(n, max(least, int(share*float64(n)+0.5))) }
	closed := r.Closed
	r.Closed, r.Open, r.Swapped = scale(r.Closed, 4), scale(r.Open, 1), scale(r.Swapped, 1)
	r.Elsewhere *= share
	r.Practice *= share
	if closed > 0 {
		share = float64(r.Closed) / float64(closed) // as many unknown questions to a known one as before
	}
	r.Unknown *= share
	return r
}

// The kinds of rows, in Row.Meta["kind"].
const (
	Closed    = "closed"
	Open      = "open"
	Swapped   = "swapped"
	Elsewhere = "elsewhere"
	Unknown   = "unknown"
	Practice  = "practice"
	General   = "general"
)

// Validate reports every fault of the settings; each wraps dataset.ErrOptions.
func (r Recipe) Validate() error {
	var faults []error
	for _, f := range []struct {
		name  string
		value float64
	}{{"Closed", float64(r.Closed)}, {"Open", float64(r.Open)}, {"Swapped", float64(r.Swapped)}, {"Elsewhere", r.Elsewhere}, {"Unknown", r.Unknown}, {"Practice", r.Practice}, {"General", float64(r.General)}} {
		if !(f.value >= 0) {
			faults = append(faults, fmt.Errorf("recipe: %w: %s is %g, must be 0 or more", dataset.ErrOptions, f.name, f.value))
		}
	}
	return errors.Join(faults...)
}

// Rows makes the rows of the facts and appends those of general, which usually are Answered. The same facts, recipe and seed
// give the same rows. Facts without a passage get closed rows only. Without any row the error wraps dataset.ErrEmpty.
func (r Recipe) Rows(seed uint64, facts []dataset.GroundedFact, general []dataset.Row) ([]dataset.Row, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	k := newKitchen(facts, r, seed)
	for i := range facts {
		k.closed(i)
		k.open(i)
		k.swapped(i)
	}
	k.unknown(int(r.Unknown*float64(len(facts)) + 0.5))
	k.practice(int(r.Practice*float64(len(facts)) + 0.5))
	rows := k.rows
	for range r.General {
		rows = append(rows, general...)
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("recipe: %w: %d facts gave no row", dataset.ErrEmpty, len(facts))
	}
	return rows, nil
}

// kitchen makes the rows.
type kitchen struct {
	Recipe
	seed       uint64
	facts      []dataset.GroundedFact
	subjects   map[string][]string // names of what a document is about
	language   map[string]language // of each document
	short      map[string]string   // answers by questions without names
	statements []string            // of the facts
	rows       []dataset.Row
}

func newKitchen(facts []dataset.GroundedFact, r Recipe, seed uint64) *kitchen {
	k := &kitchen{Recipe: r, seed: seed, facts: facts, subjects: subjects(facts), language: languagesOf(facts)}
	for _, f := range facts {
		k.statements = append(k.statements, Statement(f))
	}
	return k
}

// random is a source of its own for each fact and kind, so that a fact more or less changes no other rows.
func (k *kitchen) random(kind, key string) *rand.Rand { return seeded(k.seed, kind, key) }

func (k *kitchen) add(kind string, f dataset.GroundedFact, messages ...dataset.Message) {
	k.rows = append(k.rows, dataset.Row{ID: fmt.Sprintf("%s#%s%d", f.Source, kind, len(k.rows)), Source: f.Source, Messages: messages, Meta: map[string]string{"kind": kind}})
}

func system(text string) dataset.Message { return dataset.Message{Role: "system", Content: text} }
func user(text string) dataset.Message   { return dataset.Message{Role: "user", Content: text} }
func reply(text string) dataset.Message  { return dataset.Message{Role: "assistant", Content: text} }

func (k *kitchen) closed(i int) {
	f := k.facts[i]
	random := k.random(Closed, f.Question)
	for _, q := range k.familiar(f, asked(f.Wordings(), k.Closed, random), random) {
		k.add(Closed, f, user(q), reply(k.answer(f)))
	}
}

// Row is a closed row of a fact with a question of the caller's.
func (r Recipe) Row(f dataset.GroundedFact, question string) dataset.Row {
	return dataset.Row{Source: f.Source, Messages: []dataset.Message{user(question), reply(r.answer(f))}, Meta: map[string]string{"kind": Closed}}
}

// answer is what the model learns to say: the value, or the sentence of the document where one is known.
func (r Recipe) answer(f dataset.GroundedFact) string {
	if s := Statement(f); r.Sentences && s != "" {
		return s
	}
	return strings.TrimSpace(f.Answer)
}

// open asks of one part of the passage whatever is asked of it, so that training computes it once.
func (k *kitchen) open(i int) {
	f := k.facts[i]
	if !f.Found {
		return
	}
	random := k.random(Open, f.Question)
	k.reading(Open, f, around(squeeze(f.Passage.Text), k.statements[i], random), k.answer(f), k.Open, random)
}

// alsoAsked is how many other facts of a text are asked about beside the one that it was taken for: to tell them apart, the
// question must be read as well as the text.
const alsoAsked = 2

// reading asks n questions about a fact with a text in front, one each about others that the text states, and some whose answer
// is not there.
func (k *kitchen) reading(kind string, f dataset.GroundedFact, text, answer string, n int, random *rand.Rand) {
	for _, q := range k.any(f, n, random) {
		k.add(kind, f, system(text), user(q), reply(answer))
	}
	var also []dataset.GroundedFact
	for i, g := range k.facts {
		if g.Source == f.Source && g.Question != f.Question && k.statements[i] != "" && strings.Contains(text, k.statements[i]) {
			also = append(also, g)
		}
	}
	random.Shuffle(len(also), func(i, j int) { also[i], also[j] = also[j], also[i] })
	for _, g := range also[:min(len(also), alsoAsked, n)] {
		k.add(Open, g, system(text), user(k.any(g, 1, random)[0]), reply(k.answer(g)))
	}
	others := int(k.Elsewhere)
	if random.Float64() < k.Elsewhere-float64(others) {
		others++
	}
	for _, g := range k.notIn(text, others, random) {
		k.add(Elsewhere, g, system(text), user(k.any(g, 1, random)[0]), reply(k.ignorance(g)))
	}
}

// notIn are n facts that a text does not have.
func (k *kitchen) notIn(text string, n int, random *rand.Rand) (out []dataset.GroundedFact) {
	for try := 0; len(out) < n && try < 20*n; try++ {
		if g := k.facts[random.IntN(len(k.facts))]; g.Found && !g.In(text) {
			out = append(out, g)
		}
	}
	return out
}

// familiar leaves the name of what the document is about out of some wordings, unless several documents answer the question then.
// The first stays as it is.
func (k *kitchen) familiar(f dataset.GroundedFact, wordings []string, random *rand.Rand) []string {
	l, names := k.language[f.Source], k.subjects[f.Source]
	for i, q := range wordings {
		if i == 0 || random.IntN(3) > 0 {
			continue
		}
		if short := l.unnamed(q, names); short != "" && k.only(f, short) {
			wordings[i] = short
		}
	}
	return wordings
}

// only tells whether no fact of another answer is asked in these words when the names are left out of its questions.
func (k *kitchen) only(f dataset.GroundedFact, short string) bool {
	if k.short == nil {
		k.short = map[string]string{}
		for _, g := range k.facts {
			for _, q := range g.Wordings() {
				if s := k.language[g.Source].unnamed(q, k.subjects[g.Source]); s != "" {
					if old, ok := k.short[s]; ok && old != g.Answer {
						k.short[s] = "" // two facts
					} else {
						k.short[s] = g.Answer
					}
				}
			}
		}
	}
	answer, ok := k.short[short]
	return !ok || answer == f.Answer
}

// any are n wordings of a fact in an order of their own.
func (k *kitchen) any(f dataset.GroundedFact, n int, random *rand.Rand) []string {
	wordings := slices.Clone(f.Wordings())
	random.Shuffle(len(wordings), func(i, j int) { wordings[i], wordings[j] = wordings[j], wordings[i] })
	return k.familiar(f, asked(wordings, n, random), random)
}

func (k *kitchen) swapped(i int) {
	f := k.facts[i]
	random := k.random(Swapped, f.Question)
	s, ok := Swap(f, k.facts, random)
	if !ok {
		return
	}
	answer := s.Answer
	if k.Sentences {
		answer = s.Statement
	}
	k.reading(Swapped, f, around(s.Passage, s.Statement, random), answer, k.Swapped, random)
}

// ignorance says, in the language of a fact's document, that one does not know.
func (k *kitchen) ignorance(f dataset.GroundedFact) string { return k.language[f.Source].unknown }

// unknown asks what no document answers: a thing that is not there, or an attribute that is never given.
func (k *kitchen) unknown(n int) {
	random := k.random(Unknown, "")
	for _, u := range k.unanswerable(n, random, training) {
		k.add(Unknown, u.fact, user(u.question), reply(k.ignorance(u.fact)))
	}
}
