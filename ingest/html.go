package ingest

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"regexp"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// HTML reads what a browser shows of a web page as one page of text: blocks as
// paragraphs, list items with their numbers, table rows as lines with tabs
// between their cells, pictures as the text that stands for them, formulas once.
// Scripts, styles, what stands in templates or is hidden is left out, and links
// lead nowhere.
type HTML struct {
	// MainContent leaves out what stands around the content of a page, such as
	// navigation, cookie banners and comments, where its content can be told.
	MainContent bool

	// Charset is as in Text.
	Charset string `json:",omitempty"`
}

const (
	htmlType   = "text/html"
	checkEvery = 1 << 12 // pieces between looks at the context
)

// Read implements Reader.
func (h HTML) Read(ctx context.Context, r io.ReaderAt, size int64) (*Document, error) {
	data, err := slurp(r, size)
	if err != nil {
		return nil, err
	}
	t, err := decode(data, cmp.Or(h.Charset, declaredIn(data)))
	if err != nil {
		return nil, err
	}
	root, err := parseHTML(ctx, t.text)
	if err != nil {
		return nil, err
	}
	doc := &Document{MediaType: htmlType}
	readHead(doc, root)
	content := root
	if h.MainContent {
		content = mainContent(root)
	}
	p := &htmlText{ctx: ctx}
	p.children(content, &p.out)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	doc.Pages = []Page{{Number: 1, Text: p.out.String()}}
	if why := whyBlank(root); doc.blank() && why != "" {
		return nil, fmt.Errorf("%w: %s", ErrNoText, why)
	}
	t.addTo(doc)
	return doc, nil
}

// whyBlank says what a page without text has instead; "" if nothing.
func whyBlank(root *html.Node) string {
	count := map[atom.Atom]int{}
	for n := range root.Descendants() {
		count[n.DataAtom]++
	}
	switch {
	case count[atom.Img] > 0:
		return fmt.Sprintf("the page holds %s and no words: run OCR over them first", counted(count[atom.Img], "picture", "pictures"))
	case count[atom.Script] > 0:
		return "the page holds scripts alone, which would fetch its text in a browser: save it from there"
	case count[atom.Frame]+count[atom.Iframe] > 0:
		return "the page holds frames alone: save the pages that they show"
	}
	return ""
}

var (
	xmlEncoding    = regexp.MustCompile(`^\s*<\?xml[^>]*\sencoding\s*=\s*["']([^"']+)["']`)
	contentCharset = regexp.MustCompile(`(?i)charset\s*=\s*["']?\s*([^"';\s]+)`)
)

// declaredIn returns the encoding that the beginning of a web page names: in its
// XML declaration or in a <meta> element.
func declaredIn(data []byte) string {
	head := data[:min(len(data), sniffed)]
	if m := xmlEncoding.FindSubmatch(head); m != nil {
		return string(m[1])
	}
	z := html.NewTokenizer(bytes.NewReader(head))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return ""
		case html.StartTagToken, html.SelfClosingTagToken:
			t := z.Token()
			if t.DataAtom != atom.Meta {
				continue
			}
			if label := attributeOf(t.Attr, "charset"); label != "" {
				return label
			}
			if strings.EqualFold(attributeOf(t.Attr, "http-equiv"), "content-type") {
				if m := contentCharset.FindStringSubmatch(attributeOf(t.Attr, "content")); m != nil {
					return m[1]
				}
			}
		}
	}
}

func attributeOf(attrs []html.Attribute, key string) string {
	for _, a := range attrs {
		if a.Key == key && a.Namespace == "" {
			return strings.TrimSpace(a.Val)
		}
	}
	return ""
}

// readHead takes title, language and metadata from a page.
func readHead(doc *Document, root *html.Node) {
	title := ""
	meta := map[string]string{}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode || n.Namespace != "" {
			continue
		}
		switch n.DataAtom {
		case atom.Html:
			doc.Language = cmp.Or(languageTag(attributeOf(n.Attr, "lang")), languageTag(attributeOf(n.Attr, "xml:lang")))
		case atom.Title:
			if title == "" {
				title = oneLine(textOf(n))
			}
		case atom.Meta:
			switch name := strings.ToLower(cmp.Or(attributeOf(n.Attr, "name"), attributeOf(n.Attr, "property"))); name {
			case "author", "description", "keywords", "date", "og:title", "article:published_time":
				if value := oneLine(attributeOf(n.Attr, "content")); value != "" && meta[name] == "" {
					meta[name] = value
				}
			}
		case atom.H1:
			if title == "" && meta["og:title"] == "" {
				meta["og:title"] = oneLine(textOf(n))
			}
		}
	}
	doc.Title = cmp.Or(title, meta["og:title"])
	if delete(meta, "og:title"); len(meta) > 0 {
		doc.Metadata = meta
	}
}

// textOf is all text below a node.
func textOf(n *html.Node) string {
	var b strings.Builder
	for c := range n.Descendants() {
		if c.Type == html.TextNode {
			b.WriteString(c.Data)
		}
	}
	return b.String()
}
