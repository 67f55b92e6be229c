package dataset_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/dataset"
)

func factsFile(lines ...string) fstest.MapFS {
	return fstest.MapFS{"facts.jsonl": {Data: []byte(strings.Join(lines, "\n"))}}
}

func fact(doc, question, answer string) dataset.Fact {
	return dataset.Fact{DocID: doc, Question: question, Answer: answer}
}

func from(source string, texts ...string) []dataset.Passage {
	var passages []dataset.Passage
	for i, text := range texts {
		passages = append(passages, dataset.Passage{ID: fmt.Sprintf("%s#%d", source, i), Source: source, Text: text})
	}
	return passages
}

func TestGroundChoosesThePassage(t *testing.T) {
	for _, test := range []struct {
		name, question, answer string
		passages               []string
		want                   int // -1: not found
	}{
		{"the only one", "What is it?", "42", []string{"It is 41.", "It is 42.", "It is 43."}, 1},
		{"none", "What is it?", "44", []string{"It is 41.", "It is 42."}, -1},
		{"the words of the question decide", "What weight has the oral examination?", "40%",
			[]string{"The essay counts 40%. There is an oral part, and a written one.", "Oral examination 40%, essay 60%", "A resit of the examination: 40%"}, 1},
		{"nearness decides", "How many members has a group?", "three",
			[]string{"Groups: up to four. No work is taken after more than about three days, as every member of every group should well know", "No work after three days. Groups have three members."}, 1},
		{"rare words decide", "What is the pass mark of the course?", "50",
			[]string{"the mark of the course: 50", "the mark of the course", "the course of the mark", "of the course mark", "to pass: 50"}, 4},
		{"plurals", "In which weeks?", "7", []string{"7 days, in", "week 7"}, 1},
		{"codes stay whole", "Who teaches BIO21415?", "Lee", []string{"BIO21416: Lee", "BIO21415: Lee"}, 1},
		{"inflected words", "What are the prerequisites?", "none", []string{"Fee: none", "Prerequisite: none"}, 1},
		{"equals: the first", "What?", "x", []string{"a x", "a x"}, 0},
		{"whole words", "How many?", "5", []string{"15", "x5", "50%", "7.5", "5,000", "5:30", "only 5."}, 6},
		{"not inside a word", "Who?", "Ann", []string{"Annual", "Hann", "Ann's"}, 2},
		{"case", "Who?", "professor TARREL", []string{"Professor Tarrel"}, 0},
		{"white space", "What?", "18 October  2025", []string{"18\nOctober\u00a02025"}, 0},
		{"lost space", "What?", "6 ECTS", []string{"6ECTS"}, 0},
		{"punctuation", "What?", "5 points per day, up to four days", []string{"“5 points per day – up to four days”"}, 0},
		{"hyphenation", "What?", "by-catch quota", []string{"bycatch quo\u00adta"}, 0},
		{"ligatures and full width", "What?", "first office no. 12", []string{"ﬁrst oﬃce No. １２"}, 0},
		{"accents, composed or not", "Who?", "Öderquist, Müller", []string{"O\u0308derquist, Muller"}, 0},
		{"Greek", "Πότε;", "12 Δεκεμβρίου, Ιδεών", []string{"ΔΕΚΕΜΒΡΙΟΥ 12", "12 ΔΕΚΕΜΒΡΙΟΥ ιδεων"}, 1},
		{"final sigma", "Ποιος;", "Παύλος", []string{"ΠΑΥΛΟΣ"}, 0},
		{"Cyrillic", "Кто?", "Королёв", []string{"КОРОЛЕВ"}, 0},
		{"Chinese", "谁?", "王小明", []string{"老师是王小明。"}, 0},
		{"numbers keep their stops", "How much?", "3,000 words", []string{"3000 words", "3.000 words", "3,000 words"}, 2},
		{"symbols are words", "Which?", "C++", []string{"the C language", "the C# language", "the C++ language"}, 2},
		{"percent", "How much?", "50%", []string{"50 points", "50 %"}, 1},
		{"an answer without words", "Which sign?", "—", []string{"the — sign"}, -1},
		{"an answer cut in two", "Which?", "one two three", []string{"one two", "two three"}, -1},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := fact("a.pdf", test.question, test.answer)
			g := collect(t, dataset.Ground(t.Context(), values(f), values(from("docs/a.pdf", test.passages...)...)))
			require.Len(t, g, 1)
			assert.Equal(t, "docs/a.pdf", g[0].Source)
			assert.Equal(t, f, g[0].Fact)
			require.Equal(t, test.want >= 0, g[0].Found)
			if g[0].Found {
				assert.Equal(t, test.passages[test.want], g[0].Passage.Text)
			} else {
				assert.Equal(t, dataset.Passage{}, g[0].Passage)
			}
		})
	}
}

func TestGroundFindsTheDocument(t *testing.T) {
	passages := append(from("a.pdf", "answer of the top"), append(from("sub/a.pdf", "answer in sub"), from(`win\b.pdf`, "answer on Windows")...)...)
	facts := dataset.ReadFile[dataset.Fact](factsFile(
		`{"doc_id":"a.pdf","question":"q","answer":"answer"}`,
		`{"doc_id":"sub/a.pdf","question":"q","answer":"answer"}`,
		`{"doc_id":"b.pdf","question":"q","answer":"answer"}`,
		`{"doc_id":"c.pdf","question":"q","answer":"answer"}`,
		`{"doc_id":"a.pdf","question":"","answer":"answer"}`,
		`{"doc_id":"a.pdf","question":"r","answer":"nowhere"}`,
	), "facts.jsonl")
	got := described(dataset.Ground(t.Context(), facts, values(passages...)), func(g dataset.GroundedFact) string { return g.Passage.Text })
	assert.Equal(t, []string{
		"!facts.jsonl:5: bad row: question is empty",
		"answer of the top", "answer in sub", "answer on Windows",
		`!facts.jsonl:4: bad row: doc_id "c.pdf" is not the file name of a document that was read; those are a.pdf, b.pdf`,
		"",
	}, got)

	got = described(dataset.Ground(t.Context(), values(fact("a.pdf", "q", "x"), fact("A.pdf", "q", "x")), values(append(from("1/a.pdf", "x"), from("2/a.pdf", "x")...)...)), func(dataset.GroundedFact) string { return "" })
	assert.Equal(t, []string{
		`!bad row: doc_id "a.pdf" is the file name of 2 documents; give the path of one: ["1/a.pdf" "2/a.pdf"]`,
		`!bad row: doc_id "A.pdf" is not the file name of a document that was read; those are a.pdf`,
	}, got)
}

func TestGroundNamesSomeDocuments(t *testing.T) {
	var passages []dataset.Passage
	for i := range 20 {
		passages = append(passages, from(fmt.Sprintf("%02d.pdf", i), "x")...)
	}
	got := described(dataset.Ground(t.Context(), values(fact("x.pdf", "q", "x")), values(passages...)), func(dataset.GroundedFact) string { return "" })
	assert.Contains(t, got[0], "those are 00.pdf, 01.pdf, 02.pdf, 03.pdf, 04.pdf, 05.pdf, 06.pdf, 07.pdf and 12 more")
}

func TestGroundStops(t *testing.T) {
	one := fact("a.pdf", "q", "x")
	for _, test := range []struct {
		name     string
		facts    []dataset.Fact
		passages []string
		want     string
	}{
		{"no facts", nil, []string{"x"}, "empty dataset: no facts"},
		{"no passages", []dataset.Fact{one}, nil, "empty dataset: no passages"},
		{"passages fail", []dataset.Fact{one}, []string{"x", "!disk"}, "!disk"},
	} {
		t.Run(test.name, func(t *testing.T) {
			passages := mapped(items(test.passages...), func(s string) dataset.Passage { return dataset.Passage{Source: "a.pdf", Text: s} })
			n := 0
			for _, err := range dataset.Ground(t.Context(), values(test.facts...), passages) {
				n++
				require.ErrorContains(t, err, test.want)
				assert.Equal(t, strings.Contains(test.want, "empty dataset"), errors.Is(err, dataset.ErrEmpty))
			}
			assert.Equal(t, 1, n)
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range dataset.Ground(ctx, values(one), values(from("a.pdf", "x")...)) {
		require.ErrorIs(t, err, context.Canceled)
	}
}

// Passages of documents that no fact names are not kept.
func TestGroundKeepsWhatItNeeds(t *testing.T) {
	passages := append(from("other.pdf", "x"), append(from("a.pdf", "no"), append(from("third.pdf", "x"), from("a.pdf", "an x")...)...)...)
	g := collect(t, dataset.Ground(t.Context(), values(fact("a.pdf", "q", "x")), values(passages...)))
	assert.Equal(t, "an x", g[0].Passage.Text)
}

func TestFactWithWordings(t *testing.T) {
	file := factsFile(`{"doc_id":"a.pdf","question":"How long?","questions":["For how many days?"," how  LONG "],"answer":"5 days","accept":["5"],"passage":"It lasts 5 days."}`)
	f := collect(t, dataset.ReadFile[dataset.Fact](file, "facts.jsonl"))[0]
	assert.Equal(t, []string{"How long?", "For how many days?"}, f.Wordings())
	assert.Equal(t, []string{"5"}, f.Accept)
	assert.Equal(t, "It lasts 5 days.", f.Quote)

	passages := from("a.pdf", "How long, how long? 5 days.", "As always,\nit lasts\n5 days. Bring a coat.", "How long? 5 days.")
	g := collect(t, dataset.Ground(t.Context(), values(f), values(passages...)))
	assert.Equal(t, passages[1], g[0].Passage, "the quote goes before the words of the question")
	f.Quote = "This stands nowhere."
	g = collect(t, dataset.Ground(t.Context(), values(f), values(passages...)))
	assert.Equal(t, passages[0], g[0].Passage)

	f.Questions, f.Accept = []string{""}, []string{"x", " "}
	err := f.Validate()
	require.ErrorIs(t, err, dataset.ErrRow)
	assert.EqualError(t, err, "bad row: questions[0] is empty\nbad row: accept[1] is empty")
}

func TestGroundRefusesTwoAnswers(t *testing.T) {
	facts := dataset.ReadFile[dataset.Fact](factsFile(
		`{"doc_id":"a.pdf","question":"How much is the fee?","answer":"60 euro","accept":["60"]}`,
		`{"doc_id":"a.pdf","question":"how much is the Fee","answer":"60 Euro"}`,
		`{"doc_id":"a.pdf","question":"How much is the fee?","answer":"sixty","accept":["60"]}`,
		`{"doc_id":"a.pdf","question":"What does it cost?","questions":["How much is the fee?"],"answer":"70 euro"}`,
		`{"doc_id":"b.pdf","question":"How much is the fee?","answer":"80 euro"}`,
		`{"doc_id":"a.pdf","question":"What does it cost?","answer":"70 euro"}`,
	), "facts.jsonl")
	got := described(dataset.Ground(t.Context(), facts, values(append(from("a.pdf", "60"), from("b.pdf", "80")...)...)), func(g dataset.GroundedFact) string { return g.Answer })
	const advice = ": correct one, or name in each question what it is about"
	assert.Equal(t, []string{
		`!facts.jsonl:4: bad row: "How much is the fee?" is answered with "70 euro" here and with "60 euro" in line 1` + advice,
		`!facts.jsonl:5: bad row: "How much is the fee?" is answered with "80 euro" here and with "60 euro" in line 1` + advice,
		"60 euro", "60 Euro", "sixty", "70 euro",
	}, got)
	got = described(dataset.Ground(t.Context(), values(fact("a.pdf", "Who?", "Ann"), fact("a.pdf", "Who?", "Bob")), values(from("a.pdf", "Ann")...)), func(g dataset.GroundedFact) string { return g.Answer })
	assert.Equal(t, []string{`!bad row: "Who?" is answered with "Bob" here and with "Ann" in an earlier fact of a.pdf` + advice, "Ann"}, got)
}

func FuzzGround(f *testing.F) {
	f.Add("What is the pass mark?", "50 out of 100", "The pass mark is 50 out of 100.", "Other 50")
	f.Add("?", "%", "\xff%", "5%")
	f.Add("Ποιος;", "\u0301ς", "άς\u0301", "我")
	f.Fuzz(func(t *testing.T, question, answer, one, two string) {
		in := fact("a", question, answer)
		if in.Validate() != nil {
			return
		}
		g := collect(t, dataset.Ground(t.Context(), values(in), values(from("a", one, two)...)))
		require.Len(t, g, 1)
		if g[0].Found {
			require.Contains(t, []string{one, two}, g[0].Passage.Text)
		}
		// An answer is found in a text that quotes it, if it has any word, and case and white space around it are no matter.
		again := collect(t, dataset.Ground(t.Context(), values(in), values(from("a", "Quote: ( "+answer+" ) end")...)))
		whole := collect(t, dataset.Ground(t.Context(), values(in), values(from("a", answer)...)))
		require.Equal(t, whole[0].Found, again[0].Found)
	})
}
