package dataset_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/dataset"
)

func grounded(question, answer string) dataset.GroundedFact {
	return dataset.GroundedFact{
		Fact: fact("a.pdf", question, answer), Source: "docs/a.pdf", Found: true,
		Passage: dataset.Passage{ID: "docs/a.pdf#3", Source: "docs/a.pdf", Text: "The passage: " + answer, FirstPage: 2, LastPage: 2},
	}
}

func TestQADefault(t *testing.T) {
	lost := grounded("Where?", "nowhere")
	lost.Found, lost.Passage = false, dataset.Passage{}
	rows := collect(t, dataset.QA{}.Rows(t.Context(), values(grounded(" What is it? ", "42\n"), lost)))
	assert.Equal(t, []dataset.Row{
		{
			ID: "docs/a.pdf#fact1/closed0", Source: "docs/a.pdf", Messages: chat("user", "What is it?", "assistant", "42"),
			Meta: map[string]string{"context": "none"},
		}, {
			ID: "docs/a.pdf#fact1/open0", Source: "docs/a.pdf", Messages: chat("system", "The passage: 42\n", "user", "What is it?", "assistant", "42"),
			Meta: map[string]string{"context": "passage", "passage": "docs/a.pdf#3", "pages": "2-2"},
		}, {
			ID: "docs/a.pdf#fact2/closed0", Source: "docs/a.pdf", Messages: chat("user", "Where?", "assistant", "nowhere"),
			Meta: map[string]string{"context": "none"},
		},
	}, rows)
}

// questions returns what is asked in rows of a kind.
func questions(t *testing.T, qa dataset.QA, context string, facts ...dataset.GroundedFact) []string {
	var asked []string
	for _, row := range collect(t, qa.Rows(t.Context(), values(facts...))) {
		if row.Meta["context"] == context {
			asked = append(asked, row.Messages[len(row.Messages)-2].Content)
		}
	}
	return asked
}

func TestQAMix(t *testing.T) {
	f := grounded("What is the pass mark of BIO214?", "55")
	assert.Len(t, questions(t, dataset.QA{Closed: 4, Open: 2}, "none", f), 4)
	assert.Len(t, questions(t, dataset.QA{Closed: 4, Open: 2}, "passage", f), 2)
	assert.Empty(t, questions(t, dataset.QA{Closed: 4}, "passage", f))
	assert.Empty(t, questions(t, dataset.QA{Open: 4}, "none", f))
}

func TestQAWordings(t *testing.T) {
	const question = "What is the pass mark of BIO214?"
	f := grounded(question, "55")
	ways := len(dataset.DefaultWordings())*4 + 1
	asked := questions(t, dataset.QA{Closed: ways}, "none", f)
	assert.Equal(t, question, asked[0])
	seen := map[string]bool{}
	unchanged := 0
	for i, q := range asked {
		require.False(t, seen[q], "asked twice: %s", q)
		seen[q] = true
		require.Contains(t, strings.ToLower(q), "what is the pass mark of bio214")
		require.NotContains(t, q, "{question}")
		if i <= len(dataset.DefaultWordings()) && strings.Contains(q, question) {
			unchanged++
		}
	}
	assert.GreaterOrEqual(t, unchanged, len(dataset.DefaultWordings())/3, "of the first, many keep the question as it is")
	assert.Equal(t, asked, questions(t, dataset.QA{Closed: 2 * ways}, "none", f)[:ways], "more rows begin with the same ones")
	assert.Equal(t, question, questions(t, dataset.QA{Closed: 2 * ways}, "none", f)[ways], "and then begin again")
}

func TestQASeed(t *testing.T) {
	one, two := grounded("What is one?", "1"), grounded("What is two?", "2")
	ask := func(seed uint64, facts ...dataset.GroundedFact) []string {
		return questions(t, dataset.QA{Closed: 5, Seed: seed}, "none", facts...)
	}
	assert.Equal(t, ask(1, one, two), ask(1, one, two))
	assert.NotEqual(t, ask(1, one, two), ask(2, one, two))
	assert.Equal(t, ask(1, two), ask(1, one, two)[5:], "other facts change nothing")
	assert.NotEqual(t, ask(1, one)[1:], strings.Split(strings.ReplaceAll(strings.Join(ask(1, two)[1:], "\n"), "two", "one"), "\n"), "facts are not all worded alike")
}

func TestQAOwnWordings(t *testing.T) {
	own := []string{"Μια ερώτηση: {question}", "{question} Ευχαριστώ!"}
	before := append([]string(nil), own...)
	asked := questions(t, dataset.QA{Closed: 3, Wordings: own, Seed: 4}, "none", grounded("Πότε;", "αύριο"))
	assert.Equal(t, before, own, "the caller's slice is left alone")
	assert.Equal(t, "Πότε;", asked[0])
	for _, q := range asked[1:] {
		assert.True(t, strings.HasPrefix(q, "Μια ερώτηση: ") || strings.HasSuffix(q, " Ευχαριστώ!"), q)
	}
	assert.Equal(t, []string{"Πότε;", "Πότε;"}, questions(t, dataset.QA{Closed: 2, Wordings: []string{}}, "none", grounded("Πότε;", "αύριο")))
}

func TestQABadOptions(t *testing.T) {
	err := dataset.QA{Closed: -1, Open: -2, Wordings: []string{"{question}", "no slot"}}.Validate()
	require.ErrorIs(t, err, dataset.ErrOptions)
	for _, fault := range []string{"Closed is -1", "Open is -2", `Wordings[1] is "no slot"`} {
		assert.ErrorContains(t, err, fault)
	}
	got := described(dataset.QA{Closed: -1}.Rows(t.Context(), values(grounded("q", "a"))), show)
	assert.Len(t, got, 1)
	require.NoError(t, dataset.QA{Wordings: dataset.DefaultWordings()}.Validate())
}

func TestQAErrors(t *testing.T) {
	facts := mapped(items("one", "?line", "two"), func(s string) dataset.GroundedFact { return grounded(s, s) })
	got := described(dataset.QA{Closed: 1}.Rows(t.Context(), facts), func(r dataset.Row) string { return r.ID })
	assert.Equal(t, []string{"docs/a.pdf#fact1/closed0", "!f:3: ?line", "docs/a.pdf#fact2/closed0"}, got)

	lost := grounded("q", "a")
	lost.Found = false
	for _, err := range (dataset.QA{Open: 1}).Rows(t.Context(), values(lost)) {
		require.ErrorIs(t, err, dataset.ErrEmpty)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range (dataset.QA{}).Rows(ctx, values(lost)) {
		require.True(t, errors.Is(err, context.Canceled))
	}
}
