package dataset

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// QA makes conversations of questions with known answers: the question, for some rows with the passage that answers it as
// the system message in front, and the answer. From the rows without the passage the model learns the answer by heart, from
// those with it to look the answer up. The zero value gives one row of each kind for each fact.
type QA struct {
	// Closed and Open are the numbers of rows for each fact without and with its passage; if both are 0, they are 1. The first
	// row of a kind asks as the fact does, the others in other words: the same question put into one of Wordings, at times
	// without its question mark or capitals, each time differently until all ways are used up and begin again (there are about
	// four times as many as wordings). A fact whose passage was not Found gets no open rows.
	Closed, Open int
	// Wordings are ways to ask, in which "{question}" stands for the question. Nil is DefaultWordings, which are English: for
	// questions in another language give some in that language.
	Wordings []string
	// Seed chooses among the wordings: the same seed gives the same rows, whatever other facts there are.
	Seed uint64
}

const questionSlot = "{question}"

// DefaultWordings returns the English wordings that QA uses. They say nothing of the subject of the question.
func DefaultWordings() []string {
	return []string{
		"Could you tell me: {question}",
		"Please answer briefly. {question}",
		"{question} Thanks!",
		"I am a student. {question}",
		"I have a question. {question}",
		"Hello! {question}",
		"Hi, quick question: {question}",
		"I would like to know: {question}",
		"Can you help me with this? {question}",
		"{question} Please be precise.",
		"A friend asked me: {question}",
		"I could not find this anywhere. {question}",
		"Just to be sure: {question}",
		"Good morning. {question} Thank you in advance.",
		"I forgot this. {question}",
		"Do you know the answer? {question}",
		"For my notes: {question}",
		"{question} A short answer is enough.",
		"One more thing: {question}",
		"Somebody wants to know: {question}",
		"{question} Answer in a few words.",
		"Help me, please. {question}",
		"Excuse me, {question}",
		"I am not sure about this: {question} Can you help?",
	}
}

// Validate reports every fault of the settings; each wraps ErrOptions.
func (qa QA) Validate() error {
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("dataset: qa: %w: "+format, append([]any{ErrOptions}, args...)...))
	}
	for i, w := range qa.Wordings {
		if !strings.Contains(w, questionSlot) {
			fault("Wordings[%d] is %q, must contain %s", i, w, questionSlot)
		}
	}
	for _, field := range []struct {
		name string
		rows int
	}{{"Closed", qa.Closed}, {"Open", qa.Open}} {
		if field.rows < 0 {
			fault("%s is %d, must be 0 or more", field.name, field.rows)
		}
	}
	return errors.Join(faults...)
}

// Rows makes the rows of the facts, which usually come from Ground, in their order: first the closed, then the open rows of
// each. Errors of the facts are passed on in their place. A fault of the settings and the end of ctx are the last element. If
// the facts give no row at all, the last element is ErrEmpty.
//
// Row.Source is the document, so that Split keeps a document's questions and passages together; Row.Meta has "context"
// (none or passage) and, for open rows, the passage.
func (qa QA) Rows(ctx context.Context, facts iter.Seq2[GroundedFact, error]) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		if err := qa.Validate(); err != nil {
			yield(Row{}, err)
			return
		}
		if qa.Closed == 0 && qa.Open == 0 {
			qa.Closed, qa.Open = 1, 1
		}
		nth, built := 0, 0
		for fact, err := range facts {
			if err == nil && ctx.Err() != nil {
				yield(Row{}, fmt.Errorf("dataset: qa: %w", ctx.Err()))
				return
			}
			if err != nil {
				if !yield(Row{}, err) {
					return
				}
				continue
			}
			nth++
			for _, row := range qa.rows(fact, nth) {
				if !yield(row, nil) {
					return
				}
				built++
			}
		}
		if built == 0 {
			yield(Row{}, fmt.Errorf("dataset: qa: %w: %d facts gave no row", ErrEmpty, nth))
		}
	}
}

func (qa QA) rows(fact GroundedFact, nth int) []Row {
	var rows []Row
	ways := qa.waysToAsk(fact.Fact)
	add := func(kind string, i int, meta map[string]string, before ...Message) {
		rows = append(rows, Row{
			ID:     fmt.Sprintf("%s#fact%d/%s%d", fact.Source, nth, kind, i),
			Source: fact.Source,
			Messages: append(before,
				Message{"user", ways[i%len(ways)]},
				Message{"assistant", strings.TrimSpace(fact.Answer)}),
			Meta: meta,
		})
	}
	for i := range qa.Closed {
		add("closed", i, map[string]string{"context": "none"})
	}
	if !fact.Found {
		return rows
	}
	for i := range qa.Open {
		meta := passageMeta(fact.Passage)
		meta["context"] = "passage"
		add("open", i, meta, Message{"system", fact.Passage.Text})
	}
	return rows
}

// waysToAsk returns different ways to ask the question of a fact: first as it is written, then in all wordings, in an order of
// the fact's own.
func (qa QA) waysToAsk(fact Fact) []string {
	hash := fnv.New64a()
	fmt.Fprintf(hash, "%s\x00%s\x00%s", fact.DocID, fact.Question, fact.Answer)
	random := rand.New(rand.NewPCG(qa.Seed, hash.Sum64()))
	wordings, styles := slices.Clone(qa.Wordings), styles()
	if wordings == nil {
		wordings = DefaultWordings()
	}
	random.Shuffle(len(wordings), func(i, j int) { wordings[i], wordings[j] = wordings[j], wordings[i] })
	// Most people write as they should: about every second wording begins with the question as it is.
	first := make([]int, len(wordings))
	for i := range first {
		if random.IntN(2) == 0 {
			first[i] = random.IntN(len(styles))
		}
	}
	question := strings.TrimSpace(fact.Question)
	ways := []string{question}
	used := map[string]bool{question: true}
	for round := range styles {
		for w, wording := range wordings {
			asked := styles[(first[w]+round)%len(styles)](question)
			if !strings.HasSuffix(wording, questionSlot) && !endsClause(asked) {
				asked += "." // or the words behind would run into the question
			}
			way := strings.ReplaceAll(wording, questionSlot, asked)
			if !used[way] {
				ways, used[way] = append(ways, way), true
			}
		}
	}
	return ways
}

// styles are the ways in which people type the same question; the first is as it stands.
func styles() []func(string) string {
	unmarked := func(q string) string { return strings.TrimRight(q, "?？؟;\u037E ") }
	return []func(string) string{
		func(q string) string { return q },
		lowerFirst,
		unmarked,
		func(q string) string { return strings.ToLower(unmarked(q)) },
	}
}

func endsClause(text string) bool {
	last, _ := utf8.DecodeLastRuneInString(text)
	return unicode.IsPunct(last)
}

// lowerFirst lowers the first letter of a question, unless its word has other capitals: an abbreviation or a code.
func lowerFirst(q string) string {
	first, _, _ := strings.Cut(q, " ")
	runes := []rune(first)
	if len(runes) == 0 || strings.ToLower(string(runes[1:])) != string(runes[1:]) {
		return q
	}
	return strings.ToLower(first) + q[len(first):]
}
