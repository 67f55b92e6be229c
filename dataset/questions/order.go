package questions

import (
	"regexp"
	"slices"
	"strings"
)

var inverted = regexp.MustCompile(`(?i)(\pL+)(?:-t)?-(je|tu|il|elle|on|nous|vous|ils|elles)(?:$|[ ,])`)

// indirectOrder writes a question as it stands behind "I would like to know": German puts the finite verb last, French undoes
// the inversion, Spanish and Greek change nothing, and English puts the subject before
// its auxiliary. ok is false where that cannot be told.
func (l *language) indirectOrder(question string) (said string, ok bool) {
	words := strings.Fields(question)
	if len(words) < 2 || !l.is("ask", words[0]) {
		return "", false
	}
	switch l.code {
	case "en":
		if a, ok := l.parseAsked(question); ok {
			return a.wh + " " + l.statement(a), true
		}
		return question, words[0] == "who" || l.subjectForms(question) != nil
	case "de":
		return l.verbLast(words)
	case "fr":
		if strings.Contains(question, "est-ce") || hasAnyPrefix(question, "que ", "qu'", "qu’") {
			return "", false
		}
		m := inverted.FindStringSubmatchIndex(question)
		if m == nil {
			return question, true
		}
		pronoun := question[m[4]:m[5]] + " "
		if slices.ContainsFunc(strings.Fields(question[:m[0]]), func(w string) bool { return l.is("articles", w) }) {
			pronoun = "" // "quand la salle est-elle ouverte": it repeats the subject
		}
		return strings.TrimSpace(question[:m[0]] + pronoun + question[m[2]:m[3]] + " " + question[m[1]:]), true
	case "es", "el":
		return question, true
	}
	return "", false
}

// verbLast moves the finite verb of a German question to the end of its clause, and joins it to a particle that stands there.
func (l *language) verbLast(words []string) (string, bool) {
	at := slices.IndexFunc(words, func(w string) bool { return l.is("verbs", w) })
	if l.is("single", words[0]) {
		at = 1
	}
	if at < 1 || at > 5 || strings.HasSuffix(words[at-1], ",") {
		return "", false
	}
	end := at + 1
	for end < len(words) && !strings.HasSuffix(words[end-1], ",") {
		end++
	}
	behind, comma := slices.Clone(words[at+1:end]), ""
	if n := len(behind); n > 0 {
		behind[n-1], comma = strings.TrimSuffix(behind[n-1], ","), map[bool]string{true: ","}[end < len(words)]
	}
	verb := words[at]
	if n := len(behind); n > 0 && l.is("particles", behind[n-1]) {
		behind, verb = behind[:n-1], behind[n-1]+verb
	}
	return strings.Join(slices.Concat(words[:at], behind, []string{verb + comma}, words[end:]), " "), true
}

// nounCase puts a German noun phrase that is a subject into the accusative or the dative, one that is an object into the
// nominative, and a Greek one into the accusative; ok is false if its article does not tell enough.
func nounCase(phrase, form string) (text string, ok bool) {
	article, rest, found := strings.Cut(phrase, " ")
	var to, strong string // the article, and the ending that adjectives take
	switch article + " " + form {
	case "der acc":
		to, strong = "den", "n"
	case "der dat", "das dat":
		to, strong = "dem", "n"
	case "eine dat":
		to, strong = "einer", "n"
	case "den nom":
		to, strong = "der", ""
	case "einen nom":
		to, strong = "ein", "r"
	case "η acc":
		to = "την"
	case "ο acc", "οι acc",
		"ein acc", "ein dat", "die dat", "kein acc", "kein dat", "den acc", "den dat", "einen acc":
		return "", false
	default:
		return phrase, true
	}
	words := strings.Fields(rest)
	for i, w := range words {
		if !found || isUpper(w) {
			break
		}
		switch {
		case strings.HasSuffix(w, "en") && form == "nom":
			words[i] = strings.TrimSuffix(w, "n") + strong
		case strings.HasSuffix(w, "e"):
			words[i] = w + strong
		}
	}
	return strings.TrimSpace(to + " " + strings.Join(words, " ")), true
}

var genitive = regexp.MustCompile(`^ (des|eines) ((?:\p{Ll}+ )*\p{Lu}[\pL-]*?)e?s( |$)`)

// anywhere turns a genitive, which must stand behind its noun, into words that need not: "des Aufzugs", "beim Aufzug".
func (l *language) anywhere(tail string) string {
	if l.code == "de" {
		tail = genitive.ReplaceAllString(tail, " $1 $2$3")
	}
	for _, form := range l.tails {
		if rest, ok := strings.CutPrefix(tail, form[0]); ok {
			return form[1] + rest
		}
	}
	return tail
}
