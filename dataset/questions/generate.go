package questions

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/docent-ml/docent/dataset"
)

// Options say how questions are made. The zero value asks by rules alone.
type Options struct {
	// Wordings is how many wordings a fact gets at most, the first included. 0 is 14.
	Wordings int

	// Generator is a model that writes questions too; nil asks by rules alone. What it writes is checked: see FromDocuments.
	Generator Generator
	// CacheDir keeps what the model wrote, by passage, prompt and model: a run that was broken off goes on there. Empty keeps
	// nothing. The folder must exist.
	CacheDir    string
	Concurrency int                   // prompts at the same time; 0 is 4
	Budget      int                   // tokens, of prompts and answers, after which the model is asked nothing more; 0 is no limit
	Unverified  bool                  // do not have the model read the passage again and answer its own question
	Progress    func(done, total int) // of the passages that the model is asked about; may be nil
}

func (o Options) withDefaults() Options {
	if o.Wordings == 0 {
		o.Wordings = 14
	}
	if o.Concurrency == 0 {
		o.Concurrency = 4
	}
	return o
}

// Report tells what became of the documents.
type Report struct {
	Documents []DocumentReport // in the order of the documents
	Dropped   map[string]int   // questions that were not believed, by reason

	PromptTokens, OutputTokens int      // that the Generator took
	Cached                     int      // passages that it had written about before
	Faults                     []string // the first things that went wrong with it
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
		case d.Language == "" && d.Facts == 0:
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
	for _, fault := range r.Faults {
		fmt.Fprintf(&b, "fault: %s\n", fault)
	}
	if r.PromptTokens+r.OutputTokens+r.Cached > 0 {
		fmt.Fprintf(&b, "the model took %d tokens of prompts and %d of answers; %d passages were known\n", r.PromptTokens, r.OutputTokens, r.Cached)
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
// about. Without a Generator the same documents give the same facts. What a Generator writes is believed only if the answer
// stands in the passage and the model, reading passage and question, gives it again. A Generator that fails, or writes
// something else, is a fault in the report; the questions of the rules are there in any case.
//
// The error is that of ctx, or tells which document has no passages.
func FromDocuments(ctx context.Context, documents []Document, o Options) ([]dataset.GroundedFact, Report, error) {
	o = o.withDefaults()
	report := Report{Dropped: map[string]int{}}
	c := collection{answers: map[string]string{}, report: &report}
	var passages []dataset.Passage
	about := map[string]*asker{} // by source
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
		a := l.asker(d, l.subjectOf(d, heads))
		about[d.Source] = a
		for i, f := range a.askAll(blocks) {
			c.add(l.fact(d.Source, a.subject, f, i, o.Wordings))
		}
		report.Documents = append(report.Documents, DocumentReport{Source: d.Source, Language: l.code, Subject: a.subject.name})
	}
	if o.Generator != nil {
		run := modelRun{Options: o, report: &report}
		all, err := run.ask(ctx, len(passages), func(i int) []writtenFact {
			subject := passages[i].Source
			if a := about[subject]; a != nil && a.subject.name != "" {
				subject = a.subject.name
			}
			return run.passage(ctx, passages[i], subject)
		})
		if err != nil {
			return nil, report, err
		}
		for i, facts := range all {
			for j, w := range facts {
				f := found{asks: w.Questions, answer: w.Answer}
				if a := about[passages[i].Source]; a != nil {
					c.add(a.fact(passages[i].Source, a.subject, f, j, o.Wordings))
				} else if len(w.Questions) > 0 { // a language the rules do not know
					c.add(dataset.Fact{DocID: passages[i].Source, Question: w.Questions[0], Questions: w.Questions[1:], Answer: w.Answer}, "")
				}
			}
		}
	}
	facts := c.facts
	var out []dataset.GroundedFact
	used := map[string]bool{}
	for fact, err := range dataset.Ground(ctx, dataset.Values(facts), dataset.Values(passages)) {
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
			if (report.Documents[i].Language != "" || o.Generator != nil) && !used[p.ID] {
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

// collection is the facts so far.
type collection struct {
	facts   []dataset.Fact
	answers map[string]string // by question
	report  *Report
}

// add takes a fact unless it was dropped, or its question was asked before.
func (c *collection) add(fact dataset.Fact, dropped string) {
	key := strings.Join(slices.Collect(tokenSeq(fact.Question)), " ")
	if before, asked := c.answers[key]; dropped == "" && asked {
		if dropped = droppedTwice; before != fact.Answer {
			dropped = droppedAnswers
		}
	}
	if dropped != "" {
		c.report.Dropped[dropped]++
		return
	}
	c.answers[key] = fact.Answer
	c.facts = append(c.facts, fact)
}

// fact makes a fact of an answer that was found, or tells why not.
func (l *language) fact(source string, s subject, f found, turn, wordings int) (fact dataset.Fact, dropped string) {
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
	fact = dataset.Fact{DocID: source, Question: named(turn, f.asks[0]), Answer: strings.Trim(f.answer, " ,;"), Accept: f.accept, Quote: f.quote}
	switch words := strings.Fields(fact.Question); {
	case len(strings.Fields(fact.Answer)) > 30 || len(words) > 30:
		return fact, droppedLong
	case len(words) < 3 || fact.Answer == "" || slices.ContainsFunc(words, func(w string) bool { return l.is("dangling", strings.Trim(w, ",?;")) }):
		return fact, droppedIncomplete
	case strings.Contains(" "+strings.ToLower(f.asks[0])+" ", " "+strings.ToLower(fact.Answer)+" "), s.name != "" && strings.Contains(fact.Answer, s.name):
		return fact, droppedGivenAway
	}
	var candidates []candidate
	for i, q := range f.asks[1:] {
		candidates = append(candidates, candidate{text: named(turn+i, q)})
	}
	r.fact = fact
	candidates = append(candidates, r.candidates()...)
	fact.Questions = l.choose(candidates, []string{fact.Question}, wordings-1)
	return fact, ""
}
