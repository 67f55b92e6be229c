package ingest

import (
	"strings"
	"unicode"
)

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// blocks puts running text together: white space counts once, and breaks are
// written when the next word comes, the strongest of those that were asked for.
type blocks struct {
	b     strings.Builder
	space bool
	brk   string // "", "\n" or "\n\n"

	pending string // what stands before the next word: the mark of a list item
	broken  bool   // the last thing written was a line break
	apart   bool   // a formula was written last: digits beside it are not its own
}

// String is the text without blank lines around it. Tabs at its ends stay: they
// are cells.
func (b *blocks) String() string {
	s := b.b.String()
	if strings.TrimSpace(s) == "" {
		return ""
	}
	s = strings.TrimRight(s, " \n")
	for {
		line, rest, more := strings.Cut(s, "\n")
		if !more || strings.Trim(line, " ") != "" {
			return s
		}
		s = rest
	}
}

func (b *blocks) line() {
	if b.brk == "" && b.pending == "" {
		b.brk = "\n"
	}
}

func (b *blocks) paragraph() {
	if b.pending == "" { // else nothing stands on the line yet
		b.brk = "\n\n"
	}
}

// br ends a line; twice, it ends a paragraph.
func (b *blocks) br() {
	if b.broken {
		b.paragraph()
	}
	b.line()
	b.broken = true
}

// cells writes a row of a table, unless nothing stands in it.
func (b *blocks) cells(cells []string) {
	if strings.Join(cells, "") == "" {
		return
	}
	b.line()
	b.flush()
	b.b.WriteString(strings.Join(cells, "\t"))
	b.line()
}

func (b *blocks) endsInDigit() bool {
	s := b.b.String()
	return !b.space && b.brk == "" && s != "" && isDigit(s[len(s)-1])
}

func (b *blocks) flush() {
	switch {
	case b.b.Len() == 0:
	case b.brk != "":
		b.b.WriteString(b.brk)
	case b.space:
		b.b.WriteByte(' ')
	}
	b.b.WriteString(b.pending)
	b.brk, b.space, b.pending, b.broken, b.apart = "", false, "", false, false
}

func (b *blocks) words(s string) {
	for i, w := range strings.FieldsFunc(s, isCollapsible) {
		if i > 0 || isCollapsible(rune(s[0])) {
			b.space = true
		}
		if w = strings.ReplaceAll(shown(w), "\u00A0", " "); strings.Trim(w, " \u200B") == "" {
			b.space = true // such as what keeps a cell from being empty
			continue
		}
		if b.apart && startsWithDigit(w) && b.endsInDigit() {
			b.space = true
		}
		b.flush()
		b.b.WriteString(w)
	}
	if s != "" && isCollapsible(rune(s[len(s)-1])) {
		b.space = true
	}
}

// formula writes what stands for a formula: 2 ½ is not 21/2.
func (b *blocks) formula(s string) {
	b.apart = true
	b.words(s)
	b.apart = true
}

// verbatim keeps white space, as in <pre>.
func (b *blocks) verbatim(s string) {
	s = shown(s)
	if strings.TrimFunc(s, unicode.IsSpace) == "" && b.b.Len() == 0 {
		return
	}
	b.flush()
	b.b.WriteString(s)
}

// shown is text without control characters and soft hyphens.
func shown(s string) string {
	return strings.Map(func(r rune) rune {
		if isControl(r) || r == softHyphen {
			return -1
		}
		r, _ = symbolBullet(r)
		return r
	}, s)
}

func isCollapsible(r rune) bool { return r == ' ' || r == '\n' || r == '\t' || r == '\r' || r == '\f' }
