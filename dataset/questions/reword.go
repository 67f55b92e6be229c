package questions

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/docent-ml/docent/dataset"
)

// Reword returns up to n other wordings of the question of a fact, the most different first: with another question word, as a
// phrase, with the subject in another place, with words of the same meaning, as people type into a search box, and made of
// the sentence that has the answer. None is one of the fact's own wordings; all ask the same thing. The language is that of
// the question; for one without question forms there are none. The same fact gives the same wordings.
//
// What is named stays named: a wording has the codes, numbers and names of the question.
func Reword(fact dataset.Fact, n int) []string { return reword(fact, "", n) }

// reword knows the text of the fact's document too, as far as there is one.
func reword(fact dataset.Fact, text string, n int) []string {
	l := detect(fact.Question + " " + fact.Question + " " + fact.Answer + " " + fact.Quote)
	if l == nil || n < 1 {
		return nil
	}
	r := rewording{language: l, fact: fact, subject: subjectIn(l, fact)}
	if r.called = r.otherNames(text); len(r.called) > 0 {
		r.named = regexp.MustCompile(`(?:\b[Tt]he )?(?:\p{Lu}\p{L}+ )?` + regexp.QuoteMeta(r.subject) + `( \p{L}+|$)`)
	}
	return l.choose(r.candidates(), fact.Wordings(), n)
}

// rewording makes wordings of one question.
type rewording struct {
	*language
	fact    dataset.Fact
	subject string            // how the question names what the document is about; may be empty
	called  []string          // other names of it
	named   *regexp.Regexp    // the subject as English writes it, with the word behind; where it has other names
	values  map[string]string // of slots that the answer fills
}

// candidate is a wording.
type candidate struct {
	text  string
	kind  string // of which a choice takes not too many; may be empty
	lead  string // what it begins with before the question: "I would like to know"
	other bool   // it names the subject in another way
}

func (r *rewording) candidates() []candidate {
	a := r.classify(r.fact.Answer)
	r.values = map[string]string{"unit": r.plural(a.unit), "when": r.when(a.kind)}
	var out []candidate
	add := func(kind string, texts ...string) {
		for _, text := range texts {
			out = append(out, candidate{text: text, kind: kind})
		}
	}
	for _, q := range r.fact.Wordings() {
		asked := r.split(q)
		preposition, _, _ := strings.Cut(asked.frame, " ")
		binding := r.is("binding", preposition)
		situations := r.fitting(asked.text, strings.TrimSpace(asked.text+" "+asked.frame))
		found := r.matches(asked.text)
		texts := append([]string{asked.text}, r.withSynonyms(asked.text, found)...)
		for i, text := range texts {
			if i == 2 {
				situations = nil // more synonyms in the same situations make them no more different
			}
			if slices.Contains(texts[:i], text) {
				continue
			}
			whole := strings.TrimSpace(text + " " + asked.frame)
			add("", r.framed(core{text, asked.frame, asked.name}, i))
			if binding { // "of BIO214" belongs to the noun before it
				add("", r.forms(whole, a.kind, situations)...)
			} else {
				for j, form := range r.forms(text, a.kind, situations) {
					add("", r.framed(core{form, asked.frame, asked.name}, i+j+1))
				}
			}
			if r.code == "en" {
				add("", r.englishForms(whole)...)
			}
			said, ok := r.indirectOrder(whole)
			if leads := r.lines["indirect"]; ok && len(leads) > 0 {
				lead := leads[(i+len(q))%len(leads)]
				out = append(out, candidate{text: lead + " " + said, kind: "indirect", lead: lead})
			}
			if wh, rest, ok := strings.Cut(said, " "); ok && r.code == "de" && !r.is("copulas", lastWord(rest)) {
				for _, rule := range r.rules["clefts"] {
					for _, cleft := range r.apply(rule, wh, nil) {
						add("", cleft+" "+rest)
					}
				}
			}
			if leads := r.lines["opening"]; len(leads) > 0 {
				lead := leads[(i+len(q))%len(leads)]
				out = append(out, candidate{text: lead + " " + whole, kind: "opening", lead: lead})
			}
			add("keywords", r.keywords(core{text, asked.frame, asked.name}, i)...)
			for _, name := range r.called {
				out = append(out, r.renamed(core{text, asked.frame, asked.name}, name, i)...)
			}
		}
		add("keywords", r.heaped(asked, found)...)
	}
	for _, f := range r.fromQuote() {
		for _, form := range append([]string{f.asks[0]}, r.forms(f.asks[0], a.kind, nil)...) {
			first, _, _ := strings.Cut(form, " ")
			if !r.is("ask", first) && !r.is("prepositions", first) || slices.ContainsFunc(strings.Fields(form), r.foreign) {
				continue
			}
			if fronts := r.language.subject["front"]; r.subject != "" && !strings.Contains(form, r.subject) {
				form, _ = fill(fronts[0], map[string]string{"s": r.subject, "q": form})
			}
			add("quote", form)
		}
	}
	names := r.names()
	file := fileWords(r.fact.DocID)
	out = slices.DeleteFunc(out, func(c candidate) bool {
		return slices.ContainsFunc(names, func(name string) bool {
			return !strings.Contains(c.text, name) && !(c.other && (name == r.subject || slices.Contains(file, strings.ToLower(name))))
		})
	})
	for i, c := range out {
		out[i].text = r.finish(c.text)
	}
	return out
}

// fromQuote asks what the sentence of the fact says, as for a document; the questions that its answer answers. A row of a table
// is no sentence.
func (r *rewording) fromQuote() []found {
	if !strings.HasSuffix(r.fact.Quote, ".") {
		return nil
	}
	a := r.asker(Document{Pages: []string{r.fact.Quote}}, subject{name: r.subject, kind: "other"})
	said := a.statements
	if r.code != "en" {
		said = a.plainStatements
	}
	return slices.DeleteFunc(said(r.fact.Quote), func(f found) bool {
		return f.answer == "" || !stands(f.answer, r.fact.Answer) && !stands(r.fact.Answer, f.answer)
	})
}

// foreign tells whether a word of the sentence of a fact makes a question another one than the fact's: a number or a name that it
// does not have, a denial, a word that means something said before, or one that gives the answer away.
func (r *rewording) foreign(word string) bool {
	word = strings.Trim(word, ",.:;")
	told := strings.ContainsFunc(word, unicode.IsDigit) || isUpper(word) && (r.code != "de" && word != "I" || strings.Contains(r.fact.Answer, word) && !r.function(word))
	return told && !strings.Contains(r.fact.Question, word) || r.is("negations", word) || r.is("dangling", word)
}

// names returns what each wording must have: the subject, and the words of the question that are numbers, codes or names.
func (r *rewording) names() []string {
	var names []string
	if r.subject != "" {
		names = append(names, r.subject)
	}
	bracketed := false
	for i, w := range strings.Fields(r.fact.Question) {
		bracketed = bracketed || strings.HasPrefix(w, "(") && i > 0
		bare := strings.TrimSuffix(strings.TrimSuffix(strings.Trim(w, ",.:;?()'’\"«»“”„¿"), "'s"), "’s")
		if !bracketed && bare != "" && (strings.ContainsFunc(bare, unicode.IsDigit) || isUpper(bare) && i > 0 && r.code != "de" && bare != "I") {
			names = append(names, bare)
		}
		bracketed = bracketed && !strings.Contains(w, ")")
	}
	return names
}

// core is a question without its mark, and without the words behind or before it that name the subject.
type core struct {
	text  string
	frame string // "in BIO214"; empty if the text still names the subject, or nothing does
	name  string // "BIO214"
}

func (r *rewording) split(question string) core {
	text := strings.TrimSpace(strings.Trim(strings.TrimSpace(question), "?¿;\u037e.！？!"))
	if r.subject != "" {
		prepositions := strings.Join(sortedKeys(r.words["prepositions"]), "|")
		articles := strings.Join(sortedKeys(r.words["articles"]), "|")
		subject := regexp.QuoteMeta(r.subject) + `(?: \([^)]*\))?`
		behind := regexp.MustCompile(`(?i)^(.+?),? ((?:` + prepositions + `) ?(?:(?:` + articles + `) )?` + subject + `)$`)
		if m := behind.FindStringSubmatch(text); m != nil {
			return core{lowerFirst(m[1]), m[2], r.subject}
		}
		before := regexp.MustCompile(`(?i)^((?:` + prepositions + `) ?(?:(?:` + articles + `) )?` + subject + `), (.+)$`)
		if m := before.FindStringSubmatch(text); m != nil {
			return core{lowerFirst(m[2]), lowerFirst(m[1]), r.subject}
		}
	}
	return core{text: lowerFirst(text)}
}

// fitting returns the situations in which the question is asked, with its frame or without. Those that only fit with synonyms in
// it are left out: they are of another question.
func (l *language) fitting(questions ...string) (out []rule) {
	first, _, _ := strings.Cut(questions[0], " ")
	for _, rule := range l.rules["situations"] {
		if strings.Contains(rule.from.String(), first) && slices.ContainsFunc(slices.Compact(questions), rule.from.MatchString) {
			out = append(out, rule)
		}
	}
	return out
}

// forms returns a question without its frame in other forms, by the rules.
func (r *rewording) forms(question, kind string, situations []rule) []string {
	var out []string
	for _, rules := range [][]rule{r.rules["rewrite"], situations, r.rules["typed"]} {
		for _, rule := range rules {
			if rule.kind == kind || rule.kind == "" || rule.kind == "any" {
				out = append(out, r.apply(rule, question, r.values)...)
			}
		}
	}
	return out
}

// framed names the subject behind a question, or in one of the other places: every third time, if it is a whole question.
func (r *rewording) framed(c core, turn int) string {
	if c.frame == "" {
		return c.text
	}
	first, _, _ := strings.Cut(c.text, " ")
	if fronts := r.language.subject["front"]; turn%3 == 2 && r.is("ask", first) && len(fronts) > 0 {
		text, _ := fill(fronts[turn/3%len(fronts)], map[string]string{"s": c.name, "q": c.text, "f": c.frame})
		return text
	}
	if text, please, ok := strings.Cut(c.text, ","); ok && r.is("please", strings.TrimSpace(please)) {
		return text + " " + c.frame + "," + please
	}
	return c.text + " " + c.frame
}

var beforeVowel = regexp.MustCompile(`\bde ([aeiouéèêâîôû])`)

var elided = regexp.MustCompile(`(?i)^(?:d|l|qu)['’]`)

// keywords returns the words of a question that say something, as people type them into a search box.
func (r *rewording) keywords(c core, turn int) []string {
	kept := r.content(c.text)
	if len(kept) < 2 && c.name == "" || len(kept) == 0 {
		return nil
	}
	text := strings.Join(kept, " ")
	if c.name == "" {
		return []string{text}
	}
	if turn%2 == 0 {
		return []string{text + " " + c.name}
	}
	return []string{c.name + " " + text}
}

// content returns the words of a text that are not in any question.
func (r *rewording) content(text string) (kept []string) {
	for _, w := range strings.Fields(text) {
		if r.code == "fr" {
			w = elided.ReplaceAllString(inverted.ReplaceAllString(w, ""), "")
		}
		if bare := strings.Trim(w, ",.:'’\"«»“”„()"); bare != "" && (!r.function(bare) || r.is("negations", bare)) {
			kept = append(kept, w)
		}
	}
	return kept
}

// finish writes a wording as a question or a request.
func (r *rewording) finish(q string) string {
	q = strings.NewReplacer(r.contractions...).Replace(strings.Join(strings.Fields(q), " "))
	q = strings.TrimRight(q, " ,:;")
	first, _, _ := strings.Cut(q[behindOpening(q):], " ")
	mark := "?"
	switch {
	case r.code == "el":
		mark = ";"
	case strings.HasSuffix(q, "?"), strings.HasSuffix(q, "."):
		mark = ""
	}
	if mark != "" && (r.is("imperatives", first) || r.asksKindly(q)) {
		mark = "."
	}
	if r.code == "en" {
		q = capitalI(q)
	}
	if before, behind, ok := strings.Cut(q, ". "); ok {
		q = before + ". " + upperFirst(behind)
	}
	q = upperFirst(q) + mark
	if r.code == "es" && strings.HasSuffix(q, "?") && !strings.Contains(q, "¿") {
		at := behindOpening(q)
		q = q[:at] + "¿" + upperFirst(q[at:])
	}
	if r.code == "fr" {
		q = beforeVowel.ReplaceAllString(strings.TrimSuffix(q, "?"), "d'$1")
		if mark == "?" {
			q += " ?"
		}
	}
	return q
}

// behindOpening returns where the question begins behind what is said before it: "I am new here. ", "a short question: ".
func behindOpening(q string) int {
	if at := max(strings.LastIndex(q, ". "), strings.LastIndex(q, ": ")); at >= 0 {
		return at + 2
	}
	return 0
}

// asksKindly tells whether a question ends like a request: "…, please".
func (r *rewording) asksKindly(q string) bool {
	for w := range r.words["please"] {
		if strings.Contains(q, ", "+w) {
			return true
		}
	}
	return false
}

// when returns how to ask when for a kind of answer.
func (l *language) when(kind string) string {
	for _, n := range l.kinds["when"] {
		if n.kind == kind {
			return n.words[0]
		}
	}
	return ""
}

func (l *language) plural(unit string) string {
	if l.code == "en" && letters(unit) && utf8.RuneCountInString(unit) > 3 && !strings.HasSuffix(unit, "s") && unit != "euro" && unit != "percent" {
		return unit + "s"
	}
	return unit
}

var code = regexp.MustCompile(`^[\p{Lu}\d][\p{L}\d]*[-/]?\d[\p{L}\d-]*$|^\p{Lu}{2,}$`)

// subjectIn finds how a question names the subject of its document: a word that is in the file's name too, or a code.
func subjectIn(l *language, fact dataset.Fact) string {
	file := fileWords(fact.DocID)
	best := ""
	words := strings.Fields(strings.TrimRight(fact.Question, "?;\u037e. "))
	for i, w := range words {
		w = strings.Trim(w, ",.:;()'’\"«»“”„¿")
		w = strings.TrimSuffix(strings.TrimSuffix(w, "'s"), "’s")
		if w == "" {
			continue
		}
		first, _ := utf8.DecodeRuneInString(w)
		inFile := slices.Contains(file, strings.ToLower(strings.ReplaceAll(w, "-", ""))) || slices.Contains(file, strings.ToLower(w))
		switch {
		case i > 0 && inFile && (unicode.IsUpper(first) || unicode.IsDigit(first)) && !l.is("document", w):
			return w
		case best == "" && code.MatchString(w) && strings.IndexFunc(w, unicode.IsLetter) >= 0 && strings.ContainsFunc(w, unicode.IsDigit) && i == len(words)-1:
			best = w
		}
	}
	return best
}

func sortedKeys(set map[string]bool) []string {
	var out []string
	for k := range set {
		out = append(out, regexp.QuoteMeta(k))
	}
	slices.Sort(out)
	return out
}

func upperFirst(s string) string {
	r, size := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[size:]
}

// lowerFirst lowers the first letter of a question, unless its word is a name or a code.
func lowerFirst(s string) string {
	first, _, _ := strings.Cut(s, " ")
	r, size := utf8.DecodeRuneInString(s)
	if strings.ToLower(first[min(size, len(first)):]) != first[min(size, len(first)):] || strings.ContainsFunc(first, unicode.IsDigit) {
		return s
	}
	return string(unicode.ToLower(r)) + s[size:]
}
