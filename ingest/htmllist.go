package ingest

import (
	"strconv"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// list writes the items of a list with their numbers or dashes, nested ones
// indented.
func (p *htmlText) list(n *html.Node, out *blocks) {
	if p.lists == 0 {
		out.paragraph()
	} else {
		out.line()
	}
	number, step := 1, 1
	if n.DataAtom == atom.Ol {
		if hasAttribute(n, "reversed") {
			number, step = items(n), -1
		}
		if start, err := strconv.Atoi(attributeOf(n.Attr, "start")); err == nil {
			number = start
		}
	}
	p.lists++
	for c := range n.ChildNodes() {
		if c.DataAtom != atom.Li || isHidden(c) {
			p.node(c, out)
			continue
		}
		mark := "- "
		if n.DataAtom == atom.Ol {
			if value, err := strconv.Atoi(attributeOf(c.Attr, "value")); err == nil {
				number = value
			}
			mark = ordinal(number, attributeOf(n.Attr, "type")) + ". "
			number += step
		}
		p.item(c, mark, out)
	}
	p.lists--
	if p.lists == 0 {
		out.paragraph()
	} else {
		out.line()
	}
}

func items(n *html.Node) (count int) {
	for c := range n.ChildNodes() {
		if c.DataAtom == atom.Li {
			count++
		}
	}
	return count
}

// item writes one item. Its mark waits for its first word, so that an item
// without words has none.
func (p *htmlText) item(n *html.Node, mark string, out *blocks) {
	out.line()
	out.pending = strings.Repeat("  ", max(p.lists-1, 0)) + mark
	p.children(n, out)
	out.pending = ""
	out.line()
}

// ordinal writes the number of an item as the list's type says.
func ordinal(n int, kind string) string {
	if n > 0 && n < 4000 {
		switch kind {
		case "a":
			return strings.ToLower(letters(n))
		case "A":
			return letters(n)
		case "i":
			return roman(n)
		case "I":
			return strings.ToUpper(roman(n))
		}
	}
	return strconv.Itoa(n)
}

// letters counts A, B, …, Z, AA, AB.
func letters(n int) string {
	if n == 0 {
		return ""
	}
	return letters((n-1)/26) + string(rune('A'+(n-1)%26))
}
