package ingest

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Lines this near to the edge of a page may be running headers or footers.
//
// A document of fewer than headerPages keeps those that are the same to the letter and bare page numbers, as pdftotext does: a few copies
// harm less than a heading taken for one.
const (
	headerLines = 2
	headerPages = 7
	headerShare = 0.5 // of all pages
	headerRun   = 0.8 // of the pages, or those of one side of the paper, between the first and the last with the line
	fewestRun   = 3   // pages
)

// dropHeaders removes running headers and footers. Of those without a page
// number the first copy stays, so that a word which stands nowhere else is not
// lost; one with a number is returned, as a title.
//
// What merely looks repeated is text: a line counts as repeated when it is the
// same to the letter, or the same but for a number that goes up with the pages,
// and not when it is a heading that counts ("Week 3") or the head of a table
// that goes on over the page. A line is dropped only if all lines between it and
// the edge are.
func dropHeaders(pages []Page) (title string) {
	counts := map[string]*copies{}
	edges := make([][2][]edgeLine, len(pages))
	split := make([][]string, len(pages))
	for i, p := range pages {
		split[i] = strings.Split(p.Text, "\n")
		edges[i] = [2][]edgeLine{edgeLines(top, split[i], p.Number), edgeLines("bottom ", split[i], p.Number)}
		for _, line := range slices.Concat(edges[i][0], edges[i][1]) {
			for _, key := range line.keys {
				if counts[key] == nil {
					counts[key] = &copies{first: i, last: -1}
				}
				counts[key].add(i)
			}
		}
	}
	seen := map[string]bool{}
	for i := range pages {
		drop := map[int]bool{}
		for _, side := range edges[i] {
			for _, line := range side {
				at := slices.IndexFunc(line.keys, func(key string) bool {
					if c := counts[key]; len(pages) < headerPages {
						return isNumbered(key) && c.onEach(len(pages)) && hasPageNumber(key, pages[c.first].Number, c.n)
					}
					return counts[key].repeat(len(pages), isNumbered(key))
				})
				if at < 0 {
					break
				}
				if key := line.keys[at]; seen[key] || isNumbered(key) {
					drop[line.at] = true
					if words := strings.Trim(numberedText(key), " |-–—·•.,:/"); title == "" && strings.Contains(words, " ") && !countsPages(words) {
						title = words
					}
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
	return title
}

// copies is where a line stands.
type copies struct {
	n, first, last int
	side           [2]int // on even and on odd pages
}

func (c *copies) add(page int) {
	if page != c.last { // a page may have it twice
		c.n++
		c.last = page
		c.side[page%2]++
	}
}

// repeat tells whether there are enough copies in a document of that many pages.
func (c *copies) repeat(pages int, numbered bool) bool {
	if float64(c.n) >= headerShare*float64(pages) {
		return true
	}
	step := 1
	if c.side[0] == 0 || c.side[1] == 0 { // left and right pages have their own
		step = 2
	}
	run := (c.last-c.first)/step + 1
	if c.n < fewestRun || float64(c.n) < headerRun*float64(run) {
		return false
	}
	return numbered || step == 2 && float64(c.n) >= headerRun*headerShare*float64(pages)
}

// onEach tells whether a line stands on each page, or on each of one side of the paper. The first page may have none.
func (c *copies) onEach(pages int) bool {
	left, right := pages/2, (pages+1)/2
	switch {
	case c.n < 2:
		return false
	case c.n == pages || c.first == 1 && c.n == pages-1:
		return true
	case c.side[0] == 0:
		return c.n == left
	}
	return pages > 3 && c.side[1] == 0 && (c.n == right || c.first == 2 && c.n == right-1)
}

// hasPageNumber tells the number of a page behind a title from that of a heading or an amount, by as little as a short document
// shows. first is the page with the first of n copies.
func hasPageNumber(key string, first, n int) bool {
	title := numberedText(key)
	before, rest, _ := strings.Cut(key, numberMark)
	offset, after, _ := strings.Cut(rest, numberMark)
	number, _ := strconv.Atoi(offset)
	switch isTop := strings.HasPrefix(key, top); {
	case countsPages(title):
		return false
	case offset == "0" && pageWord.MatchString(before):
	case n == 2 || number > 1000: // such as years
		return offset == "0" && (!isTop || first != 1)
	case isTop && after == "" && strings.TrimPrefix(before, top) != "":
		return strings.Count(title, " ") > 1 || number+first != 1 // else headings that are counted, such as "Exercise sheet 1"
	}
	return true
}

// pageWord stands in front of the number of a page.
var pageWord = regexp.MustCompile(`(?i)[^\pL](page|p\.|pg\.|seite|s\.|página|pagina|pág\.|pag\.|σελίδα|σελ\.|стр\.|страница|strona|sida|side|sivu|sayfa|oldal|stránka) ?$`)

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

const top = "top "

// edgeLines are the outermost lines of a page with text, from the edge on.
func edgeLines(side string, lines []string, page int) (edge []edgeLine) {
	for i := range lines {
		if side != top {
			i = len(lines) - 1 - i
		}
		if strings.TrimSpace(lines[i]) == "" {
			continue
		}
		if len(edge) == headerLines || side == top && i+1 < len(lines) && isTableRow(lines[i]) && isTableRow(lines[i+1]) {
			break
		}
		edge = append(edge, edgeLine{i, repeatKeys(side, lines[i], page)})
	}
	return edge
}

func isTableRow(line string) bool { return strings.Count(line, "\t") >= 2 }

// numberMark stands around the page number of a line, counted from the page it is on.
const numberMark = "\x00"

func isNumbered(key string) bool { return strings.Contains(key, numberMark) }

// numberedText is the line of a key without its side and number.
func numberedText(key string) string {
	_, key, _ = strings.Cut(key, " ")
	before, rest, _ := strings.Cut(key, numberMark)
	_, after, _ := strings.Cut(rest, numberMark)
	return strings.TrimSpace(before + " " + after)
}

var numbers = regexp.MustCompile(`[0-9]+`)

// maxNumbers is how many numbers of a line are tried as its page number.
const maxNumbers = 4

// repeatKeys returns the line itself and, for each number in it that may be
// the page's, the line with that number given relative to the page.
func repeatKeys(side, line string, page int) []string {
	text := strings.Join(strings.Fields(line), " ")
	keys := []string{side + text}
	for _, at := range numbers.FindAllStringIndex(text, -1) {
		before, after := text[:at[0]], text[at[1]:]
		n, err := strconv.Atoi(text[at[0]:at[1]])
		if err == nil && len(keys) <= maxNumbers && !countsHeadings(before+after) {
			keys = append(keys, side+before+numberMark+strconv.Itoa(n-page)+numberMark+after)
		}
	}
	return keys
}

// countsHeadings tells "Week 3", whose number is its own, from "page 3" and
// "Some University 3": one word that is not known to count pages.
func countsHeadings(rest string) bool {
	words := strings.FieldsFunc(rest, func(r rune) bool { return !unicode.IsLetter(r) })
	return len(words) == 1 && !countsPages(rest)
}

// countsPages tells a text of nothing but words such as "page" and "of", and numbers.
func countsPages(text string) bool {
	for word := range strings.FieldsFuncSeq(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) }) {
		switch word {
		case "page", "p", "pg", "seite", "s", "página", "pág", "pagina", "pag", "σελίδα", "σελ", "стр", "страница",
			"strona", "sida", "side", "sivu", "sayfa", "oldal", "stránka",
			"of", "von", "sur", "de", "di", "van", "av", "af", "z", "из", "από":
		default:
			return false
		}
	}
	return true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
