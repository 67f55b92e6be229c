package evaluate

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/docent-ml/docent/dataset"
	"github.com/docent-ml/docent/dataset/recipe"
)

// Suite is what a model is asked.
type Suite struct {
	Facts    []dataset.GroundedFact
	Reworded []Rewording
	// ByRule tells that the rewordings were made by the rules that made those trained on: people word more freely, so the
	// part flatters.
	ByRule       bool
	Swapped      []SwappedFact
	Unanswerable []Unanswered
	General      []GeneralPrompt

	most int // of the facts, asked as they are written; 0 = all
}

// Rewording is a question of a fact in words that nobody trained on.
type Rewording struct {
	Fact     int    `json:"fact"` // index in Facts
	Question string `json:"question"`
}

// Unanswered is a question that the documents do not answer, about what seems to be one of them.
type Unanswered struct {
	DocID    string `json:"doc_id"`
	Question string `json:"question"`
}

// SwappedFact is a question with a passage in which the value is another one.
type SwappedFact struct {
	Fact     int      `json:"fact"`
	Question string   `json:"question"`
	Passage  string   `json:"passage"`
	Context  string   `json:"context,omitempty"` // more of the text around the passage; asked with instead, if there is some
	Answer   string   `json:"answer"`
	Accept   []string `json:"accept,omitempty"`
	Stale    string   `json:"stale"` // the document's own value
}

// The files that Open looks for beside facts.jsonl; each may be missing.
const (
	RewordedFile     = "reworded.jsonl"
	SwappedFile      = "swapped.jsonl"
	UnanswerableFile = "unanswerable.jsonl"
	GeneralFile      = "general.jsonl"
)

// Open reads the questions that lie in a folder beside the facts file, of which they name rows, counted from 0. Those about facts
// that are not given are left out. What is missing in the folder is missing in the suite: see Complete.
func Open(dir fs.FS, facts []dataset.GroundedFact) (Suite, error) {
	s := Suite{Facts: facts}
	err := errors.Join(
		read(dir, RewordedFile, &s.Reworded), read(dir, SwappedFile, &s.Swapped),
		read(dir, UnanswerableFile, &s.Unanswerable), read(dir, GeneralFile, &s.General))
	index := map[int]int{} // of a fact by its row in the file: facts that could not be used are not among facts
	for i, f := range facts {
		index[max(i, f.Line()-1)] = i
	}
	s.Reworded = slices.DeleteFunc(s.Reworded, func(r Rewording) bool { _, ok := index[r.Fact]; return !ok })
	s.Swapped = slices.DeleteFunc(s.Swapped, func(w SwappedFact) bool { _, ok := index[w.Fact]; return !ok })
	for i, r := range s.Reworded {
		s.Reworded[i].Fact = index[r.Fact]
	}
	for i, w := range s.Swapped {
		s.Swapped[i].Fact = index[w.Fact]
	}
	return s, err
}

func read[T any](dir fs.FS, name string, into *[]T) error {
	for v, err := range dataset.ReadFile[T](dir, name) {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("evaluate: %w", err)
		}
		*into = append(*into, v)
	}
	return nil
}

// Complete makes the parts that are missing: swapped values and questions without an answer from the facts, from forms that
// training does not use, and docent's own general prompts. Rewordings cannot be made here: hold them back with HoldBack.
func (s Suite) Complete(seed uint64) Suite {
	if len(s.Swapped) == 0 {
		for i, f := range s.Facts {
			if w, ok := recipe.SwapFor(f, s.Facts, seed); ok {
				s.Swapped = append(s.Swapped, SwappedFact{Fact: i, Question: f.Question, Passage: w.Passage, Answer: w.Answer, Stale: f.Answer})
			}
		}
		s.Swapped = dataset.Spread(s.Swapped, 40)
	}
	if len(s.Unanswerable) == 0 {
		for _, u := range recipe.Unanswerable(s.Facts, 40, seed) {
			s.Unanswerable = append(s.Unanswerable, Unanswered{u.DocID, u.Question})
		}
	}
	if len(s.General) == 0 {
		s.General = DefaultGeneral()
	}
	return s
}

// HoldBack takes one wording of each fact that has more than its question out of the facts and makes it a reworded question.
// Train on the facts that are returned, and the reworded part is honest.
func HoldBack(facts []dataset.GroundedFact) (kept []dataset.GroundedFact, reworded []Rewording) {
	for i, f := range facts {
		if n := len(f.Questions); n > 0 {
			held := min(1, n-1) // those that came first are the most different, and are not all held back
			reworded = append(reworded, Rewording{Fact: i, Question: f.Questions[held]})
			f.Questions = slices.Delete(slices.Clone(f.Questions), held, held+1)
		}
		kept = append(kept, f)
	}
	return kept, reworded
}

// Limit asks at most n evenly spread questions of each part; the general prompts stay.
func (s Suite) Limit(n int) Suite {
	s.most = n
	s.Reworded, s.Swapped, s.Unanswerable = dataset.Spread(s.Reworded, n), dataset.Spread(s.Swapped, n), dataset.Spread(s.Unanswerable, n)
	return s
}

// Cases are the questions part by part.
func (s Suite) Cases() (out []Case) {
	add := func(p Part, fact int, system, question string, c Case) {
		c.Part, c.Fact = p, fact
		if fact >= 0 {
			c.Source = s.Facts[fact].Source
		}
		if system != "" {
			c.Messages = append(c.Messages, dataset.Message{Role: "system", Content: system})
		}
		c.Messages = append(c.Messages, dataset.Message{Role: "user", Content: question})
		out = append(out, c)
	}
	right := func(i int) Case { return Case{Right: append([]string{s.Facts[i].Answer}, s.Facts[i].Accept...)} }
	var nth []int
	for i := range s.Facts {
		nth = append(nth, i)
	}
	for _, i := range dataset.Spread(nth, s.most) {
		f := s.Facts[i]
		add(AsWritten, i, "", f.Question, right(i))
		if f.Found {
			add(WithPassage, i, f.Passage.Text, f.Question, right(i))
		}
	}
	for _, r := range s.Reworded {
		add(Reworded, r.Fact, "", r.Question, right(r.Fact))
		if f := s.Facts[r.Fact]; f.Found {
			add(RewordedPassage, r.Fact, f.Passage.Text, r.Question, right(r.Fact))
		}
	}
	for _, w := range s.Swapped {
		passage := w.Passage
		if w.Context != "" {
			passage = w.Context
		}
		add(Swapped, w.Fact, passage, w.Question, Case{Right: append([]string{w.Answer}, w.Accept...), Stale: w.Stale})
	}
	for _, u := range s.Unanswerable {
		add(Unanswerable, -1, "", u.Question, Case{Source: u.DocID})
	}
	for _, g := range s.General {
		add(General, -1, "", g.Prompt, Case{Check: g.Check})
	}
	return out
}

func (s Suite) judge() judge {
	var j judge
	for _, f := range s.Facts {
		j.values = append(j.values, f.Answer)
	}
	return j
}
