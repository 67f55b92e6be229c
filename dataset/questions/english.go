package questions

import (
	"slices"
	"strings"
	"unicode"
)

// English asks with an auxiliary before the subject: rules over whole questions do not see where the subject ends and the verb
// begins. These functions do, by a list of verbs.

// verb is a form of a verb of the list.
type verb struct {
	base string
	noun bool // it is as often a noun
}

// verbs maps forms to verbs.
type verbs struct{ base, third, past, participle map[string]verb }

func englishVerbs(entries []string) verbs {
	v := verbs{map[string]verb{}, map[string]verb{}, map[string]verb{}, map[string]verb{}}
	for _, e := range entries {
		forms := strings.Split(strings.TrimSuffix(e, "*"), "/")
		is := verb{forms[0], strings.HasSuffix(e, "*")}
		v.base[is.base], v.third[third(is.base)] = is, is
		past, participle := past(is.base), past(is.base)
		if len(forms) == 3 {
			past, participle = forms[1], forms[2]
		}
		v.past[past], v.participle[participle] = is, is
	}
	return v
}

// third makes the form of "he" of a verb of a verb; what stands behind it stays: "hand in", "hands in".
func third(base string) string {
	base, particle, phrase := strings.Cut(base, " ")
	switch {
	case phrase:
		return third(base) + " " + particle
	case base == "have":
		return "has"
	case base == "do", base == "go", hasAnySuffix(base, "s", "x", "ch", "sh", "z"):
		return base + "es"
	case strings.HasSuffix(base, "y") && !vowel(base, 2):
		return base[:len(base)-1] + "ies"
	}
	return base + "s"
}

func past(base string) string {
	switch {
	case strings.HasSuffix(base, "e"):
		return base + "d"
	case strings.HasSuffix(base, "y") && !vowel(base, 2):
		return base[:len(base)-1] + "ied"
	case doubles(base):
		return base + base[len(base)-1:] + "ed"
	}
	return base + "ed"
}

func gerund(base string) string {
	switch {
	case strings.HasSuffix(base, "ie"):
		return base[:len(base)-2] + "ying"
	case strings.HasSuffix(base, "e") && !hasAnySuffix(base, "ee", "oe", "ye"):
		return base[:len(base)-1] + "ing"
	case doubles(base):
		return base + base[len(base)-1:] + "ing"
	}
	return base + "ing"
}

// doubles tells whether a verb doubles its last letter: plan, planned; submit, submitted.
func doubles(base string) bool {
	n := len(base)
	if n < 3 || vowel(base, 1) || !vowel(base, 2) || vowel(base, 3) || strings.ContainsAny(base[n-1:], "wxy") {
		return false
	}
	vowels := 0
	for i := 1; i <= n; i++ {
		if vowel(base, i) {
			vowels++
		}
	}
	return vowels == 1 || hasAnySuffix(base, "mit", "fer", "cur", "gin", "pel", "cel", "get", "set", "put", "run", "cut", "let", "travel", "label", "control")
}

func vowel(word string, fromEnd int) bool {
	return len(word) >= fromEnd && strings.ContainsAny(word[len(word)-fromEnd:len(word)-fromEnd+1], "aeiou")
}

func hasAnySuffix(s string, suffixes ...string) bool {
	return slices.ContainsFunc(suffixes, func(x string) bool { return strings.HasSuffix(s, x) })
}

func (v verbs) participleOf(base string) string {
	if verb, particle, phrase := strings.Cut(base, " "); phrase {
		return v.participleOf(verb) + " " + particle
	}
	for form, is := range v.participle {
		if is.base == base {
			return form
		}
	}
	return past(base)
}

var (
	be     = []string{"is", "are", "was", "were"}
	does   = []string{"do", "does", "did"}
	modals = []string{"can", "may", "must", "should", "shall", "will", "could", "would", "might"}
)

// asked is a question in its parts: "at what time", "does", "the shift", "begin".
type asked struct {
	wh, aux, subject, rest string
}

// parseAsked takes an English question apart; ok is false if it has another form.
func (l *language) parseAsked(question string) (a asked, ok bool) {
	words := strings.Fields(question)
	at := slices.IndexFunc(words, func(w string) bool {
		w = strings.ToLower(w)
		return slices.Contains(be, w) || slices.Contains(does, w) || slices.Contains(modals, w)
	})
	if at < 1 || at > 6 || at+1 >= len(words) || !l.is("ask", words[0]) {
		return a, false
	}
	a.wh, a.aux = strings.Join(words[:at], " "), strings.ToLower(words[at])
	behind := words[at+1:]
	end := len(behind)
	if _, passive := l.verbs.participle[behind[0]]; passive && slices.Contains(be, a.aux) {
		return a, false // "what supplement is paid": it asks for the subject
	}
	_, participle := l.verbs.participle[behind[len(behind)-1]]
	if participle || !slices.Contains(be, a.aux) || !l.is("articles", behind[0]) || a.wh != "what" && a.wh != "who" {
		end = l.subjectEnd(behind, slices.Contains(be, a.aux))
	}
	if end < 1 {
		return a, false
	}
	a.subject, a.rest = strings.Join(behind[:end], " "), strings.Join(behind[end:], " ")
	return a, true
}

// subjectEnd returns how many of the words behind an auxiliary are the subject; -1 if the verb is not known.
func (l *language) subjectEnd(words []string, isBe bool) int {
	best, settled := -1, false // a word that may be the verb, and whether a preposition stands behind it
	for i, w := range words {
		if i == 0 {
			continue
		}
		before := strings.ToLower(words[i-1])
		if best > 0 && (l.is("subordinators", w) && w != "that" && w != "which" && w != "who" || strings.HasSuffix(before, ",")) {
			break
		}
		settled = settled || best > 0 && l.is("prepositions", w)
		if l.is("articles", before) || l.is("prepositions", before) || before == "and" || before == "or" {
			continue
		}
		w = strings.ToLower(strings.Trim(w, ","))
		if isBe {
			_, past := l.verbs.participle[w]
			if past || l.is("predicates", w) || w == "not" || w == "normally" || w == "usually" || w == "generally" {
				return i
			}
			continue
		}
		if w == "be" || w == "not" {
			return i
		}
		if v, known := l.verbs.base[w]; known {
			if !v.noun {
				return i
			}
			if !settled {
				best = i
			}
		}
	}
	return best
}

// statement is what a question asks about: "the shift begins".
func (l *language) statement(a asked) string {
	first, more, _ := strings.Cut(a.rest, " ")
	switch a.aux {
	case "does":
		first = third(first)
	case "did":
		first = l.verbs.pastOf(first)
	case "do":
	default:
		return strings.TrimSpace(a.subject + " " + a.aux + " " + a.rest)
	}
	return strings.TrimSpace(a.subject + " " + first + " " + more)
}

// englishForms returns forms of a question that need its parts.
func (l *language) englishForms(question string) []string {
	a, ok := l.parseAsked(question)
	if !ok {
		return l.subjectForms(question)
	}
	statement := l.statement(a)
	first, more, _ := strings.Cut(a.rest, " ")
	out := []string{statement + " " + a.wh}
	for _, rule := range l.rules["clefts"] {
		if a.rest == "" {
			break // "how much is the fee"
		}
		for _, cleft := range l.apply(rule, a.wh, nil) {
			out = append(out, cleft+" "+statement)
		}
	}
	person := l.meansPeople(a.subject)
	if !person {
		pronoun := "it"
		if a.aux == "are" || a.aux == "do" || a.aux == "were" || strings.HasSuffix(a.subject, "s") && !slices.Contains([]string{"is", "does", "was"}, a.aux) {
			pronoun = "they"
		}
		out = append(out, a.subject+": "+a.wh+" "+a.aux+" "+pronoun+" "+a.rest)
	}
	aux := a.aux
	if aux == "does" || slices.Contains(be, aux) {
		aux = "do"
	}
	if a.wh == "why" {
		out = append(out, "what is the reason that "+statement, "how come "+statement)
	}
	if person && !slices.Contains(be, a.aux) {
		out = append(out, a.wh+" "+aux+" i "+a.rest)
	}
	participle, behind := first, more
	if first == "be" {
		participle, behind, _ = strings.Cut(more, " ")
	}
	if v, known := l.verbs.participle[strings.ToLower(participle)]; known && !person && !slices.Contains(does, a.aux) && !strings.HasPrefix(behind, "by ") && a.aux != "was" && a.aux != "were" && l.asksHow(a.wh, first == "be") {
		object := strings.TrimSpace(v.base + " " + a.subject + " " + behind)
		out = append(out,
			a.wh+" "+aux+" i "+object,
			a.wh+" should one "+object,
			strings.TrimSpace(gerund(v.base)+" "+a.subject+" "+behind)+": "+a.wh,
		)
	}
	return out
}

// subjectForms returns forms of a question that asks for its subject: "who washes the coats", "how many points are needed".
func (l *language) subjectForms(question string) []string {
	words := strings.Fields(question)
	if len(words) < 3 || !l.is("ask", words[0]) {
		return nil
	}
	if words[0] == "who" {
		v, third := l.verbs.third[words[1]]
		p, past := l.verbs.past[words[1]]
		said := strings.Join(words[2:], " ")
		switch {
		case third:
			return []string{
				"which person " + strings.Join(words[1:], " "), "who is responsible for " + gerund(v.base) + " " + said, "whose task is it to " + v.base + " " + said,
				"who is the one to " + v.base + " " + said, gerund(v.base) + " " + said + ": who does it", "whom do i ask to " + v.base + " " + said,
			}
		case past && !slices.Contains(be, words[1]):
			return []string{"which person " + strings.Join(words[1:], " "), "who was it that " + strings.Join(words[1:], " "), "what is the name of the one who " + words[1] + " " + said, "who was the one to " + p.base + " " + said}
		}
		return nil
	}
	at := slices.IndexFunc(words, func(w string) bool { return slices.Contains(be, w) })
	if at < 2 || at+1 >= len(words) {
		return nil
	}
	if _, participle := l.verbs.participle[words[at+1]]; !participle {
		return nil
	}
	thing, said := strings.Join(words[1:at], " "), strings.Join(words[at+1:], " ")
	if words[0] == "how" && words[1] != "many" {
		return nil
	}
	if words[0] == "how" && at > 2 {
		thing = strings.Join(words[2:at], " ")
		return []string{"what is the number of " + thing + " " + said, thing + " " + said + ": how many", "how great is the number of " + thing + " " + said}
	}
	if words[0] != "what" && words[0] != "which" {
		return nil
	}
	return []string{"the " + thing + " " + said + ": which is it", "what kind of " + thing + " " + words[at] + " " + said}
}

func (v verbs) pastOf(base string) string {
	for form, is := range v.past {
		if is.base == base {
			return form
		}
	}
	return past(base)
}

// asksHow tells whether a question about what is done may be put to the one who does it.
func (l *language) asksHow(wh string, modal bool) bool {
	first, _, _ := strings.Cut(wh, " ")
	return first != "who" && first != "by" && (modal || first != "where" && first != "when" && first != "what" && first != "which" && first != "why")
}

// meansPeople tells whether a subject is people such as the reader.
func (l *language) meansPeople(subject string) bool {
	for w := range strings.FieldsSeq(subject) {
		if l.is("prepositions", w) {
			return false
		}
		if l.is("people", w) {
			return true
		}
	}
	return false
}

// nounPhrase tells whether the words of a slot can stand for a thing: they do not end with a participle, as half a clause does.
func (l *language) nounPhrase(words string) bool {
	if l.code != "en" {
		return true
	}
	all := strings.Fields(strings.ToLower(words))
	n := len(all)
	if n > 1 && all[0] == "it" { // "where is it possible to …"
		return false
	}
	for n > 1 && l.is("particles", all[n-1]) { // "brought back"
		n--
	}
	if n < 2 {
		return true
	}
	last := all[n-1]
	if n == len(all) && l.is("prepositions", last) { // "made of"
		return false
	}
	_, participle := l.verbs.participle[last]
	return !(participle && (n < len(all) || !l.nounToo(last)) || l.is("predicates", last))
}

// hanging tells whether words belong to the noun before them: "of staff pay", "who travels take".
func (l *language) hanging(words string) bool {
	first, _, _ := strings.Cut(words, " ")
	return l.is("prepositions", first) || l.is("subordinators", first)
}

func (l *language) nounToo(w string) bool {
	v, base := l.verbs.base[w]
	return base && v.noun
}

// capitalI writes the pronoun as English does.
func capitalI(q string) string {
	words := strings.Split(q, " ")
	for i, w := range words {
		if w == "i" || strings.HasPrefix(w, "i'") {
			words[i] = "I" + w[1:]
		}
	}
	return strings.Join(words, " ")
}

func isUpper(w string) bool { return w != "" && unicode.IsUpper([]rune(w)[0]) }
