package ingest

import (
	"codeberg.org/readeck/go-readability/v2"
	"golang.org/x/net/html"
)

// mainContent returns the part of a page that Mozilla's Readability takes for
// its content, and the whole page where it takes none.
func mainContent(root *html.Node) *html.Node {
	p := readability.NewParser()
	p.KeepClasses = true // formulas are known by theirs
	article, err := p.ParseDocument(root, nil)
	if err != nil || article.Node == nil {
		return root
	}
	return article.Node
}
