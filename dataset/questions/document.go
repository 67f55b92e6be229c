package questions

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/docent-ml/docent/dataset"
)

// Document is what questions are made of.
type Document struct {
	Source   string            // its path or file name, as in Passage.Source
	Pages    []string          // its text, page by page, with a tab between the columns of a table; one element if it has no pages
	Passages []dataset.Passage // the same text, cut as the model will read it
}

// block is a piece of a document that rules know how to ask about. It has a table, a list, or text.
type block struct {
	heading string     // above it
	rows    [][]string // of a table
	items   []string   // of a list
	text    string     // a paragraph, or what introduces the list
}

var (
	numbered = regexp.MustCompile(`^(?:\d+(?:\.\d+)*[.)]|\d+\.\d+|§ ?\d+[a-z]?\.?|[IVX]+\.|[A-Z]\.) +(\S.*)$`)
	bullet   = regexp.MustCompile(`^(?:[-–•*▪◦·]|\d{1,2}\)|[a-z]\)|\(\w\)) +(\S.*)$`)
	digits   = regexp.MustCompile(`\d+`)
)

// blocks takes a document apart by the look of its lines.
func (d Document) blocks() (found []block, heads []string) {
	lines, heads := withoutHeads(d.Pages)
	var b block
	heading := ""
	flush := func() {
		b.text = strings.Join(strings.Fields(b.text), " ")
		if b.text != "" || len(b.rows) > 0 || len(b.items) > 0 {
			b.heading = heading
			found = append(found, b)
		}
		b = block{}
	}
	for i, line := range lines {
		next := ""
		if i+1 < len(lines) {
			next = lines[i+1]
		}
		switch cells := cellsOf(line); {
		case strings.HasPrefix(strings.TrimSpace(line), "|-"), strings.HasPrefix(strings.TrimSpace(line), "| -"), strings.HasPrefix(strings.TrimSpace(line), "|:"):
			// the rule below the head of a table in Markdown
		case strings.TrimSpace(line) == "":
			if len(b.rows) == 0 || !samePlace(b.rows, next) {
				if !unfinished(b.text) || len(b.items) > 0 {
					flush()
				}
			}
		case len(cells) > 1:
			if len(b.rows) == 0 {
				flush()
			}
			if len(b.rows) == 0 || strings.Join(cells, "\t") != strings.Join(b.rows[0], "\t") {
				b.rows = append(b.rows, cells)
			}
		case len(b.rows) > 0 && len(cellsOf(next)) > 1 && !endsSentence(line):
			last := b.rows[len(b.rows)-1]
			last[len(last)-1] += " " + strings.TrimSpace(line)
		case bullet.MatchString(line):
			if len(b.rows) > 0 {
				flush()
			}
			b.items = append(b.items, bullet.FindStringSubmatch(line)[1])
		case isHeading(b, line, next):
			flush()
			heading = strings.TrimSpace(line)
			if m := numbered.FindStringSubmatch(heading); m != nil {
				heading = m[1]
			}
		case len(b.items) > 0:
			b.items[len(b.items)-1] += " " + strings.TrimSpace(line)
		default:
			if len(b.rows) > 0 {
				flush()
			}
			b.text += " " + strings.TrimSpace(line)
		}
	}
	flush()
	return found, heads
}

// withoutHeads joins the lines of pages, without those that stand at the top or the bottom of several pages.
func withoutHeads(pages []string) (lines, heads []string) {
	const deep = 4
	key := func(line string) string { return digits.ReplaceAllString(strings.Join(strings.Fields(line), " "), "#") }
	var all [][]string
	times := map[string]int{}
	for _, page := range pages {
		split := strings.Split(strings.ReplaceAll(page, "\r", ""), "\n")
		all = append(all, split)
		seen := map[string]bool{}
		for _, line := range atEdges(split, deep) {
			if k := key(line); !seen[k] {
				seen[k] = true
				times[k]++
			}
		}
	}
	for _, split := range all {
		edges := map[string]bool{}
		for _, line := range atEdges(split, deep) {
			edges[line] = true
		}
		for _, line := range split {
			if k := key(line); edges[line] && times[k] > 1 && !(strings.Contains(line, "\t") && !strings.Contains(k, "#")) {
				heads = append(heads, strings.TrimSpace(line))
				continue
			}
			lines = append(lines, line)
		}
		lines = append(lines, "")
	}
	return lines, heads
}

func atEdges(lines []string, deep int) []string {
	var full []string
	for _, line := range lines {
		if strings.TrimSpace(line) != "" {
			full = append(full, line)
		}
	}
	if len(full) <= 2*deep {
		return full
	}
	return append(full[:deep:deep], full[len(full)-deep:]...)
}

func cellsOf(line string) []string {
	separator := "\t"
	if trimmed := strings.TrimSpace(line); strings.HasPrefix(trimmed, "|") && strings.HasSuffix(trimmed, "|") { // Markdown's
		line, separator = strings.Trim(trimmed, "|"), "|"
		if strings.Trim(line, "|-: ") == "" {
			return nil
		}
	}
	if !strings.Contains(line, separator) {
		return nil
	}
	var cells []string
	for cell := range strings.SplitSeq(line, separator) {
		if cell = strings.Join(strings.Fields(cell), " "); cell != "" {
			cells = append(cells, cell)
		}
	}
	return cells
}

// samePlace tells whether a table goes on with the line behind an empty one.
func samePlace(rows [][]string, next string) bool { return len(cellsOf(next)) == len(rows[0]) }

// unfinished tells whether a paragraph goes on behind an empty line: on the next page, most often.
func unfinished(text string) bool {
	return utf8.RuneCountInString(text) > 60 && !endsSentence(text) && !strings.HasSuffix(strings.TrimSpace(text), ":")
}

func endsSentence(text string) bool {
	last, _ := utf8.DecodeLastRuneInString(strings.TrimRight(strings.TrimSpace(text), `"'”’»)`))
	return strings.ContainsRune(".!?;…:", last)
}

// isHeading tells whether a line stands above what follows: short, without a stop, and nothing before it is left open.
func isHeading(b block, line, next string) bool {
	line = strings.TrimSpace(line)
	if endsSentence(line) && !numbered.MatchString(line) || strings.HasSuffix(line, ".") || len(strings.Fields(line)) > 9 || strings.TrimSpace(next) == "" && b.text != "" && !endsSentence(b.text) {
		return false
	}
	first, _ := utf8.DecodeRuneInString(line)
	if unicode.IsLower(first) {
		return false
	}
	if b.text != "" && !endsSentence(b.text) || len(b.items) > 0 && !numbered.MatchString(line) && !endsSentence(b.items[len(b.items)-1]) && strings.TrimSpace(next) == "" {
		return false
	}
	follows, _ := utf8.DecodeRuneInString(strings.TrimSpace(next))
	if unicode.IsDigit(follows) && !numbered.MatchString(line) && len(cellsOf(next)) == 0 && !numbered.MatchString(next) {
		return false // a sentence that goes on with a number
	}
	return strings.TrimSpace(next) == "" || !unicode.IsLower(follows)
}

// sentences cuts a paragraph.
func (l *language) sentences(text string) []string {
	var out []string
	start := 0
	words := strings.Fields(text)
	for i, w := range words {
		if w == "|" {
			out, start = append(out, strings.Join(words[start:i], " ")), i+1
			continue
		}
		end := strings.TrimRight(w, `"'”’»)`)
		if end == "" {
			continue
		}
		last, _ := utf8.DecodeLastRuneInString(end)
		if !strings.ContainsRune(".!?", last) || i+1 < len(words) && !startsSentence(words[i+1]) {
			continue
		}
		if last == '.' && i+1 < len(words) && (abbreviation(strings.TrimSuffix(end, ".")) && !(utf8.RuneCountInString(end) == 2 && i+1 < len(words) && l.opens(words[i+1])) || (i == start || l.code == "de" && i+1 < len(words) && !germanStart[words[i+1]]) && strings.Trim(end, "0123456789.") == "" && len(end) < 4) {
			continue
		}
		out = append(out, strings.Join(words[start:i+1], " "))
		start = i + 1
	}
	if start < len(words) {
		out = append(out, strings.Join(words[start:], " "))
	}
	return out
}

// opens tells whether a word with a capital begins a sentence rather than being a name: after "chamber A.".
func (l *language) opens(word string) bool {
	word = strings.ToLower(strings.Trim(word, ","))
	return l.function(word) || l.is("adverbs", word) || l.is("pronouns", word) || l.is("subordinators", word) || l.verbs.base[word].base != ""
}

func startsSentence(word string) bool {
	r, _ := utf8.DecodeRuneInString(strings.TrimLeft(word, `"'“‘«„(¿¡`))
	return !unicode.IsLower(r)
}

// abbreviation tells whether a full stop belongs to the word before it: an initial, a title, the number of a day in German.
func abbreviation(word string) bool {
	word = strings.TrimLeft(word, "(\"“„")
	if utf8.RuneCountInString(word) == 1 && isUpper(word) || strings.Contains(word, ".") && letters(strings.ReplaceAll(word, ".", "")) {
		return true
	}
	switch strings.ToLower(word) {
	case "dr", "prof", "mr", "mrs", "ms", "st", "no", "nr", "vs", "fig", "art", "bzw", "usw", "ca", "str", "tel", "sr", "sra", "mme", "κ", "κα", "αρ", "π.χ":
		return true
	}
	return false
}

// germanStart are words that begin a sentence behind a number; behind others the stop makes an ordinal of it.
var germanStart = map[string]bool{"Der": true, "Die": true, "Das": true, "Er": true, "Sie": true, "Es": true, "Ein": true, "Eine": true, "Im": true, "In": true, "Am": true, "Wer": true, "Bei": true, "Für": true, "Alle": true, "Jede": true, "Nach": true}
