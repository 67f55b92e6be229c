package ingest

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Lines this near to the edge of a page may be running headers or footers; they
// are when they stand there on this share of the pages. A document of fewer pages
// keeps them: a few copies harm less than a heading taken for one.
const (
	headerLines = 2
	headerPages = 7
	headerShare = 0.5
)

// dropHeaders removes running headers and footers. Their first copy stays, so
// that a word which stands nowhere else is not lost.
//
// What merely looks repeated is text: a line counts as repeated when it is the
// same to the letter, or the same but for a number that goes up with the pages,
// and not when it is a heading that counts ("Week 3") or the head of a table
// that goes on over the page. A line is dropped only if all lines between it and
// the edge are.
func dropHeaders(pages []Page) {
	if len(pages) < headerPages {
		return
	}
	counts := map[string]int{}
	edges := make([][2][]edgeLine, len(pages))
	split := make([][]string, len(pages))
	for i, p := range pages {
		split[i] = strings.Split(p.Text, "\n")
		edges[i] = [2][]edgeLine{topLines(split[i], p.Number), bottomLines(split[i], p.Number)}
		for key := range keysOf(edges[i]) {
			counts[key]++
		}
	}
	repeated := func(key string) bool {
		n := counts[key]
		return float64(n) >= headerShare*float64(len(pages))
	}
	seen := map[string]bool{}
	for i := range pages {
		drop := map[int]bool{}
		for _, side := range edges[i] {
			for _, line := range side {
				at := slices.IndexFunc(line.keys, repeated)
				if at < 0 {
					break
				}
				if key := line.keys[at]; seen[key] {
					drop[line.at] = true
				} else {
					seen[key] = true
				}
			}
		}
		// A page of nothing but such lines is no page with headers.
		if text := without(split[i], drop); text != "" {
			pages[i].Text = text
		}
	}
}

func without(lines []string, drop map[int]bool) string {
	var kept []string
	for i, l := range lines {
		if !drop[i] {
			kept = append(kept, l)
		}
	}
	return strings.TrimSpace(strings.Join(kept, "\n"))
}

// edgeLine is a line near the edge of a page, and what it may repeat.
type edgeLine struct {
	at   int
	keys []string
}

func keysOf(edges [2][]edgeLine) map[string]bool {
	keys := map[string]bool{}
	for _, side := range edges {
		for _, l := range side {
			for _, k := range l.keys {
				keys[k] = true
			}
		}
	}
	return keys
}

func topLines(lines []string, page int) (edge []edgeLine) {
	for i := 0; i < len(lines) && len(edge) < headerLines; i++ {
		if strings.TrimSpace(lines[i]) == "" {
			continue
		}
		if i+1 < len(lines) && isTableRow(lines[i]) && isTableRow(lines[i+1]) {
			break
		}
		edge = append(edge, edgeLine{i, repeatKeys("top ", lines[i], page)})
	}
	return edge
}

func bottomLines(lines []string, page int) (edge []edgeLine) {
	for i := len(lines) - 1; i >= 0 && len(edge) < headerLines; i-- {
		if strings.TrimSpace(lines[i]) != "" {
			edge = append(edge, edgeLine{i, repeatKeys("bottom ", lines[i], page)})
		}
	}
	return edge
}

func isTableRow(line string) bool { return strings.Count(line, "\t") >= 2 }

// maxNumbers is how many numbers of a line are tried as its page number.
const maxNumbers = 4

// repeatKeys returns the line itself and, for each number in it that may be
// the page's, the line with that number given relative to the page.
func repeatKeys(side, line string, page int) []string {
	text := strings.Join(strings.Fields(line), " ")
	keys := []string{side + text}
	for start := 0; start < len(text) && len(keys) <= maxNumbers; {
		if !isDigit(text[start]) {
			start++
			continue
		}
		end := start
		for end < len(text) && isDigit(text[end]) {
			end++
		}
		n, err := strconv.Atoi(text[start:end])
		rest := text[:start] + text[end:]
		if err == nil && !countsHeadings(rest) {
			keys = append(keys, side+text[:start]+"#"+strconv.Itoa(n-page)+text[end:])
		}
		start = end
	}
	return keys
}

// countsHeadings tells "Week 3", whose number is its own, from "page 3" and
// "Some University 3": one word that is not known to count pages.
func countsHeadings(rest string) bool {
	words := strings.FieldsFunc(rest, func(r rune) bool { return !unicode.IsLetter(r) })
	return len(words) == 1 && !slices.Contains(pageWords(), strings.ToLower(words[0]))
}

func pageWords() []string {
	return []string{
		"page", "p", "pg", "of", "seite", "s", "página", "pág", "pagina", "pag", "σελίδα", "σελ", "стр", "страница",
		"strona", "sida", "side", "sivu", "sayfa", "oldal", "stránka",
	}
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
