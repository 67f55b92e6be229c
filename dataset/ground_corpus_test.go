package dataset_test

import (
	"flag"
	"fmt"
	"iter"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/chunk"
	"github.com/docent-ml/docent/dataset"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// guidePassages cuts the course guides in testdata, whose pages another program extracted.
func guidePassages(t testing.TB, o chunk.Options) []dataset.Passage {
	t.Helper()
	names, err := filepath.Glob("testdata/guides/*.txt")
	require.NoError(t, err)
	require.Len(t, names, 8)
	s, err := chunk.New(o)
	require.NoError(t, err)
	var passages []dataset.Passage
	for _, name := range names {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		source := "guides/" + strings.TrimSuffix(filepath.Base(name), ".txt") + ".pdf"
		sections := func(yield func(chunk.Section, error) bool) {
			for i, page := range strings.Split(string(text), "\f") {
				if !yield(chunk.Section{Source: source, Page: i + 1, Text: page}, nil) {
					return
				}
			}
		}
		for c, err := range s.Split(sections) {
			require.NoError(t, err)
			passages = append(passages, dataset.Passage{ID: c.ID, Source: c.Source, Text: c.Text, FirstPage: c.FirstPage, LastPage: c.LastPage})
		}
	}
	return passages
}

func guideFacts() iter.Seq2[dataset.Fact, error] {
	return dataset.ReadFile[dataset.Fact](os.DirFS("testdata/guides"), "facts.jsonl")
}

// The passage of each of the 78 facts, looked over by eye: testdata/grounded.golden has it with the words around the answer.
func TestGroundGuides(t *testing.T) {
	var got strings.Builder
	for _, g := range collect(t, dataset.Ground(t.Context(), guideFacts(), values(guidePassages(t, chunk.DefaultOptions())...))) {
		require.True(t, g.Found, g.Question)
		require.Equal(t, g.DocID, path.Base(g.Source))
		require.Equal(t, g.Source, g.Passage.Source)
		text := strings.Join(strings.Fields(g.Passage.Text), " ")
		require.Contains(t, text, g.Answer)
		fmt.Fprintf(&got, "%s | %s | %s\n", g.Passage.ID, g.Question, g.Answer)
	}
	const golden = "testdata/grounded.golden"
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(got.String()), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	assert.Equal(t, string(want), got.String())
}

// However the guides are cut, every answer stays findable.
func TestGroundGuidesInOtherSizes(t *testing.T) {
	for _, o := range []chunk.Options{{Size: 400, Overlap: 100}, {Size: 700, Overlap: 100}, {Size: 3000}, {Size: 100000}} {
		for _, g := range collect(t, dataset.Ground(t.Context(), guideFacts(), values(guidePassages(t, o)...))) {
			assert.True(t, g.Found, "%v: %s", o.Size, g.Question)
		}
	}
}
