package ingest

import (
	"cmp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/docent-ml/docent/ingest/internal/numerals"
)

// formulaIn returns the formula that an element stands for: <math> itself, or
// what KaTeX, MathJax and MediaWiki put around it. They write each formula
// several times, for browsers with and without MathML, and for readers aloud.
func formulaIn(n *html.Node) *html.Node {
	if n.Data == "math" {
		return n
	}
	if n.Data != "mjx-container" && !hasClass(n, "katex") && !isRendering(n) && !hasClass(n, "mwe-math-element") {
		return nil
	}
	for c := range n.Descendants() {
		if c.Type == html.ElementNode && c.Data == "math" {
			return c
		}
	}
	if source := attributeOf(n.Attr, "data-mathml"); source != "" {
		if nodes, err := html.ParseFragment(strings.NewReader(source), nil); err == nil && len(nodes) == 1 {
			return nodes[0]
		}
	}
	for c := range n.Descendants() { // MathJax 4
		if source := attributeOf(c.Attr, "data-latex"); source != "" {
			return &html.Node{Type: html.TextNode, Data: source}
		}
	}
	return nil
}

// isRendering tells what MathJax has put before a script that holds the source of a formula.
func isRendering(n *html.Node) bool {
	return hasClass(n, "MathJax") || hasClass(n, "MathJax_Display") || hasClass(n, "MathJax_SVG")
}

// isTeX tells such a script.
func isTeX(n *html.Node) bool {
	return n != nil && n.DataAtom == atom.Script && strings.HasPrefix(attributeOf(n.Attr, "type"), "math/tex") && n.FirstChild != nil
}

// sibling is the element beside n, in the direction of step.
func sibling(n *html.Node, step func(*html.Node) *html.Node) *html.Node {
	for n = step(n); n != nil && n.Type != html.ElementNode; {
		n = step(n)
	}
	return n
}

func before(n *html.Node) *html.Node { return n.PrevSibling }
func after(n *html.Node) *html.Node  { return n.NextSibling }

// mathText writes MathML in one line: fractions with a slash, roots with their
// sign, and powers of numbers raised.
func mathText(n *html.Node) string {
	if n.Type == html.TextNode {
		return strings.TrimSpace(n.Data)
	}
	var parts []string
	left := -1 // where the scripts in front of the base begin
	var all strings.Builder
	for c := range n.ChildNodes() {
		if c.Type != html.CommentNode && !(c.Type == html.TextNode && strings.TrimSpace(c.Data) == "") {
			part := mathText(c)
			parts = append(parts, part)
			if c.Data == "mprescripts" {
				left = len(parts)
			}
			all.WriteString(numerals.Apart(all.String(), part))
		}
	}
	if arity := map[string]int{"mfrac": 2, "mroot": 2, "msup": 2, "msub": 2, "msubsup": 3, "munder": 2, "munderover": 3}[n.Data]; arity > 0 && len(parts) != arity {
		return all.String()
	}
	switch n.Data {
	case "annotation", "annotation-xml", "mphantom":
		return ""
	case "math":
		if all.Len() == 0 {
			return attributeOf(n.Attr, "alttext")
		}
	case "mfrac":
		return grouped(parts[0]) + "/" + grouped(parts[1])
	case "msqrt":
		return "√" + grouped(all.String())
	case "mroot":
		if raised, ok := numerals.Raise(parts[1]); ok {
			return raised + "√" + grouped(parts[0])
		}
		return parts[1] + "√" + grouped(parts[0])
	case "msup":
		return powerOf(parts[0], parts[1])
	case "msub":
		return indexed(parts[0], parts[1])
	case "msubsup":
		return powerOf(indexed(parts[0], parts[1]), parts[2])
	case "mmultiscripts": // base, then index and power by turns, then those on its left
		if len(parts) > 0 {
			s, before := parts[0], ""
			for i := 1; i+1 < len(parts); i += 2 {
				if i+1 == left {
					i++
				}
				if left >= 0 && i >= left && i+1 < len(parts) {
					raised, _ := numerals.Raise(parts[i+1])
					before += parts[i] + cmp.Or(raised, parts[i+1])
				} else if i+1 < len(parts) {
					s = powerOf(indexed(s, parts[i]), parts[i+1])
				}
			}
			return before + s
		}
	case "munder":
		if len(parts) == 2 && parts[1] != "_" {
			return parts[0] + "_" + grouped(parts[1])
		}
	case "munderover":
		return parts[0] + "_" + grouped(parts[1]) + "^" + grouped(parts[2]) + " "
	case "mfenced":
		opened, closed, between := "(", ")", ","
		for _, a := range n.Attr {
			switch a.Key {
			case "open":
				opened = a.Val
			case "close":
				closed = a.Val
			case "separators":
				between = strings.TrimSpace(a.Val)
			}
		}
		return opened + strings.Join(parts, between) + closed
	case "mtr":
		return strings.Join(parts, " ") + "; "
	case "mtable":
		return strings.TrimSuffix(all.String(), "; ")
	case "mspace":
		return " "
	}
	if n.DataAtom == atom.Mtext {
		return textOf(n)
	}
	return all.String()
}

// grouped puts a formula of several terms into parentheses.
func grouped(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '.' && r != ',' && !unicode.IsMark(r)
	}) {
		return "(" + s + ")"
	}
	return s
}

func endsInDigit(s string) bool {
	last, _ := utf8.DecodeLastRuneInString(s)
	return unicode.IsDigit(last)
}

func startsWithDigit(s string) bool {
	first, _ := utf8.DecodeRuneInString(s)
	return unicode.IsDigit(first)
}

// indexed writes an index so that its digits are not those of its base.
func indexed(base, index string) string {
	if endsInDigit(base) && startsWithDigit(index) {
		return base + "_" + grouped(index)
	}
	return base + index
}

// powerOf writes a power so that its digits are not those of its base.
func powerOf(base, power string) string {
	if !endsInDigit(base) || !startsWithDigit(strings.TrimLeft(power, "-−")) {
		return base + power
	}
	if raised, ok := numerals.Raise(power); ok {
		return base + raised
	}
	return base + "^" + grouped(power)
}
