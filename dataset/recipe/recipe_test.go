package recipe_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/dataset"
	"github.com/docent-ml/docent/dataset/questions"
	"github.com/docent-ml/docent/dataset/recipe"
)

func fact(source, question, answer, passage string, more ...string) dataset.GroundedFact {
	return dataset.GroundedFact{
		Fact:   dataset.Fact{DocID: source, Question: question, Answer: answer, Questions: more},
		Source: source, Passage: dataset.Passage{Source: source, Text: passage}, Found: passage != "",
	}
}

// facts are of a boat club and of a German library.
func facts() []dataset.GroundedFact {
	const club = "The Hollin Rowing Club meets on Tuesdays. Its boats are kept in shed B14.\nThe fee is 85 crowns a year. The coach is Mira Tolland."
	const library = "Die Stadtbücherei Ahlen öffnet um 9:30 Uhr. Bücher werden für 28 Tage ausgeliehen. Die Leitung hat Frau Osterkamp."
	return []dataset.GroundedFact{
		fact("club.md", "On which day does the Hollin Rowing Club meet?", "Tuesdays", club, "When do the members of Hollin get together?"),
		fact("club.md", "What is the yearly fee at Hollin?", "85 crowns", club),
		fact("club.md", "In which shed are the boats of Hollin kept?", "B14", club),
		fact("club.md", "Who coaches the rowers of Hollin?", "Mira Tolland", club),
		fact("bib.txt", "Wann öffnet die Stadtbücherei Ahlen?", "9:30 Uhr", library),
		fact("bib.txt", "Wie lange darf man Bücher in Ahlen ausleihen?", "28 Tage", library),
		fact("bib.txt", "Wer leitet die Bücherei in Ahlen?", "Frau Osterkamp", library),
		fact("bib.txt", "Was kostet der Ausweis in Ahlen?", "nichts", ""),
	}
}

func kinds(rows []dataset.Row) map[string][]dataset.Row {
	out := map[string][]dataset.Row{}
	for _, r := range rows {
		out[r.Meta["kind"]] = append(out[r.Meta["kind"]], r)
	}
	return out
}

func content(r dataset.Row, role string) string {
	for _, m := range r.Messages {
		if m.Role == role {
			return m.Content
		}
	}
	return ""
}

func TestRows(t *testing.T) {
	all := facts()
	rows, err := recipe.Recipe{Closed: 4, Open: 2, Swapped: 2, Elsewhere: 1.5, Unknown: 4, General: 2, Sentences: true}.Rows(0, all, recipe.Answered([]string{"Hello!", "Why?"}, []string{"Hi.", " "}))
	require.NoError(t, err)
	by := kinds(rows)
	assert.Len(t, by[recipe.Closed], 4*len(all))
	assert.GreaterOrEqual(t, len(by[recipe.Open]), 2*7)
	assert.Len(t, by[recipe.General], 2, "an empty answer teaches nothing")
	assert.InDelta(t, 1.5*(7+7), len(by[recipe.Elsewhere]), 6, "of each fact's passage and of the one with another value")
	assert.NotEmpty(t, by[recipe.Swapped])
	assert.InDelta(t, 4*len(all), len(by[recipe.Unknown]), 2)

	find := func(row dataset.Row) (out []dataset.GroundedFact) {
		for _, f := range all {
			if f.Source == row.Source {
				out = append(out, f)
			}
		}
		return out
	}
	for _, row := range rows {
		require.NoError(t, row.Validate())
	}
	for i, row := range by[recipe.Closed] {
		assert.True(t, all[i/4].In(content(row, "assistant")), row)
	}
	assert.Equal(t, "The fee is 85 crowns a year.", content(by[recipe.Closed][4], "assistant"), "the sentence says it, not the value alone")
	assert.Equal(t, "nichts", content(by[recipe.Closed][len(by[recipe.Closed])-1], "assistant"), "no sentence is known")
	for _, row := range by[recipe.Open] {
		passage := content(row, "system")
		assert.True(t, slices.ContainsFunc(find(row), func(f dataset.GroundedFact) bool {
			return f.Found && f.In(content(row, "assistant")) && f.In(passage)
		}), row)
	}
	for _, row := range by[recipe.Swapped] {
		said := content(row, "assistant")
		assert.Contains(t, content(row, "system"), said, "what is in front of the model is right")
		assert.False(t, slices.ContainsFunc(find(row), func(f dataset.GroundedFact) bool { return recipe.Statement(f) == said }), "%s is what the document says", said)
	}
	for _, row := range slices.Concat(by[recipe.Elsewhere], by[recipe.Unknown]) {
		said := content(row, "assistant")
		assert.Regexp(t, "not|nichts|nicht", said)
		for _, f := range all {
			assert.NotEqual(t, f.Question, content(row, "user")+map[bool]string{true: "!"}[row.Meta["kind"] == recipe.Elsewhere])
		}
	}
}

func TestRowsDependOnTheirFactAndSeedAlone(t *testing.T) {
	r := recipe.Recipe{Closed: 6, Open: 1, Swapped: 1}
	all, err := r.Rows(0, facts(), nil)
	require.NoError(t, err)
	again, err := r.Rows(0, facts(), nil)
	require.NoError(t, err)
	assert.Equal(t, all, again)
	fewer, err := r.Rows(0, facts()[:4], nil)
	require.NoError(t, err)
	for _, kind := range []string{recipe.Closed, recipe.Open} {
		for i, row := range kinds(fewer)[kind] {
			assert.Equal(t, kinds(all)[kind][i].Messages, row.Messages)
		}
	}
	other, err := r.Rows(1, facts(), nil)
	require.NoError(t, err)
	assert.NotEqual(t, all, other)
}

func TestValues(t *testing.T) {
	rows, err := recipe.Recipe{Closed: 1}.Rows(0, facts(), nil)
	require.NoError(t, err)
	for i, f := range facts() {
		assert.Equal(t, f.Answer, content(rows[i], "assistant"))
	}
}

func TestWordingsAreDifferent(t *testing.T) {
	rows, err := recipe.Recipe{Closed: 8}.Rows(0, facts()[:1], nil)
	require.NoError(t, err)
	assert.Equal(t, "On which day does the Hollin Rowing Club meet?", content(rows[0], "user"))
	assert.Equal(t, "When do the members of Hollin get together?", content(rows[1], "user"))
	different := map[string]bool{}
	for _, row := range rows {
		different[content(row, "user")] = true
	}
	assert.GreaterOrEqual(t, len(different), 5)
}

// People leave out what they have in mind. Two documents that then answer the same question keep their names.
func TestTheNameIsLeftOut(t *testing.T) {
	two := []dataset.GroundedFact{
		fact("a.txt", "What is the fee of the Hollin Club?", "85 crowns", ""), fact("a.txt", "Who coaches the rowers at Hollin?", "Mira Tolland", ""),
		fact("a.txt", "Where does Hollin meet?", "in the boathouse", ""),
		fact("b.txt", "What is the fee of the Brandt Club?", "40 crowns", ""), fact("b.txt", "Who tunes the organ of Brandt?", "Ada Quist", ""),
	}
	for i := range two {
		two[i].Questions = []string{"Tell me: " + two[i].Question}
	}
	asked := map[string]bool{}
	for seed := range uint64(20) {
		rows, err := recipe.Recipe{Closed: 2}.Rows(seed, two, nil)
		require.NoError(t, err)
		for _, r := range rows {
			asked[content(r, "user")] = true
		}
	}
	assert.True(t, asked["Who coaches the rowers at Hollin?"])
	assert.True(t, asked["Tell me: Who coaches the rowers?"])
	assert.True(t, asked["Tell me: Who tunes the organ?"])
	assert.True(t, asked["Tell me: Where does Hollin meet?"], "without a preposition it stays")
	assert.False(t, asked["Tell me: What is the fee?"], "there are two fees")
}

func TestSwap(t *testing.T) {
	for i, f := range facts()[:7] {
		for seed := range uint64(20) {
			s, ok := recipe.SwapFor(f, facts(), seed)
			if !ok {
				assert.Failf(t, "not swapped", "fact %d", i)
				break
			}
			assert.Contains(t, s.Statement, s.Answer)
			assert.Contains(t, s.Passage, s.Statement)
			assert.False(t, dataset.Contains(s.Statement, f.Answer), "%s still says %s", s.Statement, f.Answer)
		}
	}
	_, ok := recipe.SwapFor(facts()[7], facts(), 1)
	assert.False(t, ok, "without a passage nothing can be swapped")
}

func TestStatement(t *testing.T) {
	for passage, want := range map[string]string{
		"Doors open at 9. The fee is 85 crowns. Ask Mr. Lund.":                                           "The fee is 85 crowns.",
		"Fees\nAdults 85 crowns\nChildren 40 crowns\n":                                                   "Adults 85 crowns",
		"The fee, which was set in\nthe spring, is 85 crowns\nfor all.":                                  "The fee, which was set in the spring, is 85 crowns for all.",
		"A fine of 85 crowns is due for lost keys. The yearly fee of the club is 85 crowns. It is paid.": "The yearly fee of the club is 85 crowns.",
		strings.Repeat("and so on ", 40) + "85 crowns":                                                   "",
	} {
		assert.Equal(t, want, recipe.Statement(fact("a", "What is the yearly fee of the club?", "85 crowns", passage)), passage)
	}
	f := fact("a", "What is the fee?", "85 crowns", "The fee is 85 crowns. It is paid in May.")
	f.Quote = "fee is 85 crowns"
	assert.Equal(t, "fee is 85 crowns", recipe.Statement(f), "what the fact quotes is taken")
}

func TestUnanswerableIsNotTrainedOn(t *testing.T) {
	rows, err := recipe.Recipe{Unknown: 30}.Rows(0, facts(), nil)
	require.NoError(t, err)
	trained := map[string]bool{}
	for _, r := range rows {
		trained[content(r, "user")] = true
	}
	held := recipe.Unanswerable(facts(), 20, 3)
	require.Greater(t, len(held), 15)
	for _, f := range held {
		assert.False(t, trained[f.Question], f.Question)
	}
	// What the document has is no attribute that it lacks.
	for _, f := range held {
		assert.NotContains(t, f.Question, "Who coaches the rowers of Hollin?")
	}
}

func TestUnknownThingsAreLikeThoseThatAreThere(t *testing.T) {
	const town = "The red bin is emptied every Tuesday and the blue bin every second Friday. Rubble costs 12 crowns at gate B4."
	list := []dataset.GroundedFact{
		fact("town.md", "When is the red bin emptied?", "every Tuesday", town), fact("town.md", "What does rubble cost at gate B4?", "12 crowns", town),
	}
	rows, err := recipe.Recipe{Unknown: 60}.Rows(1, list, nil)
	require.NoError(t, err)
	bins, gates := map[string]bool{}, map[string]bool{}
	for _, r := range rows {
		q := content(r, "user")
		if colour, ok := strings.CutPrefix(q, "When is the "); ok && strings.HasSuffix(q, " bin emptied?") {
			bins[strings.TrimSuffix(colour, " bin emptied?")] = true
		}
		if gate, ok := strings.CutPrefix(q, "What does rubble cost at gate "); ok {
			gates[gate] = true
		}
	}
	assert.True(t, bins["green"] && bins["white"], bins)
	assert.False(t, bins["yellow"], "it is kept to evaluate with")
	assert.False(t, bins["red"] || bins["blue"], "the document knows these: %v", bins)
	assert.Greater(t, len(gates), 3)
	assert.False(t, gates["B4?"], gates)
}

// A name of two words stays one.
func TestNamesOfTwoWords(t *testing.T) {
	const text = "The lid has the order number 4711. The guarantee lasts 5 years."
	list := []dataset.GroundedFact{
		fact("kettle.md", "What is the order number of the lid of the Brellin Kettle?", "4711", text),
		fact("kettle.md", "How long does the guarantee of the Brellin Kettle last?", "5 years", text),
	}
	rows, err := recipe.Recipe{Unknown: 40}.Rows(1, list, nil)
	require.NoError(t, err)
	asked := ""
	for _, row := range rows {
		asked += content(row, "user") + "\n"
	}
	assert.Regexp(t, `(?:of|at|for|does) Brellin Kettle`, asked)
	assert.NotRegexp(t, `(?:of|at|for|does) Kettle`, asked)
}

func TestScaled(t *testing.T) {
	r := recipe.Recipe{Closed: 10, Open: 2, Swapped: 4, Elsewhere: 0.5, Unknown: 1, Practice: 2, General: 2}
	assert.Equal(t, recipe.Recipe{Closed: 5, Open: 1, Swapped: 2, Elsewhere: 0.25, Unknown: 0.5, Practice: 1, General: 2}, r.Scaled(0.5))
	assert.Equal(t, recipe.Recipe{Closed: 4, Open: 1, Swapped: 1, Elsewhere: 0.005, Unknown: 0.4, Practice: 0.02, General: 2}, r.Scaled(0.01))
	assert.Equal(t, r, r.Scaled(1))
	assert.Equal(t, 2, recipe.Recipe{Closed: 2}.Scaled(0.1).Closed, "no more than there were")
	assert.Zero(t, recipe.Recipe{Closed: 2}.Scaled(0.1).Open)
}

func TestFaults(t *testing.T) {
	for _, r := range []recipe.Recipe{{Closed: -1}, {Open: -1}, {Swapped: -1}, {Elsewhere: -0.5}, {Unknown: -1}, {Practice: -1}, {General: -1}} {
		_, err := r.Rows(0, facts(), nil)
		assert.ErrorIs(t, err, dataset.ErrOptions, fmt.Sprint(r))
	}
	_, err := recipe.Default().Rows(0, nil, nil)
	assert.ErrorIs(t, err, dataset.ErrEmpty)
}

func TestPractice(t *testing.T) {
	rows, err := recipe.Recipe{Practice: 4}.Rows(0, facts(), nil)
	require.NoError(t, err)
	texts, closed, spoken := map[string]int{}, 0, map[string]int{}
	for _, row := range rows {
		require.NoError(t, row.Validate())
		require.Equal(t, recipe.Practice, row.Meta["kind"])
		text, said := content(row, "system"), content(row, "assistant")
		spoken[questions.Language(text+content(row, "user"))]++
		if text == "" {
			closed++
		}
		if texts[text]++; regexp.MustCompile("not know|weiß ich nicht").MatchString(said) {
			assert.NotContains(t, text, said)
		} else {
			assert.Contains(t, text, said, "it is read there")
		}
	}
	assert.Len(t, rows, 4*closed)
	assert.Len(t, texts, closed+1)
	assert.Greater(t, spoken["en"], spoken["de"])
	assert.Greater(t, spoken["de"], len(rows)/8, "in the languages of the documents")
	all, err := recipe.Recipe{Practice: 1e6}.Rows(0, facts(), nil)
	require.NoError(t, err)
	assert.Greater(t, len(all), 4*140)
	assert.Less(t, len(all), 4*194)
}

func TestGeneralPrompts(t *testing.T) {
	prompts := recipe.GeneralPrompts()
	assert.Greater(t, len(prompts), 150)
	seen := map[string]bool{}
	for _, p := range prompts {
		assert.NotEmpty(t, p)
		assert.False(t, seen[p], "%s stands twice", p)
		seen[p] = true
	}
}
