package chunk

import (
	"strings"
	"unicode"
)

const softHyphen = "\u00AD"

// Normalize returns text as chunks show it:
//
//   - a run of spaces and no-break spaces is one space, and none stands at a line's end. Those that begin a line stay: they
//     indent code and nested lists. Code that Markdown tells by four of them keeps its runs. Tabs stay: they set the cells of a
//     table row apart, empty ones too;
//   - every line end is "\n", and every run of blank lines (or a form feed) is one blank line, "\n\n";
//   - soft hyphens are gone, and words broken at a line end by a soft or a plain hyphen are whole again. A plain hyphen stays
//     where it belongs to the word: before a capital or a digit, after a single letter ("e-mail"), and where the
//     text has the word with the hyphen elsewhere ("by-catch"); a line that ends in "first-" before "and" stays as it is;
//   - control characters, byte order marks and zero-width spaces are gone; bytes that are not UTF-8 become U+FFFD;
//   - between the fences of a code block of Markdown nothing else is changed.
//
// Line breaks inside paragraphs stay, since rows of tables need them. Normalising twice is the same as once.
func Normalize(text string) string { return joinNormalized([]Section{{Text: text}}).Text }

var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\v", "\n", "\u0085", "\n", "\u2028", "\n",
	"\f", "\n\n", "\u2029", "\n\n")

// textLine is a line with white space normalised; a blank one is "".
type textLine struct {
	text string
	code bool // between fences
}

// cleanLines returns the lines of text. There is no blank line at either end, nor two in a row. A soft hyphen is left at the
// end of a line alone, for hyphen.AtLineEnd.
func cleanLines(text string) []textLine {
	var lines []textLine
	var f fence
	code, list := false, false // the line before is indented code; text that is indented belongs to a list
	for line := range strings.SplitSeq(lineEnds.Replace(strings.ToValidUTF8(text, "\uFFFD")), "\n") {
		shown := strings.Map(visible, line)
		l := textLine{code: f.holds(shown)}
		if l.code {
			l.text = strings.TrimRightFunc(shown, unicode.IsSpace)
		} else {
			indent := len(strings.ReplaceAll(indentation(line), "\t", "    "))
			first := len(lines) == 0 || lines[len(lines)-1].text == ""
			code = indent >= 4 && !list && (code || first)
			if l.text = cleanLine(line, code); l.text != "" && indent < 4 {
				list = listItem.MatchString(l.text) || list && (indent > 0 || !first)
			}
		}
		if l.text == "" && (len(lines) == 0 || lines[len(lines)-1].text == "") {
			continue
		}
		lines = append(lines, l)
	}
	if n := len(lines); n > 0 && lines[n-1].text == "" {
		lines = lines[:n-1]
	}
	return lines
}

// fence follows the fenced code blocks of Markdown from line to line.
type fence struct{ mark string } // of the open block; "" outside

// holds tells whether the next line is code, or one of the fences around it.
func (f *fence) holds(line string) bool {
	line = strings.TrimFunc(line, unicode.IsSpace)
	mark := line[:len(line)-len(strings.TrimLeft(line, "`"))]
	if mark == "" {
		mark = line[:len(line)-len(strings.TrimLeft(line, "~"))]
	}
	switch {
	case f.mark != "":
		if mark == line && strings.HasPrefix(mark, f.mark) {
			f.mark = ""
		}
		return true
	case len(mark) >= 3 && !strings.Contains(line[len(mark):], "`"):
		f.mark = mark
		return true
	}
	return false
}

// visible maps what nobody sees to nothing.
func visible(r rune) rune {
	if r == '\t' || !unicode.IsControl(r) && r != '\uFEFF' && r != '\u2060' && r != '\u200B' && r != '\u00AD' {
		return r
	}
	return -1
}

func cleanLine(line string, code bool) string {
	var out strings.Builder
	space, tabs, hyphen := 0, 0, false // seen since the last visible character
	for _, r := range line {
		switch {
		case r == '\u00AD':
			hyphen = space+tabs == 0 // behind a space it breaks no word
		case r == '\t':
			tabs++
		case unicode.IsSpace(r):
			space++
		case visible(r) < 0:
		default:
			switch {
			case out.Len() == 0:
				out.WriteString(indentation(line))
			case tabs > 0:
				out.WriteString(strings.Repeat("\t", tabs))
			case code:
				out.WriteString(strings.Repeat(" ", space))
			case space > 0 && !hyphen: // "even<soft hyphen> ing" is a line end that a reader turned into a space
				out.WriteByte(' ')
			}
			space, tabs, hyphen = 0, 0, false
			out.WriteRune(r)
		}
	}
	if out.Len() == 0 {
		return ""
	}
	out.WriteString(strings.Repeat("\t", tabs)) // empty cells
	if hyphen && tabs == 0 {
		out.WriteString(softHyphen)
	}
	return out.String()
}

// indentation is the white space that a line begins with, as spaces and tabs.
func indentation(line string) string {
	var b strings.Builder
	for _, r := range line {
		switch {
		case r == '\t':
			b.WriteByte('\t')
		case unicode.IsSpace(r):
			b.WriteByte(' ')
		case r == '\u00AD' || visible(r) < 0:
		default:
			return b.String()
		}
	}
	return ""
}
