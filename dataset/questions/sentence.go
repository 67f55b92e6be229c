package questions

import (
	"slices"
	"strings"
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
