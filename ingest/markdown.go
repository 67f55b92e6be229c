package ingest

import (
	"context"
	"io"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/text"
	"go.yaml.in/yaml/v3"
)

// Markdown reads Markdown as it is, as one page. Front matter in YAML or TOML
// becomes the document's metadata and is left out of the text. The title is that
// of the front matter, else the first heading of the highest level.
type Markdown struct{}

// Read implements Reader.
func (Markdown) Read(ctx context.Context, r io.ReaderAt, size int64) (*Document, error) {
	data, err := slurp(r, size)
	if err != nil {
		return nil, err
	}
	t, err := decode(data, "")
	if err != nil {
		return nil, err
	}
	meta, body := frontMatter(t.text)
	doc := &Document{MediaType: "text/markdown", Metadata: meta, Pages: []Page{{Number: 1, Text: strings.TrimSpace(body)}}}
	doc.takeMetadata()
	if doc.Title == "" {
		doc.Title = firstHeading([]byte(body))
	}
	t.addTo(doc)
	return doc, nil
}

// firstHeading returns the text of the first heading of the highest level.
func firstHeading(source []byte) (title string) {
	highest := 7
	root := goldmark.DefaultParser().Parse(text.NewReader(source))
	for n := root.FirstChild(); n != nil; n = n.NextSibling() {
		if h, ok := n.(*ast.Heading); ok && h.Level < highest {
			if s := inlineText(h, source); s != "" {
				title, highest = s, h.Level
			}
		}
	}
	return title
}

// inlineText is the text of a node without its markup.
func inlineText(n ast.Node, source []byte) string {
	var b strings.Builder
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Text:
			b.Write(n.Segment.Value(source))
			if n.SoftLineBreak() || n.HardLineBreak() {
				b.WriteByte(' ')
			}
		case *ast.String:
			b.Write(n.Value)
		case *ast.AutoLink:
			b.Write(n.Label(source))
		}
		return ast.WalkContinue, nil
	})
	return oneLine(b.String())
}

// frontMatter cuts the metadata off that begin a text between lines of "---",
// in YAML, or of "+++", in TOML. What does not parse as such is text.
func frontMatter(s string) (meta map[string]string, body string) {
	for _, kind := range []struct {
		begin string
		ends  []string
		parse func(string) map[string]string
	}{
		{"---\n", []string{"---", "..."}, parseYAML},
		{"+++\n", []string{"+++"}, parseTOML},
	} {
		rest, ok := strings.CutPrefix(s, kind.begin)
		if !ok {
			continue
		}
		at := 0
		for line := range strings.Lines(rest) {
			if slices.Contains(kind.ends, strings.TrimRight(line, " \n")) {
				if meta := kind.parse(rest[:at]); len(meta) > 0 {
					return meta, rest[at+len(line):]
				}
				return nil, s
			}
			at += len(line)
		}
	}
	return nil, s
}

// parseYAML reads the nodes, which keep dates and numbers as they are written,
// and follow no alias.
func parseYAML(s string) map[string]string {
	var root yaml.Node
	if yaml.Unmarshal([]byte(s), &root) != nil || len(root.Content) != 1 || root.Content[0].Kind != yaml.MappingNode {
		return nil
	}
	meta := map[string]string{}
	flattenYAML(meta, "", root.Content[0])
	return meta
}

func flattenYAML(meta map[string]string, key string, n *yaml.Node) {
	switch n.Kind {
	case yaml.ScalarNode:
		if n.Tag != "!!null" {
			meta[key] = n.Value
		}
	case yaml.SequenceNode:
		var items []string
		for _, c := range n.Content {
			if c.Kind == yaml.ScalarNode {
				items = append(items, c.Value)
			}
		}
		meta[key] = strings.Join(items, ", ")
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			flattenYAML(meta, strings.TrimPrefix(key+"."+n.Content[i].Value, "."), n.Content[i+1])
		}
	}
}

func parseTOML(s string) map[string]string {
	var table map[string]any
	var root yaml.Node
	if _, err := toml.Decode(s, &table); err != nil || root.Encode(table) != nil {
		return nil
	}
	meta := map[string]string{}
	flattenYAML(meta, "", &root)
	return meta
}
