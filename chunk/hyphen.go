package chunk

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

// lineEndHyphen looks at a text and the line below it. broken tells that a word goes on across the line end, and drop how
// many bytes at the end of text were put there by the line end alone.
func lineEndHyphen(text []byte, line string, words *vocabulary) (drop int, broken bool) {
	if bytes.HasSuffix(text, []byte(softHyphen)) {
		return len(softHyphen), true
	}
	hyphen, size := utf8.DecodeLastRune(text)
	if hyphen != '-' && hyphen != '\u2010' {
		return 0, false
	}
	head := text[:len(text)-size]
	last, _ := utf8.DecodeLastRune(head)
	first, _ := utf8.DecodeRuneInString(line)
	if !isWordRune(last) || !isWordRune(first) {
		return 0, false
	}
	left, right := trailingLetters(head), leadingLetters(line)
	// "first-" above "and second-year": the hyphen stands for a word to come.
	switch rest := line[len(right):]; strings.ToLower(right) {
	case "and", "or", "und", "oder":
		if rest == "" || rest[0] == ' ' {
			return 0, false
		}
	}
	// Typesetters break after two letters at least, so "e-" is "e-mail"; what follows in capitals or digits is a name.
	split := utf8.RuneCountInString(left) > 1 && unicode.IsLower(first)
	switch plain, hyphenated := words.know(left, right); {
	case plain && !hyphenated:
		split = true
	case hyphenated && !plain:
		split = false
	}
	if split {
		return size, true
	}
	return 0, true
}

func isWordRune(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

func trailingLetters(text []byte) string {
	return string(text[len(bytes.TrimRightFunc(text, isLetter)):])
}

func leadingLetters(line string) string {
	return line[:len(line)-len(strings.TrimLeftFunc(line, isLetter))]
}

func isLetter(r rune) bool { return unicode.IsLetter(r) || unicode.IsMark(r) }

// vocabulary knows the words of a document, so that the document itself tells "bycatch" from "by-catch". It is
// gathered when first asked: most documents have no doubtful line end.
type vocabulary struct {
	pages [][]textLine
	words map[string]bool // in lower case; compounds as pairs: "well-known"
}

// know tells whether the document has left+right as one word, and as two with a hyphen.
func (v *vocabulary) know(left, right string) (plain, hyphenated bool) {
	if left == "" || right == "" {
		return false, false
	}
	if v.words == nil {
		v.words = map[string]bool{}
		for _, lines := range v.pages {
			for _, line := range lines {
				v.add(line.text)
			}
		}
	}
	left, right = strings.ToLower(left), strings.ToLower(right)
	return v.words[left+right], v.words[left+"-"+right]
}

func (v *vocabulary) add(line string) {
	for word := range strings.FieldsFuncSeq(strings.ToLower(line), func(r rune) bool { return !isLetter(r) && r != '-' && r != '\u2010' }) {
		before := ""
		for part := range strings.FieldsFuncSeq(word, func(r rune) bool { return !isLetter(r) }) {
			v.words[part] = true
			if before != "" {
				v.words[before+"-"+part] = true
			}
			before = part
		}
	}
}
