package questions_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/chunk"
	"github.com/docent-ml/docent/dataset"
	"github.com/docent-ml/docent/dataset/questions"
	"github.com/docent-ml/docent/ingest"
)

// read reads the documents of a folder as the programs do.
func read(t *testing.T, dir string) (docs []questions.Document) {
	t.Helper()
	cutter, err := chunk.New(chunk.DefaultOptions())
	require.NoError(t, err)
	for doc, err := range ingest.Walk(t.Context(), os.DirFS(dir), ingest.Options{Exclude: []string{"README.md"}}) {
		require.NoError(t, err)
		d := questions.Document{Source: doc.Path}
		for _, page := range doc.Pages {
			d.Pages = append(d.Pages, page.Text)
		}
		for c, err := range cutter.Split(func(yield func(chunk.Section, error) bool) {
			for _, page := range doc.Pages {
				if !yield(chunk.Section{Source: doc.Path, Page: page.Number, Text: page.Text}, nil) {
					return
				}
			}
		}) {
			require.NoError(t, err)
			d.Passages = append(d.Passages, dataset.Passage{ID: c.ID, Source: c.Source, Text: c.Text})
		}
		docs = append(docs, d)
	}
	return docs
}

// How many of the facts that people wrote about documents are among those that the rules find: the answer, and the place it comes
// from. The rules were written without the questions; the floors are what they reach.
func TestCoverage(t *testing.T) {
	for _, test := range []struct {
		folder string
		floor  float64
	}{{"course-guides", 0.85}, {"handbooks", 0.85}} {
		t.Run(test.folder, func(t *testing.T) {
			dir := filepath.Join("../../../shared/corpus", test.folder)
			if _, err := os.Stat(dir); err != nil {
				t.Skip("the shared corpus is not there: ", dir)
			}
			made, report, err := questions.FromDocuments(t.Context(), read(t, dir), questions.Options{})
			require.NoError(t, err)
			facts := dataset.ReadFile[dataset.Fact](os.DirFS(dir), "facts.jsonl")
			all, covered := 0, 0
			for fact, err := range facts {
				require.NoError(t, err)
				all++
				if covers(made, fact) {
					covered++
				} else {
					t.Logf("not found: %s: %s [%s]", fact.DocID, fact.Question, fact.Answer)
				}
			}
			t.Logf("%d of %d facts are among the %d that were made", covered, all, len(made))
			t.Log(report)
			assert.GreaterOrEqual(t, float64(covered), test.floor*float64(all))
		})
	}
}

// covers tells whether a made fact has the answer of fact, and comes from the same sentence or row; where the file does not say
// which that is, it shares most words of the question.
func covers(made []dataset.GroundedFact, fact dataset.Fact) bool {
	plain := func(s string) string {
		return " " + strings.Join(strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return strings.ContainsRune(" .,;:|\t\n()'’\"«»", r) }), " ") + " "
	}
	right := append([]string{fact.Answer}, fact.Accept...)
	for _, m := range made {
		if m.DocID != fact.DocID {
			continue
		}
		quote := plain(m.Quote)
		place := fact.Quote != "" && (strings.Contains(plain(fact.Quote), quote) || strings.Contains(quote, plain(fact.Quote)))
		if fact.Quote == "" {
			shared, words := 0, 0
			for _, w := range strings.Fields(plain(fact.Question)) {
				if len(w) > 3 {
					words++
					if strings.Contains(plain(m.Question+" "+m.Quote), w) {
						shared++
					}
				}
			}
			place = 2*shared >= words
		}
		if !place {
			continue
		}
		for _, a := range right {
			if strings.Contains(plain(m.Answer), plain(a)) || strings.Contains(plain(a), plain(m.Answer)) && len(m.Answer) > 1 {
				return true
			}
		}
	}
	return false
}
