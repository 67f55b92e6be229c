package questions_test

import (
	"strings"
	"testing"
	"unicode"

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
			[]string{"Which quorum applies to ABC12?", "Quorum ABC12?", "Is it written anywhere what the quorum of ABC12 is?"}},
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
			got := questions.Reword(fact, 1000)
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

// Rules of each language: articles, cases and the place of the verb.
func TestRewordGrammar(t *testing.T) {
	for _, test := range []struct {
		question, answer, quote string
		want                    []string
		not                     string // of no wording
	}{
		{"Where is the deposit for a hired boat returned?", "at the pier", "", []string{
			"The security for a hired boat: where is it brought back?"}, "taken on"},
		{"What is the price of an exam at Port Hale?", "12 euro", "", []string{"What do they say about the cost of an examination at Port Hale?"}, " a exam"},
		{"How much does the 'Late fee and charge' rule cost?", "2 euro", "", []string{"How expensive is the 'Late fee and charge' rule?"}, "Late charge"},
		{"How long is a day ticket valid on Saturdays?", "24 hours", "", []string{"What period is set during which a day ticket is valid on Saturdays?"}, "each day"},
		{"What glove is worn for hot work?", "a leather glove", "", []string{"What kind of glove is worn for hot work?"}, ""},
		{"When was the club founded?", "1911", "", []string{"What is the time when the club was founded?"}, "club is"},
		{"Who may vote?", "members over 16", "", []string{"Who has the right to vote?"}, ""},
		{"Why are dogs not allowed?", "because of the geese", "", []string{"Dogs not allowed?"}, "Dogs allowed?"},
		{"Wer repariert die Heizung im Ulmenhof?", "der Hausmeister", "", []string{"Wer ist es, der die Heizung im Ulmenhof repariert?"}, "gesetzt"},
		{"Combien de temps dure la visite à Montclair ?", "2 ans", "", []string{"Combien d'ans dure la visite à Montclair ?"}, "nombre de temps"},
		{"Who signs the lease?", "the owner", "", []string{"Which person signs the rental contract?"}, "signs the lease contract"},
		{"Wer leitet den alten Sportverein in Neuhof?", "Eva Brandt", "", []string{"Unter wessen Leitung steht der alte Sportverein in Neuhof?", "Wer ist für den alten Sportverein in Neuhof verantwortlich?"}, "steht den"},
		{"Wie teuer ist der große Saal, wenn man ihn am Abend mietet?", "90 Euro", "", []string{"Ich möchte wissen, wie teuer der große Saal ist, wenn man ihn am Abend mietet."}, ""},
		{"Wie viele Gäste nimmt das Heim in Neuhof an?", "12", "", []string{"Ich muss herausfinden, wie viele Gäste das Heim in Neuhof annimmt."}, "an nimmt"},
		{"Wo ist der Schlüssel für die Garage?", "im Büro", "", []string{"Wo finde ich den Schlüssel für die Garage?"}, "finde ich der"},
		{"Combien de livres peut-on emprunter à Montclair ?", "8 livres", "", []string{"Combien d'ouvrages peut-on prendre à Montclair ?", "Pouvez-vous me dire combien de livres on peut prendre à Montclair ?"}, "de ouvrages"},
		{"Quand la salle est-elle ouverte à Montclair ?", "le lundi", "", []string{"Dites-moi quand la salle est accessible à Montclair."}, " elle est"},
		{"¿Quién es el propietario de la vivienda?", "Ana Ríos", "", []string{"¿Conoce usted al dueño del piso?", "Soy nuevo aquí. ¿Quién es el dueño del piso?"}, " a el "},
		{"Πόσο κοστίζει η κάρτα μέλους;", "4 ευρώ", "", []string{"Πόσα χρήματα χρειάζονται για την κάρτα μέλους;"}, "για η"},
		{"Wie hoch ist die Tragkraft des alten Regals?", "80 kg", "", []string{"Wie viele Kilo hält das aus beim alten Regal?"}, "aus des"},
		{"Bis wann muss man das Formular abgeben?", "31. Mai", "", []string{"Wie lange habe ich noch Zeit, das Formular abzugeben?"}, "zu abgeben"},
		{"Wie hoch ist die Gebühr für einen Ersatzausweis?", "8 Euro", "", []string{"Mir ist der Ausweis kaputtgegangen. Was kostet mich ein neuer?"}, ""},
		{"Wie lange dürfen Boote am Steg liegen?", "48 Stunden", "", []string{"Wie viel Zeit ist vorgesehen, in der Boote am Steg liegen dürfen?"}, ""},
		{"Quel est le poids maximal de la remorque ?", "750 kg", "", []string{"Jusqu'à quel poids puis-je charger pour la remorque ?"}, "charger de la"},
		{"Jusqu'à quand peut-on annuler une réservation ?", "la veille", "", []string{"Est-ce encore possible d'annuler une réservation, et jusqu'à quel jour ?"}, " de annuler"},
		{"¿Hasta cuándo se puede cancelar la reserva?", "el 3 de mayo", "", []string{"¿A partir de cuándo es tarde para cancelar la reserva?"}, ""},
		{"Τι ώρα κλείνει το μουσείο;", "στις 17:00", "", []string{"Πότε με βγάζουν έξω: το μουσείο;"}, ""},
		{"How much does a replacement pass cost?", "15 euro", "", []string{"My pass is broken or gone. What does another set me back?"}, "a my"},
		{"What is the charge for a second suitcase?", "35 euro", "", []string{"What comes onto my bill for a second suitcase?"}, "broken"},
		{"How long is the warranty on the motor?", "5 years", "", []string{"Until what age is the motor covered?"}, "What length"},
		{"How long is the pier?", "80 m", "", []string{"What length does the pier have?"}, "how much time"},
		{"What is the frame of the tent made of?", "aluminium", "", []string{"What did they use to make the frame of the tent?"}, "of do I"},
		{"How many bags may members of staff take?", "two", "", []string{"How many bags may I take?"}, "if I of"},
		{"Where can I pick up my new badge?", "at the gate", "", []string{"I need my new badge. Where do I go?"}, "to it possible"},
		{"Who pays for the repair of a drain?", "the tenant", "", []string{"Who foots the bill for the repair of a drain?"}, "for for"},
		{"What should I do if the lift is stuck?", "call the porter", "", []string{"The lift is stuck. What now?"}, ""},
		{"Why are dogs not allowed on the meadow?", "because of birds", "", []string{"What do they have against dogs on the meadow?"}, "dogs not are"},
		{"How many boats may the club keep?", "three", "The club may not keep more than three boats, of which Ms Orr owns two.", nil, "Orr"},
	} {
		t.Run(test.question, func(t *testing.T) {
			got := questions.Reword(dataset.Fact{DocID: "a.pdf", Question: test.question, Answer: test.answer, Quote: test.quote}, 1000)
			assert.Subset(t, got, test.want)
			if test.not != "" {
				assert.NotContains(t, strings.Join(got, "\n"), test.not)
			}
		})
	}
}

// What wordings promise of any fact, and how many of the longer words of a question they replace on the average: some in every
// language. The floors are a little below what was reached.
func TestRewordProperties(t *testing.T) {
	for _, test := range []struct {
		name   string
		facts  []dataset.Fact
		change float64
	}{
		{"en", []dataset.Fact{
			{DocID: "ferry-rules.pdf", Question: "How much luggage may a passenger take on the Corvane ferry?", Answer: "two bags", Quote: "A passenger may take two bags."},
			{DocID: "ferry-rules.pdf", Question: "When must passengers with a bicycle arrive at the Corvane ferry?", Answer: "20 minutes before departure"},
			{DocID: "brindle-hotel.pdf", Question: "Until when can guests cancel a booking at Hotel Brindle?", Answer: "48 hours before arrival"},
			{DocID: "brindle-hotel.pdf", Question: "Who repairs the appliances in the rooms of Hotel Brindle?", Answer: "Mr Voss"},
			{DocID: "tenancy.pdf", Question: "What is the fine for leaving rubbish in the corridor of House 7?", Answer: "30 euro", Quote: "The fine is 30 euro."},
			{DocID: "school.pdf", Question: "How often are pupils of Kilmore School examined by a doctor?", Answer: "every 2 years"},
		}, 0.35},
		{"de", []dataset.Fact{
			{DocID: "lindenhof.pdf", Question: "Wie hoch ist die Strafe für eine verlorene Eintrittskarte im Lindenhof?", Answer: "15 Euro"},
			{DocID: "lindenhof.pdf", Question: "Wer repariert kaputte Maschinen im Lindenhof?", Answer: "Herr Petzold"},
			{DocID: "lindenhof.pdf", Question: "Wie lange gilt die Garantie auf Ersatzteile im Lindenhof?", Answer: "2 Jahre"},
			{DocID: "lindenhof.pdf", Question: "Wo werden Bestellungen im Lindenhof abgeholt?", Answer: "im Büro"},
		}, 0.27},
		{"fr", []dataset.Fact{
			{DocID: "montclair.pdf", Question: "Combien coûte la cotisation annuelle à Montclair ?", Answer: "85 euros"},
			{DocID: "montclair.pdf", Question: "Qui est le président de l'association à Montclair ?", Answer: "Paul Verdier"},
			{DocID: "montclair.pdf", Question: "Combien de livres les lecteurs peuvent-ils emprunter à Montclair ?", Answer: "8 livres"},
		}, 0.35},
		{"es", []dataset.Fact{
			{DocID: "oliva.pdf", Question: "¿Cuánto cuesta el alquiler de una bicicleta en Casa Oliva?", Answer: "12 euros"},
			{DocID: "oliva.pdf", Question: "¿Quién es el propietario de la vivienda en Casa Oliva?", Answer: "Ana Ríos"},
			{DocID: "oliva.pdf", Question: "¿Dónde se entregan los documentos en Casa Oliva?", Answer: "en la oficina"},
		}, 0.3},
		{"el", []dataset.Fact{
			{DocID: "karya.pdf", Question: "Ποια είναι η προθεσμία για την παράδοση στην Καρυά;", Answer: "21 ημέρες"},
			{DocID: "karya.pdf", Question: "Πόσο κοστίζει η επισκευή της συσκευής στην Καρυά;", Answer: "40 ευρώ"},
		}, 0.3},
	} {
		t.Run(test.name, func(t *testing.T) {
			all := 0.0
			for _, fact := range test.facts {
				got := questions.Reword(fact, 8)
				require.Len(t, got, 8, fact.Question)
				assert.Equal(t, got, questions.Reword(fact, 8))
				assert.Equal(t, got[:3], questions.Reword(fact, 3))
				all += replaced(fact.Question, got)
				fact.Questions = got
				assert.Len(t, fact.Wordings(), 9, "none twice, and none the question")
			}
			mean := all / float64(len(test.facts))
			t.Logf("%.2f of the words are replaced", mean)
			assert.Greater(t, mean, test.change)
		})
	}
}

// replaced is the share of the longer words of a question, names aside, that a wording does not have; the mean of the wordings.
func replaced(question string, wordings []string) float64 {
	words := func(q string) map[string]bool {
		all := map[string]bool{}
		for w := range strings.FieldsFuncSeq(q, func(r rune) bool { return !unicode.IsLetter(r) }) {
			if runes := []rune(strings.ToLower(w)); len(runes) > 4 {
				all[string(runes[:5])] = true
			}
		}
		return all
	}
	asked, gone := words(question), 0
	for _, q := range wordings {
		has := words(q)
		for w := range asked {
			if !has[w] {
				gone++
			}
		}
	}
	return float64(gone) / float64(len(asked)*len(wordings))
}

// People call what a document is about by other words than its title, and heap those that may be in it.
func TestRewordAllNamesTheSubjectOtherwise(t *testing.T) {
	text := "The Brellin KL-20 kettle boils a litre in 3 minutes. Descale the kettle every 4 weeks. Brellin sells parts for the kettle."
	fact := dataset.GroundedFact{Fact: dataset.Fact{DocID: "brellin-kl20-kettle-manual-final.pdf", Question: "How often must the KL-20 be descaled?", Answer: "every 4 weeks"}, Found: true}
	fact.Passage.Text = text
	got, _, err := questions.RewordAll(t.Context(), []dataset.GroundedFact{fact}, questions.Options{Wordings: 1000})
	require.NoError(t, err)
	wordings := got[0].Questions
	assert.Regexp(t, "(?m)must my kettle be .*[?]$", strings.Join(wordings, "\n"))
	assert.Regexp(t, "(?m)(?:^Brellin| Brellin) kettle", strings.Join(wordings, "\n"))
	for _, q := range wordings {
		assert.NotContains(t, strings.ToLower(q), "final", "which the text does not have")
		assert.NotContains(t, strings.ToLower(q), "manual")
		assert.Regexp(t, "(?i)kl-20|kettle|brellin", q)
	}
	heaped := questions.Reword(dataset.Fact{DocID: "a.pdf", Question: "What is the salary of a trainee?", Answer: "900 euro"}, 1000)
	assert.Contains(t, heaped, "Salary wage trainee apprentice?")
}
