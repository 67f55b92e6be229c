package dataset_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/dataset"
)

func rowsOf(documents, each int) []dataset.Row {
	var rows []dataset.Row
	for d := range documents {
		for i := range each {
			rows = append(rows, dataset.Row{Source: fmt.Sprintf("%d.pdf", d), Text: fmt.Sprintf("%d of %d", i, d)})
		}
	}
	return rows
}

func sides(t *testing.T, s dataset.Split, rows []dataset.Row) (train, eval []dataset.Row) {
	return collect(t, s.Train(values(rows...))), collect(t, s.Eval(values(rows...)))
}

func TestSplitByDocument(t *testing.T) {
	for _, test := range []struct {
		documents int
		fraction  float64
		eval      int // documents
	}{{2, 0, 1}, {8, 0, 1}, {8, 0.25, 2}, {100, 0, 10}, {3, 0.001, 1}, {3, 0.999, 2}, {1000, 0.2, 200}} {
		rows := rowsOf(test.documents, 3)
		for seed := range uint64(5) {
			train, eval := sides(t, dataset.Split{Fraction: test.fraction, Seed: seed}, rows)
			assert.Len(t, eval, 3*test.eval)
			assert.ElementsMatch(t, rows, append(slices.Clone(train), eval...), "every row is on one side")
			held := map[string]bool{}
			for _, r := range eval {
				held[r.Source] = true
			}
			for _, r := range train {
				require.False(t, held[r.Source], "%s is on both sides", r.Source)
			}
		}
	}
}

func TestSplitIsDeterministic(t *testing.T) {
	rows := rowsOf(20, 2)
	_, eval := sides(t, dataset.Split{Seed: 1}, rows)
	_, again := sides(t, dataset.Split{Seed: 1}, rows)
	assert.Equal(t, eval, again)
	_, other := sides(t, dataset.Split{Seed: 2}, rows)
	assert.NotEqual(t, eval, other)
	reversed := slices.Clone(rows)
	slices.Reverse(reversed)
	_, backwards := sides(t, dataset.Split{Seed: 1}, reversed)
	assert.ElementsMatch(t, eval, backwards, "the order of rows does not matter")
}

func TestSplitByRow(t *testing.T) {
	rows := rowsOf(1, 20)
	rows = append(rows, rows...) // copies stay together
	train, eval := sides(t, dataset.Split{By: dataset.ByRow}, rows)
	assert.Len(t, eval, 4)
	for _, r := range eval {
		assert.NotContains(t, train, r)
	}
	// Rows of unknown source are divided one by one.
	for i := range rows {
		rows[i].Source = ""
	}
	_, eval = sides(t, dataset.Split{}, rows)
	assert.Len(t, eval, 4)
	// Any other group is possible.
	_, eval = sides(t, dataset.Split{By: func(r dataset.Row) string { return r.Text[:1] }}, rows)
	assert.NotEmpty(t, eval)
}

func TestSplitOneDocument(t *testing.T) {
	rows := rowsOf(1, 5)
	assert.Equal(t, rows, collect(t, dataset.Split{}.Train(values(rows...))))
	n := 0
	for _, err := range (dataset.Split{}).Eval(values(rows...)) {
		n++
		require.ErrorIs(t, err, dataset.ErrEmpty)
		assert.ErrorContains(t, err, "ByRow")
	}
	assert.Equal(t, 1, n)
}

func TestSplitEmptyAndBroken(t *testing.T) {
	s := dataset.Split{}
	for _, err := range s.Train(values[dataset.Row]()) {
		require.ErrorIs(t, err, dataset.ErrEmpty)
	}
	got := described(s.Train(mapped(items("one", "?line", "two", "!end"), text)), func(r dataset.Row) string { return "row" })
	assert.ElementsMatch(t, []string{"row", "!f:3: ?line", "!!end"}, got)

	single := dataset.Read[dataset.Row](strings.NewReader("{\"text\":\"a\"}\n{\"text\":\"b\"}"))
	got = described(s.Train(single), show)
	assert.Contains(t, got[0], "single use")

	calls := 0
	unsteady := func(yield func(dataset.Row, error) bool) {
		calls++
		_ = yield(text(fmt.Sprint("a", calls)), nil) && yield(text(fmt.Sprint("b", calls)), nil)
	}
	got = described(s.Train(unsteady), show)
	require.Len(t, got, 1)
	assert.Contains(t, got[0], "not the same")
}

func TestSplitFraction(t *testing.T) {
	for _, fraction := range []float64{-0.1, 1, 2, math.NaN()} {
		s := dataset.Split{Fraction: fraction}
		require.ErrorIs(t, s.Validate(), dataset.ErrOptions)
		got := described(s.Eval(values(rowsOf(3, 1)...)), show)
		require.Len(t, got, 1)
		assert.Contains(t, got[0], "Fraction is")
	}
}
