package recipe

import (
	_ "embed"
	"encoding/json"
	"strings"

	"github.com/docent-ml/docent/dataset"
)

//go:embed practice.jsonl
var practiceTexts string

// exercise is a text of nobody's documents with what people ask of it: invented, written by hand and in sight of no corpus. Its questions
// avoid the words of the text, as people do who have not seen it; those of a recipe are made from the words of the facts.
type exercise struct {
	Language     string
	Text         string
	Questions    [][2]string // with the answers, which stand in the text
	Unanswerable []string    // by the text
}

func exercises() (all []exercise) {
	for line := range strings.Lines(practiceTexts) {
		var e exercise
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			panic(err) // it is compiled in
		}
		all = append(all, e)
	}
	return all
}

// askedOfText is how many questions an exercise asks; more of one text would fill a step of the training.
const askedOfText = 2

// practice is n exercises in English and in the languages of the documents. Each asks two questions that its text answers and one
// that it does not, and another without any text.
func (k *kitchen) practice(n int) {
	if n == 0 {
		return
	}
	spoken := map[string]language{"en": readLanguage("en")}
	for _, l := range k.language {
		spoken[l.code] = l
	}
	var fit []exercise
	for _, e := range exercises() {
		if _, ok := spoken[e.Language]; ok {
			fit = append(fit, e)
		}
	}
	random, from := k.random(Practice, ""), dataset.GroundedFact{Source: Practice}
	for _, e := range dataset.Spread(fit, n) {
		for _, q := range random.Perm(len(e.Questions))[:askedOfText] {
			k.add(Practice, from, system(e.Text), user(e.Questions[q][0]), reply(e.Questions[q][1]))
		}
		unknown := reply(spoken[e.Language].unknown)
		k.add(Practice, from, system(e.Text), user(e.Unanswerable[0]), unknown)
		k.add(Practice, from, user(e.Unanswerable[1]), unknown)
	}
}
