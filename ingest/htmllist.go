package ingest

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/docent-ml/docent/ingest/internal/numerals"
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
			kind := cmp.Or(listStyle(c), attributeOf(c.Attr, "type"), listStyle(n), attributeOf(n.Attr, "type"))
			if mark = numerals.Format(number, kind) + ". "; kind == "none" {
				mark = ""
			}
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

var listStyles = regexp.MustCompile(`list-style(?:-type)?:[^;]*?\b(none|(?:lower|upper)-(?:alpha|latin|roman|greek)|decimal(?:-leading-zero)?)\b`)

// listStyle is the type of numbers that an element's own style asks for, "" if it says none.
func listStyle(n *html.Node) string {
	m := listStyles.FindStringSubmatch(strings.ToLower(attributeOf(n.Attr, "style")))
	if m == nil {
		return ""
	}
	return cmp.Or(map[string]string{
		"lower-alpha": "a", "lower-latin": "a", "upper-alpha": "A", "upper-latin": "A", "lower-roman": "i", "upper-roman": "I", "lower-greek": "α", "decimal-leading-zero": "01",
	}[m[1]], m[1])
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
