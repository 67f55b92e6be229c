package dataset

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"path"
	"slices"
	"strings"
)

// Fact is a question with its answer, known to be true of one document. It is a line of facts.jsonl.
type Fact struct {
	DocID    string `json:"doc_id"` // the document's file name, or its path
	Question string `json:"question"`
	Answer   string `json:"answer"`

	Questions []string `json:"questions,omitempty"` // the same question in other wordings
	Accept    []string `json:"accept,omitempty"`    // other short answers that are right: "60" for "60 euro"
	Quote     string   `json:"passage,omitempty"`   // the sentences, or the row of a table, that say so, as they stand in the document

	name string // where it was read; empty and 0 for a Fact that was not
	line int
}

func (f *Fact) place(name string, line int) { f.name, f.line = name, line }

// Line is the line of its file that the fact was read from, counted from 1; 0 for one that was not.
func (f Fact) Line() int { return f.line }

// Validate reports every empty field and element; each error wraps ErrRow. Questions, Accept and Quote may be missing.
func (f Fact) Validate() error {
	var faults []error
	check := func(name, value string) {
		if strings.TrimSpace(value) == "" {
			faults = append(faults, fmt.Errorf("%w: %s is empty", ErrRow, name))
		}
	}
	check("doc_id", f.DocID)
	check("question", f.Question)
	check("answer", f.Answer)
	for i, q := range f.Questions {
		check(fmt.Sprintf("questions[%d]", i), q)
	}
	for i, a := range f.Accept {
		check(fmt.Sprintf("accept[%d]", i), a)
	}
	return errors.Join(faults...)
}

// Wordings returns Question and then Questions, each wording once: case, accents and punctuation make none of its own.
func (f Fact) Wordings() []string {
	var out []string
	seen := map[string]bool{}
	for _, q := range append([]string{f.Question}, f.Questions...) {
		if key := foldText(q).text; !seen[key] {
			out, seen[key] = append(out, strings.TrimSpace(q)), true
		}
	}
	return out
}

// agrees tells whether two facts can both be right about one question: an answer of one is an answer of the other.
func (f Fact) agrees(other Fact) bool {
	right := map[string]bool{}
	for _, a := range append([]string{f.Answer}, f.Accept...) {
		right[foldText(a).text] = true
	}
	return right[foldText(other.Answer).text] || slices.ContainsFunc(other.Accept, func(a string) bool { return right[foldText(a).text] })
}

// GroundedFact is a fact together with the passage that answers it.
type GroundedFact struct {
	Fact
	Source  string  // of the document that DocID names: Passage.Source of all its passages
	Passage Passage // the passage of the document that contains the answer and fits the question best
	Found   bool    // false when no passage contains the answer; Passage is then empty. Such facts deserve a look
}

// Ground finds for each fact the passage that answers it, and returns them in the order of the facts.
//
// A passage answers a fact if it contains its answer as whole words. Upper and lower case, accents, white space,
// hyphenation, punctuation and the forms that characters take in PDFs (ligatures, full width) make no difference. Of several
// such passages those that contain the fact's Quote go first; of these the one is taken where words of the question stand
// closest to the answer, rare words counting most.
//
// Errors of the facts are passed on first. A fact that asks in some wording what an earlier one asks, of whichever document,
// and answers it differently gives a *LineError that names both lines: a model can learn one answer only. A fact whose DocID is neither the Source nor the file name of any passage, or the
// file name of several documents, gives a *LineError with its file and line. An error of the passages, the end of ctx, and
// ErrEmpty (no facts, or no passages) are the last element. The facts are held in memory, and the passages of the documents
// that they name.
func Ground(ctx context.Context, facts iter.Seq2[Fact, error], passages iter.Seq2[Passage, error]) iter.Seq2[GroundedFact, error] {
	return func(yield func(GroundedFact, error) bool) {
		fail := func(err error) { yield(GroundedFact{}, fmt.Errorf("dataset: ground: %w", err)) }
		var asked []Fact
		first := map[string]Fact{} // by question
		for fact, err := range facts {
			if err == nil {
				err = fact.Validate()
			}
			if err == nil {
				err = contradiction(fact, first)
			}
			if err != nil {
				if !yield(GroundedFact{}, err) {
					return
				}
				continue
			}
			asked = append(asked, fact)
		}
		if len(asked) == 0 {
			fail(fmt.Errorf("%w: no facts", ErrEmpty))
			return
		}
		documents, err := gather(ctx, asked, passages)
		if err != nil {
			fail(err)
			return
		}
		for _, fact := range asked {
			if err := ctx.Err(); err != nil {
				fail(err)
				return
			}
			grounded, err := documents.ground(fact)
			if err != nil {
				err = &LineError{fact.name, fact.line, err}
			}
			if !yield(grounded, err) {
				return
			}
		}
	}
}

// contradiction tells which of the facts before, by their questions, has another answer to a question of fact, and adds fact to
// them if none has.
func contradiction(fact Fact, before map[string]Fact) error {
	var keys []string
	for _, q := range fact.Wordings() {
		key := foldText(q).text
		keys = append(keys, key)
		if earlier, asked := before[key]; asked && !fact.agrees(earlier) {
			where := fmt.Sprintf("an earlier fact of %s", earlier.DocID)
			if earlier.line > 0 {
				where = fmt.Sprintf("line %d", earlier.line)
			}
			return &LineError{fact.name, fact.line, fmt.Errorf("%w: %q is answered with %q here and with %q in %s: correct one, or name in each question what it is about", ErrRow, q, fact.Answer, earlier.Answer, where)}
		}
	}
	for _, key := range keys {
		if before[key].Question == "" {
			before[key] = fact
		}
	}
	return nil
}

// library holds the documents that facts name.
type library struct {
	bySource map[string]*document // nil for documents that no fact names
	byName   map[string][]string  // sources by their file name
}

func gather(ctx context.Context, facts []Fact, passages iter.Seq2[Passage, error]) (library, error) {
	wanted := map[string]bool{}
	for _, fact := range facts {
		wanted[fact.DocID] = true
	}
	l := library{bySource: map[string]*document{}, byName: map[string][]string{}}
	for p, err := range passages {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return library{}, err
		}
		name := baseName(p.Source)
		d, known := l.bySource[p.Source]
		if !known {
			l.byName[name] = append(l.byName[name], p.Source)
			if wanted[name] || wanted[p.Source] {
				d = &document{}
			}
			l.bySource[p.Source] = d
		}
		if d != nil {
			d.passages = append(d.passages, p)
		}
	}
	if len(l.bySource) == 0 {
		return library{}, fmt.Errorf("%w: no passages", ErrEmpty)
	}
	return l, nil
}

// baseName is the file name at the end of a path, with the separators of any system.
func baseName(source string) string { return path.Base(strings.ReplaceAll(source, `\`, "/")) }

func (l library) ground(fact Fact) (GroundedFact, error) {
	source := fact.DocID
	if l.bySource[source] == nil {
		switch sources := l.byName[fact.DocID]; len(sources) {
		case 1:
			source = sources[0]
		case 0:
			return GroundedFact{}, fmt.Errorf("%w: doc_id %q is not the file name of a document that was read; those are %s", ErrRow, fact.DocID, l.names())
		default:
			return GroundedFact{}, fmt.Errorf("%w: doc_id %q is the file name of %d documents; give the path of one: %q", ErrRow, fact.DocID, len(sources), sources)
		}
	}
	grounded := GroundedFact{Fact: fact, Source: source}
	grounded.Passage, grounded.Found = l.bySource[source].answering(fact)
	return grounded, nil
}

// names lists some of the documents, for a message.
func (l library) names() string {
	const most = 8
	names := slices.Sorted(maps.Keys(l.byName))
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}
