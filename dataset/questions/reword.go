package questions

import (
	"math"
	"path"
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
func Reword(fact dataset.Fact, n int) []string {
	l := detect(fact.Question + " " + fact.Question + " " + fact.Answer + " " + fact.Quote)
	if l == nil || n < 1 {
		return nil
	}
	r := rewording{language: l, fact: fact, subject: subjectIn(l, fact)}
	return l.choose(r.candidates(), fact.Wordings(), n)
}

// rewording makes wordings of one question.
type rewording struct {
	*language
	fact    dataset.Fact
	subject string            // how the question names what the document is about; may be empty
	values  map[string]string // of slots that the answer fills
}

func (r *rewording) candidates() []string {
	a := r.classify(r.fact.Answer)
	r.values = map[string]string{"unit": r.plural(a.unit), "when": r.when(a.kind)}
	var out []string
	for _, q := range r.fact.Wordings() {
		asked := r.split(q)
		for i, text := range append([]string{asked.text}, r.withSynonyms(asked.text)...) {
			forms := r.forms(text, a.kind)
			out = append(out, r.framed(core{text, asked.frame, asked.name}, i))
			preposition, _, _ := strings.Cut(asked.frame, " ")
			binding := r.is("binding", preposition)
			for j, form := range forms {
				frame := asked.frame
				if neutral := r.language.subject["neutral"]; binding && len(neutral) > 0 { // "of BIO214" stood behind its noun
					frame, _ = fill(neutral[j%len(neutral)], map[string]string{"s": asked.name})
				}
				out = append(out, r.framed(core{form, frame, asked.name}, i+j+1))
			}
			if binding {
				out = append(out, r.forms(text+" "+asked.frame, a.kind)...)
			}
			if r.code == "en" {
				out = append(out, r.englishForms(strings.TrimSpace(text+" "+asked.frame))...)
			}
			out = append(out, r.keywords(core{text, asked.frame, asked.name}, i)...)
		}
	}
	for _, f := range r.fromQuote() {
		for i, form := range append([]string{f.asks[0]}, r.forms(f.asks[0], a.kind)...) {
			if r.subject != "" && !strings.Contains(form, r.subject) {
				frame, _ := fill(r.language.subject["neutral"][i%len(r.language.subject["neutral"])], map[string]string{"s": r.subject})
				form += " " + frame
			}
			out = append(out, form)
		}
	}
	names := r.names()
	out = slices.DeleteFunc(out, func(q string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return !strings.Contains(q, name) })
	})
	for i, q := range out {
		out[i] = r.finish(q)
	}
	return out
}

// fromQuote asks what the sentence of the fact says, as for a document; the questions that its answer answers.
func (r *rewording) fromQuote() []found {
	if r.fact.Quote == "" {
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
	text := strings.TrimSpace(strings.Trim(strings.TrimSpace(question), "?¿;;.！？!"))
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

// forms returns a question without its frame in other forms, by the rules.
func (r *rewording) forms(question, kind string) []string {
	var out []string
	for _, rule := range r.rewrite {
		out = append(out, r.apply(rule, question, r.values)...)
	}
	for _, rule := range r.typed {
		if rule.kind == kind || rule.kind == "any" {
			out = append(out, r.apply(rule, question, r.values)...)
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

// withSynonyms replaces words by others of the same meaning: each that can be alone, and several together. Names stay.
func (r *rewording) withSynonyms(question string) []string {
	var out []string
	together := []string{question, question}
	for _, s := range r.synonyms {
		from, to, ok := s.find(question)
		if !ok || r.named(question[from:to]) {
			continue
		}
		for _, word := range s.to {
			out = append(out, question[:from]+word+question[to:])
		}
		for i, text := range together {
			if from, to, ok := s.find(text); ok {
				together[i] = text[:from] + s.to[i%len(s.to)] + text[to:]
			}
		}
	}
	if len(out) > 0 {
		out = append(out, together...)
	}
	return out
}

// named tells whether words are written as a name.
func (r *rewording) named(words string) bool {
	first, _ := utf8.DecodeRuneInString(words)
	return unicode.IsUpper(first) && r.code != "de"
}

// keywords returns the words of a question that say something, as people type them into a search box.
func (r *rewording) keywords(c core, turn int) []string {
	var kept []string
	for _, w := range strings.Fields(c.text) {
		bare := strings.Trim(w, ",.:'’\"«»“”„()")
		if !r.function(bare) && !r.is("auxiliaries", bare) {
			kept = append(kept, w)
		}
	}
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

// finish writes a wording as a question or a request.
func (r *rewording) finish(q string) string {
	q = strings.Join(strings.Fields(q), " ")
	q = strings.TrimRight(q, " ,:;")
	first, _, _ := strings.Cut(q, " ")
	mark := "?"
	switch {
	case r.code == "el":
		mark = ";"
	case strings.HasSuffix(q, "?"), strings.HasSuffix(q, "."):
		mark = ""
	}
	if mark != "" && (r.is("imperatives", first) || strings.Contains(q, ", "+r.please())) {
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
		q = "¿" + q
	}
	if r.code == "fr" {
		q = strings.TrimSuffix(q, "?")
		if mark == "?" {
			q += " ?"
		}
	}
	return q
}

func (r *rewording) please() string {
	for w := range r.words["please"] {
		return w
	}
	return "\x00"
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
	base := path.Base(strings.ReplaceAll(fact.DocID, `\`, "/"))
	file := map[string]bool{}
	for w := range strings.FieldsFuncSeq(strings.ToLower(strings.TrimSuffix(base, path.Ext(base))), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsNumber(r)
	}) {
		file[w] = true
	}
	best := ""
	words := strings.Fields(strings.TrimRight(fact.Question, "?;;. "))
	for i, w := range words {
		w = strings.Trim(w, ",.:;()'’\"«»“”„¿")
		w = strings.TrimSuffix(strings.TrimSuffix(w, "'s"), "’s")
		if w == "" {
			continue
		}
		first, _ := utf8.DecodeRuneInString(w)
		inFile := file[strings.ToLower(strings.ReplaceAll(w, "-", ""))] || file[strings.ToLower(w)]
		switch {
		case i > 0 && inFile && (unicode.IsUpper(first) || unicode.IsDigit(first)) && !l.is("document", w):
			return w
		case best == "" && code.MatchString(w) && strings.IndexFunc(w, unicode.IsLetter) >= 0 && strings.ContainsFunc(w, unicode.IsDigit) && i == len(words)-1:
			best = w
		}
	}
	return best
}

// choose picks n wordings that differ from those known and from each other: each time the one whose nearest is farthest.
func (l *language) choose(candidates, known []string, n int) []string {
	type wording struct {
		text    string
		words   map[string]float64
		nearest float64
	}
	seen := map[string]bool{}
	var left []wording
	bag := func(text string) (string, map[string]float64) {
		words, key := map[string]float64{}, ""
		for w := range tokenSeq(text) {
			words[w] = 1
			if l.function(w) && len(key) > 0 { // the first word tells the form
				words[w] = 0.5
			}
			key += w + " "
		}
		return key, words
	}
	taken := make([]map[string]float64, 0, len(known)+n)
	for _, q := range known {
		key, words := bag(q)
		seen[key] = true
		taken = append(taken, words)
	}
	for _, q := range candidates {
		key, words := bag(q)
		if seen[key] || len(words) == 0 {
			continue
		}
		seen[key] = true
		nearest := math.Inf(1)
		for _, t := range taken {
			nearest = min(nearest, distance(words, t))
		}
		left = append(left, wording{q, words, nearest})
	}
	var out []string
	for len(out) < n && len(left) > 0 {
		best := 0
		for i := range left {
			if left[i].nearest > left[best].nearest {
				best = i
			}
		}
		chosen := left[best]
		left = slices.Delete(left, best, best+1)
		out = append(out, chosen.text)
		for i := range left {
			left[i].nearest = min(left[i].nearest, distance(left[i].words, chosen.words))
		}
	}
	return out
}

// distance is the share of words that two wordings do not share, by weight.
func distance(a, b map[string]float64) float64 {
	common, all := 0.0, 0.0
	for w, weight := range a {
		all += weight
		if b[w] > 0 {
			common += weight
		}
	}
	for w, weight := range b {
		if a[w] == 0 {
			all += weight
		}
	}
	return 1 - common/all
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
