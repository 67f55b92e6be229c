package questions_test

import (
	"context"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/dataset"
	"github.com/docent-ml/docent/dataset/questions"
)

func document(source, text string) questions.Document {
	return questions.Document{Source: source, Pages: strings.Split(text, "\f"), Passages: []dataset.Passage{{ID: source + "#0", Source: source, Text: text}}}
}

func asked(t *testing.T, docs ...questions.Document) (map[string]string, questions.Report) {
	t.Helper()
	facts, report, err := questions.FromDocuments(t.Context(), docs, questions.Options{})
	require.NoError(t, err)
	answers := map[string]string{}
	for _, f := range facts {
		require.True(t, f.Found)
		require.NoError(t, f.Validate())
		assert.Contains(t, strings.Join(strings.Fields(f.Passage.Text), " "), f.Answer, "word for word")
		assert.LessOrEqual(t, len(f.Wordings()), 14)
		answers[f.Question] = f.Answer
	}
	return answers, report
}

const club = `Rowing Club Aldermere
House rules

1. The boathouse
The boathouse is open from 06:00 to 21:30. It was built in 1911 by Edwin Sorley, who also painted the first oars.
Members pay a fee of 140 euro a year. The keys are kept by the warden, Paula Brink. She is in the
office on the first Monday of each month. Boats are rinsed every 3 days. Life jackets hang behind the red door.
Nobody may row alone because the current is strong.
Report damage within 24 hours. Guest boats may be up to 9 m long.

Boat	Length	Seats
Heron	8.2 m	2
Otter	11 m	4

Treasurer	Ms Lindqvist
Notice period	six weeks
`

func TestFromDocumentsEnglish(t *testing.T) {
	got, report := asked(t, document("aldermere-rules.pdf", club))
	assert.Equal(t, "Aldermere", report.Documents[0].Subject)
	assert.Empty(t, report.Documents[0].Silent)
	for question, answer := range map[string]string{
		"When is the boathouse open at Aldermere?":                   "from 06:00 to 21:30",
		"Who built the boathouse in 1911 at Aldermere?":              "Edwin Sorley",
		"When was the boathouse built by Edwin Sorley at Aldermere?": "1911",
		"What fee do members pay a year at Aldermere?":               "140 euro",
		"Who is the warden at Aldermere?":                            "Paula Brink",
		"On which day is Paula Brink in the office at Aldermere?":    "the first Monday of each month",
		"How often are boats rinsed at Aldermere?":                   "every 3 days",
		"Where do life jackets hang at Aldermere?":                   "behind the red door",
		"How long may guest boats be at Aldermere?":                  "9 m",
		"Within how many hours should I report damage at Aldermere?": "24 hours",
		"What is the length of Heron at Aldermere?":                  "8.2 m",
		"Who is the treasurer of Aldermere?":                         "Ms Lindqvist",
		"What is the notice period of Aldermere?":                    "six weeks",
	} {
		assert.Equal(t, answer, got[question], question)
	}
	if t.Failed() {
		t.Log(got)
	}
}

func TestFromDocumentsReports(t *testing.T) {
	hungarian := document("hu.txt", "A múzeum kedden és szerdán nyitva van. A jegy ára nyolcszáz forint, a diákoknak ingyenes.")
	silent := document("b.txt", "Out of the blue and into the red of it.")
	answers, report := asked(t, hungarian, silent)
	assert.Empty(t, answers)
	assert.Equal(t, "", report.Documents[0].Language)
	assert.Equal(t, []string{"b.txt#0"}, report.Documents[1].Silent)
	assert.Contains(t, report.String(), "hu.txt: no questions, its language has no question forms")

	// The same document twice: each question is asked once.
	_, report = asked(t, document("a.txt", club), document("b.txt", club))
	assert.Positive(t, report.Dropped["asked before"])

	_, _, err := questions.FromDocuments(t.Context(), []questions.Document{{Source: "c.txt", Pages: []string{"x"}}}, questions.Options{})
	assert.EqualError(t, err, "questions: c.txt has no passages: cut its text, or leave it out")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err = questions.FromDocuments(ctx, []questions.Document{silent}, questions.Options{})
	assert.ErrorIs(t, err, context.Canceled)
}

// The same little house rules in other languages.
func TestFromDocumentsLanguages(t *testing.T) {
	for _, test := range []struct {
		source, text, language string
		want                   map[string]string
	}{
		{"aldersee-hausordnung.docx", "Ruderclub Aldersee\nHausordnung\n\nDas Bootshaus ist von 6 Uhr bis 21 Uhr geöffnet. Die Mitglieder zahlen 140 Euro im Jahr. Die Schlüssel verwahrt die Bootswartin Paula Brink. " +
			"Die Boote werden alle 3 Tage gespült. Die Anmeldung muss bis zum 15. Mai erfolgen. Der Schuppen liegt neben dem Hafen. Kein Boot darf schwerer als 75 kg sein.\n\nBoot\tLänge\tPlätze\nReiher\t8 m\t2\nOtter\t11 m\t4\n\nKassenwart\tHerr Lindner\nKündigungsfrist\tsechs Wochen", "de",
			map[string]string{
				"Wie viel zahlen die Mitglieder im Jahr bei Aldersee?": "140 Euro",
				"Wer ist die Bootswartin bei Aldersee?":                "Paula Brink",
				"Wie oft werden die Boote gespült bei Aldersee?":       "alle 3 Tage",
				"Bis wann muss die Anmeldung erfolgen bei Aldersee?":   "15. Mai",
				"Wo liegt der Schuppen bei Aldersee?":                  "neben dem Hafen",
				"Wer ist Kassenwart von Aldersee?":                     "Herr Lindner",
				"Was gilt bei Reiher als Länge bei Aldersee?":          "8 m",
			}},
		{"aubrac-reglement.pdf", "Club d'aviron Aubrac\nRèglement intérieur\n\nLe hangar est ouvert à 6 h. La cotisation coûte 140 euros. Les bateaux sont rincés tous les 3 jours. Les clés sont gardées par Paula Brink. " +
			"L'inscription doit être faite avant le 15 mai. Les gilets sont rangés dans le placard rouge.\n\nTrésorière\tMme Lindet\nPréavis\tsix semaines", "fr",
			map[string]string{
				"Combien est-ce que la cotisation coûte à Aubrac ?":                     "140 euros",
				"À quelle fréquence est-ce que les bateaux sont rincés à Aubrac ?":      "tous les 3 jours",
				"Par qui est-ce que les clés sont gardées à Aubrac ?":                   "Paula Brink",
				"Avant quelle date est-ce que l'inscription doit être faite à Aubrac ?": "15 mai",
			}},
		{"alcornoque-reglamento.pdf", "Club de remo Alcornoque\nReglamento\n\nLa cuota cuesta 140 euros. Los botes se lavan cada 3 días. Los botes son lavados cada 3 días por el equipo. Las llaves son guardadas por Paula Brink. " +
			"La inscripción debe hacerse antes del 15 de mayo. El club tiene 214 socios.\n\nTesorera\tSra. Linares\nPreaviso\tseis semanas", "es",
			map[string]string{
				"¿Cuánto cuesta la cuota en Alcornoque?":                                 "140 euros",
				"¿Con qué frecuencia son los botes lavados por el equipo en Alcornoque?": "cada 3 días",
				"¿Por quién son las llaves guardadas en Alcornoque?":                     "Paula Brink",
				"¿Cuántos socios tiene el club en Alcornoque?":                           "214",
			}},
		{"omilos-alkyona.pdf", "Ναυτικός Όμιλος Αλκυόνα\nΚανονισμός\n\nΗ συνδρομή κοστίζει 140 ευρώ. Τα σκάφη καθαρίζεται κάθε 3 ημέρες. Η αίτηση υποβάλλεται έως τις 15 Μαΐου. Ο όμιλος έχει 12 σκάφες. Η Αλκυόνα είναι παλιός όμιλος.\n\nΤαμίας\tη κα Λεβέντη\n", "el",
			map[string]string{
				"Πόσο κοστίζει η συνδρομή στο Αλκυόνα;":        "140 ευρώ",
				"Έως πότε υποβάλλεται η αίτηση στο Αλκυόνα;":   "15 Μαΐου",
				"Πόσο συχνά καθαρίζεται τα σκάφη στο Αλκυόνα;": "κάθε 3 ημέρες",
				"Ποιος είναι ταμίας στο Αλκυόνα;":              "η κα Λεβέντη",
			}},
	} {
		t.Run(test.language, func(t *testing.T) {
			got, report := asked(t, document(test.source, test.text))
			assert.Equal(t, test.language, report.Documents[0].Language)
			for question, answer := range test.want {
				assert.Equal(t, answer, got[question], question)
			}
			if t.Failed() {
				for q, a := range got {
					t.Log(q, a)
				}
			}
		})
	}
}

// Whatever a document or a fact says, nothing panics, and what is said of the facts holds.
func FuzzFromDocuments(f *testing.F) {
	for _, text := range []string{club, "Der Verein hat 20 Mitglieder. Er zahlt.\n|a|b|\n|-|-|\n|1|2|", "La carte coûte 12 euros, ", "Η ", "¿El 5 de mayo? El club abre a las 8:00.", "a\tb\nc\td\te\n\f- the a of",
		"The club is big. Have copies ready at the desk, in April of each year.", "The club meets every week. The hall opens on Monday to.",
		"The club meets every week. The hall holds 5 or twenty-five people."} {
		f.Add(text, "What is the fee of the club?", "5 euro")
	}
	f.Fuzz(func(t *testing.T, text, question, answer string) {
		if !utf8.ValidString(text + question + answer) {
			return
		}
		facts, report, err := questions.FromDocuments(t.Context(), []questions.Document{document("a.txt", text)}, questions.Options{})
		if err != nil {
			t.Fatal(err)
		}
		_ = report.String()
		for _, fact := range facts {
			if !fact.Found || fact.Validate() != nil || len(fact.Wordings()) > 14 {
				t.Fatalf("%+v", fact)
			}
		}
		fact := dataset.Fact{DocID: "a.txt", Question: question, Answer: answer, Quote: text}
		if n := len(questions.Reword(fact, 7)); n > 7 {
			t.Fatal(n)
		}
	})
}
