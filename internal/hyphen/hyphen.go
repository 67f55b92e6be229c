// Package hyphen tells what the hyphen at the end of a line is there for.
package hyphen

import (
	"slices"
	"strings"
)

// Suspends tells whether the hyphen behind stem stands for what comes later, by the next word, in lower case: "Vor- und
// Nachteile", "first- and second-year". has tells the words of the text: one that it has elsewhere was merely broken, and its
// language tells "in- en uitgang" from "happ-en".
func Suspends(stem, word string, has func(string) bool) bool {
	var common []string // for what ends words of other languages: words of which a text in its own has one
	switch word {
	case "and", "or", "und", "oder", "bzw", "sowie", "bis", "noch", "och", "eller", "oraz", "lub", "или", "και":
		return !has(stem+word) && !(strings.HasSuffix(stem, "den") && word == "noch")
	case "en", "of": // Dutch; the first ends many a word of others
		return !has(stem+word) && !slices.ContainsFunc([]string{"the", "och", "og", "der", "les", "que"}, has)
	case "to":
		common = []string{"the"}
	case "als":
		common = []string{"der", "die", "das"}
	case "et", "ou":
		common = []string{"les", "des", "que"}
	case "e", "ed", "o", "y", "u":
		common = []string{"che", "que", "di", "los", "não"}
	case "og", "i", "и":
		common = []string{"er", "det", "się", "jest", "na", "в", "на"}
	}
	return slices.ContainsFunc(common, has) && !has(stem+word)
}

// Connects tells whether the hyphen between two parts of a line's last word belongs to it, though the line ends there:
// beside a part of a compound that only connects its others, as in "arc-en-/ciel", "up-to-/date" and "mother-/in-law".
func Connects(before, after string) bool {
	before, after = strings.ReplaceAll(before, "‐", "-"), strings.ReplaceAll(after, "‐", "-")
	if i := strings.LastIndexByte(before, '-'); i > 0 && connecting(before[i+1:]) {
		return true
	}
	first, _, compound := strings.Cut(after, "-")
	return compound && connecting(first) || slices.Contains([]string{"self", "well"}, strings.ToLower(before))
}

func connecting(part string) bool {
	switch strings.ToLower(part) {
	case "a", "an", "and", "as", "at", "by", "down", "for", "from", "in", "of", "off", "on", "or", "out", "over", "the", "to", "up", "with",
		"à", "au", "aux", "ce", "ci", "d", "de", "des", "du", "en", "et", "il", "je", "l", "la", "là", "le", "les", "par", "sous", "sur", "t", "un", "vous",
		"am", "auf", "das", "der", "die", "im", "mit", "und", "vom", "von", "zu", "zum", "zur",
		"da", "di", "do", "e", "el", "os", "y":
		return true
	}
	return false
}
