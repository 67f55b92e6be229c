package questions

import (
	"strings"
	"unicode"
)

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
