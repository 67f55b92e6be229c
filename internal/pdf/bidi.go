package pdf

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/bidi"
)

// logical turns a line from the order in which it stands on the page, left to
// right, into the order in which it is read. It is the inverse of the display
// algorithm for the cases that occur in one line: words of a right-to-left
// script, with numbers and foreign words inside them left as they are.
func logical(visual string) string {
	if !strings.ContainsFunc(visual, mayRunLeft) { // most text, and much of it
		return visual
	}
	runes := []rune(visual)
	classes := make([]bidi.Class, len(runes))
	rtl, ltr := 0, 0
	for i, r := range runes {
		p, _ := bidi.LookupRune(r)
		classes[i] = p.Class()
		switch classes[i] {
		case bidi.R, bidi.AL:
			rtl++
		case bidi.L:
			ltr++
		}
	}
	if rtl == 0 {
		return visual
	}
	if rtl > ltr { // a right-to-left line: turn it all, then the foreign runs back
		slices.Reverse(runes)
		slices.Reverse(classes)
		eachRun(classes, isForeign, func(i, j int) { slices.Reverse(runes[i:j]) })
		return mirrored(runes, classes)
	}
	eachRun(classes, isRTL, func(i, j int) { slices.Reverse(runes[i:j]) })
	return string(runes)
}

// mayRunLeft is true for all right-to-left letters, and for many others.
func mayRunLeft(r rune) bool { return r >= 0x590 }

func isRTL(c bidi.Class) bool { return c == bidi.R || c == bidi.AL || c == bidi.NSM }

func isForeign(c bidi.Class) bool {
	return c == bidi.L || c == bidi.EN || c == bidi.AN
}

// eachRun calls do for each maximal run of characters of a kind, with the
// neutral ones between two of them.
func eachRun(classes []bidi.Class, kind func(bidi.Class) bool, do func(i, j int)) {
	for i := 0; i < len(classes); i++ {
		if !kind(classes[i]) {
			continue
		}
		end := i + 1
		for j := i + 1; j < len(classes); j++ {
			if kind(classes[j]) {
				end = j + 1
			} else if isForeign(classes[j]) || classes[j] == bidi.R || classes[j] == bidi.AL {
				break
			}
		}
		do(i, end)
		i = end - 1
	}
}

// mirrored swaps the brackets of a line that was turned round when they do not
// pair up as they are: some writers note how a bracket looks, others what it
// means.
func mirrored(runes []rune, classes []bidi.Class) string {
	brackets := []rune("()[]{}<>«»") // each beside its counterpart
	foreign := make([]bool, len(runes))
	eachRun(classes, isForeign, func(i, j int) {
		for ; i < j; i++ {
			foreign[i] = true
		}
	})
	swapped := slices.Clone(runes)
	depth, paired := 0, true
	for i, r := range runes {
		k := slices.Index(brackets, r)
		if k < 0 || foreign[i] {
			continue
		}
		swapped[i] = brackets[k^1]
		depth += 1 - 2*(k&1)
		paired = paired && depth >= 0
	}
	if paired {
		return string(runes)
	}
	return string(swapped)
}

// visual is the text of one glyph in the order in which it would stand on the page.
// A ligature of Arabic letters is read like a word, and so is a span of marked content
// that one glyph stands for.
func visual(s string) string {
	if utf8.RuneCountInString(s) < 2 {
		return s
	}
	return logical(s) // both turn right-to-left text round
}

func isRightToLeft(s string) bool {
	p, _ := bidi.LookupString(s)
	return p.Class() == bidi.R || p.Class() == bidi.AL
}

// isMark tells of points and accents, which belong to the letter before them.
func isMark(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return r >= 0x300 && unicode.Is(unicode.Mn, r)
}
