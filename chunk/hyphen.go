package chunk

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/docent-ml/docent/internal/hyphen"
)

// lineEndHyphen looks at a text and the line below it. broken tells that a word goes on across the line end, and drop how
// many bytes at the end of text were put there by the line end alone.
func lineEndHyphen(text []byte, line string, words *vocabulary) (drop int, broken bool) {
	if bytes.HasSuffix(text, []byte(softHyphen)) {
		return len(softHyphen), true
	}
	mark, size := utf8.DecodeLastRune(text)
	if mark != '-' && mark != '\u2010' {
		return 0, false
	}
	head := text[:len(text)-size]
	last, _ := utf8.DecodeLastRune(head)
	first, _ := utf8.DecodeRuneInString(line)
	if !isWordRune(last) || !isWordRune(first) {
		return 0, false
	}
	left, right := trailingLetters(head), leadingLetters(line)
	if rest := line[len(right):]; (rest == "" || rest[0] == ' ') && hyphen.Suspends(strings.ToLower(left), strings.ToLower(right), words.has) {
		return 0, false
	}
	// Typesetters break after two letters at least, so "e-" is "e-mail"; what follows in capitals or digits is a name.
	split := utf8.RuneCountInString(left) > 1 && unicode.IsLower(first)
	switch plain, hyphenated := words.know(left, right); {
	case plain && !hyphenated:
		split = true
	case hyphenated && !plain:
		split = false
	default:
		word := head[bytes.LastIndexAny(head, " \t\n")+1:]
		next, _, _ := strings.Cut(line, " ")
		split = split && !hyphen.Connects(strings.TrimFunc(string(word), isNoLetter), strings.TrimFunc(next, isNoLetter))
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

func isNoLetter(r rune) bool { return !isLetter(r) }

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
	left, right = strings.ToLower(left), strings.ToLower(right)
	return v.has(left + right), v.has(left + "-" + right)
}

// has tells whether a word, or a pair, in lower case stands in the document.
func (v *vocabulary) has(word string) bool {
	if v.words == nil {
		v.words = map[string]bool{}
		for _, lines := range v.pages {
			for _, line := range lines {
				v.add(line.text)
			}
		}
	}
	return v.words[word]
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
