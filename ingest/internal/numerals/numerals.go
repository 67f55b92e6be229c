// Package numerals writes numbers in the ways in which documents count their lists.
package numerals

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Format writes n as the kind of a list says that HTML and OpenDocument name: "a" and "A" count a, b, …, z, aa, ab, "i" and
// "I" are Roman, "α" is α, β, …, "01" has two digits, and all others, and numbers that these cannot write, decimal.
func Format(n int, kind string) string {
	if n > 0 && n < 4000 {
		switch kind {
		case "a":
			return strings.ToLower(letters(n))
		case "A":
			return letters(n)
		case "i":
			return roman(n)
		case "I":
			return strings.ToUpper(roman(n))
		case "α":
			if n <= 24 {
				return string([]rune("αβγδεζηθικλμνξοπρστυφχψω")[n-1])
			}
		case "01":
			return fmt.Sprintf("%02d", n)
		}
	}
	return strconv.Itoa(n)
}

func letters(n int) string {
	if n == 0 {
		return ""
	}
	return letters((n-1)/26) + string(rune('A'+(n-1)%26))
}

func roman(n int) string {
	var b strings.Builder
	for _, d := range []struct {
		value int
		sign  string
	}{{1000, "m"}, {900, "cm"}, {500, "d"}, {400, "cd"}, {100, "c"}, {90, "xc"}, {50, "l"}, {40, "xl"}, {10, "x"}, {9, "ix"}, {5, "v"}, {4, "iv"}, {1, "i"}} {
		for ; n >= d.value; n -= d.value {
			b.WriteString(d.sign)
		}
	}
	return b.String()
}

// Raise writes a number with the digits of a power; false where s is none.
func Raise(s string) (string, bool) {
	if s == "" {
		return "", false
	}
	ok := true
	raised := strings.Map(func(r rune) rune {
		switch r {
		case '-', '−', '–':
			return '⁻'
		case '+':
			return '⁺'
		}
		if r < '0' || r > '9' {
			ok = false
			return r
		}
		return []rune("⁰¹²³⁴⁵⁶⁷⁸⁹")[r-'0']
	}, s)
	return raised, ok
}

// Apart is a text with a space in front of it where its digits would become those of the text before: 2 ½ is not 21/2.
func Apart(before, text string) string {
	last, _ := utf8.DecodeLastRuneInString(before)
	if first, _ := utf8.DecodeRuneInString(text); unicode.IsDigit(last) && unicode.IsDigit(first) {
		return " " + text
	}
	return text
}

// Scripts writes the pieces of a text of which some are superscripts or subscripts so that their digits do not become those of a
// number in front of them: 10⁶, 101_2.
type Scripts struct {
	place int  // of the last piece
	plain bool // it stood behind no number
}

// Next is the next piece as it is written behind the text before; place is above 0 for a superscript and below for a subscript.
func (s *Scripts) Next(before, piece string, place int) string {
	if piece == "" || place == s.place && s.plain { // or it goes on with a script of several pieces
		return piece
	}
	written := script(before, piece, place)
	s.place, s.plain = place, written == piece
	return written
}

func script(before, s string, place int) string {
	const digits = "0123456789"
	first, _ := utf8.DecodeRuneInString(s)
	switch number := strings.TrimRight(before, digits); {
	case place > 0 && strings.TrimRight(number, "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺") != before:
		if raised, ok := Raise(s); ok {
			return raised
		}
	case place < 0 && number != before && !strings.HasSuffix(number, "_") && unicode.IsDigit(first):
		return "_" + s
	}
	return s
}
