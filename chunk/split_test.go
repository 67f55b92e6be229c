package chunk_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/chunk"
)

type item struct {
	section chunk.Section
	err     error
}

func sequence(items ...item) iter.Seq2[chunk.Section, error] {
	return func(yield func(chunk.Section, error) bool) {
		for _, i := range items {
			if !yield(i.section, i.err) {
				return
			}
		}
	}
}

func of(sections []chunk.Section) iter.Seq2[chunk.Section, error] {
	return func(yield func(chunk.Section, error) bool) {
		for _, section := range sections {
			if !yield(section, nil) {
				return
			}
		}
	}
}

func collect(t testing.TB, seq iter.Seq2[chunk.Chunk, error]) []chunk.Chunk {
	t.Helper()
	var chunks []chunk.Chunk
	for c, err := range seq {
		require.NoError(t, err)
		chunks = append(chunks, c)
	}
	return chunks
}

func TestSplitFields(t *testing.T) {
	s := splitter(t, chunk.Options{Size: 24, Overlap: 6})
	sections := append(pages("a.pdf", "One is here. Two is pres-", "ent. Three is not."), pages("b.txt", "", "x")...)
	d := s.Document(sections[:2])
	got := collect(t, s.Split(of(sections)))
	want := []chunk.Chunk{
		{ID: "a.pdf#0", Source: "a.pdf", Text: "One is here.", Index: 0, FirstPage: 1, LastPage: 1, Start: 0, End: 12, Size: 12},
		{ID: "a.pdf#1", Source: "a.pdf", Text: "here. Two is present.", Index: 1, FirstPage: 1, LastPage: 2, Start: 7, End: 28, Size: 21},
		{ID: "a.pdf#2", Source: "a.pdf", Text: "Three is not.", Index: 2, FirstPage: 2, LastPage: 2, Start: 29, End: 42, Size: 13},
		{ID: "b.txt#0", Source: "b.txt", Text: "x", Index: 0, FirstPage: 2, LastPage: 2, Start: 0, End: 1, Size: 1},
	}
	assert.Equal(t, want, got)
	for _, c := range got[:3] {
		assert.Equal(t, d.Text[c.Start:c.End], c.Text)
	}
	line, err := json.Marshal(got[1])
	require.NoError(t, err)
	assert.Equal(t, `{"id":"a.pdf#1","source":"a.pdf","text":"here. Two is present.","index":1,"first_page":1,"last_page":2,"start":7,"end":28,"size":21}`, string(line))
}

func TestSplitPassesErrorsOn(t *testing.T) {
	s := splitter(t, chunk.DefaultOptions())
	bad, last := errors.New("page 2 of a.pdf is broken"), errors.New("cancelled")
	page := func(source string, n int, text string) item {
		return item{section: chunk.Section{Source: source, Page: n, Text: text}}
	}
	describe := func(seq iter.Seq2[chunk.Chunk, error]) (got []string) {
		for c, err := range seq {
			if err != nil {
				got = append(got, err.Error())
			} else {
				got = append(got, c.ID+" "+c.Text)
			}
		}
		return got
	}
	// A bad page does not cut its document in two, and a bad document does not cost its neighbours.
	assert.Equal(t, []string{bad.Error(), "a.pdf#0 one\nthree", bad.Error(), "b.pdf#0 two"},
		describe(s.Split(sequence(page("a.pdf", 1, "one"), item{err: bad}, page("a.pdf", 3, "three"), item{err: bad}, page("b.pdf", 1, "two")))))
	// The error that ends the sections is last, after the text that came before it.
	assert.Equal(t, []string{"a.pdf#0 one", last.Error()}, describe(s.Split(sequence(page("a.pdf", 1, "one"), item{err: last}))))
	assert.Empty(t, describe(s.Split(sequence())))
	assert.Empty(t, describe(s.Split(sequence(page("a.pdf", 1, " ")))))
}

func TestSplitRefusesScatteredSections(t *testing.T) {
	s := splitter(t, chunk.DefaultOptions())
	var got []string
	var failed error
	for c, err := range s.Split(of([]chunk.Section{{"a", 1, "x"}, {"b", 1, "y"}, {"a", 7, "z"}, {"c", 1, "w"}})) {
		require.NoError(t, failed, "the error is the last element")
		if failed = err; err == nil {
			got = append(got, c.ID)
		}
	}
	assert.Equal(t, []string{"a#0", "b#0"}, got)
	assert.ErrorContains(t, failed, `page 7 of "a"`)
}

func TestSplitEndsEarly(t *testing.T) {
	s := splitter(t, chunk.Options{Size: 4})
	freed := false
	sections := func(yield func(chunk.Section, error) bool) {
		defer func() { freed = true }()
		for n := 1; yield(chunk.Section{Source: fmt.Sprint(n), Page: n, Text: "one two three"}, nil); n++ {
		}
	}
	for range s.Split(sections) {
		break
	}
	assert.True(t, freed)
}

// Whole documents: texts of course guides as another program extracted them, page by page.
func TestSplitGuides(t *testing.T) {
	names, err := filepath.Glob("testdata/guides/*.txt")
	require.NoError(t, err)
	require.Len(t, names, 2)
	for _, o := range []chunk.Options{chunk.DefaultOptions(), {Size: 300, Overlap: 80}, {Size: 60, Overlap: 20, Measure: func(s string) int { return len(strings.Fields(s)) }}} {
		s := splitter(t, o)
		for _, name := range names {
			raw, err := os.ReadFile(name)
			require.NoError(t, err)
			sections := pages(name, strings.Split(string(raw), "\f")...)
			d := s.Document(sections)
			assert.NotContains(t, d.Text, "\u00ad")
			chunks := collect(t, s.Split(of(sections)))
			var spans []chunk.Span
			whole := 0
			for i, c := range chunks {
				require.Equal(t, d.Text[c.Start:c.End], c.Text)
				require.LessOrEqual(t, c.Size, o.Size)
				require.Equal(t, i, c.Index)
				require.LessOrEqual(t, c.FirstPage, c.LastPage)
				require.Contains(t, normal(strings.Join(texts(sections[c.FirstPage-1:c.LastPage]), "\n")), normal(c.Text), "the pages hold the chunk")
				spans = append(spans, chunk.Span{Start: c.Start, End: c.End})
				if strings.ContainsAny(c.Text[len(c.Text)-1:], ".!?;") || strings.HasPrefix(d.Text[c.End:], "\n") {
					whole++
				}
			}
			checkCover(t, d.Text, spans)
			assert.GreaterOrEqual(t, float64(whole), 0.8*float64(len(chunks)), "chunks that end with a sentence or line")
		}
	}
}

// normal hides what joining pages may change: white space, and hyphens at line ends.
func normal(text string) string {
	return strings.Join(strings.FieldsFunc(chunk.Normalize(text), func(r rune) bool { return r == ' ' || r == '\n' || r == '-' }), "")
}

func texts(sections []chunk.Section) (texts []string) {
	for _, s := range sections {
		texts = append(texts, s.Text)
	}
	return texts
}

func TestSplitterIsConcurrent(t *testing.T) {
	s := splitter(t, chunk.Options{Size: 30, Overlap: 10})
	sections := pages("a", strings.Repeat("A sentence or so. ", 100))
	want := collect(t, s.Split(of(sections)))
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() { assert.Equal(t, want, collect(t, s.Split(of(sections)))) })
	}
	group.Wait()
}

func FuzzSplit(f *testing.F) {
	f.Add("one two", "three-\nfour", uint8(5), uint8(2), false)
	f.Add("rese\u00ad", "rved\f\fx", uint8(3), uint8(1), true)
	f.Add("\xff", "\xc3\xa4", uint8(1), uint8(0), true)
	f.Add("# A\n\n| a | b |\n|--|--|\n| 1 | 2 |\n| 3 | 4 |", "Room\tSeats\nx\ty\n\n```\n  z\n```\nT\n==\n", uint8(20), uint8(9), false)
	f.Fuzz(func(t *testing.T, one, two string, size, overlap uint8, raw bool) {
		s, err := chunk.New(chunk.Options{Size: int(size), Overlap: int(overlap), Raw: raw})
		if err != nil {
			return
		}
		sections := pages("a", one, two)
		d := s.Document(sections)
		for _, c := range collect(t, s.Split(of(sections))) {
			require.True(t, strings.HasSuffix(c.Text, d.Text[c.Start:c.End]), "behind the head of a table")
			require.Equal(t, utf8.RuneCountInString(c.Text), c.Size)
			require.LessOrEqual(t, c.FirstPage, c.LastPage)
			require.GreaterOrEqual(t, c.FirstPage, 1)
		}
	})
}
