package chunk

import (
	"bytes"
	"slices"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/docent-ml/docent/internal/hyphen"
)

// Document is the text of one source, its sections joined. The offsets of chunks count the bytes of Text.
type Document struct {
	Source string
	Text   string
	pages  []pageStart // by rising offset; only pages with text
}

type pageStart struct{ offset, page int }

// PageAt returns the page on which the byte at offset stands: Section.Page of its section. Outside the text it is the
// nearest page, and 0 when there is no text.
func (d Document) PageAt(offset int) int {
	if len(d.pages) == 0 {
		return 0
	}
	after := sort.Search(len(d.pages), func(i int) bool { return d.pages[i].offset > offset })
	return d.pages[max(after-1, 0)].page
}

// Document joins the sections of one source as Split does, so that the offsets of its chunks can be looked up. The Source is
// that of the first section.
//
// The text is normalised as Normalize says, across pages: a word broken at the end of a page is put together. Where a
// sentence plainly goes on, pages are joined by a line break, else as paragraphs. With Options.Raw the texts are left as
// they are, and a line break is put between two sections where neither brings one.
func (s *Splitter) Document(sections []Section) Document {
	if len(sections) == 0 {
		return Document{}
	}
	if s.o.Raw {
		return joinRaw(sections)
	}
	return joinNormalized(sections)
}

func joinRaw(sections []Section) Document {
	d := Document{Source: sections[0].Source}
	var text strings.Builder
	for _, section := range sections {
		if section.Text == "" {
			continue
		}
		if sofar := text.String(); sofar != "" && !strings.HasSuffix(sofar, "\n") && !strings.HasPrefix(section.Text, "\n") {
			text.WriteByte('\n')
		}
		d.pages = append(d.pages, pageStart{text.Len(), section.Page})
		text.WriteString(section.Text)
	}
	d.Text = text.String()
	return d
}

func joinNormalized(sections []Section) Document {
	d := Document{Source: sections[0].Source}
	pages := make([][]textLine, len(sections))
	for i, section := range sections {
		pages[i] = cleanLines(section.Text)
	}
	words := hyphen.Vocabulary{Texts: func(yield func(string) bool) {
		for _, line := range slices.Concat(pages...) {
			if !yield(line.text) {
				return
			}
		}
	}}
	var text []byte
	var before textLine
	for i, lines := range pages {
		paragraph := false // a blank line came before this one
		for j, line := range lines {
			if line.text == "" {
				paragraph = true
				continue
			}
			if len(text) > 0 {
				text, line.text = joinLine(text, before, line, paragraph, j == 0, &words)
			}
			if j == 0 {
				d.pages = append(d.pages, pageStart{len(text), sections[i].Page})
			}
			text = append(text, line.text...)
			paragraph, before = false, line
		}
	}
	d.Text = strings.TrimRightFunc(strings.TrimSuffix(string(text), softHyphen), unicode.IsSpace)
	return d
}

// joinLine ends text in the way in which line goes on: it removes a hyphen that only the line end needed, and appends what
// separates the two. It returns what is to be appended of the line.
func joinLine(text []byte, before, line textLine, paragraph, newPage bool, words *hyphen.Vocabulary) ([]byte, string) {
	if paragraph {
		return append(bytes.TrimSuffix(text, []byte(softHyphen)), "\n\n"...), line.text
	}
	next := strings.TrimLeft(line.text, " \t")
	if !before.code && !line.code {
		drop, broken := hyphen.AtLineEnd(string(text[bytes.LastIndexAny(text, " \t\n")+1:]), next, words) // of its last word: what went before says nothing
		text = text[:len(text)-drop]
		if broken {
			return text, next
		}
	}
	if newPage && !runsOn(text, next) {
		return append(text, "\n\n"...), line.text
	}
	return append(text, '\n'), line.text
}

// runsOn tells whether line plainly continues the sentence at the end of text.
func runsOn(text []byte, line string) bool {
	last, _ := utf8.DecodeLastRune(text)
	first, _ := utf8.DecodeRuneInString(line)
	return unicode.IsLower(first) && (last == ',' || unicode.IsLetter(last) || unicode.IsDigit(last))
}
