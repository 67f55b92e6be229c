package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/dataset"
)

// grounded makes facts about two passages of one document, and one without a passage.
func grounded() []dataset.GroundedFact {
	var out []dataset.GroundedFact
	for i := range 7 {
		f := dataset.GroundedFact{Source: "guide.pdf", Fact: dataset.Fact{DocID: "guide.pdf", Question: fmt.Sprintf("Question %d?", i), Answer: fmt.Sprintf("answer %d", i)}}
		if i < 6 {
			f.Found, f.Passage = true, dataset.Passage{ID: fmt.Sprint(i % 2), Source: "guide.pdf", Text: fmt.Sprintf("passage %d", i%2)}
		}
		out = append(out, f)
	}
	return out
}

func always([]dataset.Message) bool { return true }

func TestMixRows(t *testing.T) {
	m := Mix{Closed: 3, Open: 2, Turns: 2}
	train, heldBack, err := m.rows(t.Context(), grounded(), 7, always)
	require.NoError(t, err)
	assert.Len(t, heldBack, 7, "one for each fact")
	closed, questions := 0, map[string]int{}
	trained := map[string]bool{}
	for _, row := range train {
		require.NoError(t, row.Validate())
		if row.Meta["context"] == "none" {
			closed++
			trained[row.Messages[0].Content] = true
			continue
		}
		assert.Equal(t, "system", row.Messages[0].Role)
		for i := 1; i < len(row.Messages); i += 2 {
			assert.Equal(t, "user", row.Messages[i].Role)
			assert.Equal(t, "assistant", row.Messages[i+1].Role)
			questions[row.Messages[i+1].Content]++
		}
	}
	assert.Equal(t, 21, closed)
	assert.Equal(t, map[string]int{"answer 0": 2, "answer 1": 2, "answer 2": 2, "answer 3": 2, "answer 4": 2, "answer 5": 2}, questions,
		"each fact with a passage is asked twice with it")
	for _, row := range heldBack {
		assert.False(t, trained[row.Messages[0].Content], "%q is trained on too", row.Messages[0].Content)
	}
	again, _, err := m.rows(t.Context(), grounded(), 7, always)
	require.NoError(t, err)
	assert.Equal(t, train, again, "the same seed gives the same rows")
}

func TestConversationsShareThePassage(t *testing.T) {
	open, err := collect(dataset.QA{Open: 1}.Rows(t.Context(), sequence(grounded()[:6])))
	require.NoError(t, err)
	rows := conversations(open, 2, 0, always)
	require.Len(t, rows, 4, "three questions about each of two passages, two to a conversation")
	assert.Equal(t, []dataset.Message{
		{Role: "system", Content: "passage 0"},
		{Role: "user", Content: "Question 0?"}, {Role: "assistant", Content: "answer 0"},
		{Role: "user", Content: "Question 2?"}, {Role: "assistant", Content: "answer 2"},
	}, rows[0].Messages)
	assert.Equal(t, "2", rows[0].Meta["questions"])
	assert.Equal(t, "1", rows[1].Meta["questions"])
	assert.Len(t, open[0].Messages, 3, "the rows that are joined stay as they are")
	assert.Empty(t, open[0].Meta["questions"])

	assert.Equal(t, "Question 2?", conversations(open, 2, 1, always)[0].Messages[1].Content, "another time another question comes first")

	short := func(messages []dataset.Message) bool { return len(messages) <= 3 }
	assert.Len(t, conversations(open, 4, 0, short), 6, "what would not fit is a conversation of its own")
}

func TestShare(t *testing.T) {
	_, heldBack, err := Mix{Closed: 1}.rows(t.Context(), grounded(), 1, always)
	require.NoError(t, err)
	for fraction, want := range map[float64]int{0: 0, 0.1: 1, 0.3: 2, 0.9: 6, 0.99: 6} {
		rows, err := share(t.Context(), heldBack, fraction, 7, 1)
		require.NoError(t, err)
		assert.Len(t, rows, want, "fraction %g", fraction)
	}
	rows, err := share(t.Context(), heldBack[:1], 0.1, 7, 1)
	require.NoError(t, err)
	assert.Len(t, rows, 1)
}

func TestPlanSpreadsTheQuestions(t *testing.T) {
	questions := asQuestions(grounded())
	asked := plan(questions, 3)
	require.Len(t, asked, 9)
	assert.Len(t, plan(questions, 7), 20, "the last one has no passage to show")
	assert.Equal(t, []int{0, 2, 4}, []int{asked[0].Nth, asked[1].Nth, asked[2].Nth})
	for _, a := range asked {
		assert.True(t, strings.Contains(a.Asked, questions[a.Nth].Question))
		assert.Equal(t, a.Passage != "", len(a.messages) == 2)
	}
}
