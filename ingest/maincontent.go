package ingest

import (
	"slices"

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
	var blocks []*html.Node
	for n := range article.Node.Descendants() {
		if block[n.DataAtom] || n.DataAtom == atom.Ul {
			blocks = append(blocks, n)
		}
	}
	var teasers []*html.Node
	large := map[*html.Node]bool{} // too much text for a teaser, as there is in one inside: a page is not read at each level again
	for _, n := range slices.Backward(blocks) {
		if large[n] {
			continue
		}
		all := len(oneLine(textOf(n)))
		if all >= mostTeaser {
			for a := n; a != nil && !large[a]; a = a.Parent {
				large[a] = true
			}
		} else if all > 0 && linked(n) > all*4/5 {
			teasers = append(teasers, n)
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
