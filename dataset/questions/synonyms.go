package questions

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// synonym is a word or phrase with others of the same meaning.
type synonym struct {
	from   string // in lower case
	to     []string
	behind string // sections of words of which one must stand right before; empty for any. "passive": a form of "be" somewhere before
}

// addSynonyms reads a line: "a | b | c" gives other words for a, "a = b = c" gives each for each. English words of [nouns] also
// stand in the plural, those of [actions] in the forms of a verb.
func (l *language) addSynonyms(section, line string) error {
	words, each := strings.Split(line, " = "), true
	if len(words) < 2 {
		words, each = alternatives(line), false
	}
	if len(words) < 2 {
		return fmt.Errorf("%q has no second word", line)
	}
	forms := [][]string{words}
	switch section {
	case "nouns":
		forms = append(forms, inflected(words, pluralOf))
	case "actions":
		forms = append(forms, inflected(words, third), inflected(words, l.verbs.participleOf))
	}
	for n, words := range forms {
		for i, w := range words {
			if i == 0 || each {
				behind := l.mustFollow(section, w)
				if n == 2 {
					behind = "passive"
				}
				l.synonyms = append(l.synonyms, synonym{strings.ToLower(w), slices.Concat(words[i+1:], words[:i]), behind})
			}
		}
	}
	return nil
}

// merged joins what several lines say of one word, and puts the longest first.
func merged(all []synonym) (out []synonym) {
	at := map[[2]string]int{}
	for _, s := range all {
		key := [2]string{s.from, s.behind}
		i, known := at[key]
		if !known {
			at[key] = len(out)
			out = append(out, s)
			continue
		}
		for _, w := range s.to {
			if !slices.Contains(out[i].to, w) {
				out[i].to = append(slices.Clip(out[i].to), w)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b synonym) int { return len(b.from) - len(a.from) })
	return out
}

// mustFollow returns the sections of words of which one must stand before an English word that may be a noun or a verb.
func (l *language) mustFollow(section, word string) string {
	verb, isBase := l.verbs.base[word]
	_, isThird := l.verbs.third[word]
	switch {
	case section == "nouns" && (isBase || isThird):
		return "articles prepositions determiners"
	case section == "actions" && (isThird || isBase && (verb.noun || l.is("adjectives", word))):
		return "pronouns modals"
	}
	return ""
}

// inflected gives the form to each word, in a phrase to its first.
func inflected(words []string, form func(string) string) []string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = form(w)
	}
	return out
}

var behindHead = regexp.MustCompile(` (?:of|in|out|at|on|up|for|to|who|with|taking|borrowing|next|off|away)\b.*$`)

func pluralOf(noun string) string {
	behind := behindHead.FindString(noun)
	head := strings.TrimSuffix(noun, behind)
	switch {
	case strings.HasSuffix(head, "y") && !vowel(head, 2):
		head = head[:len(head)-1] + "ies"
	case hasAnySuffix(head, "s", "x", "ch", "sh"):
		head += "es"
	case strings.HasSuffix(head, "man"):
		head = strings.TrimSuffix(head, "man") + "men"
	case strings.HasSuffix(head, "person"):
		head = strings.TrimSuffix(head, "person") + "people"
	default:
		head += "s"
	}
	return head + behind
}

// match is where a synonym stands in a question.
type match struct {
	from, to int
	words    []string
}

var quoted = regexp.MustCompile(`(?:^|\s)(?:'[^']+'|‘[^’]+’)|"[^"]+"|“[^”]+”|„[^“”]+[“”]|«[^»]+»`)

// matches finds what may be replaced, the longest phrases first: no names, nothing in quotation marks, nothing twice.
func (l *language) matches(question string) []match {
	lower := strings.ToLower(question)
	if len(lower) != len(question) {
		return nil // letters that change their length have no place
	}
	taken := quoted.FindAllStringIndex(question, -1)
	var out []match
	for _, s := range l.synonyms { // in the order of length
		from := l.place(s, lower)
		if from < 0 {
			continue
		}
		to := from + len(s.from)
		first, _ := utf8.DecodeRuneInString(question[from:])
		if unicode.IsUpper(first) && l.code != "de" && from > 0 || slices.ContainsFunc(taken, func(t []int) bool { return from < t[1] && t[0] < to }) {
			continue
		}
		taken = append(taken, []int{from, to})
		out = append(out, match{from, to, s.to})
	}
	slices.SortFunc(out, func(a, b match) int { return a.from - b.from })
	return out
}

// place returns where a synonym stands in a text in lower case as words of their own; -1 if it does not.
func (l *language) place(s synonym, text string) int {
	inside := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' }
	for start := 0; ; {
		i := strings.Index(text[start:], s.from)
		if i < 0 {
			return -1
		}
		from, to := start+i, start+i+len(s.from)
		before, _ := utf8.DecodeLastRuneInString(text[:from])
		behind, _ := utf8.DecodeRuneInString(text[to:])
		if !inside(before) && !inside(behind) && l.mayFollow(s.behind, text[:from]) {
			return from
		}
		start = to
	}
}

func (l *language) mayFollow(behind, text string) bool {
	if last := lastWord(text); behind == "passive" {
		adjective := l.is("articles", last) || l.is("prepositions", last) || l.is("determiners", last) // "a hired boat"
		return !adjective && slices.ContainsFunc(strings.Fields(text), func(w string) bool { return slices.Contains(be, w) || w == "be" || w == "been" })
	}
	return behind == "" || slices.ContainsFunc(strings.Fields(behind), func(section string) bool { return l.is(section, lastWord(text)) })
}

func lastWord(text string) string {
	words := strings.Fields(text)
	if len(words) == 0 {
		return ""
	}
	return strings.Trim(words[len(words)-1], ",:(")
}

// withSynonyms replaces words by others of the same meaning: all that can be, each time by others, and then every second one.
func (l *language) withSynonyms(question string, found []match) []string {
	if len(found) == 0 {
		return nil
	}
	most := len(slices.MaxFunc(found, func(a, b match) int { return cmp.Compare(len(a.words), len(b.words)) }).words)
	var out []string
	for turn := range max(most, 2) + 2 {
		text, from := "", 0
		for i, m := range found {
			if turn >= max(most, 2) && i%2 != turn%2 {
				continue
			}
			if joined, ok := l.join(text+question[from:m.from], m.words[(turn+i)%len(m.words)]); ok {
				text, from = joined, m.to
			}
		}
		out = append(out, text+question[from:])
	}
	return out
}

var vowels = regexp.MustCompile(`(?i)^(?:[aeiouyàâéèêîôû]|h[eéoiôuyaâ])`)

// join puts a word behind a text; articles take the form that the word needs. ok is false where that cannot be told.
func (l *language) join(text, word string) (joined string, ok bool) {
	before := strings.ToLower(lastWord(text))
	vowel := vowels.MatchString(word)
	head := strings.TrimSuffix(strings.TrimRight(text, " "), lastWord(text))
	switch {
	case l.code == "en" && (before == "a" || before == "an"):
		vowel = vowel && !hasAnyPrefix(word, "uni", "use", "euro", "one", "h", "y") || hasAnyPrefix(word, "hour", "honour")
		return head + map[bool]string{true: "an ", false: "a "}[vowel] + word, true
	case l.code != "fr":
		return text + word, true
	case (before == "le" || before == "la") && vowel:
		return head + "l'" + word, true
	case before == "de" && vowel:
		return head + "d'" + word, true
	case before == "du" && vowel:
		return head + "de l'" + word, true
	case before == "au" && vowel:
		return head + "à l'" + word, true
	case before == "ce" && vowel:
		return head + "cet " + word, true
	case strings.HasSuffix(before, "d'") && !vowel:
		return strings.TrimRight(text, "'’dD") + "de " + word, true
	}
	return text + word, !strings.HasSuffix(before, "l'") || vowel
}

func hasAnyPrefix(s string, prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(x string) bool { return strings.HasPrefix(s, x) })
}
