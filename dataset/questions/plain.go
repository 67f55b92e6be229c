package questions

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Outside English the finite verb needs no auxiliary to ask: it goes before its subject, or in French behind "est-ce que".
// What is asked for is found by the patterns of section [wh], so these functions serve all such languages.

// asking is a pattern of a part of a sentence, and the question words that take its place.
type asking struct {
	part *regexp.Regexp
	to   []string
}

// parsePart compiles a pattern of [wh]: {num}, {duration} and so on stand for the words of these sections, {date} and {clock}
// for what is written so, and the group a is the answer.
func (l *language) parsePart(line string) (asking, error) {
	left, right, _ := strings.Cut(line, "=>")
	left = slot.ReplaceAllStringFunc(strings.TrimSpace(left), func(s string) string {
		words := func(section string) string {
			all := sortedKeys(l.words[section])
			slices.SortStableFunc(all, func(a, b string) int { return len(b) - len(a) })
			return strings.Join(all, "|")
		}
		switch name := s[1 : len(s)-1]; name {
		case "num":
			return `(?:\d{1,3}(?: \d{3})+|\d+(?:[.,]\d+)?|` + words("numbers") + `)`
		case "clock":
			return `(?:\d{1,2}(?:[:.]\d{2})?(?: ?(?:Uhr|heures?|horas|h ?\d{2}|h|μ\.μ\.|π\.μ\.))?(?: bis \d{1,2}(?:[:.]\d{2})? Uhr)?)`
		case "date":
			return `(?:\d{1,2}(?:\.|er|º|η)?(?: de)? (?:` + capitals(words("months")) + `)(?:(?: de| del)? \d{4})?)`
		case "Cap":
			return `\p{Lu}\pL[\pL-]*`
		case "day":
			return `(?:` + capitals(words("days")) + `)`
		default:
			return `(?:` + capitals(words(name)) + `)`
		}
	})
	part, err := regexp.Compile(`(?:^|[ (])(?:` + left + `)($|[ ,;.):])`)
	return asking{part, alternatives(right)}, err
}

// capitals lets words be written in small letters or capitals; the classes of letters around them stay as they are.
func capitals(words string) string { return `(?i:` + words + `)` }

// plainStatements makes questions of a paragraph in a language that asks without auxiliaries.
func (l *asker) plainStatements(text string) []found {
	var out []found
	before := "" // the subject of the sentence before
	for _, sentence := range l.sentences(text) {
		quote := sentence
		sentence, before = l.resolved(sentence, before)
		if strings.ContainsAny(sentence, "?;") && strings.HasSuffix(sentence, "?") || len(strings.Fields(sentence)) > 35 {
			continue
		}
		if label, value, ok := strings.Cut(sentence, ": "); ok && len(strings.Fields(label)) < 7 && l.plainFinite(strings.Fields(label)) < 0 {
			out = append(out, l.label(label, strings.TrimRight(value, "."), quote, l.subject)...)
		}
		for _, f := range append(l.roles(sentence), l.plainAsk(strings.TrimRight(sentence, ".!"))...) {
			f.quote = quote
			out = append(out, f)
		}
	}
	return out
}

// resolved puts the subject of the sentence before in the place of a pronoun that agrees with it, and returns the subject that
// the next pronoun may mean. German's and French's pronouns tell by their gender.
func (l *asker) resolved(sentence, before string) (resolved, subject string) {
	words := strings.Fields(sentence)
	at := l.plainFinite(words)
	if at < 0 {
		return sentence, ""
	}
	i := 0 // where the pronoun stands: first, or behind the verb if something else is first
	if at+1 < len(words) && !l.is("pronouns", words[0]) {
		i = at + 1
	}
	article, _, _ := strings.Cut(before, " ")
	if before != "" && slices.Contains(l.agreeing[strings.ToLower(words[i])], strings.ToLower(article)) {
		name := before
		if i > 0 {
			name = lowerFirst(before)
		}
		words[i] = name
		return strings.Join(words, " "), before
	}
	if at > 0 && (l.is("articles", words[0]) || l.is("determiners", words[0])) {
		return sentence, strings.Join(words[:at], " ")
	}
	return sentence, ""
}

func (l *asker) plainFinite(words []string) int {
	return slices.IndexFunc(words, func(w string) bool { return l.is("verbs", strings.Trim(w, ",")) })
}

// plainAsk asks for each part of the first clause of a sentence that a pattern knows.
func (l *asker) plainAsk(sentence string) []found {
	if who, then, ok := strings.Cut(sentence, ", "); ok && l.is("whoever", strings.Fields(who)[0]) && l.plainFinite(strings.Fields(then)) == 0 {
		verb, rest, _ := strings.Cut(then, " ") // "Wer nicht zahlt, verliert …": what he loses
		var out []found
		for _, f := range l.plainAsk("Man " + verb + " " + rest) {
			for i := range f.asks {
				f.asks[i] = strings.Replace(f.asks[i], " man", "", 1) + ", " + lowerFirst(who)
			}
			out = append(out, f)
		}
		return out
	}
	main := sentence
	for _, cut := range []string{"; ", ": ", ", und zwar", " – "} {
		main, _, _ = strings.Cut(main, cut)
	}
	words := strings.Fields(main)
	at := l.plainFinite(words)
	if at < 1 || at > 9 || l.is("dangling", words[0]) || l.is("subordinators", words[0]) || l.is("verbs", words[0]) {
		return nil
	}
	subject, verb := words[:at], words[at]
	if at > 1 && l.is("reflexives", words[at-1]) { // "se trouve"
		subject, verb = words[:at-1], words[at-1]+" "+words[at]
	}
	pre, post := strings.Join(subject, " "), strings.Join(words[at+1:], " ")
	post, _, _ = strings.Cut(post, ", ") // a subordinate clause
	if l.is("pronouns", words[0]) && at == 1 && words[0] != "Man" {
		return nil
	}
	var out []found
	for _, who := range slices.Sorted(maps.Keys(l.words["whois"])) { // "La directora es Nuria Bellver"
		if l.is("articles", words[0]) && l.is("copulas", verb) && twoNames.MatchString(post) {
			return []found{{asks: []string{who + " " + lowerFirst(pre)}, answer: post}}
		}
	}
	taken := map[string][][2]int{} // ranges of the parts that answers were found in
	for _, ask := range l.parts {
		for _, where := range []string{post, pre} {
			m := ask.part.FindStringSubmatchIndex(where)
			if m == nil {
				continue
			}
			values := map[string]string{}
			for i, name := range ask.part.SubexpNames() {
				if name != "" && m[2*i] >= 0 {
					values[name] = where[m[2*i]:m[2*i+1]]
				}
			}
			answer := strings.Trim(values["a"], " ,;")
			overlaps := slices.ContainsFunc(taken[where], func(r [2]int) bool { return m[0] < r[1] && r[0] < m[len(m)-2] })
			if answer == "" || overlaps || l.is("wheres", strings.Fields(ask.to[0])[0]) && l.noPlace(answer) {
				continue
			}
			end := m[len(m)-2] // before the stop behind
			taken[where] = append(taken[where], [2]int{m[0], end})
			rest := strings.Join(strings.Fields(where[:m[0]]+" "+where[end:]), " ")
			var asks []string
			for _, wh := range ask.to {
				wh = slot.ReplaceAllStringFunc(wh, func(s string) string { return values[s[1:len(s)-1]] })
				if where == post {
					asks = append(asks, l.plainQuestion(wh, pre, verb, rest))
				} else if m[0] == 0 && len(rest) < 40 {
					asks = append(asks, strings.TrimSpace(wh+" "+rest+" "+verb+" "+post))
				}
			}
			if len(asks) > 0 {
				out = append(out, found{asks: asks, answer: answer})
			}
		}
	}
	return out
}

// plainQuestion puts a question word before a clause.
func (l *asker) plainQuestion(wh, pre, verb, post string) string {
	first, _, _ := strings.Cut(pre, " ")
	lowered := pre
	if l.function(first) || l.is("determiners", first) || l.is("pronouns", first) || l.is("adverbs", first) {
		lowered = lowerFirst(pre)
	} else if l.code != "de" {
		lowered = l.lowered(strings.Fields(pre)) + strings.TrimPrefix(pre, first)
	}
	switch {
	case l.code == "de" && pre == first && (verb == "wird" || verb == "werden") && hasAnySuffix(pre, "t", "en"): // "Geleitet wird er von"
		return strings.Join(strings.Fields(wh+" "+verb+" "+post+" "+strings.ToLower(pre)), " ")
	case l.code == "fr":
		return strings.Join(strings.Fields(strings.ReplaceAll(wh+" est-ce que "+lowered+" "+verb+" "+post, "que il", "qu'il")), " ")
	case l.is("prepositions", first) || l.is("adverbs", first): // it stood before the verb and its subject behind
		subject, more, _ := strings.Cut(post, " ")
		if l.is("pronouns", subject) {
			return strings.Join(strings.Fields(wh+" "+verb+" "+subject+" "+lowered+" "+more), " ")
		}
		return strings.Join(strings.Fields(wh+" "+verb+" "+lowered+" "+post), " ")
	}
	return strings.Join(strings.Fields(wh+" "+verb+" "+lowered+" "+post), " ")
}

var twoNames = regexp.MustCompile(`^(?:\pL+\. )?\p{Lu}[\pL-]+(?: \p{Lu}[\pL-]+)+$`)

var role = regexp.MustCompile(`(?:^| )(\pL+) (\p{Lu}\p{Ll}+) (\p{Lu}\p{Ll}+ (?:von |van )?\p{Lu}[\pL-]+)(?:$|[ ,.;])`)

// roles asks who has an office: "die Leiterin Eva Brandt" in German.
func (l *asker) roles(sentence string) []found {
	m := role.FindStringSubmatch(sentence)
	if l.code != "de" || m == nil || !l.is("articles", m[1]) || l.is("titles", m[2]) {
		return nil
	}
	article := strings.ToLower(m[1])
	switch {
	case strings.HasSuffix(m[2], "in"):
		article = "die"
	case article != "die":
		article = "der"
	}
	return []found{{asks: []string{"wer ist " + article + " " + m[2], "wie heißt " + article + " " + m[2]}, answer: m[3]}}
}

// noPlace tells whether words behind a preposition are no place: a time, a manner.
func (l *asker) noPlace(words string) bool {
	return slices.ContainsFunc(strings.Fields(words), func(w string) bool {
		w = strings.Trim(w, ",.")
		return l.is("notplaces", w) || l.is("months", w) || l.is("days", w) || l.is("duration", w)
	})
}
