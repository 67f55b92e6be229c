package ingest

import (
	"context"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/docent-ml/docent/ingest/internal/numerals"
)

// htmlText writes the nodes of a page as text.
type htmlText struct {
	ctx   context.Context
	out   blocks
	pre   int // depth of elements whose white space counts
	lists int // depth of lists
	nodes int
}

func (p *htmlText) children(n *html.Node, out *blocks) {
	for c := range n.ChildNodes() {
		p.node(c, out)
	}
}

func (p *htmlText) node(n *html.Node, out *blocks) {
	if p.nodes++; p.nodes%checkEvery == 0 && p.ctx.Err() != nil {
		return
	}
	switch {
	case n.Type == html.TextNode && p.pre > 0:
		out.verbatim(n.Data)
	case n.Type == html.TextNode:
		out.words(n.Data)
	case n.Type == html.DocumentNode:
		p.children(n, out)
	case n.Type == html.ElementNode && !isHidden(n):
		p.element(n, out)
	}
}

func (p *htmlText) element(n *html.Node, out *blocks) {
	if math := formulaIn(n); math != nil {
		out.words(mathText(math))
		return
	}
	if attributeOf(n.Attr, "role") == "img" && hasAttribute(n, "aria-label") {
		p.picture(n, "aria-label", out)
		return
	}
	switch n.DataAtom {
	case atom.Br:
		out.br()
	case atom.Img, atom.Area:
		p.picture(n, "alt", out)
	case atom.Input:
		if strings.EqualFold(attributeOf(n.Attr, "type"), "image") {
			p.picture(n, "alt", out)
		}
	case atom.Script: // not run yet by MathJax
		out.words(" " + n.FirstChild.Data + " ")
	case atom.Svg:
		p.drawing(n, out)
	case atom.Select:
		p.choice(n, out)
	case atom.Sup:
		p.superscript(n, out)
	case atom.Pre, atom.Textarea, atom.Listing, atom.Xmp, atom.Plaintext:
		out.paragraph()
		p.pre++
		p.children(n, out)
		p.pre--
		out.paragraph()
	case atom.Ul, atom.Ol, atom.Menu, atom.Dir:
		p.list(n, out)
	case atom.Li:
		p.item(n, "- ", out)
	case atom.Table:
		p.table(n, out)
	case atom.Dt, atom.Dd, atom.Option, atom.Figcaption, atom.Summary, atom.Legend:
		out.line()
		p.children(n, out)
		out.line()
	default:
		if !isBlock(n.DataAtom) {
			p.children(n, out)
			return
		}
		out.paragraph()
		p.children(n, out)
		out.paragraph()
	}
}

func isBlock(a atom.Atom) bool {
	switch a {
	case atom.P, atom.Div, atom.Section, atom.Article, atom.Main, atom.Header, atom.Footer, atom.Nav, atom.Aside, atom.Body,
		atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Hgroup, atom.Blockquote, atom.Dl, atom.Caption, atom.Figure,
		atom.Form, atom.Fieldset, atom.Address, atom.Hr, atom.Details, atom.Dialog, atom.Center,
		atom.Tr, atom.Td, atom.Th: // of a table that is there for the layout
		return true
	}
	return false
}

// isHidden tells elements that a browser does not show.
func isHidden(n *html.Node) bool {
	switch n.DataAtom {
	case atom.Head, atom.Title, atom.Style, atom.Template, atom.Iframe, atom.Frame, atom.Object, atom.Embed, atom.Audio, atom.Video, atom.Canvas,
		atom.Datalist, atom.Noscript, atom.Noframes, atom.Noembed, atom.Rt, atom.Rp, atom.Annotation, atom.AnnotationXml:
		return true
	case atom.Script:
		rendering := sibling(n, before)
		return !isTeX(n) || rendering != nil && formulaIn(rendering) != nil
	case atom.Dialog:
		return !hasAttribute(n, "open")
	}
	if isRendering(n) && formulaIn(n) == nil && isTeX(sibling(n, after)) {
		return true // by itself it does not tell 12/5 from 125
	}
	if n.Data == "rtc" || hasClass(n, "MathJax_Preview") || attributeOf(n.Attr, "hidden") != "until-found" && hasAttribute(n, "hidden") {
		return true
	}
	style := strings.ToLower(attributeOf(n.Attr, "style"))
	if style == "" {
		return false
	}
	style = strings.Map(func(r rune) rune {
		if isCollapsible(r) {
			return -1
		}
		return r
	}, style)
	return strings.Contains(style, "display:none") || strings.Contains(style, "visibility:hidden")
}

func hasAttribute(n *html.Node, key string) bool {
	for _, a := range n.Attr {
		if a.Key == key {
			return true
		}
	}
	return false
}

func hasClass(n *html.Node, class string) bool {
	for c := range strings.FieldsSeq(attributeOf(n.Attr, "class")) {
		if c == class {
			return true
		}
	}
	return false
}

// picture is the text that stands for a picture in an attribute, amid the words around it.
func (p *htmlText) picture(n *html.Node, key string, out *blocks) {
	if alt := oneLine(attributeOf(n.Attr, key)); alt != "" {
		out.words(" " + alt + " ")
	}
}

// drawing is the text that stands in an SVG picture; its title and description
// are not shown.
func (p *htmlText) drawing(n *html.Node, out *blocks) {
	for c := range n.Descendants() {
		if c.Type == html.ElementNode && c.Data == "text" {
			out.line()
			out.words(textOf(c))
			out.line()
		}
	}
}

// choice leaves out what a list offers, which is not said of anything. What
// stands between the options came there by a tag that is missing.
func (p *htmlText) choice(n *html.Node, out *blocks) {
	for c := range n.ChildNodes() {
		if c.Type == html.TextNode {
			p.node(c, out)
		}
	}
}

// superscript keeps the digits of a power from becoming those of its base: 10⁶.
func (p *htmlText) superscript(n *html.Node, out *blocks) {
	text := oneLine(textOf(n))
	if raised, ok := numerals.Raise(text); ok && out.endsInDigit() {
		out.words(raised)
		return
	}
	p.children(n, out)
}
