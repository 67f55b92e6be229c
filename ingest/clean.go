package ingest

import (
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/docent-ml/docent/internal/hyphen"
)

// Cleanup turns what stands on printed pages into running text. The zero value
// does everything; each field leaves one thing as it was.
type Cleanup struct {
	KeepHeaders   bool // running headers and footers, else dropped, from seven pages on; of those without a page number one copy stays
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

// joinHyphens joins words broken at line ends. A hyphen stays where the
// document writes the word with it elsewhere ("well-" and "known"), behind a
// single letter, which no one breaks off ("e-" and "mail"), and where it stands
// for the rest of a word to come ("Vor-" and "und Nachteile").
func joinHyphens(pages []Page) {
	compounds := map[string]bool{}
	for _, p := range pages {
		for w := range strings.FieldsSeq(p.Text) {
			if w = trimPunctuation(w); strings.ContainsAny(w[:max(len(w)-1, 0)], "-‐") {
				compounds[strings.ReplaceAll(w, "‐", "-")] = true
			}
		}
	}
	words := sync.OnceValue(func() map[string]bool { // few documents need it
		words := map[string]bool{}
		for _, p := range pages {
			for w := range strings.FieldsSeq(p.Text) {
				words[trimPunctuation(w)] = true
			}
		}
		return words
	})
	has := func(word string) bool { return words()[word] }
	for i := range pages {
		pages[i].Text = joinLines(pages[i].Text, compounds, has)
	}
}

func trimPunctuation(w string) string {
	return strings.TrimFunc(w, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

func joinLines(s string, compounds map[string]bool, has func(string) bool) string {
	lines := strings.Split(s, "\n")
	for i := 0; i+1 < len(lines); i++ {
		head, tail := lines[i], strings.TrimLeft(lines[i+1], " ")
		stem, soft := strings.CutSuffix(strings.TrimRight(head, " "), string(softHyphen))
		if !soft {
			var hard bool
			if stem, hard = cutHyphen(head); !hard {
				continue
			}
		}
		before, _ := utf8.DecodeLastRuneInString(stem)
		after, _ := utf8.DecodeRuneInString(tail)
		if !unicode.IsLetter(before) || !unicode.IsLower(after) && !(soft && unicode.IsLetter(after)) {
			continue
		}
		word, rest, more := strings.Cut(tail, " ")
		if !soft {
			last := stem[strings.LastIndexAny(stem, " \t")+1:]
			before, after := trimPunctuation(last), trimPunctuation(word)
			if hyphen.Suspends(before, after, has) {
				continue
			}
			if compounds[trimPunctuation(last+"-"+word)] || utf8.RuneCountInString(before) == 1 || hyphen.Connects(before, after) && !has(before+after) {
				stem += "-"
			}
		}
		lines[i] = stem + word
		lines[i+1] = rest
		if !more { // the word was the whole line
			lines = append(lines[:i+1], lines[i+2:]...)
		}
	}
	return strings.ReplaceAll(strings.Join(lines, "\n"), string(softHyphen), "")
}

func cutHyphen(line string) (string, bool) {
	line = strings.TrimRight(line, " ")
	if stem, ok := strings.CutSuffix(line, "-"); ok {
		return stem, true
	}
	return strings.CutSuffix(line, "‐")
}
