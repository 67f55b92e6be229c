package questions

import (
	"slices"
	"strings"
)

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
