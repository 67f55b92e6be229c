package ingest

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Cleanup turns what stands on printed pages into running text. The zero value
// does everything; each field leaves one thing as it was.
type Cleanup struct {
	KeepHeaders   bool // lines repeated at the top or bottom of most pages: all but the first are dropped
	KeepControls  bool // NUL, other control characters and U+FFFD, else removed
	KeepLigatures bool // ligatures and Arabic presentation forms, else their letters (NFKC)
	KeepHyphens   bool // soft hyphens and hyphens at line ends, else removed and the word joined
}

// Apply changes the text of the pages of one document.
func (c Cleanup) Apply(pages []Page) {
	if !c.KeepHeaders {
		dropHeaders(pages)
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
}

func isControl(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }

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
// document writes the word with it elsewhere: "well-" and "known".
func joinHyphens(pages []Page) {
	compounds := map[string]bool{}
	for _, p := range pages {
		for _, w := range strings.Fields(p.Text) {
			if w = trimPunctuation(w); strings.ContainsAny(w[:max(len(w)-1, 0)], "-‐") {
				compounds[strings.ReplaceAll(w, "‐", "-")] = true
			}
		}
	}
	for i := range pages {
		pages[i].Text = joinLines(pages[i].Text, compounds)
	}
}

func trimPunctuation(w string) string {
	return strings.TrimFunc(w, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

func joinLines(s string, compounds map[string]bool) string {
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
			if compounds[trimPunctuation(last+"-"+word)] {
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

// Lines this near to the edge of a page may be headers or footers; they are
// when they stand, but for digits, on this share of the pages.
const (
	headerLines = 2
	headerPages = 3
	headerShare = 0.5
)

func dropHeaders(pages []Page) {
	if len(pages) < headerPages {
		return
	}
	counts := map[string]int{}
	split := make([][]string, len(pages))
	for i, p := range pages {
		split[i] = strings.Split(p.Text, "\n")
		for key := range edgeKeys(split[i]) {
			counts[key]++
		}
	}
	seen := map[string]bool{}
	for i := range pages {
		dropped := false
		for key, at := range edgeKeys(split[i]) {
			if n := counts[key]; n < headerPages || float64(n) < headerShare*float64(len(pages)) {
				continue
			}
			if !seen[key] {
				seen[key] = true // its one copy stays, so that nothing is lost
				continue
			}
			split[i][at] = "\x00"
			dropped = true
		}
		if dropped {
			kept := split[i][:0]
			for _, l := range split[i] {
				if l != "\x00" {
					kept = append(kept, l)
				}
			}
			pages[i].Text = strings.TrimSpace(strings.Join(kept, "\n"))
		}
	}
}

// edgeKeys returns the lines near the top and the bottom of a page, with the
// digits made alike and the side they stand on, and where they are.
func edgeKeys(lines []string) map[string]int {
	keys := map[string]int{}
	collect := func(side string, order []int) {
		n := 0
		for _, i := range order {
			text := strings.Join(strings.Fields(lines[i]), " ")
			if text == "" {
				continue
			}
			if n++; n > headerLines {
				return
			}
			keys[side+alikeDigits(text)] = i
		}
	}
	down := make([]int, len(lines))
	up := make([]int, len(lines))
	for i := range lines {
		down[i], up[len(lines)-1-i] = i, i
	}
	collect("top ", down)
	collect("bottom ", up)
	return keys
}

func alikeDigits(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsDigit(r) {
			return '0'
		}
		return r
	}, s)
}
