package chunk

import (
	"strings"
	"unicode"
)

const softHyphen = "\u00AD"

// Normalize returns text as chunks show it:
//
//   - every run of spaces, tabs and no-break spaces is one space, and none stands at a line's end;
//   - every line end is "\n", and every run of blank lines (or a form feed) is one blank line, "\n\n";
//   - soft hyphens are gone, and words broken at a line end by a soft or a plain hyphen are whole again. A plain hyphen stays
//     where it belongs to the word: before a capital or a digit, after a single letter ("e-mail"), and where the
//     text has the word with the hyphen elsewhere ("by-catch"); a line that ends in "first-" before "and" stays as it is;
//   - control characters, byte order marks and zero-width spaces are gone; bytes that are not UTF-8 become U+FFFD.
//
// Line breaks inside paragraphs stay, since rows of tables need them. Normalising twice is the same as once.
func Normalize(text string) string { return joinNormalized([]Section{{Text: text}}).Text }

var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\v", "\n", "\u0085", "\n", "\u2028", "\n",
	"\f", "\n\n", "\u2029", "\n\n")

// cleanLines returns the lines of text with white space normalised. A blank line is ""; there is none at either end, nor
// two in a row. A soft hyphen is left at the end of a line alone, for lineEndHyphen.
func cleanLines(text string) []string {
	var lines []string
	for line := range strings.SplitSeq(lineEnds.Replace(strings.ToValidUTF8(text, "\uFFFD")), "\n") {
		line = cleanLine(line)
		if line == "" && (len(lines) == 0 || lines[len(lines)-1] == "") {
			continue
		}
		lines = append(lines, line)
	}
	if n := len(lines); n > 0 && lines[n-1] == "" {
		lines = lines[:n-1]
	}
	return lines
}

func cleanLine(line string) string {
	var out strings.Builder
	space, hyphen := false, false // seen since the last visible character
	for _, r := range line {
		switch {
		case r == '\u00AD':
			hyphen = !space // behind a space it breaks no word
		case unicode.IsSpace(r):
			space = true
		case unicode.IsControl(r), r == '\uFEFF', r == '\u2060', r == '\u200B':
		default:
			// "even<soft hyphen> ing" is a line end that a reader turned into a space.
			if space && !hyphen && out.Len() > 0 {
				out.WriteByte(' ')
			}
			space, hyphen = false, false
			out.WriteRune(r)
		}
	}
	if hyphen && out.Len() > 0 {
		out.WriteString(softHyphen)
	}
	return out.String()
}
