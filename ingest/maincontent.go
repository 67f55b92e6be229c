package ingest

import (
	"codeberg.org/readeck/go-readability/v2"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

const (
	leastContent = 250 // bytes of text that may be the content of a page with four times as many
	mostTeaser   = 400 // bytes of text of a block of links to other pages
)

// mainContent returns the part of a page that Mozilla's Readability takes for
// its content without blocks of links, and the whole page where it finds next to none.
func mainContent(root *html.Node) *html.Node {
	p := readability.NewParser()
	p.KeepClasses = true // formulas are known by theirs
	article, err := p.ParseDocument(root, nil)
	if err != nil || article.Node == nil || len(oneLine(textOf(article.Node))) < leastContent && len(oneLine(textOf(root))) > 4*leastContent {
		return root
	}
	var teasers []*html.Node
	for n := range article.Node.Descendants() {
		if block[n.DataAtom] || n.DataAtom == atom.Ul {
			if all := len(oneLine(textOf(n))); all > 0 && all < mostTeaser && linked(n) > all*4/5 {
				teasers = append(teasers, n)
			}
		}
	}
	for _, n := range teasers {
		n.Parent.RemoveChild(n)
	}
	return article.Node
}

// linked counts the bytes of text that are links.
func linked(n *html.Node) (length int) {
	for a := range n.Descendants() {
		if a.DataAtom == atom.A {
			length += len(oneLine(textOf(a)))
		}
	}
	return length
}
