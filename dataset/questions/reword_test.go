package questions_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/dataset"
	"github.com/docent-ml/docent/dataset/questions"
)

func TestReword(t *testing.T) {
	for _, test := range []struct {
		name, doc, question, answer string
		want                        []string // some of the wordings
	}{
		{"of", "rules-ABC12.pdf", "What is the quorum of ABC12?", "nine members",
			[]string{"Which quorum of ABC12 applies?", "Quorum ABC12?", "Do you know what the quorum of ABC12 is?"}},
		{"cost", "museum.html", "How much does a guided tour cost?", "8 euro",
			[]string{"What is the price of a guided tour?", "How expensive is a guided tour?", "A guided tour costs how much?"}},
		{"last", "tours.pdf", "How long does the harbour tour last?", "45 minutes",
			[]string{"What is the duration of the harbour tour?", "How many minutes does the harbour tour last?"}},
		{"passive", "manual.pdf", "How often must the wick be trimmed?", "every 3 weeks",
			[]string{"How often must I trim the wick?", "Trimming the wick: how often?", "The wick: how often must it be trimmed?", "The wick must be trimmed how often?"}},
		{"who", "club.docx", "Who washes the sails?", "the youngest",
			[]string{"Which person washes the sails?", "Whose task is it to wash the sails?", "Washing the sails: who does it?"}},
		{"why", "club.docx", "Why are dogs forbidden?", "because of the geese",
			[]string{"What is the reason that dogs are forbidden?", "How come dogs are forbidden?"}},
		{"people", "club.docx", "Until when must members pay the fee?", "31 January",
			[]string{"Until when must I pay the fee?"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			fact := dataset.Fact{DocID: test.doc, Question: test.question, Answer: test.answer}
			got := questions.Reword(fact, 100)
			assert.Subset(t, got, test.want)
			assert.Equal(t, got[:5], questions.Reword(fact, 5), "the same, and the most different first")
			fact.Questions = got
			assert.Len(t, fact.Wordings(), len(got)+1, "each is new")
		})
	}
}

// What a question names is named in each wording.
func TestRewordKeepsNames(t *testing.T) {
	fact := dataset.Fact{DocID: "harbour.pdf", Question: "On which day does Ms Ferrow inspect crane 7 at Harbour North?", Answer: "Tuesday"}
	got := questions.Reword(fact, 50)
	require.Greater(t, len(got), 5)
	for _, q := range got {
		for _, name := range []string{"Ferrow", "7", "Harbour North"} {
			assert.Contains(t, q, name)
		}
		assert.True(t, strings.HasSuffix(q, "?") || strings.HasSuffix(q, "."), q)
	}
}

// The sentence that has the answer gives wordings of its own.
func TestRewordFromQuote(t *testing.T) {
	fact := dataset.Fact{DocID: "harbour.pdf", Question: "What is the time for hoisting the lamp?", Answer: "18:40", Quote: "The keeper lights the lamp at 18:40, and he leaves at noon."}
	assert.Contains(t, questions.Reword(fact, 60), "At what time does the keeper light the lamp?")
	assert.NotContains(t, strings.Join(questions.Reword(fact, 60), " "), "leave")
	german := dataset.Fact{DocID: "hafen.pdf", Question: "Wann ist Dienstbeginn?", Answer: "18:40 Uhr", Quote: "Der Wärter beginnt um 18:40 Uhr."}
	assert.Contains(t, questions.Reword(german, 60), "Um wie viel Uhr beginnt der Wärter?")
}

func TestRewordNothing(t *testing.T) {
	fact := dataset.Fact{DocID: "a.pdf", Question: "Mikor nyit a múzeum hétfőnként télen?", Answer: "kilenckor"}
	assert.Empty(t, questions.Reword(fact, 5), "no forms for Hungarian")
	assert.Empty(t, questions.Reword(dataset.Fact{DocID: "a.pdf", Question: "What is the fee?", Answer: "5 euro"}, 0))
}
