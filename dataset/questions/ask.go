package questions

import (
	"slices"
	"strings"
	"unicode"
)

// ask makes a question of a clause whose words [from, to) of the rest are asked for with wh.
func (l *asker) askFor(c clause, wh string, from, to int) string {
	rest := append(slices.Clone(c.rest[:from]), c.rest[to:]...)
	aux, verb := c.verb, ""
	switch {
	case slices.Contains(be, c.verb), slices.Contains(modals, c.verb):
	case (c.verb == "has" || c.verb == "have" || c.verb == "had") && len(rest) > 0 && l.verbs.participle[strings.ToLower(rest[0])].base != "":
	default:
		if v, ok := l.verbs.third[c.verb]; ok {
			aux, verb = "does", v.base
		} else if v, ok := l.verbs.base[c.verb]; ok {
			aux, verb = "do", v.base
		} else if v, ok := l.verbs.past[c.verb]; ok {
			aux, verb = "did", v.base
		} else {
			return ""
		}
	}
	subject := strings.Join(c.subject, " ")
	if subject == "i" && aux == "are" {
		aux = "am"
	}
	parts := []string{wh, aux, subject, verb, strings.Join(rest, " "), strings.Join(c.last, " ")}
	return l.turned(strings.Join(strings.Fields(strings.Join(parts, " ")), " "))
}

// turned puts what is said to the reader into the reader's mouth.
func (l *asker) turned(question string) string {
	words := strings.Fields(question)
	for i, w := range words {
		switch strings.ToLower(w) {
		case "you":
			words[i] = "I"
		case "your":
			words[i] = "my"
		case "our":
			words[i] = "the"
		}
	}
	return strings.TrimRight(strings.Join(words, " "), ",")
}

// askClause asks for each answer that a clause has.
func (l *asker) askClause(c clause) []found {
	var out []found
	add := func(question, answer string) {
		answer = strings.Trim(answer, ",;: ")
		if question == "" || answer == "" || len(strings.Fields(question)) > 28 {
			return
		}
		out = append(out, found{asks: []string{question}, answer: answer})
	}
	covered := 0
	isBe := slices.Contains(be, c.verb)
	for _, sp := range l.spans(c.rest) {
		if isBe && l.is("articles", c.rest[0]) && sp.from > 0 || sp.from > 0 && c.rest[sp.from-1] == "except" {
			continue // said of the thing that the subject is, or of what is left out
		}
		covered++
		if slices.ContainsFunc(c.rest[:sp.from], func(w string) bool { return l.is("subordinators", w) && w != "than" }) {
			echo := slices.Concat(c.subject, []string{c.verb}, c.rest[:sp.from], []string{sp.wh[0]}, c.rest[sp.to:], c.last)
			add(l.turned(strings.Join(echo, " ")), sp.answer)
			continue
		}
		add(l.askFor(c, sp.wh[0], sp.from, sp.to), sp.answer)
		if len(sp.wh) > 1 && len(out) > 0 {
			out[len(out)-1].asks = append(out[len(out)-1].asks, l.askFor(c, sp.wh[1], sp.from, sp.to))
		}
	}
	subject, rest := strings.Join(c.subject, " "), strings.Join(c.rest, " ")
	if c.command {
		return out
	}
	tail := strings.TrimSpace(strings.Join(c.last, " "))
	// Who does it: the agent of a passive, a person as the subject.
	if at := slices.Index(c.rest, "by"); at > 0 && at+1 < len(c.rest) && slices.Contains(be, c.verb) {
		if v, ok := l.verbs.participle[strings.ToLower(c.rest[0])]; ok && (isUpper(c.rest[at+1]) || l.is("articles", c.rest[at+1])) && !strings.ContainsFunc(c.rest[at+1], unicode.IsDigit) {
			agent := l.object(c.rest[at+1:])
			active := third(v.base)
			if c.verb == "was" || c.verb == "were" {
				active = l.verbs.pastOf(v.base)
			}
			behind := strings.Join(slices.Concat(c.rest[1:at], c.rest[at+1+len(agent):]), " ")
			if last := at + len(agent); strings.HasSuffix(c.rest[last], ",") {
				if name := l.nameIn(c.rest[last+1:]); name != "" { // "by a different person, Professor Dunmore"
					agent = []string{name}
				}
				behind = strings.Join(c.rest[1:at], " ")
			}
			add(l.turned(strings.Join(strings.Fields("who "+active+" "+subject+" "+behind+" "+tail), " ")), strings.Join(agent, " "))
		}
	}
	if name := l.nameIn(c.subject); name != "" && !l.is("pronouns", c.subject[0]) {
		add(l.turned(strings.Join(strings.Fields("who "+c.verb+" "+rest+" "+tail), " ")), name)
	}
	// "Purchases up to 60 euro need no approval": the number is said beside the subject.
	for _, sp := range l.spans(c.subject) {
		number := sp.from
		for number < sp.to && (l.is("approximations", c.subject[number]) || c.subject[number] == "to") {
			number++
		}
		if sp.from > 0 && number > sp.from {
			asking := slices.Concat(c.subject[:number], []string{sp.wh[0]}, c.subject[sp.to:], []string{c.verb}, c.rest, c.last)
			add(l.turned(strings.Join(asking, " ")), sp.answer)
		}
	}
	// "214 people work here": the subject has the number.
	for i, w := range c.subject {
		if l.isNumber(w) && i+1 < len(c.subject) && (i == 0 || l.is("approximations", c.subject[i-1])) {
			wh := "how many " + strings.Join(c.subject[i+1:], " ")
			said, _, _ := strings.Cut(rest, ", ")
			add(l.turned(strings.Join(strings.Fields(wh+" "+c.verb+" "+said+" "+tail), " ")), w)
			break
		}
	}
	// What it is.
	if (c.verb == "is" || c.verb == "are") && len(c.rest) > 0 && covered == 0 {
		complement := c.rest
		if at := slices.IndexFunc(complement, func(w string) bool { return l.is("subordinators", strings.Trim(w, ",")) }); at > 0 {
			complement = complement[:at]
		}
		answer := strings.Join(complement, " ")
		first := strings.ToLower(complement[0])
		switch {
		case len(complement) > 9, len(complement) < 3 && first == "an", answer == "a special case":
		case l.is("placewords", first) && len(complement) > 1 && !l.is("notplaces", complement[1]):
			add(l.turned("where "+c.verb+" "+subject), answer)
		case l.is("articles", first) || isUpper(complement[0]) || numeral.FindString(first) == first && first != "" || strings.HasPrefix(first, "0"):
			add(l.turned("what "+c.verb+" "+subject), answer)
			if l.is("articles", c.subject[0]) && l.nameIn(complement) != "" {
				out[len(out)-1].asks = []string{l.turned("who " + c.verb + " " + subject)}
			}
		}
	}
	// What it does: the object of a verb.
	if v, ok := l.verbs.third[c.verb]; ok && covered == 0 && c.verb != "has" {
		if object := l.object(c.rest); len(object) > 0 && len(object) < 7 && (l.is("articles", object[0]) || !l.is("prepositions", object[0]) && !l.is("subordinators", object[0]) && !l.is("adverbs", object[0]) && object[0] != "to") && v.base != "be" {
			add(l.askFor(c, "what", 0, len(object)), strings.Join(object, " "))
		}
	}
	return out
}
