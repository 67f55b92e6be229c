package questions

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// found is an answer with questions, before it is checked.
type found struct {
	asks   []string // without marks; the first is the plainest
	answer string
	accept []string
	quote  string
	framed bool // the questions name the document's subject already, or need not
}

// table asks about the cells of a table: a row of two cells that has no head is a label with its value.
func (l *language) table(b block, s subject) []found {
	if len(b.rows) == 0 {
		return nil
	}
	head, rows := l.head(b.rows)
	if head == nil {
		var out []found
		for _, row := range rows {
			if len(row) == 2 {
				out = append(out, l.label(row[0], row[1], strings.Join(row, " "), s)...)
			}
		}
		return out
	}
	var out []found
	values := map[string]int{} // how often a column has a value
	for _, row := range rows {
		for c, cell := range row {
			values[head[min(c, len(head)-1)]+"\t"+cell]++
		}
	}
	for _, row := range rows {
		if len(row) != len(head) || !hasWord(row[0]) {
			continue
		}
		key := l.key(head[0], row[0])
		for c := 1; c < len(row); c++ {
			header := l.lowerNoun(head[c])
			if !hasWord(row[c]) {
				continue
			}
			kind := l.kindOf("headers", head[c])
			switch value := l.classify(row[c]).kind; {
			case kind == "other" || kind == "key":
				kind = l.kindByValue(row[c])
			case kind == "when" && value == duration, kind == "duration" && value == quantity:
				kind = "other"
			}
			out = append(out, found{asks: l.fillAll(l.ask[kind], key, header, row[c]), answer: row[c], quote: strings.Join(row, " ")})
			if kind != "begin" && kind != "end" && kind != "when" && values[head[c]+"\t"+row[c]] == 1 && (!isNumberLike(row[0]) || utf8.RuneCountInString(row[0]) > 2 && kind != "topic") && len(strings.Fields(row[c])) < 6 {
				out = append(out, found{asks: l.fillAll(l.ask["which"], header, l.lowerNoun(head[0]), row[c]), answer: row[0], quote: strings.Join(row, " ")})
			}
		}
	}
	return out
}

// head tells the head of a table from its rows. A table of two columns has one if its first row is words alone and the cells below
// are of another kind, or if a head's usual names are there.
func (l *language) head(rows [][]string) (head []string, rest [][]string) {
	if len(rows) < 2 {
		return nil, rows
	}
	first := splitHead(rows[0], len(rows[1]))
	for _, cell := range first {
		if strings.ContainsFunc(cell, unicode.IsDigit) || len(strings.Fields(cell)) > 5 {
			return nil, rows
		}
	}
	if len(first) > 2 {
		return first, rows[1:]
	}
	if kind := l.kindOf("headers", first[1]); kind != "other" && (kind != "key" || l.kindOf("headers", first[0]) != "other") && l.kindOf("labels", first[0]) == "other" {
		return first, rows[1:]
	}
	if l.kindOf("headers", first[0]) == "key" && len(strings.Fields(first[0])) == 1 && len(rows) > 2 {
		return first, rows[1:]
	}
	short, typed := 0, 0
	for _, row := range rows[1:] {
		if isNumberLike(row[0]) {
			short++
		}
		if l.classify(row[len(row)-1]).kind == l.classify(rows[1][len(rows[1])-1]).kind && l.classify(row[len(row)-1]).kind != other {
			typed++
		}
	}
	if n := len(rows) - 1; n > 1 && (short == n || typed == n) {
		return first, rows[1:]
	}
	return nil, rows
}

// splitHead parts the cells of a head that stand too close for a tab, at their capitals, until there are n.
func splitHead(head []string, n int) []string {
	out := slices.Clone(head)
	for c := 0; c < len(out) && len(out) < n; c++ {
		words := strings.Fields(out[c])
		for i := 1; i < len(words); i++ {
			if isUpper(words[i]) {
				out = slices.Replace(out, c, c+1, strings.Join(words[:i], " "), strings.Join(words[i:], " "))
				break
			}
		}
	}
	if len(out) != n {
		return head
	}
	return out
}

// key names a row: "week 5", "error code E22", "the oral examination".
func (l *language) key(header, cell string) string {
	if l.is("colours", cell) {
		return strings.TrimSpace(l.definite() + " " + strings.ToLower(cell) + " " + lowerFirst(header))
	}
	if first, _ := utf8.DecodeRuneInString(cell); isNumberLike(cell) || unicode.IsLower(first) {
		return l.lowerNoun(header) + " " + cell
	}
	if words := strings.Fields(cell); l.code != "de" && len(words) > 1 && !isUpper(words[1]) && !isNumberLike(words[1]) {
		return lowerFirst(cell)
	}
	return cell
}

// lowerNoun writes the head of a column or a label as inside a sentence.
func (l *language) lowerNoun(head string) string {
	if l.code == "de" {
		return head
	}
	return lowerFirst(head)
}

// definite is the article that a noun can take whatever its gender; empty where there is none.
func (l *language) definite() string {
	if l.code == "en" {
		return "the"
	}
	return ""
}

// isNumberLike tells whether a cell needs the name of its column to be understood: a number, a date, a code.
func isNumberLike(cell string) bool {
	n := 0
	for _, r := range cell {
		if unicode.IsLetter(r) {
			n++
		}
	}
	return n < 3 && utf8.RuneCountInString(cell) < 8
}

func hasWord(cell string) bool {
	return strings.ContainsFunc(cell, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) })
}

// kindOf returns the kind of a column or label by its name.
func (l *language) kindOf(section, name string) string {
	name = strings.ToLower(strings.TrimRight(name, ":"))
	for _, n := range l.kinds[section] {
		for _, w := range n.words {
			if name == w {
				return n.kind
			}
		}
	}
	for _, n := range l.kinds[section] {
		for _, w := range n.words {
			if len(w) > 3 && (strings.HasPrefix(name, w+" ") || strings.HasSuffix(name, " "+w)) {
				return n.kind
			}
		}
	}
	return "other"
}

// kindByValue is the kind of question that fits a cell whose column has no known name.
func (l *language) kindByValue(cell string) string {
	switch l.classify(cell).kind {
	case money:
		return "price"
	case person:
		return "person"
	}
	return "other"
}

func (l *language) fillAll(forms []string, key, header, value string) []string {
	var out []string
	a, is := l.classify(value), "is"
	if strings.HasSuffix(header, "s") && !strings.HasSuffix(header, "ss") {
		is = "are"
	}
	first, _, _ := strings.Cut(header, " ")
	for _, form := range forms {
		asks, _, _ := strings.Cut(key, " ")
		if l.is("ask", first) && strings.Contains(form, "{h}") || l.is("ask", asks) && strings.Contains(form, "{k}") { // "Who answers"
			continue
		}
		if text, ok := fill(form, map[string]string{"k": key, "h": header, "v": value, "is": is, "when": l.when(a.kind), "unit": l.plural(a.unit)}); ok {
			out = append(out, text)
		}
	}
	return out
}

// label asks about "Label: value", which is said of the document's subject.
func (l *language) label(label, value, quote string, s subject) []found {
	label = strings.TrimSpace(strings.TrimRight(label, ":"))
	value = strings.TrimSpace(value)
	if s.name == "" || value == "" || !hasWord(value) || len(strings.Fields(label)) > 8 || value == s.name {
		return nil
	}
	kind := l.kindOf("labels", label)
	if kind == "other" {
		kind = l.kindByValue(value)
	}
	forms := l.ask["label "+kind]
	if forms == nil {
		forms = l.ask["label other"]
	}
	label = l.lowerNoun(label)
	if i := strings.Index(label, " "+s.name); i > 0 { // "attendance rule for NUR240"
		words := strings.Fields(label[:i])
		if l.is("prepositions", words[len(words)-1]) && len(words) > 1 {
			words = words[:len(words)-1]
		}
		label = strings.Join(words, " ")
	}
	name := s.name
	if s.kind == "product" && l.subject["product name"] != nil {
		name, _ = fill(l.subject["product name"][0], map[string]string{"s": s.name})
	}
	var accept []string
	if short, _, ok := strings.Cut(value, ", "); ok && kind == "person" {
		accept = append(accept, short)
	}
	return []found{{asks: l.fillAll(forms, name, label, value), answer: value, accept: accept, quote: quote, framed: true}}
}
