package chunk

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/clipperhouse/uax29/v2/sentences"
)

// grade tells how good a place to cut is.
type grade uint8

const (
	glued grade = iota // to what follows, such as a heading
	word
	line
	sentence
	paragraph
	section // before a heading
)

// textBreak is a place where text may be cut: one chunk ends at end, the other begins at next, and only white space
// stands between the two.
type textBreak struct {
	end, next int
	grade     grade
}

// findBreaks returns the breaks of text in order. The last one is the end of the text, without its white space.
func findBreaks(text string, s structure) []textBreak {
	var breaks []textBreak
	ends := sentenceEnds(text)
	end, newlines := 0, 0 // the end of the last visible character, and what came after it
	at, before := 0, 0    // the lines of this character and of the last visible one
	var last rune
	for offset, r := range text {
		if unicode.IsSpace(r) {
			if r == '\n' {
				newlines++
			}
			continue
		}
		for at+1 < len(s) && s[at+1].start <= offset {
			at++
		}
		for len(ends) > 0 && ends[0] < offset {
			ends = ends[1:]
		}
		ended := len(ends) > 0 && ends[0] == offset
		if end > 0 && (offset > end || breaksBetween(last, r, ended)) { // white space before the text is no break
			g, told := s.grade(before, at)
			if !told {
				g = gradeOf(text[:end], r, newlines, ended)
			}
			breaks = append(breaks, textBreak{end, offset, g})
		}
		_, size := utf8.DecodeRuneInString(text[offset:])
		end, newlines, last, before = offset+size, 0, r, at
	}
	if end > 0 {
		breaks = append(breaks, textBreak{end, end, paragraph})
	}
	return breaks
}

// gradeOf grades a break behind before that has the given number of line ends, with next behind it. ended tells that a
// sentence ends there by the rules of Unicode.
func gradeOf(before string, next rune, newlines int, ended bool) grade {
	switch {
	case newlines > 0 && (strings.HasSuffix(before, ":") || strings.HasSuffix(before, "：")): // it introduces what follows
		return glued
	case newlines > 1:
		return paragraph
	case endsSentence(before, next, ended):
		return sentence
	case newlines == 1:
		return line
	default:
		return word
	}
}

// sentenceEnds returns where sentences begin after the first one, by the rules of Unicode (UAX 29) for all scripts.
func sentenceEnds(text string) (ends []int) {
	// The rules end a sentence at each line end; here a line may end amid one.
	all := sentences.FromString(strings.ReplaceAll(text, "\n", " "))
	for all.Next() {
		ends = append(ends, all.End())
	}
	return ends
}

// breaksBetween tells whether a cut is allowed between two characters without white space: behind a sentence, and in scripts
// that are written without spaces.
func breaksBetween(last, next rune, ended bool) bool {
	if !unspaced(last) && !unspaced(next) && !(ended && last >= 0x3000) {
		return false
	}
	return !unicode.IsMark(next) && !unicode.In(next, unicode.Pe, unicode.Pf, unicode.Po) && // nothing closing begins a chunk
		!unicode.In(last, unicode.Ps, unicode.Pi) // and nothing opening ends one
}

func unspaced(r rune) bool {
	return r >= 0x0E00 && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
}

// endsSentence tells whether a sentence ends at the end of before, which next follows. What ends one by the rules of Unicode
// does so but for abbreviations, which they do not know; and they take the question mark of Greek for a semicolon.
func endsSentence(before string, next rune, ended bool) bool {
	before = strings.TrimRightFunc(before, func(r rune) bool {
		return r == '"' || r == '\'' || unicode.In(r, unicode.Pe, unicode.Pf)
	})
	stop, size := utf8.DecodeLastRuneInString(before)
	rest := before[:len(before)-size]
	switch stop {
	case ';':
		last, _ := utf8.DecodeLastRuneInString(rest)
		return unicode.Is(unicode.Greek, last)
	case '.':
		return ended && !abbreviated(rest)
	case '…', '\u037E':
		return ended || !unicode.IsLower(next)
	default:
		return ended
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
