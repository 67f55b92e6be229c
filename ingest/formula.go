package ingest

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// formulaIn returns the formula that an element stands for: <math> itself, or
// what KaTeX, MathJax and MediaWiki put around it. They write each formula
// several times, for browsers with and without MathML, and for readers aloud.
func formulaIn(n *html.Node) *html.Node {
	if n.Data == "math" {
		return n
	}
	if n.Data != "mjx-container" && !hasClass(n, "katex") && !hasClass(n, "MathJax") && !hasClass(n, "MathJax_Display") && !hasClass(n, "mwe-math-element") {
		return nil
	}
	for c := range n.Descendants() {
		if c.Type == html.ElementNode && c.Data == "math" {
			return c
		}
	}
	return nil
}

// isRendered tells whether MathJax has put its formula before a script that
// holds the source of it.
func isRendered(script *html.Node) bool {
	for n := script.PrevSibling; n != nil; n = n.PrevSibling {
		if n.Type == html.ElementNode {
			return formulaIn(n) != nil || hasClass(n, "MathJax") || hasClass(n, "MathJax_Display") || hasClass(n, "MathJax_SVG")
		}
	}
	return false
}

// mathText writes MathML in one line: fractions with a slash, roots with their
// sign, and powers of numbers raised.
func mathText(n *html.Node) string {
	if n.Type == html.TextNode {
		return strings.TrimSpace(n.Data)
	}
	var parts []string
	var all strings.Builder
	for c := range n.ChildNodes() {
		if c.Type != html.CommentNode && !(c.Type == html.TextNode && strings.TrimSpace(c.Data) == "") {
			part := mathText(c)
			parts = append(parts, part)
			all.WriteString(part)
		}
	}
	switch n.Data {
	case "annotation", "annotation-xml":
		return ""
	case "math":
		if all.Len() == 0 {
			return attributeOf(n.Attr, "alttext")
		}
	case "mfrac":
		if len(parts) == 2 {
			return grouped(parts[0]) + "/" + grouped(parts[1])
		}
	case "msqrt":
		return "√" + grouped(all.String())
	case "mroot":
		if len(parts) == 2 {
			if raised, ok := raise(parts[1]); ok {
				return raised + "√" + grouped(parts[0])
			}
			return parts[1] + "√" + grouped(parts[0])
		}
	case "msup":
		if len(parts) == 2 {
			return powerOf(parts[0], parts[1])
		}
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

// powerOf writes a power so that its digits are not those of its base.
func powerOf(base, power string) string {
	last, _ := utf8.DecodeLastRuneInString(base)
	first, _ := utf8.DecodeRuneInString(power)
	if !unicode.IsDigit(last) || !unicode.IsDigit(first) && first != '-' && first != '−' {
		return base + power
	}
	if raised, ok := raise(power); ok {
		return base + raised
	}
	return base + "^" + grouped(power)
}
