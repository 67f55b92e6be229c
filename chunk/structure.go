package chunk

import (
	"regexp"
	"slices"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// docLine is a line of a text, and what it is.
type docLine struct {
	start, end int // without the line end
	kind       lineKind
	level      int    // of a heading: 1 is the highest
	head       string // of a row below the head of a table: that head
	under      int    // the line of the heading that this one stands under; -1: none
}

type lineKind uint8

const (
	prose lineKind = iota
	blank
	heading
	underline // of a heading above it
	fenced    // code, and the fences around it
	headRow   // of a table, with the rule below it in Markdown
	row
)

// structure are the lines of a text.
type structure []docLine

// The levels of headings that do not tell theirs: below all that do.
const plainLevel = 9

var (
	atxHeading      = regexp.MustCompile(`^#{1,6}[ \t]+\S`)
	numberedHeading = regexp.MustCompile(`^(?:(?:§+[ \t]*)?(\d+(?:\.\d+)*)\.?|[IVXLC]+\.)[ \t]+\p{L}`)
	tableRule       = regexp.MustCompile(`^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)+\|?\s*$`)
	listItem        = regexp.MustCompile(`^\s*([-*+•▪–—·o]|\(?[a-zA-Z0-9]{1,3}[.)])\s`)
)

// readStructure finds headings, code and tables in a text: those of Markdown, rows with tabs, headings with numbers, and
// short lines that stand alone and are no sentences, but perhaps questions.
func readStructure(text string) structure {
	var s structure
	var f fence
	at := 0
	for line := range strings.Lines(text) {
		l := docLine{start: at, end: at + len(strings.TrimRight(line, "\r\n"))}
		at += len(line)
		switch {
		case f.holds(line):
			l.kind = fenced
		case strings.TrimSpace(line) == "":
			l.kind = blank
		}
		s = append(s, l)
	}
	for i := 0; i < len(s); i++ {
		if s[i].kind != prose {
			continue
		}
		if n := s.tableAt(text, i); n > 0 {
			i += n - 1
			continue
		}
		s.headingAt(text, i)
	}
	s.nest()
	return s
}

// nest finds for each line the heading that it stands under.
func (s structure) nest() {
	above := -1 // the heading before this line
	for i := range s {
		s[i].under = above
		if s[i].kind == heading {
			for s[i].under >= 0 && s[s[i].under].level >= s[i].level {
				s[i].under = s[s[i].under].under
			}
			above = i
		}
	}
}

func (s structure) text(text string, i int) string { return text[s[i].start:s[i].end] }

// is tells the kind of a line; outside of the text all is blank.
func (s structure) is(i int, kind lineKind) bool {
	if i < 0 || i >= len(s) {
		return kind == blank
	}
	return s[i].kind == kind
}

// tableAt marks the rows of a table that begins with line i, and returns their number; 0 if there is no table.
func (s structure) tableAt(text string, i int) int {
	first := s.text(text, i)
	cell, head := "\t", 1
	if s.is(i+1, prose) && strings.Contains(first, "|") && tableRule.MatchString(s.text(text, i+1)) {
		cell, head = "|", 2
	} else if !strings.Contains(first, "\t") || strings.HasPrefix(first, "\t") && strings.Count(first, "\t") == indents(first) {
		return 0
	}
	n := 0
	for ; s.is(i+n, prose) && strings.Contains(s.text(text, i+n), cell); n++ {
		s[i+n].kind = row
	}
	if n <= head || cell == "\t" && !isHead(first) {
		return n
	}
	for j := range head {
		s[i+j].kind = headRow
	}
	for j := head; j < n; j++ {
		s[i+j].head = text[s[i].start:s[i+head-1].end]
	}
	return n
}

func indents(line string) int { return len(line) - len(strings.TrimLeft(line, "\t")) }

// isHead tells names of columns from a row of data: none of them has a digit, and at most the first is empty.
func isHead(line string) bool {
	for i, cell := range strings.Split(line, "\t") {
		cell = strings.TrimSpace(cell)
		if cell == "" && i > 0 || strings.ContainsFunc(cell, unicode.IsDigit) || utf8.RuneCountInString(cell) > 40 {
			return false
		}
	}
	return true
}

func (s structure) headingAt(text string, i int) {
	line := s.text(text, i)
	switch {
	case atxHeading.MatchString(line):
		s[i].kind, s[i].level = heading, len(line)-len(strings.TrimLeft(line, "#"))
		return
	case s.is(i+1, prose) && s.is(i-1, blank) && !listItem.MatchString(line):
		if under := strings.TrimRight(s.text(text, i+1), " "); len(under) > 2 {
			for level, mark := range []string{"=", "-"} {
				if strings.Trim(under, mark) == "" {
					s[i].kind, s[i].level, s[i+1].kind = heading, level+1, underline
					return
				}
			}
		}
	}
	line = unbold(line)
	number := numberedHeading.FindStringSubmatch(line)
	alone := s.is(i-1, blank) && s.is(i+1, blank)
	if i+1 == len(s) || !looksLikeTitle(line, number) || !alone && (number == nil || !strings.Contains(number[1], ".") || s.is(i+1, row)) {
		return
	}
	s[i].kind, s[i].level = heading, plainLevel
	if number != nil {
		s[i].level = min(strings.Count(number[1], ".")+1, plainLevel-1)
	}
}

// looksLikeTitle tells a line that may be a heading: short, with a capital or a number in front, and no end of a sentence
// behind it but that of a question.
func looksLikeTitle(line string, number []string) bool {
	first, _ := utf8.DecodeRuneInString(strings.TrimPrefix(line, "¿"))
	last, _ := utf8.DecodeLastRuneInString(line)
	return utf8.RuneCountInString(line) <= 80 && len(strings.Fields(line)) <= 12 &&
		(number != nil || unicode.IsLetter(first) && !unicode.IsLower(first)) && (number != nil || !listItem.MatchString(line)) &&
		(unicode.IsLetter(last) || unicode.IsDigit(last) || unicode.Is(unicode.Pe, last) || strings.ContainsRune("?？؟", last) ||
			strings.ContainsRune(";\u037E", last) && endsSentence(line, ' ', false)) // in Greek
}

// at returns the index of the line in which the byte at offset stands.
func (s structure) at(offset int) int {
	return max(sort.Search(len(s), func(i int) bool { return s[i].start > offset })-1, 0)
}

// title is a heading without its marks.
func (s structure) title(text string, i int) string {
	line := s.text(text, i)
	if atxHeading.MatchString(line) {
		line = strings.TrimRight(strings.TrimRight(strings.TrimLeft(line, "#"), " "), "#")
	}
	return unbold(strings.TrimSpace(line))
}

// unbold is a line without the marks of Markdown around all of it.
func unbold(line string) string {
	if inner, ok := strings.CutPrefix(line, "**"); ok && strings.HasSuffix(inner, "**") && strings.Count(inner, "**") == 1 {
		return strings.TrimSuffix(inner, "**")
	}
	return line
}

// above returns the headings under which the text at offset stands, the highest first. A heading that stands there itself is
// not among them.
func (s structure) above(text string, offset int) (titles []string) {
	if len(s) == 0 {
		return nil
	}
	for i := s[s.at(offset)].under; i >= 0; i = s[i].under {
		titles = append(titles, s.title(text, i))
	}
	slices.Reverse(titles)
	return titles
}

// grade grades the break between two lines; ok is false where they tell nothing.
func (s structure) grade(from, to int) (g grade, ok bool) {
	a, b := s[from], s[to]
	switch {
	case from == to:
		return glued, a.kind == heading || a.kind == headRow
	case a.kind == heading, a.kind == underline, a.kind == headRow:
		return glued, true
	case b.kind == heading:
		return section, true
	case b.kind == row && a.kind == row:
		return sentence, true
	case a.kind == fenced && b.kind == fenced && to == from+1:
		first, last := from == 0 || s[from-1].kind != fenced, to+1 == len(s) || s[to+1].kind != fenced
		if first || last { // a fence and what it encloses
			return glued, true
		}
		return line, true
	}
	return word, false
}
