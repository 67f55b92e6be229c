package recipe

import (
	"github.com/docent-ml/docent/dataset"
	"github.com/docent-ml/docent/dataset/questions"
)

// languagesOf finds the language of each document by its questions.
func languagesOf(facts []dataset.GroundedFact) map[string]language {
	texts := map[string]string{}
	for _, f := range facts {
		texts[f.Source] += f.Question + "\n" + f.Answer + "\n"
	}
	out := map[string]language{}
	for source, text := range texts {
		out[source] = readLanguage(questions.Language(text))
	}
	return out
}
