package chunk

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// grade tells how good a place to cut is.
type grade uint8

const (
	word grade = iota
	line
	sentence
	paragraph
)

// textBreak is a place where text may be cut: one chunk ends at end, the other begins at next, and only white space
// stands between the two.
type textBreak struct {
	end, next int
	grade     grade
}

// findBreaks returns the breaks of text in order. The last one is the end of the text, without its white space.
func findBreaks(text string) []textBreak {
	var breaks []textBreak
	end, newlines := 0, 0 // the end of the last visible character, and what came after it
	var last rune
	for at, r := range text {
		if unicode.IsSpace(r) {
			if r == '\n' {
				newlines++
			}
			continue
		}
		switch {
		case end == 0: // white space before the text is no break
		case at > end:
			breaks = append(breaks, textBreak{end, at, gradeOf(text[:end], r, newlines)})
		case breaksBetween(last, r):
			breaks = append(breaks, textBreak{end, at, gradeBetween(last)})
		}
		_, size := utf8.DecodeRuneInString(text[at:])
		end, newlines, last = at+size, 0, r
	}
	if end > 0 {
		breaks = append(breaks, textBreak{end, end, paragraph})
	}
	return breaks
}

// gradeOf grades the white space that ends before and has the given number of line ends, with next behind it.
func gradeOf(before string, next rune, newlines int) grade {
	switch {
	case newlines > 1:
		return paragraph
	case endsSentence(before, next):
		return sentence
	case newlines == 1:
		return line
	default:
		return word
	}
}

const wideStops = "。！？｡"

// breaksBetween tells whether scripts that are written without spaces allow a cut between two characters.
func breaksBetween(last, next rune) bool {
	if !unspaced(last) && !unspaced(next) && !strings.ContainsRune(wideStops, last) {
		return false
	}
	return !unicode.IsMark(next) && !unicode.In(next, unicode.Pe, unicode.Pf, unicode.Po) && // nothing closing begins a chunk
		!unicode.In(last, unicode.Ps, unicode.Pi) // and nothing opening ends one
}

func gradeBetween(last rune) grade {
	if strings.ContainsRune(wideStops, last) {
		return sentence
	}
	return word
}

func unspaced(r rune) bool {
	return r >= 0x0E00 && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
}

// endsSentence tells whether a sentence ends at the end of before, which next follows after white space.
func endsSentence(before string, next rune) bool {
	before = strings.TrimRightFunc(before, func(r rune) bool {
		return r == '"' || r == '\'' || unicode.In(r, unicode.Pe, unicode.Pf)
	})
	stop, size := utf8.DecodeLastRuneInString(before)
	rest := before[:len(before)-size]
	switch stop {
	case '!', '?', '…', '؟', '۔', '।', '\u037E', '。', '！', '？', '｡':
		return true
	case ';': // the question mark of Greek
		last, _ := utf8.DecodeLastRuneInString(rest)
		return unicode.Is(unicode.Greek, last)
	case '.':
		return !unicode.IsLower(next) && !abbreviated(rest)
	default:
		return false
	}
}

// abbreviated tells whether the full stop after text belongs to its last word: an initial, "e.g.", "Dr.", or the number of
// a list item at the beginning of a line.
func abbreviated(text string) bool {
	at := strings.LastIndexFunc(text, unicode.IsSpace) + 1
	if at > 0 {
		_, size := utf8.DecodeRuneInString(text[at-1:])
		at += size - 1
	}
	last := strings.TrimLeftFunc(text[at:], unicode.IsPunct)
	switch {
	case strings.Contains(last, "."):
		return strings.IndexFunc(last, unicode.IsDigit) < 0 // "e.g", but a sentence may end in "section 2.5"
	case utf8.RuneCountInString(last) == 1 && unicode.IsLetter([]rune(last)[0]):
		return true
	case strings.Trim(last, "0123456789") == "":
		return at == 0 || text[at-1] == '\n'
	}
	switch strings.ToLower(last) {
	case "dr", "prof", "mr", "mrs", "ms", "st", "no", "nr", "vs", "etc", "fig", "eq", "sec", "ch", "vol", "pp", "cf", "al", "approx", "ca", "bzw":
		return true
	}
	return false
}
