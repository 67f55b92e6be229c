package questions

import (
	"slices"
	"strings"
	"unicode"
)

// clause is an English statement in its parts: "the bunker", "is", "run by Oskar Penhallow".
type clause struct {
	subject []string
	verb    string // the finite verb as it stands
	rest    []string
	command bool // "Rinse the filter": the subject is whoever reads it
	last    []string
}

// asker makes questions of one document.
type asker struct {
	*language
	subject subject
	names   map[string]bool // words that the document writes with a capital inside sentences
}

func (l *language) asker(d Document, s subject) *asker {
	a := &asker{l, s, map[string]bool{}}
	for _, page := range d.Pages {
		for line := range strings.SplitSeq(page, "\n") {
			before := "."
			for w := range strings.FieldsSeq(line) {
				bare := strings.Trim(w, ",.:;()'’\"«»“”")
				if isUpper(bare) && !endsSentence(before) && letters(strings.Trim(before, ",()")) && !isUpper(before) {
					a.names[bare] = true
				}
				before = w
			}
		}
	}
	return a
}

// lowered writes the first word of a sentence as inside one.
func (l *asker) lowered(words []string) string {
	if l.function(words[0]) {
		return lowerFirst(words[0])
	}
	if l.names[strings.Trim(words[0], ",")] || words[0] == l.subject.name || len(words) > 1 && isUpper(words[1]) {
		return words[0]
	}
	return lowerFirst(words[0])
}

// statements makes questions of the sentences of an English paragraph.
func (l *asker) statements(text string) []found {
	var out []found
	var before clause // whose subject a pronoun means
	person := ""      // whom "she" means
	for _, sentence := range l.sentences(text) {
		if strings.HasSuffix(sentence, "?") || len(strings.Fields(sentence)) > 45 {
			before = clause{}
			continue
		}
		if label, value, ok := strings.Cut(sentence, ": "); ok && len(strings.Fields(label)) < 7 && l.finite(strings.Fields(label)) < 0 {
			out = append(out, l.label(label, strings.TrimRight(value, "."), sentence, l.subject)...)
		}
		quote, first := sentence, clause{}
		for _, f := range l.appositions(sentence) {
			f.quote = sentence
			out = append(out, f)
		}
		for _, c := range l.clauses(sentence) {
			if p, ok := l.resolve(c, before, person); ok {
				c = p
			} else {
				continue
			}
			first, before = c, c
			for _, f := range l.askClause(c) {
				f.quote = quote
				out = append(out, f)
			}
		}
		if first.verb != "" {
			before = first
		}
		if name := lastName(sentence); name != "" {
			person = name
		}
	}
	return out
}

// clauses returns the statements of a sentence: its main clauses, and what a relative clause says of a noun.
func (l *asker) clauses(sentence string) []clause {
	sentence = strings.TrimRight(strings.TrimSpace(sentence), ".!")
	var out []clause
	parts := strings.Split(sentence, "; ")
	if left, right, ok := strings.Cut(sentence, ": "); ok && l.finite(strings.Fields(left)) > 0 && l.finite(strings.Fields(right)) > 0 {
		parts = []string{left, right}
	}
	for _, part := range parts {
		words := strings.Fields(part)
		var pre []string
		if len(words) > 4 && l.is("prepositions", words[0]) { // "For a private car we pay"
			for i := 2; i < min(8, len(words)-1); i++ {
				if l.is("subjects", words[i]) && !l.is("prepositions", words[i-1]) && l.finite(words[i:]) == 1 {
					words[i-1] += ","
					break
				}
			}
		}
		if at := slices.IndexFunc(words, func(w string) bool { return strings.HasSuffix(w, ",") }); at > 0 && at+1 < len(words) &&
			(l.is("prepositions", words[0]) || l.is("subordinators", words[0])) {
			pre, words = words[:at+1], words[at+1:]
			pre[0] = l.lowered(pre)
			pre[len(pre)-1] = strings.TrimSuffix(pre[len(pre)-1], ",")
		}
		for i, piece := range l.coordinated(words) {
			if len(piece) == 0 {
				continue
			}
			main, relative := l.withoutRelative(piece)
			c, ok := l.parseClause(main)
			if !ok {
				continue
			}
			if i == 0 {
				c.last = pre
			}
			if len(c.subject) == 0 && !c.command && len(out) > 0 {
				c.subject = out[len(out)-1].subject
			}
			out = append(out, c)
			for _, r := range relative {
				if c, ok := l.parseClause(r); ok {
					out = append(out, c)
				}
			}
		}
	}
	return out
}

// coordinated cuts words before "and", "but" and "so" where a statement begins.
func (l *asker) coordinated(words []string) [][]string {
	var out [][]string
	start := 0
	for i := 2; i+2 < len(words); i++ {
		w := words[i]
		if w != "and" && w != "but" && w != "so" {
			continue
		}
		behind := words[i+1:]
		next := strings.ToLower(behind[0])
		verb, isVerb := l.verbs.third[next]
		verbFirst := slices.Contains(be, next) || slices.Contains(modals, next) ||
			isVerb && (!verb.noun || l.is("articles", behind[1]) || l.isNumber(behind[1]) || l.is("prepositions", behind[1])) && l.finite(words[start:i]) >= 0
		at := l.finite(behind)
		if verbFirst || strings.HasSuffix(words[i-1], ",") && at > 0 && at < 7 {
			piece := slices.Clone(words[start:i])
			piece[len(piece)-1] = strings.TrimSuffix(piece[len(piece)-1], ",")
			out = append(out, piece)
			start = i + 1
		}
	}
	return append(out, words[start:])
}

// withoutRelative takes ", which …" and ", who …" out of a statement and returns them as statements about the noun before.
func (l *asker) withoutRelative(words []string) (main []string, relative [][]string) {
	for i := 2; i+1 < len(words); i++ {
		if !strings.HasSuffix(words[i-1], ",") || words[i] != "which" && words[i] != "who" && words[i] != "whose" {
			continue
		}
		end := len(words)
		for j := i + 2; j < len(words)-1; j++ {
			if strings.HasSuffix(words[j], ",") {
				end = j + 1
				break
			}
		}
		from := i - 1
		for from > 0 && !l.is("articles", words[from]) && !l.is("prepositions", words[from-1]) && !l.verbForm(words[from-1]) && i-from < 5 {
			from--
		}
		noun := slices.Clone(words[from:i])
		noun[len(noun)-1] = strings.TrimSuffix(noun[len(noun)-1], ",")
		if l.isNumber(noun[0]) || noun[len(noun)-1] == "own" {
			break // "110 ml, which is enough", "of its own, which"
		}
		said := slices.Clone(words[i+1 : end])
		said[len(said)-1] = strings.TrimSuffix(said[len(said)-1], ",")
		if at := l.finite(said); words[i] == "whose" && at > 0 { // "Procurement, whose counter is": the counter of Procurement is
			noun = append(append(append([]string{"the"}, said[:at]...), "of"), noun...)
			said = said[at:]
		}
		relative = append(relative, append(noun, said...))
		main = slices.Clone(words[:i])
		main[i-1] = strings.TrimSuffix(main[i-1], ",")
		return append(main, words[end:]...), relative
	}
	return words, nil
}

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
	if v, isVerb := l.verbs.base[first]; isVerb && isUpper(words[0]) && len(words) > 2 && (l.is("articles", words[1]) || l.is("pronouns", words[1]) || l.finite(words) < 0 || !v.noun && l.boundary(words[1:l.finite(words)])) && !slices.Contains(modals, first) {
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

// resolve puts what it means in the place of a pronoun; ok is false if that cannot be told.
func (l *asker) resolve(c, before clause, person string) (clause, bool) {
	if len(c.subject) == 0 {
		return c, false
	}
	pronoun := strings.ToLower(c.subject[0])
	switch {
	case len(c.subject) > 1 && (pronoun == "its" || pronoun == "their" || pronoun == "his" || pronoun == "her"):
		if name := l.nameIn(c.subject); name != "" { // "her deputy, Jonas Prill,"
			c.subject = strings.Fields(name)
			return c, true
		}
		if len(before.subject) == 0 || before.command || l.is("pronouns", before.subject[0]) {
			return c, false
		}
		c.subject = append(append(slices.Clone(c.subject[1:]), "of"), before.subject...)
		return c, true
	case len(c.subject) > 1:
		return c, true
	case pronoun == "he" || pronoun == "she":
		if person != "" {
			c.subject = strings.Fields(person)
			return c, true
		}
		if len(before.subject) < 2 || plural(before) {
			return c, false
		}
		c.subject = before.subject
		return c, true
	case pronoun == "it" || pronoun == "they" || pronoun == "these":
		if before.command && len(before.rest) > 1 {
			before.subject = l.object(before.rest[1:])
		} else if len(before.subject) > 0 && (before.verb == "has" || before.verb == "have" || l.meansPeople(strings.Join(before.subject, " "))) && pronoun == "it" {
			before.subject = l.object(before.rest)
			before.verb = ""
		}
		if len(before.subject) == 0 || l.is("pronouns", before.subject[0]) || pronoun == "they" != (plural(before)) && (pronoun == "it" || pronoun == "they") {
			return c, false
		}
		c.subject = before.subject
		return c, true
	case pronoun == "we":
		if l.subject.name == "" || l.subject.kind != "organisation" && l.subject.kind != "other" {
			return c, false
		}
		c.subject = []string{l.subject.name}
		if v, ok := l.verbs.base[c.verb]; ok {
			c.verb = third(v.base)
		}
		return c, true
	case pronoun == "you":
		c.subject = []string{"i"}
		return c, true
	case pronoun == "that", pronoun == "nobody", pronoun == "nothing", pronoun == "one", pronoun == "what":
		return c, false
	}
	return c, true
}

func plural(c clause) bool {
	head := c.subject[len(c.subject)-1]
	if c.verb == "are" || c.verb == "were" || c.verb == "have" {
		return true
	}
	return c.verb != "is" && c.verb != "was" && c.verb != "has" && strings.HasSuffix(head, "s") && !strings.HasSuffix(head, "ss")
}

// object returns the noun that a verb's object begins with.
func (l *asker) object(words []string) []string {
	for i, w := range words {
		if i > 0 && (l.is("prepositions", w) && w != "of" || l.is("subordinators", w) || w == "and" || w == "with") {
			return words[:i]
		}
		if strings.HasSuffix(w, ",") {
			return append(slices.Clone(words[:i]), strings.TrimSuffix(w, ","))
		}
	}
	return words
}

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
	add := func(question, answer string, accept ...string) {
		answer = strings.Trim(answer, ",;: ")
		if question == "" || answer == "" || len(strings.Fields(question)) > 28 {
			return
		}
		out = append(out, found{asks: []string{question}, answer: answer, accept: accept})
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

// span is an answer in the words [from, to) that a question word replaces.
type span struct {
	from, to int
	wh       []string
	answer   string
}

func (l *asker) isNumber(w string) bool {
	w = strings.ToLower(strings.Trim(w, ",.;:()"))
	return l.is("numbers", w) || numeral.FindString(w) == w && w != "" || strings.Contains(w, "-") && l.is("numbers", strings.Split(w, "-")[0]) && l.is("numbers", strings.Split(w, "-")[1])
}

// spans finds the numbers, times, places and reasons among the words behind a verb.
func (l *asker) spans(words []string) []span {
	var out []span
	taken := make([]bool, len(words))
	mark := func(s span) {
		if slices.Contains(taken[s.from:s.to], true) {
			return
		}
		for i := s.from; i < s.to; i++ {
			taken[i] = true
		}
		out = append(out, s)
	}
	for i := 0; i < len(words); i++ {
		if s, ok := l.numberSpan(words, i); ok {
			mark(s)
			i = max(i, s.to-1)
		}
	}
	for i, w := range words {
		low := strings.ToLower(w)
		bare := strings.Trim(w, ",")
		switch {
		case i > 0 && l.is("prepositions", words[i-1]) && l.is("numbered", bare) && bare == w && i+1 < len(words) && (strings.ContainsFunc(words[i+1], unicode.IsDigit) || len(strings.Trim(words[i+1], ",")) == 1 && isUpper(words[i+1])):
			mark(span{i - 1, i + 2, []string{words[i-1] + " which " + low}, low + " " + strings.Trim(words[i+1], ",")})
		case l.is("colours", bare) && i+1 < len(words) && hasLetter(words[i+1]) && bare == w && !l.function(words[i+1]):
			from := i
			if i > 0 && l.is("articles", words[i-1]) {
				from--
			}
			prefix := ""
			if from > 0 && l.is("prepositions", words[from-1]) {
				from--
				prefix = strings.ToLower(words[from]) + " "
			}
			mark(span{from, i + 2, []string{prefix + "what colour " + strings.Trim(words[i+1], ",.")}, bare})
		case low == "because" && i > 0 && i+2 < len(words):
			mark(span{i, len(words), []string{"why"}, strings.Join(words[i:], " ")})
		case l.is("frequency", strings.Trim(low, ",")) && (low != "once" && low != "twice" || i+1 < len(words) && (words[i+1] == "a" || words[i+1] == "per" || words[i+1] == "every") || i+1 == len(words)) && (i+1 == len(words) || strings.HasSuffix(w, ",") || l.function(words[i+1]) || strings.HasSuffix(low, "ce")):
			to := i + 1
			if to+1 < len(words) && (words[to] == "a" || words[to] == "per") {
				to += 2
			}
			mark(span{i, to, []string{"how often"}, strings.Join(words[i:to], " ")})
		case l.is("placewords", low) && i+1 < len(words) && !l.is("notplaces", strings.Trim(words[i+1], ",")) && (l.is("articles", words[i+1]) && (words[i+1] == "the" || low != "on" && low != "in") || isUpper(words[i+1])) && !l.boundary(words[:i]):
			to := i + 1 + len(l.object(words[i+1:]))
			if to+1 < len(words) && (words[to] == "of" || words[to] == "to" && low == "next") {
				to = to + 1 + len(l.object(words[to+1:]))
			}
			head := strings.Trim(words[to-1], ",")
			if to-i > 8 || l.is("notplaces", head) || slices.Contains(taken[i:to], true) || l.is("months", head) {
				continue
			}
			if l.is("days", strings.TrimSuffix(head, "s")) || l.is("days", head) {
				mark(span{i, to, []string{"when", "on which day"}, strings.Join(words[i:to], " ")})
				continue
			}
			mark(span{i, to, []string{"where"}, strings.Join(words[i:to], " ")})
		}
	}
	return out
}

// numberSpan finds the answer around a number, a day or a time at words[i].
func (l *asker) numberSpan(words []string, i int) (span, bool) {
	trimmed := func(j int) string { return strings.Trim(words[j], ",;:()") }
	low := strings.ToLower(trimmed(i))
	isDay := l.is("days", low)
	isTime := clockTime.MatchString(words[i])
	glued := numeral.MatchString(low) && !l.isNumber(low) && (l.is("percent", strings.TrimLeft(low, "0123456789.,")) || l.is("money", strings.TrimRight(low, "0123456789.,")))
	if !isDay && !isTime && !l.isNumber(low) && !glued && !l.is("ordinals", low) {
		return span{}, false
	}
	from, to := i, i+1
	// A name with a number ("room 12", "week 5", "hall 3") is no quantity.
	if i > 0 && !isDay && !isTime {
		before := strings.ToLower(trimmed(i - 1))
		if l.is("numbered", before) || l.is("numbered", strings.TrimSuffix(before, "s")) {
			return span{}, false
		}
	}
	get := func(j int) string {
		if j < 0 || j >= len(words) {
			return ""
		}
		return strings.ToLower(trimmed(j))
	}
	kind, unit := count, ""
	switch {
	case isTime:
		kind = clock
		if get(to) == "a.m." || get(to) == "p.m." || get(to) == "am" || get(to) == "pm" {
			to++
		}
	case isDay:
		kind = weekday
		if get(to) == "of" && (l.is("months", get(to+1)) || get(to+1) == "each" || get(to+1) == "every" || get(to+1) == "the") {
			if to += 2; !l.is("months", get(to-1)) {
				to++
			}
		}
		for from > 0 && (l.is("ordinals", get(from-1)) || get(from-1) == "and" && l.is("ordinals", get(from-2))) {
			from--
		}
		if from < i && get(from-1) == "the" {
			from--
		}
	case l.is("months", get(to)):
		kind = date
		to++
		if get(to) == "and" && numeral.MatchString(get(to+1)) && l.is("months", get(to+2)) {
			to += 3
		}
		if len(get(to)) == 4 && numeral.MatchString(get(to)) {
			to++
		}
	case i > 0 && l.is("months", get(i-1)):
		kind, from = date, i-1
	case glued:
		kind = l.classify(low).kind
	case l.is("ordinals", low) && (l.is("days", get(to)) || get(to) == "and"):
		return span{}, false // "the first Monday" is found at its day
	case l.is("ordinals", low) && (get(i-1) == "the" || get(i-1) == "every") && i > 1 && l.is("prepositions", get(i-2)) && get(to) != "" && !l.is("prepositions", get(to)):
		if l.is("counted", get(to)) && to+1 < len(words) { // "the third working day"
			to++
		}
		return span{i - 2, to + 1, []string{get(i-2) + " which " + strings.ToLower(strings.Trim(strings.Join(words[i+1:to+1], " "), ",;:"))}, strings.Join(words[i-2:to+1], " ")}, true
	case l.is("percent", get(to)):
		kind = percent
		to++
	case l.is("money", get(to)):
		kind, unit = money, get(to)
		to++
	case l.is("duration", get(to)):
		kind, unit = duration, get(to)
		to++
	case get(to) == "more" && l.is("duration", get(to+1)):
		kind, unit = duration, "more "+get(to+1)
		to += 2
	case l.is("quantity", get(to)):
		kind, unit = quantity, trimmed(to)
		to++
	case l.is("counted", get(to)):
		if !l.is("duration", get(to+1)) {
			return span{}, false
		}
		kind, unit = duration, get(to)+" "+get(to+1)
		to += 2
	case l.is("ordinals", low):
		return span{}, false
	case len(low) == 4 && numeral.FindString(low) == low && (get(i-1) == "in" || get(i-1) == "since" || get(i-1) == "until" || get(i-1) == "from"):
		kind = "year"
	}
	// A range belongs together: "from 10:00 to 14:30", "between 2 and 8 degrees", "Tuesdays and Thursdays".
	if get(to) == "to" || get(to) == "and" || get(to) == "or" || get(to) == "until" {
		if s, ok := l.numberSpan(words[to+1:], 0); ok && (isDay || get(from-1) == "from" || get(from-1) == "between" || isTime && get(to) == "to") {
			inner := l.classify(strings.Join(words[to+1:to+1+s.to], " "))
			if kind == count {
				kind, unit = inner.kind, inner.unit
			}
			to += 1 + s.to
		}
	}
	answer := func() string { return strings.Trim(strings.Join(words[from:to], " "), ",;:") }
	if kind == count {
		if get(to) == "of" && l.isNumber(get(to+1)) { // "16 of 20 points"
			to += 2
		}
		head := to
		for head < len(words) && head < to+3 && hasLetter(words[head]) && !l.is("prepositions", trimmed(head)) && !l.function(trimmed(head)) && !l.is("subordinators", trimmed(head)) && l.verbs.participle[get(head)].base == "" {
			head++
			if strings.ContainsAny(words[head-1], ",;:") {
				break
			}
		}
		if head == to {
			return span{}, false
		}
		noun := strings.ToLower(strings.Trim(strings.Join(words[to:head], " "), ",;:"))
		if isUpper(words[to]) {
			noun = strings.Trim(strings.Join(words[to:head], " "), ",;:")
		}
		to = head
		unit = noun
		if (low == "one" || low == "1") && !strings.HasSuffix(unit, "s") {
			unit += "s"
		}
	}
	text := answer()
	// Words before that belong to it.
	wh := []string{}
	many := "how many " + l.plural(unit)
	switch kind {
	case money:
		wh = []string{"how much", "how many " + l.plural(unit)}
	case percent:
		wh = []string{"what percentage", "how many percent"}
	case duration:
		wh = []string{"how long", many}
	case quantity:
		wh = []string{"how much", many}
	case count:
		wh = []string{many}
	case clock:
		wh = []string{"at what time", "when"}
	case weekday:
		wh = []string{"on which day", "when"}
	case date:
		wh = []string{"when", "on what date"}
	case "year":
		wh = []string{"when", "in which year"}
	}
	if kind == percent && get(to) == "of" || (kind == duration || kind == quantity) && get(to) == "of" {
		end := to + 1 + len(l.object(words[to+1:]))
		of := strings.Trim(strings.Join(words[to:end], " "), ",")
		wh = []string{many + " " + of}
		if kind == percent {
			wh = []string{"what percentage " + of}
		}
		if kind == quantity {
			wh = append(wh, "how much "+strings.TrimPrefix(of, "of "))
		}
		to = end
	}
	for from > 0 {
		before := get(from - 1)
		if l.is("approximations", before) || before == "least" || before == "most" || before == "more" || before == "than" || before == "longer" || before == "less" {
			from--
			continue
		}
		if before == "at" && from < len(words) && (get(from) == "least" || get(from) == "most") {
			from--
			continue
		}
		if before == "to" && get(from-2) == "up" {
			from -= 2
			continue
		}
		break
	}
	before := get(from - 1)
	if (kind == quantity || kind == duration) && l.is("measures", get(to)) && before != "a" && before != "an" && before != "the" { // "820 mm high"
		return span{from, to + 1, []string{"how " + get(to), "how many " + l.plural(unit) + " " + get(to)}, text}, true
	}
	switch {
	case before == "every" || before == "each":
		if kind == duration || kind == count {
			return span{from - 1, to, []string{"how often"}, strings.Join(words[from-1:from], " ") + " " + text}, true
		}
		return span{from - 1, to, []string{"how often", "when"}, strings.Join(words[from-1:from], " ") + " " + text}, true
	case before == "a" || before == "an" || before == "the":
		if kind == date && get(from-2) == "" {
			return span{}, false
		}
		if kind == clock || kind == weekday || kind == date || kind == "year" {
			from--
		} else {
			return span{}, false // "the 40 euro ticket"
		}
	}
	before = get(from - 1)
	// "a flat rate of 42 euro": asked for as what rate.
	if before == "of" && kind != clock && kind != date && kind != weekday {
		noun := from - 2
		for noun > 0 && !l.is("articles", get(noun)) && from-noun < 6 {
			noun--
		}
		if noun < 0 || !l.is("articles", get(noun)) {
			return span{}, false
		}
		what := "what " + strings.Join(words[noun+1:from-1], " ")
		if noun > 0 && l.is("prepositions", get(noun-1)) {
			return span{noun - 1, to, []string{get(noun-1) + " " + what}, text}, true
		}
		return span{noun, to, []string{what}, text}, true
	}
	switch {
	case kind == clock || kind == weekday || kind == date || kind == "year":
		if before == "from" || before == "between" {
			if strings.Contains(text, " to ") || strings.Contains(text, " and ") || strings.Contains(text, " until ") {
				return span{from - 1, to, []string{"when", "at what times"}, strings.Trim(strings.Join(words[from-1:to], " "), ",;:")}, true
			}
			return span{from - 1, to, []string{"from when", "from what time"}, text}, true
		}
		if before == "before" || before == "until" || before == "after" || before == "by" || before == "since" {
			ask := map[string]string{clock: "what time", weekday: "which day", date: "what date", "year": "which year"}[kind]
			return span{from - 1, to, []string{before + " " + ask, before + " when"}, text}, true
		}
		if before == "on" || before == "at" || before == "in" {
			return span{from - 1, to, wh, text}, true
		}
		return span{from, to, wh, text}, true
	case l.is("prepositions", before) && before != "to":
		ask := wh[0]
		if kind == duration && ask == "how long" {
			ask = many
			if before == "for" {
				ask = "how long"
			}
		}
		if kind == quantity && ask == "how much" {
			ask = many
		}
		if before == "about" || before == "over" || before == "under" {
			return span{from - 1, to, wh, text}, true
		}
		return span{from - 1, to, []string{before + " " + ask}, text}, true
	}
	return span{from, to, wh, text}, true
}

// nameIn returns the name of a person in words: two capitals in a row that no article stands before, or a title with one.
func (l *asker) nameIn(words []string) string {
	for i := 0; i < len(words); i++ {
		w := strings.Trim(words[i], ",")
		if strings.ContainsAny(strings.Join(words, ""), "\"“”«»") {
			return "" // a title
		}
		if !isUpper(w) || l.notName(w) && !l.is("titles", w) {
			continue
		}
		if i > 0 && (l.is("articles", words[i-1]) || l.is("prepositions", words[i-1])) {
			return ""
		}
		end := i + 1
		for end < len(words) && isUpper(words[end]) && !strings.HasSuffix(words[end-1], ",") {
			end++
		}
		if end-i < 2 {
			return ""
		}
		return strings.Trim(strings.Join(words[i:end], " "), ",")
	}
	return ""
}

// lastName returns the last name of two words or more in a sentence.
func lastName(sentence string) string {
	name := ""
	words := strings.Fields(sentence)
	for i := 1; i+1 < len(words); i++ {
		w := strings.TrimLeft(words[i], "(")
		if !isUpper(w) || strings.HasSuffix(w, ",") || !isUpper(words[i+1]) || !letters(strings.Trim(words[i+1], ",.)")) || !letters(strings.Trim(w, ".")) {
			continue
		}
		end := i + 2
		for end < len(words) && isUpper(words[end]) && !strings.HasSuffix(words[end-1], ",") {
			end++
		}
		name = strings.Trim(strings.Join(words[i:end], " "), ",.()")
		i = end
	}
	return name
}

// appositions asks for the name behind an office: "the security officer, Bram Oduya".
func (l *asker) appositions(sentence string) []found {
	words := strings.Fields(sentence)
	var out []found
	for i := 1; i+2 < len(words); i++ {
		if !strings.HasSuffix(words[i], ",") || isUpper(words[i]) || !isUpper(words[i+1]) || !isUpper(words[i+2]) || strings.HasSuffix(words[i+1], ",") {
			continue
		}
		from := i
		for from > 0 && i-from < 4 && !l.is("articles", words[from]) {
			from--
		}
		end := i + 2
		for end < len(words) && isUpper(words[end]) && !strings.HasSuffix(words[end-1], ",") {
			end++
		}
		name := strings.Trim(strings.Join(words[i+1:end], " "), ",.;:")
		if !l.is("articles", words[from]) || strings.ContainsFunc(name, unicode.IsDigit) || l.notName(words[i+1]) && !l.is("titles", words[i+1]) {
			continue
		}
		office := strings.TrimSuffix(strings.Join(words[from+1:i+1], " "), ",")
		out = append(out, found{asks: []string{"who is the " + office, "what is the name of the " + office}, answer: name})
	}
	return out
}

// verbForm tells whether a word is a finite form of a verb that is seldom a noun.
func (l *asker) verbForm(w string) bool {
	w = strings.ToLower(strings.Trim(w, ","))
	third, isThird := l.verbs.third[w]
	return slices.Contains(be, w) || slices.Contains(modals, w) || w == "has" || w == "have" || isThird && !third.noun
}

func hasLetter(w string) bool { return strings.ContainsFunc(w, unicode.IsLetter) }
