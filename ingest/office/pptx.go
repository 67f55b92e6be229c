package office

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/docent-ml/docent/ingest"
	"github.com/docent-ml/docent/ingest/internal/drawingml"
	"github.com/docent-ml/docent/ingest/internal/zipxml"
)

// PPTX reads PowerPoint presentations (Office Open XML), a slide a page: its title, then the other texts, tables row by
// row, what charts and diagrams say, alternative texts of pictures, and the speaker's notes. Hidden slides are left out.
type PPTX struct{}

const pptxType = "application/vnd.openxmlformats-officedocument.presentationml.presentation"

// Read implements ingest.Reader.
func (PPTX) Read(ctx context.Context, r io.ReaderAt, size int64) (*ingest.Document, error) {
	z, err := zipxml.Open(r, size, "a presentation")
	if err != nil {
		return nil, err
	}
	main := z.Main(ctx, "ppt/presentation.xml")
	root, err := z.Tree(ctx, main)
	if err != nil {
		return nil, fmt.Errorf("%w: no slides: %w", ingest.ErrMalformed, err)
	}
	doc := &ingest.Document{MediaType: pptxType, Title: z.Title(ctx)}
	links := z.Relations(ctx, main)
	pictures, outside := 0, 0
	for i, id := range root.Kid("sldIdLst").All("sldId") {
		rel, ok := zipxml.Related(links, drawingml.RelationID(id), "slide")
		if !ok {
			continue
		}
		var shapes drawingml.Shapes
		text, err := slide(ctx, z, rel.Target, &shapes)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			doc.AddFault(i+1, "%v", err)
		}
		pictures, outside = pictures+shapes.Pictures, outside+shapes.Outside
		if err := addPage(doc, i+1, text); err != nil {
			return nil, err
		}
	}
	if pictures > 0 && len(doc.Faults) == 0 && strings.TrimSpace(doc.Text()) == "" {
		return doc, cmp.Or(ctx.Err(), z.OnlyPictures(outside))
	}
	return doc, ctx.Err()
}

// slide reads a slide and its notes.
func slide(ctx context.Context, z *zipxml.Archive, part string, shapes *drawingml.Shapes) (string, error) {
	root, err := z.Tree(ctx, part)
	if err != nil {
		return "", err
	}
	if v := root.Attr("show"); v == "0" || v == "false" {
		return "", nil
	}
	links := z.Relations(ctx, part)
	shapes.Add(ctx, z, links, root.Kid("cSld", "spTree"))
	texts := append([]string{shapes.Title}, shapes.Texts...)
	if rel, ok := zipxml.Related(links, "", "notesSlide"); ok {
		if root, err := z.Tree(ctx, rel.Target); err == nil {
			var said []string
			for _, sp := range root.All("sp") {
				if text := drawingml.Body(sp.Kid("txBody")); text != "" && sp.Kid("nvSpPr", "nvPr", "ph").Attr("type") == "body" {
					said = append(said, text)
				}
			}
			if len(said) > 0 {
				texts = append(texts, "Notes: "+strings.Join(said, "\n\n"))
			}
		}
	}
	return strings.TrimSpace(strings.Join(texts, "\n\n")), nil
}
