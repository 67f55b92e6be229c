package dataset_test

import (
	"context"
	"errors"
	"iter"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/dataset"
)

func passage(text string) dataset.Passage {
	return dataset.Passage{ID: "a.pdf#" + text[:1], Source: "a.pdf", Text: text, FirstPage: 1, LastPage: 2}
}

func show(r dataset.Row) string { return r.ID + " " + r.Text + r.Prompt + "|" + r.Completion }

type builder func(context.Context, dataset.Passage) iter.Seq2[dataset.Row, error]

func (b builder) Rows(ctx context.Context, p dataset.Passage) iter.Seq2[dataset.Row, error] {
	return b(ctx, p)
}

func TestBuildContinuation(t *testing.T) {
	rows := collect(t, dataset.Build(t.Context(), values(passage("one two"), dataset.Passage{ID: "b.txt#0", Source: "b.txt", Text: "x"}), dataset.Continuation{}))
	assert.Equal(t, []dataset.Row{
		{ID: "a.pdf#o", Source: "a.pdf", Text: "one two", Meta: map[string]string{"passage": "a.pdf#o", "pages": "1-2"}},
		{ID: "b.txt#0", Source: "b.txt", Text: "x", Meta: map[string]string{"passage": "b.txt#0"}},
	}, rows)
}

func TestContinuationLead(t *testing.T) {
	for _, test := range []struct {
		lead       float64
		text, want string
	}{
		{0.5, "one two three four", "a.pdf#o one two three| four"},
		{0.3, "one two three four", "a.pdf#o one two| three four"},
		{0.01, "one two", "a.pdf#o one| two"},
		{0.99, "one two three four", "a.pdf#o one two three four|"},
		{0.5, "word", "a.pdf#w word|"},
		{0.4, "één twee drie\nvier", "a.pdf#\xc3 één twee| drie\nvier"},
	} {
		p := passage(test.text)
		row := collect(t, dataset.Build(t.Context(), values(p), dataset.Continuation{Lead: test.lead}))[0]
		assert.Equal(t, test.want, show(row))
		assert.Equal(t, test.text, row.Text+row.Prompt+row.Completion, "nothing is lost")
	}
	for _, lead := range []float64{-0.1, 1, math.NaN(), math.Inf(1)} {
		require.ErrorIs(t, dataset.Continuation{Lead: lead}.Validate(), dataset.ErrOptions)
		got := described(dataset.Build(t.Context(), values(passage("one"), passage("two")), dataset.Continuation{Lead: lead}), show)
		require.Len(t, got, 1)
		assert.Contains(t, got[0], "Lead is")
	}
}

func TestBuildFillsInAndChecks(t *testing.T) {
	three := builder(func(_ context.Context, p dataset.Passage) iter.Seq2[dataset.Row, error] {
		return values(dataset.Row{Text: "x"}, dataset.Row{Text: "y"}, dataset.Row{ID: "own", Source: "other", Text: "z"})
	})
	rows := collect(t, dataset.Build(t.Context(), values(passage("p")), three))
	assert.Equal(t, []string{"a.pdf#p x|", "a.pdf#p/1 y|", "own z|"}, []string{show(rows[0]), show(rows[1]), show(rows[2])})
	assert.Equal(t, []string{"a.pdf", "a.pdf", "other"}, []string{rows[0].Source, rows[1].Source, rows[2].Source})

	bad := builder(func(context.Context, dataset.Passage) iter.Seq2[dataset.Row, error] {
		return values(dataset.Row{Text: "x"}, dataset.Row{Prompt: "no completion"})
	})
	got := described(dataset.Build(t.Context(), values(passage("p"), passage("q")), bad), show)
	require.Len(t, got, 2, "the error is the last element")
	assert.Contains(t, got[1], `passage "a.pdf#p": bad row: completion is empty`)
}

func TestBuildErrors(t *testing.T) {
	b := builder(func(_ context.Context, p dataset.Passage) iter.Seq2[dataset.Row, error] {
		return mapped(items(p.Text), text)
	})
	got := described(dataset.Build(t.Context(), mapped(items("one", "?bad line", "two", "!end"), passage), b), show)
	assert.Equal(t, []string{"a.pdf#o one|", "!f:3: ?bad line", "a.pdf#t two|", "!!end"}, got)

	got = described(dataset.Build(t.Context(), values(passage("!model down"), passage("two")), b), show)
	assert.Equal(t, []string{`!dataset: build: passage "a.pdf#!": !model down`}, got)
}

func TestBuildEmpty(t *testing.T) {
	none := builder(func(context.Context, dataset.Passage) iter.Seq2[dataset.Row, error] { return values[dataset.Row]() })
	for _, rows := range []iter.Seq2[dataset.Row, error]{
		dataset.Build(t.Context(), values[dataset.Passage](), dataset.Continuation{}),
		dataset.Build(t.Context(), values(passage("one")), none),
	} {
		n := 0
		for _, err := range rows {
			n++
			require.ErrorIs(t, err, dataset.ErrEmpty)
		}
		assert.Equal(t, 1, n)
	}
}

func TestBuildCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var got []string
	var last error
	for row, err := range dataset.Build(ctx, values(passage("one"), passage("two")), dataset.Continuation{}) {
		require.NoError(t, last)
		if last = err; err == nil {
			got = append(got, row.Text)
		}
		cancel()
	}
	assert.Equal(t, []string{"one"}, got)
	assert.True(t, errors.Is(last, context.Canceled))
}

func TestBuildStreams(t *testing.T) {
	made := 0
	endless := func(yield func(dataset.Passage, error) bool) {
		for yield(passage(strings.Repeat("x", 100)), nil) {
			made++
		}
	}
	taken := 0
	for _, err := range dataset.Build(t.Context(), endless, dataset.Continuation{}) {
		require.NoError(t, err)
		if taken++; taken == 10 {
			break
		}
	}
	assert.Equal(t, 9, made)
}
