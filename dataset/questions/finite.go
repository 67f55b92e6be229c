package questions

import (
	"slices"
	"strings"
)

// finite returns where the finite verb of a statement stands; -1 if none is known.
func (l *asker) finite(words []string) int {
	weak := -1
	for i, w := range words {
		w = strings.ToLower(strings.Trim(w, ","))
		if slices.Contains(be, w) || slices.Contains(modals, w) || slices.Contains(does, w) || w == "has" || w == "have" || w == "had" {
			if i > 0 && l.is("subordinators", words[i-1]) {
				continue
			}
			if weak < 0 || !l.boundary(words[weak+1:i]) {
				return i
			}
			return weak
		}
		if weak >= 0 || i == 0 {
			continue
		}
		before := strings.ToLower(words[i-1])
		if l.is("articles", before) || l.is("prepositions", before) || before == "and" || before == "or" || before == "that" && i > 1 || strings.HasSuffix(before, ",") && !isUpper(words[i-1]) {
			continue
		}
		third, isThird := l.verbs.third[w]
		past, isPast := l.verbs.past[w]
		base, isBase := l.verbs.base[w]
		switch {
		case isThird && third.noun && i+1 < len(words) && l.verbs.base[strings.ToLower(words[i+1])].base != "" && !l.is("pronouns", before): // "these rules apply"
		case isThird && !(third.noun && !l.is("pronouns", before) && l.finite(words[i:]) > 0 && !l.boundary(words[i+1:i+l.finite(words[i:])])):
			weak = i
		case isPast && !past.noun && !strings.HasSuffix(before, "s'"):
			weak = i
		case isBase && !base.noun && (slices.ContainsFunc(words[:i], func(w string) bool { return strings.HasSuffix(w, "s") }) || l.is("people", before) || l.is("pronouns", before)):
			weak = i
		case isBase && (l.is("pronouns", before) || l.is("people", before)):
			weak = i
		}
	}
	return weak
}

// boundary tells whether words have one that begins another clause.
func (l *asker) boundary(words []string) bool {
	return slices.ContainsFunc(words, func(w string) bool {
		return l.is("subordinators", w) || w == "and" || w == "but" || w == "or" || strings.HasSuffix(w, ",")
	})
}

func (l *asker) parseClause(words []string) (clause, bool) {
	if len(words) < 2 {
		return clause{}, false
	}
	first := strings.ToLower(words[0])
	if first == "never" || first == "do" {
		return clause{}, false
	}
	if !isUpper(words[0]) && l.verbForm(words[0]) { // "… and needs 9.5 litres"
		return clause{verb: first, rest: slices.Clone(words[1:])}, true
	}
	if v, isVerb := l.verbs.base[first]; isVerb && isUpper(words[0]) && len(words) > 2 && (l.is("articles", words[1]) || l.is("pronouns", words[1]) || l.finite(words) < 0 || !v.noun && l.boundary(words[1:max(1, l.finite(words))])) && !slices.Contains(modals, first) {
		return clause{verb: "should", rest: append([]string{first}, words[1:]...), command: true, subject: []string{"i"}}, true
	}
	at := l.finite(words)
	if at < 0 || at == len(words)-1 || at > 14 {
		return clause{}, false
	}
	subject := slices.Clone(words[:at])
	for len(subject) > 1 && l.is("adverbs", subject[0]) {
		subject = subject[1:]
	}
	for len(subject) > 1 && l.is("adverbs", subject[len(subject)-1]) {
		subject = subject[:len(subject)-1]
	}
	if len(subject) > 0 {
		subject[0] = l.lowered(subject)
		if len(subject) > 2 && subject[0] == "at" && (subject[1] == "most" || subject[1] == "least") {
			subject = subject[2:]
		}
		if l.is("subordinators", subject[0]) || subject[0] == "there" || subject[0] == "this" && len(subject) == 1 || l.is("prepositions", subject[0]) {
			return clause{}, false
		}
	}
	return clause{subject: subject, verb: strings.ToLower(words[at]), rest: slices.Clone(words[at+1:])}, true
}

// verbForm tells whether a word is a finite form of a verb that is seldom a noun.
func (l *asker) verbForm(w string) bool {
	w = strings.ToLower(strings.Trim(w, ","))
	third, isThird := l.verbs.third[w]
	return slices.Contains(be, w) || slices.Contains(modals, w) || w == "has" || w == "have" || isThird && !third.noun
}
