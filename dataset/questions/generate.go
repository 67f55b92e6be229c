package questions

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/docent-ml/docent/dataset"
)

// Options say how questions are made. The zero value asks by rules alone.
type Options struct {
	// Wordings is how many wordings a fact gets at most, the first included. 0 is 10.
	Wordings int
}

// Report tells what became of the documents.
type Report struct {
	Documents []DocumentReport // in the order of the documents
	Dropped   map[string]int   // questions that were not believed, by reason
}

// DocumentReport tells what became of one document.
type DocumentReport struct {
	Source   string
	Language string   // "en", "fr", …; empty for one without question forms, which gives no question
	Subject  string   // how its questions name what it is about; may be empty
	Facts    int      // questions with an answer
	Silent   []string // IDs of the passages that have the answer to no question
}

// String is the report in a few lines.
func (r Report) String() string {
	var b strings.Builder
	for _, d := range r.Documents {
		switch {
		case d.Language == "":
			fmt.Fprintf(&b, "%s: no questions, its language has no question forms\n", d.Source)
		default:
			fmt.Fprintf(&b, "%s: %d questions about %q (%s)", d.Source, d.Facts, d.Subject, d.Language)
			if len(d.Silent) > 0 {
				fmt.Fprintf(&b, ", none from %d passages: %s", len(d.Silent), strings.Join(d.Silent, ", "))
			}
			b.WriteString("\n")
		}
	}
	for _, reason := range slices.Sorted(maps.Keys(r.Dropped)) {
		fmt.Fprintf(&b, "dropped: %d, %s\n", r.Dropped[reason], reason)
	}
	return b.String()
}

// Reasons to drop a question.
const (
	droppedTwice      = "asked before"
	droppedAnswers    = "another answer was given to the same question"
	droppedGivenAway  = "the question has the answer in it"
	droppedNoPassage  = "no passage has the answer"
	droppedLong       = "the answer or the question is too long"
	droppedIncomplete = "the question is not a whole one"
)

// FromDocuments makes questions with answers out of documents, each with its wordings and the passage that has the answer.
//
// Every answer stands word for word in its passage, no two questions are the same, and a question names what its document is
// about. The same documents give the same facts. The error is that of ctx, or tells which document has no passages.
func FromDocuments(ctx context.Context, documents []Document, o Options) ([]dataset.GroundedFact, Report, error) {
	if o.Wordings == 0 {
		o.Wordings = 10
	}
	report := Report{Dropped: map[string]int{}}
	var facts []dataset.Fact
	var passages []dataset.Passage
	answers := map[string]string{} // by question
	for _, d := range documents {
		if err := ctx.Err(); err != nil {
			return nil, report, err
		}
		if len(d.Passages) == 0 {
			return nil, report, fmt.Errorf("questions: %s has no passages: cut its text, or leave it out", d.Source)
		}
		passages = append(passages, d.Passages...)
		l := detect(strings.Join(d.Pages, "\n"))
		if l == nil {
			report.Documents = append(report.Documents, DocumentReport{Source: d.Source})
			continue
		}
		blocks, heads := d.blocks()
		s := l.subjectOf(d, heads)
		for i, f := range l.asker(d, s).askAll(blocks) {
			fact, dropped := l.fact(d, s, f, i, o.Wordings)
			key := strings.Join(slices.Collect(tokenSeq(fact.Question)), " ")
			if before, asked := answers[key]; dropped == "" && asked {
				if dropped = droppedTwice; before != fact.Answer {
					dropped = droppedAnswers
				}
			}
			if dropped != "" {
				report.Dropped[dropped]++
				continue
			}
			answers[key] = fact.Answer
			facts = append(facts, fact)
		}
		report.Documents = append(report.Documents, DocumentReport{Source: d.Source, Language: l.code, Subject: s.name})
	}
	var out []dataset.GroundedFact
	used := map[string]bool{}
	for fact, err := range dataset.Ground(ctx, values(facts), values(passages)) {
		if errors.Is(err, dataset.ErrEmpty) {
			break
		}
		if _, item := errors.AsType[*dataset.LineError](err); item {
			report.Dropped[droppedAnswers]++
			continue
		}
		if err != nil {
			return out, report, err
		}
		if !fact.Found {
			report.Dropped[droppedNoPassage]++
			continue
		}
		used[fact.Passage.ID] = true
		out = append(out, fact)
		for i := range report.Documents {
			if report.Documents[i].Source == fact.Source {
				report.Documents[i].Facts++
			}
		}
	}
	for i, d := range documents {
		for _, p := range d.Passages {
			if report.Documents[i].Language != "" && !used[p.ID] {
				report.Documents[i].Silent = append(report.Documents[i].Silent, p.ID)
			}
		}
	}
	return out, report, nil
}

func (l *asker) askAll(blocks []block) []found {
	var out []found
	for _, b := range blocks {
		out = append(out, l.table(b, l.subject)...)
		for _, text := range append([]string{b.text}, b.items...) {
			if l.code == "en" {
				out = append(out, l.statements(text)...)
			} else {
				out = append(out, l.plainStatements(text)...)
			}
		}
	}
	return out
}

// fact makes a fact of an answer that was found, or tells why not.
func (l *language) fact(d Document, s subject, f found, turn, wordings int) (fact dataset.Fact, dropped string) {
	r := rewording{language: l, subject: s.name}
	named := func(i int, q string) string {
		if f.framed {
			return r.finish(q)
		}
		return r.finish(q + l.about(s, q, i))
	}
	if len(f.asks) == 0 {
		return fact, droppedIncomplete
	}
	fact = dataset.Fact{DocID: d.Source, Question: named(turn, f.asks[0]), Answer: strings.Trim(f.answer, " ,;"), Accept: f.accept, Quote: f.quote}
	switch words := strings.Fields(fact.Question); {
	case len(strings.Fields(fact.Answer)) > 30 || len(words) > 30:
		return fact, droppedLong
	case len(words) < 3 || fact.Answer == "" || slices.ContainsFunc(words, func(w string) bool { return l.is("dangling", strings.Trim(w, ",?;")) }):
		return fact, droppedIncomplete
	case strings.Contains(" "+strings.ToLower(f.asks[0])+" ", " "+strings.ToLower(fact.Answer)+" "), s.name != "" && strings.Contains(fact.Answer, s.name):
		return fact, droppedGivenAway
	}
	var candidates []string
	for i, q := range f.asks[1:] {
		candidates = append(candidates, named(turn+i, q))
	}
	r.fact = fact
	candidates = append(candidates, r.candidates()...)
	fact.Questions = l.choose(candidates, []string{fact.Question}, wordings-1)
	return fact, ""
}

func values[T any](all []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, v := range all {
			if !yield(v, nil) {
				return
			}
		}
	}
}
