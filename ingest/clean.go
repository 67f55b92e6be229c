package ingest

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/docent-ml/docent/internal/hyphen"
)

// Cleanup turns what stands on printed pages into running text. The zero value
// does everything; each field leaves one thing as it was.
type Cleanup struct {
	KeepHeaders   bool // running headers and footers, else dropped, in short documents only those with title and page number; of those without a number one copy stays
	KeepControls  bool // NUL, other control characters and U+FFFD, else removed
	KeepLigatures bool // ligatures and Arabic presentation forms, else their letters (NFKC)
	KeepHyphens   bool // soft hyphens and hyphens at line ends, else removed and the word joined
}

// Apply changes the text of the pages of one document.
func (c Cleanup) Apply(pages []Page) { c.apply(pages) }

// apply returns what the running headers call the document, or "".
func (c Cleanup) apply(pages []Page) (title string) {
	if !c.KeepHeaders {
		title = dropHeaders(pages)
	}
	for i := range pages {
		t := pages[i].Text
		if !c.KeepControls {
			t = dropControls(t)
		}
		if !c.KeepLigatures {
			t = splitLigatures(t)
		}
		pages[i].Text = t
	}
	if !c.KeepHyphens {
		joinHyphens(pages)
	}
	return title
}

// isControl tells characters that say nothing; byte-order marks stay where files were put together.
func isControl(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' || r == '\uFEFF' }

// symbolBullet reads the bullets that word processors take from symbol fonts.
func symbolBullet(r rune) (rune, bool) {
	switch r {
	case 0xF0B7:
		return '•', true
	case 0xF0A7:
		return '▪', true
	case 0xF0FC:
		return '✓', true
	case 0xF0D8, 0xF0E0:
		return '➔', true
	}
	return r, false
}

func dropControls(s string) string {
	return strings.Map(func(r rune) rune {
		if isControl(r) || r == utf8.RuneError {
			return -1
		}
		b, _ := symbolBullet(r)
		return b
	}, s)
}

// splitLigatures applies NFKC to presentation forms only: applied to all text
// it would turn "m²" into "m2".
func splitLigatures(s string) string {
	if !strings.ContainsFunc(s, isPresentationForm) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if isPresentationForm(r) {
			b.WriteString(norm.NFKC.String(string(r)))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func isPresentationForm(r rune) bool {
	return r >= 0xFB00 && r <= 0xFDFF && r != 0xFD3E && r != 0xFD3F || r >= 0xFE70 && r <= 0xFEFC
}

const softHyphen = '\u00AD'

// joinHyphens joins words broken at line ends. A hyphen stays where the document writes the word with it elsewhere ("well-" and
// "known"), behind a single letter, which no one breaks off ("e-" and "mail"), and where it stands for the rest of a word to
// come ("Vor-" and "und Nachteile").
func joinHyphens(pages []Page) {
	words := &hyphen.Vocabulary{Texts: func(yield func(string) bool) {
		for _, p := range pages {
			if !yield(p.Text) {
				return
			}
		}
	}}
	joined := make([]string, len(pages))
	for i, p := range pages {
		joined[i] = joinLines(p.Text, words)
	}
	for i, text := range joined {
		pages[i].Text = text
	}
}

func joinLines(s string, words *hyphen.Vocabulary) string {
	lines := strings.Split(s, "\n")
	for i := 0; i+1 < len(lines); i++ {
		head, tail := strings.TrimRight(lines[i], " "), strings.TrimLeft(lines[i+1], " ")
		drop, broken := hyphen.AtLineEnd(head, tail, words)
		first, _ := utf8.DecodeRuneInString(tail)
		if !broken || !unicode.IsLower(first) && !(strings.HasSuffix(head, string(softHyphen)) && unicode.IsLetter(first)) {
			continue
		}
		word, rest, more := strings.Cut(tail, " ")
		lines[i], lines[i+1] = head[:len(head)-drop]+word, rest
		if !more { // the word was the whole line
			lines = append(lines[:i+1], lines[i+2:]...)
		}
	}
	return strings.ReplaceAll(strings.Join(lines, "\n"), string(softHyphen), "")
}
