package ingest

import (
	"cmp"
	"context"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/docent-ml/docent/ingest/internal/numerals"
)

// htmlText writes the nodes of a page as text.
type htmlText struct {
	ctx    context.Context
	out    blocks
	pre    int // depth of elements whose white space counts
	lists  int // depth of lists
	frames int // depth of pages in each other
	nodes  int
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
		out.formula(mathText(math))
		return
	}
	switch attributeOf(n.Attr, "role") {
	case "img":
		if label := labelOf(n); label != "" {
			p.picture(label, out)
			return
		}
		for c := range n.ChildNodes() {
			if c.Data == "title" {
				p.picture(textOf(c), out)
			}
		}
	case "row":
		if n.DataAtom != atom.Tr {
			p.row(n, out)
			return
		}
	}
	switch n.DataAtom {
	case atom.Br:
		out.br()
	case atom.Img, atom.Area:
		p.picture(attributeOf(n.Attr, "alt"), out)
	case atom.Object, atom.Embed, atom.Canvas:
		if label := labelOf(n); label != "" {
			p.picture(label, out)
		} else {
			p.children(n, out)
		}
	case atom.Input:
		out.words(" ")
		if strings.EqualFold(attributeOf(n.Attr, "type"), "image") {
			p.picture(attributeOf(n.Attr, "alt"), out)
		}
	case atom.Button:
		out.words(" ")
		p.children(n, out)
		out.words(" ")
	case atom.Script: // not run yet by MathJax
		out.words(" " + n.FirstChild.Data + " ")
	case atom.Iframe:
		p.frame(n, out)
	case atom.Svg:
		p.drawing(n, out)
	case atom.Select:
		p.choice(n, out)
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
		switch {
		case block[n.DataAtom]:
			out.paragraph()
			p.children(n, out)
			out.paragraph()
		case placeOf(n) != 0:
			p.script(n, out)
		default:
			p.children(n, out)
		}
	}
}

var block = atoms(atom.P, atom.Div, atom.Section, atom.Article, atom.Main, atom.Header, atom.Footer, atom.Nav, atom.Aside, atom.Body,
	atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Hgroup, atom.Blockquote, atom.Dl, atom.Caption, atom.Figure,
	atom.Form, atom.Fieldset, atom.Address, atom.Hr, atom.Details, atom.Dialog, atom.Center,
	atom.Tr, atom.Td, atom.Th) // of a table that is there for the layout

// isHidden tells elements that a browser does not show.
func isHidden(n *html.Node) bool {
	switch n.DataAtom {
	case atom.Head, atom.Title, atom.Style, atom.Template, atom.Frame, atom.Audio, atom.Video,
		atom.Datalist, atom.Noscript, atom.Noframes, atom.Noembed, atom.Rt, atom.Rp, atom.Annotation, atom.AnnotationXml:
		return true
	case atom.Script:
		rendering := sibling(n, before)
		return !isTeX(n) || rendering != nil && formulaIn(rendering) != nil
	case atom.Dialog:
		return !hasAttribute(n, "open")
	case atom.Object, atom.Embed, atom.Canvas: // what stands inside is for browsers that cannot show them
		return labelOf(n) == "" && (n.DataAtom != atom.Object || hasAttribute(n, "data"))
	}
	if isRendering(n) && formulaIn(n) == nil && isTeX(sibling(n, after)) {
		return true // by itself it does not tell 12/5 from 125
	}
	if n.Data == "rtc" || hasClass(n, "MathJax_Preview") || attributeOf(n.Attr, "hidden") != "until-found" && hasAttribute(n, "hidden") {
		return true
	}
	style := styleOf(n)
	return strings.Contains(style, "display:none") || strings.Contains(style, "visibility:hidden")
}

// styleOf is an element's own style, in small letters and without white space.
func styleOf(n *html.Node) string {
	return strings.Map(func(r rune) rune {
		if isCollapsible(r) {
			return -1
		}
		return r
	}, strings.ToLower(attributeOf(n.Attr, "style")))
}

// placeOf is 1 for a superscript, -1 for a subscript.
func placeOf(n *html.Node) int {
	switch style := styleOf(n); {
	case n.DataAtom == atom.Sup, strings.Contains(style, "vertical-align:super"):
		return 1
	case n.DataAtom == atom.Sub, strings.Contains(style, "vertical-align:sub"):
		return -1
	}
	return 0
}

// labelOf is what stands for an element that is a picture.
func labelOf(n *html.Node) string {
	return cmp.Or(attributeOf(n.Attr, "aria-label"), attributeOf(n.Attr, "title"))
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

// picture writes the text that stands for a picture, amid the words around it.
func (p *htmlText) picture(alt string, out *blocks) {
	if alt = oneLine(alt); alt != "" {
		out.words(" " + alt + " ")
	}
}

// frame is a page that stands inside this one; one that lies elsewhere is not fetched.
func (p *htmlText) frame(n *html.Node, out *blocks) {
	inside, err := html.Parse(strings.NewReader(attributeOf(n.Attr, "srcdoc")))
	if err == nil && hasAttribute(n, "srcdoc") && p.frames < maxFrames {
		p.frames++
		out.paragraph()
		p.children(inside, out)
		out.paragraph()
		p.frames--
	}
}

const maxFrames = 3 // in each other

// drawing is the text that stands in an SVG picture; its title and description
// are not shown. What belongs to no picture is there because its end is missing.
func (p *htmlText) drawing(n *html.Node, out *blocks) {
	for c := range n.ChildNodes() {
		switch {
		case c.Type != html.ElementNode || isHidden(c):
		case c.Data == "text":
			out.line()
			for d := range c.Descendants() {
				if d.Type == html.TextNode {
					out.words(d.Data)
				} else if hasAttribute(d, "x") || hasAttribute(d, "y") || hasAttribute(d, "dy") {
					out.words(" ")
				}
			}
			out.line()
		case c.Data == "foreignObject", block[c.DataAtom]:
			out.paragraph()
			p.children(c, out)
			out.paragraph()
		case c.Data != "defs" && c.Data != "symbol":
			p.drawing(c, out)
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

// script keeps the digits of a power or an index from becoming those of what it
// stands at, as in 10⁶ and 2 1/2. The mark of a note is set in brackets.
func (p *htmlText) script(n *html.Node, out *blocks) {
	text := ""
	for c := range n.Descendants() {
		if c.Type == html.TextNode {
			text += c.Data
		}
		if len(text) > longestScript { // else scripts in each other would cost the square of a page
			p.children(n, out)
			return
		}
	}
	text = oneLine(text)
	raised, isNumber := numerals.Raise(text)
	switch next := sibling(n, after); {
	case isNumber && isNoteMark(n.FirstChild):
		out.words("[" + text + "]")
		return
	case !isNumber || !out.endsInDigit():
	case placeOf(n) < 0:
		out.words("_")
	case next != nil && placeOf(next) < 0 && strings.Trim(n.NextSibling.Data, "/⁄ ") == "":
		out.words(" ")
	default:
		out.words(raised)
		return
	}
	p.children(n, out)
}

const longestScript = 100 // bytes of a number

// isNoteMark tells a link to a place on the same page.
func isNoteMark(n *html.Node) bool {
	return n != nil && n.NextSibling == nil && n.DataAtom == atom.A && strings.HasPrefix(attributeOf(n.Attr, "href"), "#")
}
