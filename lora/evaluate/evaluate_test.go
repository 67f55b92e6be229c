package evaluate_test

import (
	"context"
	"errors"
	"iter"
	"math"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/dataset"
	"github.com/docent-ml/docent/dataset/recipe"
	"github.com/docent-ml/docent/lora/evaluate"
	"github.com/docent-ml/docent/serve"
)

func facts() []dataset.GroundedFact {
	const text = "The Hollin Rowing Club meets on Tuesdays. The fee is 85 crowns a year. The coach is Mira Tolland."
	var out []dataset.GroundedFact
	for _, f := range []dataset.Fact{
		{DocID: "club.md", Question: "On which day does Hollin meet?", Answer: "Tuesdays", Questions: []string{"When is Hollin together?", "Hollin meets when?"}},
		{DocID: "club.md", Question: "What is the fee at Hollin?", Answer: "85 crowns", Accept: []string{"85"}},
		{DocID: "club.md", Question: "Who coaches Hollin?", Answer: "Mira Tolland"},
	} {
		out = append(out, dataset.GroundedFact{Fact: f, Source: "club.md", Passage: dataset.Passage{Source: "club.md", Text: text}, Found: true})
	}
	return out
}

// model answers by a function.
type model func(messages []dataset.Message) string

func (m model) Answer(ctx context.Context, messages []dataset.Message, _ int) (evaluate.Reply, error) {
	return evaluate.Reply{Text: m(messages), Tokens: 4, FirstToken: time.Millisecond}, ctx.Err()
}

// answerOf is what one case is judged by.
func answerOf(t *testing.T, s evaluate.Suite, p evaluate.Part, reply string) evaluate.Answer {
	t.Helper()
	r, err := evaluate.Run(t.Context(), model(func([]dataset.Message) string { return reply }), s, evaluate.Options{})
	require.NoError(t, err)
	for _, a := range r.Answers {
		if a.Part == p {
			return a
		}
	}
	t.Fatalf("nothing was asked of %s", p)
	return evaluate.Answer{}
}

func TestJudge(t *testing.T) {
	one := evaluate.Suite{Facts: facts()[1:2]}
	one.Swapped = []evaluate.SwappedFact{{Fact: 0, Question: "What is the fee?", Passage: "The fee is 90 crowns.", Answer: "90 crowns", Stale: "85 crowns"}}
	one.Unanswerable = []evaluate.Unanswered{{DocID: "club.md", Question: "Who owns Hollin's shed 12?"}}
	one.General = []evaluate.GeneralPrompt{{Prompt: "Name two colours.", Check: &evaluate.Check{AtLeast: &evaluate.AtLeast{N: 2, Words: []string{"red", "blue"}}, MaxWords: 5}}}
	for _, test := range []struct {
		part  evaluate.Part
		reply string
		right bool
	}{
		{evaluate.AsWritten, "It costs 85 CROWNS a year.", true},
		{evaluate.AsWritten, "85", true},
		{evaluate.AsWritten, "It is 185 crowns.", false},
		{evaluate.AsWritten, "It is 8.85 or so.", false},
		{evaluate.AsWritten, "", false},
		{evaluate.Swapped, "90 crowns.", true},
		{evaluate.Swapped, "85 crowns, now 90 crowns.", false},
		{evaluate.Swapped, "85 crowns.", false},
		{evaluate.Unanswerable, "I do not know. The documents do not say.", true},
		{evaluate.Unanswerable, "I don’t know who owns shed 12.", true},
		{evaluate.Unanswerable, "Das ist in den Unterlagen nicht angegeben.", true},
		{evaluate.Unanswerable, "Je ne sais pas.", true},
		{evaluate.Unanswerable, "No lo sé.", true},
		{evaluate.Unanswerable, "Δεν γνωρίζω.", true},
		{evaluate.Unanswerable, "Non lo so.", true},
		{evaluate.Unanswerable, "I do not know, perhaps 3 people.", false},
		{evaluate.Unanswerable, "The documents do not say, but the fee is 85 crowns.", false},
		{evaluate.Unanswerable, "Mira Tolland owns it.", false},
		{evaluate.General, "Red and blue.", true},
		{evaluate.General, "Red and redder.", false},
		{evaluate.General, "Red and blue are two colours of the many.", false},
	} {
		assert.Equal(t, test.right, answerOf(t, one, test.part, test.reply).OK, "%s: %s", test.part, test.reply)
	}
	assert.False(t, answerOf(t, one, evaluate.AsWritten, "The documents do not say that.").Knows)
	assert.True(t, answerOf(t, one, evaluate.AsWritten, "It is not 90 but 85 crowns.").Knows)
}

func TestEveryIgnoranceThatIsTaughtIsSeen(t *testing.T) {
	rows, err := recipe.Recipe{Unknown: 40}.Rows(1, facts(), nil)
	require.NoError(t, err)
	for _, row := range rows {
		said := row.Messages[len(row.Messages)-1].Content
		s := evaluate.Suite{Facts: facts(), Unanswerable: []evaluate.Unanswered{{Question: row.Messages[0].Content}}}
		assert.True(t, answerOf(t, s, evaluate.Unanswerable, said).OK, said)
	}
}

func TestChecks(t *testing.T) {
	s := evaluate.Suite{General: evaluate.DefaultGeneral()}
	require.Greater(t, len(s.General), 50)
	trained := recipe.GeneralPrompts()
	for _, g := range s.General {
		assert.NotContains(t, trained, g.Prompt, "what is trained on measures nothing")
		assert.NotEqual(t, evaluate.Check{}, *g.Check, "%s passes with anything", g.Prompt)
		assert.False(t, answerOf(t, evaluate.Suite{General: []evaluate.GeneralPrompt{g}}, evaluate.General, "le mardi").OK, g.Prompt)
	}
	for reply, right := range map[string]bool{
		`Here: {"title": "x", "year": 1}`: true,
		`{"title": "x"}`:                  false,
		"no object":                       false,
	} {
		g := evaluate.GeneralPrompt{Prompt: "?", Check: &evaluate.Check{JSONKeys: []string{"title", "year"}}}
		assert.Equal(t, right, answerOf(t, evaluate.Suite{General: []evaluate.GeneralPrompt{g}}, evaluate.General, reply).OK, reply)
	}
}

func TestSuite(t *testing.T) {
	kept, held := evaluate.HoldBack(facts())
	require.Equal(t, []evaluate.Rewording{{Fact: 0, Question: "Hollin meets when?"}}, held)
	assert.Equal(t, []string{"When is Hollin together?"}, kept[0].Questions)
	assert.Len(t, facts()[0].Questions, 2, "the facts of the caller are as they were")

	s := evaluate.Suite{Facts: kept, Reworded: held}.Complete(7)
	assert.Equal(t, s, evaluate.Suite{Facts: kept, Reworded: held}.Complete(7))
	count := map[evaluate.Part]int{}
	for _, c := range s.Cases() {
		count[c.Part]++
		require.NotEmpty(t, c.Question())
	}
	for _, p := range evaluate.Parts() {
		assert.NotZero(t, count[p], p)
	}
	assert.Equal(t, 1, count[evaluate.RewordedPassage])

	for _, c := range s.Limit(1).Cases() {
		count[c.Part] = 0
	}
	for _, c := range s.Limit(1).Cases() {
		count[c.Part]++
	}
	assert.Equal(t, 1, count[evaluate.AsWritten])
	assert.Equal(t, 1, count[evaluate.Swapped])

	_, err := evaluate.Run(t.Context(), model(nil), evaluate.Suite{}, evaluate.Options{})
	assert.ErrorIs(t, err, dataset.ErrEmpty)
}

func TestOpen(t *testing.T) {
	dir := fstest.MapFS{
		"facts.jsonl":        {Data: []byte("{\"doc_id\":\"gone.md\",\"question\":\"x\",\"answer\":\"y\"}\n" + `{"doc_id":"club.md","question":"What is the fee at Hollin?","answer":"85 crowns"}` + "\n")},
		"reworded.jsonl":     {Data: []byte(`{"fact":0,"question":"of a document that is not here"}` + "\n" + `{"fact":1,"question":"How much is it?"}` + "\n")},
		"unanswerable.jsonl": {Data: []byte(`{"doc_id":"club.md","question":"Who owns it?","kind":"attribute"}` + "\n")},
		"general.jsonl":      {Data: []byte(`{"prompt":"2 + 2?","check":{"any":["4"],"at_least":[1,["4"]]}}` + "\n")},
	}
	var grounded []dataset.GroundedFact
	passages := func(yield func(dataset.Passage, error) bool) { yield(facts()[0].Passage, nil) }
	for f, err := range dataset.Ground(t.Context(), dataset.ReadFile[dataset.Fact](dir, "facts.jsonl"), passages) {
		if err == nil {
			grounded = append(grounded, f)
		}
	}
	s, err := evaluate.Open(dir, grounded)
	require.NoError(t, err)
	assert.Equal(t, []evaluate.Rewording{{Fact: 0, Question: "How much is it?"}}, s.Reworded, "the row of the file is found again")
	assert.Len(t, s.Unanswerable, 1)
	require.Len(t, s.General, 1)
	assert.Equal(t, 1, s.General[0].Check.AtLeast.N)

	dir["swapped.jsonl"] = &fstest.MapFile{Data: []byte("not JSON\n")}
	_, err = evaluate.Open(dir, grounded)
	assert.ErrorContains(t, err, "swapped.jsonl:1")
}

func TestRunIsOrderedAndGoesOn(t *testing.T) {
	s := evaluate.Suite{Facts: facts()}.Complete(1)
	asked := make(chan string, 1000)
	echo := model(func(m []dataset.Message) string { asked <- m[len(m)-1].Content; return "It is Mira Tolland." })
	first, err := evaluate.Run(t.Context(), echo, s, evaluate.Options{Concurrent: 3})
	require.NoError(t, err)
	for i, c := range s.Cases() {
		assert.Equal(t, c.Messages, first.Answers[i].Messages)
	}
	n := len(asked)
	_, err = evaluate.Run(t.Context(), echo, s, evaluate.Options{Known: first.Answers[:10]})
	require.NoError(t, err)
	assert.Equal(t, n-10, len(asked)-n, "ten are known")

	down := errors.New("down")
	part, err := evaluate.Run(t.Context(), failing{down}, s, evaluate.Options{})
	assert.ErrorIs(t, err, down)
	assert.Empty(t, part.Answers)
}

type failing struct{ err error }

func (f failing) Answer(context.Context, []dataset.Message, int) (evaluate.Reply, error) {
	return evaluate.Reply{}, f.err
}

func TestSharesAndWhatTheBaseKnew(t *testing.T) {
	s := evaluate.Suite{Facts: facts(), General: []evaluate.GeneralPrompt{
		{Prompt: "a", Check: &evaluate.Check{Any: []string{"yes"}}}, {Prompt: "b", Check: &evaluate.Check{Any: []string{"yes"}}}}}
	answers := func(by map[string]string) *evaluate.Result {
		r, err := evaluate.Run(t.Context(), model(func(m []dataset.Message) string { return by[m[len(m)-1].Content] }), s, evaluate.Options{})
		require.NoError(t, err)
		return r
	}
	base := answers(map[string]string{"a": "yes", "Who coaches Hollin?": "Mira Tolland"})
	tuned := answers(map[string]string{"b": "yes", "Who coaches Hollin?": "Mira Tolland", "What is the fee at Hollin?": "85 crowns"})
	assert.Equal(t, 2, tuned.Share(evaluate.AsWritten).Right)
	learned := tuned.Against(base)
	assert.Equal(t, "as written 1 of 2 (50 %, 0 to 100)", learned.Share(evaluate.AsWritten).String())
	assert.Equal(t, 0, learned.Share(evaluate.General).Right)
	assert.Equal(t, 1, learned.Share(evaluate.General).Of, "what the base got wrong cannot be forgotten")
	assert.InDelta(t, 2.0/3, tuned.Metrics()["eval/as_written"], 1e-9)
	share := tuned.Share(evaluate.AsWritten)
	assert.True(t, share.Low < share.Value() && share.Value() < share.High, share)
}

// served is a serve.Model that says a number of words.
type served struct{ words []string }

func (served) Info() serve.Info { return serve.Info{} }

func (s served) Generate(_ context.Context, r serve.Request) iter.Seq2[serve.Delta, error] {
	return func(yield func(serve.Delta, error) bool) {
		if r.Echo { // of a word in two and of one in eight, behind one that nothing predicts
			yield(serve.Delta{Start: &serve.Start{EchoTokens: []serve.TokenLogprob{{Logprob: math.NaN()}, {Logprob: -math.Ln2}, {Logprob: -3 * math.Ln2}}}}, nil)
			return
		}
		for _, w := range s.words[:min(len(s.words), r.MaxTokens)] {
			if !yield(serve.Delta{Text: w, Sampled: 1}, nil) {
				return
			}
		}
	}
}

func TestServed(t *testing.T) {
	m := evaluate.Served(served{[]string{"One.", " Two.", " Three", " four", " five"}})
	got, err := evaluate.AnswerAll(t.Context(), m, []string{"a", "b"}, 4, 2, nil)
	require.NoError(t, err)
	assert.Equal(t, []string{"One. Two.", "One. Two."}, got, "what was cut ends with its last sentence")
	got, err = evaluate.AnswerAll(t.Context(), m, []string{"a"}, 9, 2, nil)
	require.NoError(t, err)
	assert.Equal(t, []string{"One. Two. Three four five"}, got)
	speed, err := evaluate.Measure(t.Context(), m, evaluate.Suite{Facts: facts()}, 2, 3)
	require.NoError(t, err)
	assert.Positive(t, speed.TokensPerSecond)
	assert.Positive(t, speed.FirstTokenP95)
	assert.Contains(t, speed.Metrics(), "eval/p95_first_token_2_clients")
}

func TestPerplexity(t *testing.T) {
	got, err := evaluate.Perplexity(t.Context(), served{}, evaluate.Prose())
	require.NoError(t, err)
	assert.InDelta(t, 4, got, 1e-9, "the geometric mean of 2 and 8")
	_, err = evaluate.Perplexity(t.Context(), served{}, nil)
	assert.ErrorContains(t, err, "does not tell")
}
