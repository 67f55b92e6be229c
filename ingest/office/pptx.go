package office

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/docent-ml/docent/ingest"
	"github.com/docent-ml/docent/ingest/internal/drawingml"
	"github.com/docent-ml/docent/ingest/internal/zipxml"
)

// PPTX reads PowerPoint presentations (Office Open XML), a slide a page: its title, then the other texts, tables row by
// row, what charts and diagrams say, alternative texts of pictures, and the speaker's notes.
type PPTX struct{}

const pptxType = "application/vnd.openxmlformats-officedocument.presentationml.presentation"

// Read implements ingest.Reader.
func (PPTX) Read(ctx context.Context, r io.ReaderAt, size int64) (*ingest.Document, error) {
	z, err := zipxml.Open(r, size, "a presentation")
	if err != nil {
		return nil, err
	}
	main := "ppt/presentation.xml"
	if rel, ok := zipxml.Related(z.Relations(ctx, ""), "", "officeDocument"); ok {
		main = rel.Target
	}
	root, err := z.Tree(ctx, main)
	if err != nil {
		return nil, fmt.Errorf("%w: no slides: %w", ingest.ErrMalformed, err)
	}
	doc := &ingest.Document{MediaType: pptxType, Title: z.Title(ctx)}
	links := z.Relations(ctx, main)
	pictures := 0
	for i, id := range root.Kid("sldIdLst").All("sldId") {
		rel, ok := zipxml.Related(links, drawingml.RelationID(id), "slide")
		if !ok {
			continue
		}
		s := &slide{ctx: ctx, z: z, links: z.Relations(ctx, rel.Target)}
		text, err := s.read(rel.Target)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			fault(doc, i+1, "%v", err)
		}
		pictures += s.pictures
		if err := addPage(doc, i+1, text); err != nil {
			return nil, err
		}
	}
	if pictures > 0 && len(doc.Faults) == 0 && strings.TrimSpace(doc.Text()) == "" {
		return nil, fmt.Errorf("%w: the slides are %d pictures and no word: run OCR over them first", ingest.ErrNoText, pictures)
	}
	return doc, ctx.Err()
}

type slide struct {
	ctx      context.Context
	z        *zipxml.Archive
	links    []zipxml.Relation
	title    string
	texts    []string
	pictures int
}

func (s *slide) read(part string) (string, error) {
	root, err := s.z.Tree(s.ctx, part)
	if err != nil {
		return "", err
	}
	s.shapes(root.Kid("cSld", "spTree"))
	texts := append([]string{s.title}, s.texts...)
	if rel, ok := zipxml.Related(s.links, "", "notesSlide"); ok {
		if root, err := s.z.Tree(s.ctx, rel.Target); err == nil {
			n := &slide{}
			for _, sp := range root.All("sp") {
				if sp.Kid("nvSpPr", "nvPr", "ph").Attr("type") == "body" {
					n.add(drawingml.Body(sp.Kid("txBody")))
				}
			}
			if said := strings.Join(n.texts, "\n\n"); said != "" {
				texts = append(texts, "Notes: "+said)
			}
		}
	}
	return strings.TrimSpace(strings.Join(texts, "\n\n")), nil
}

func (s *slide) shapes(tree *zipxml.Node) {
	if tree == nil {
		return
	}
	for _, n := range tree.Kids {
		if isHidden(n) {
			continue
		}
		switch n.Name {
		case "sp", "cxnSp":
			switch n.Kid("nvSpPr", "nvPr", "ph").Attr("type") {
			case "sldNum", "dt", "ftr":
			case "title", "ctrTitle":
				s.title = strings.TrimSpace(s.title + "\n" + drawingml.Body(n.Kid("txBody")))
			default:
				if text := drawingml.Body(n.Kid("txBody")); text != "" {
					s.add(text)
				} else {
					s.add(oneLine(n.Kid("nvSpPr", "cNvPr").Attr("descr")))
				}
			}
		case "pic":
			s.pictures++
			s.add(oneLine(n.Kid("nvPicPr", "cNvPr").Attr("descr")))
		case "grpSp":
			s.shapes(n)
		case "graphicFrame":
			s.add(oneLine(n.Kid("nvGraphicFramePr", "cNvPr").Attr("descr")))
			s.texts = append(s.texts, drawingml.Graphic(s.ctx, s.z, s.links, n.Kid("graphic", "graphicData"))...)
		case "AlternateContent":
			before := len(s.texts)
			s.shapes(n.Kid("Choice"))
			if len(s.texts) == before {
				s.shapes(n.Kid("Fallback"))
			}
		}
	}
}

// isHidden looks at the properties that stand first in a shape, whatever it is.
func isHidden(shape *zipxml.Node) bool {
	return len(shape.Kids) > 0 && shape.Kids[0].Kid("cNvPr").Attr("hidden") == "1"
}

func (s *slide) add(text string) {
	if text != "" {
		s.texts = append(s.texts, text)
	}
}
