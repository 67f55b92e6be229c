package questions

import (
	"path"
	"slices"
	"strings"
	"unicode"
)

// fileWords returns the words of a file's name, in small letters.
func fileWords(name string) []string {
	base := path.Base(strings.ReplaceAll(name, `\`, "/"))
	return strings.FieldsFunc(strings.ToLower(strings.TrimSuffix(base, path.Ext(base))), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsNumber(r)
	})
}

// otherNames returns how people call what a document is about, beside the name that the question has: a dishwasher is "DW-640"
// in its manual and "the dishwasher" to its owner. The words of the file's name that the text has too, twice if they are no names, and
// that mean no document, tell it.
func (r *rewording) otherNames(text string) []string {
	var words []string
	plain := strings.ToLower(strings.ReplaceAll(r.subject, "-", ""))
	for _, w := range fileWords(r.fact.DocID) {
		document := r.is("document", w)
		for kind := range r.words["document"] {
			document = document || r.code == "de" && strings.HasSuffix(w, kind)
		}
		name := upperFirst(w)
		small, large := strings.Count(text, " "+w), strings.Count(text, " "+name)
		if w == plain || document || r.function(w) || strings.ContainsFunc(w, unicode.IsDigit) || small+2*large < 2 {
			continue
		}
		if large > small {
			w = name
		}
		words = append(words, w)
	}
	if len(words) < 2 {
		return words
	}
	return []string{strings.Join(words, " "), words[len(words)-1], words[0]}
}

// renamed names the subject in another way.
func (r *rewording) renamed(c core, name string, turn int) (out []candidate) {
	add := func(kind, text string) { out = append(out, candidate{text: text, kind: kind, other: true}) }
	for _, text := range r.keywords(core{c.text, c.frame, name}, turn) {
		if r.subject != "" {
			text = strings.Join(strings.Fields(strings.ReplaceAll(text, r.subject, "")), " ")
		}
		add("keywords", text)
	}
	if c.name != "" {
		add("called", upperFirst(name)+": "+c.text)
	}
	if r.code != "en" || r.subject == "" || strings.Contains(name, " ") {
		return out
	}
	whole := strings.TrimSpace(c.text + " " + c.frame)
	if m := r.named.FindStringSubmatch(whole); m != nil && (m[1] == "" || r.function(strings.TrimSpace(m[1]))) { // and no other noun behind it
		add("called", r.named.ReplaceAllString(whole, []string{"the ", "my "}[turn%2]+name+"$1"))
	}
	return out
}

// heaped returns the words of a question that say something with others of their meaning beside them, as a person types who does
// not know which word the document has.
func (r *rewording) heaped(c core, found []match) (out []string) {
	for turn := range 3 {
		var heap []string
		from := 0
		for i, m := range found {
			heap = append(heap, r.content(c.text[from:m.from])...)
			if turn == 0 {
				heap = append(heap, c.text[m.from:m.to])
			}
			for k := range min(2, len(m.words)) {
				heap = append(heap, m.words[(2*turn+i+k)%len(m.words)])
			}
			from = m.to
		}
		if heap = append(heap, r.content(c.text[from:])...); len(found) == 0 || len(heap) < 3 {
			continue
		}
		switch name := c.name; {
		case name == "" && len(r.called) > 0:
			heap = append(heap, r.called[turn%len(r.called)])
		case name != "" && turn%2 == 0:
			heap = append(heap, name)
		case name != "":
			heap = slices.Insert(heap, 0, name)
		}
		out = append(out, strings.Join(heap, " "))
	}
	return out
}
