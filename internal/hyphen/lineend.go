package hyphen

import (
	"iter"
	"strings"
	"unicode"
	"unicode/utf8"
)

const soft = "\u00AD"

// AtLineEnd looks at a line and the next one. broken tells that a word goes on across the line end, and drop how many bytes at
// the end of the line were put there by the line end alone.
func AtLineEnd(line, next string, words *Vocabulary) (drop int, broken bool) {
	if strings.HasSuffix(line, soft) {
		return len(soft), true
	}
	mark, size := utf8.DecodeLastRuneInString(line)
	if mark != '-' && mark != '\u2010' {
		return 0, false
	}
	head := line[:len(line)-size]
	last, _ := utf8.DecodeLastRuneInString(head)
	first, _ := utf8.DecodeRuneInString(next)
	if !isWordRune(last) || !isWordRune(first) {
		return 0, false
	}
	left, right := head[len(strings.TrimRightFunc(head, isLetter)):], next[:len(next)-len(strings.TrimLeftFunc(next, isLetter))]
	if rest := next[len(right):]; (rest == "" || rest[0] == ' ') && Suspends(strings.ToLower(left), strings.ToLower(right), words.has) {
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
		word := head[strings.LastIndexAny(head, " \t")+1:]
		after, _, _ := strings.Cut(next, " ")
		split = split && !Connects(strings.TrimFunc(word, isNoLetter), strings.TrimFunc(after, isNoLetter))
	}
	if split {
		return size, true
	}
	return 0, true
}

func isWordRune(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
func isLetter(r rune) bool   { return unicode.IsLetter(r) || unicode.IsMark(r) }
func isNoLetter(r rune) bool { return !isLetter(r) }

// Vocabulary knows the words of a document, so that the document itself tells "bycatch" from "by-catch". It is gathered when
// first asked: most documents have no doubtful line end.
type Vocabulary struct {
	Texts iter.Seq[string]
	words map[string]bool // in lower case; compounds as pairs: "well-known"
}

// know tells whether the document has left+right as one word, and as two with a hyphen.
func (v *Vocabulary) know(left, right string) (plain, hyphenated bool) {
	if left == "" || right == "" {
		return false, false
	}
	left, right = strings.ToLower(left), strings.ToLower(right)
	return v.has(left + right), v.has(left + "-" + right)
}

// has tells whether a word, or a pair, in lower case stands in the document.
func (v *Vocabulary) has(word string) bool {
	if v.words == nil {
		v.words = map[string]bool{}
		for text := range v.Texts {
			for word := range strings.FieldsFuncSeq(strings.ToLower(text), func(r rune) bool { return !isLetter(r) && r != '-' && r != '\u2010' }) {
				before := ""
				for part := range strings.FieldsFuncSeq(word, isNoLetter) {
					v.words[part] = true
					if before != "" {
						v.words[before+"-"+part] = true
					}
					before = part
				}
			}
		}
	}
	return v.words[word]
}
