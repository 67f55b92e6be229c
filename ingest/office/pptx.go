package office

import (
	"context"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"

	"github.com/docent-ml/docent/ingest"
	"github.com/docent-ml/docent/ingest/internal/numerals"
	"github.com/docent-ml/docent/ingest/internal/omml"
	"github.com/docent-ml/docent/ingest/internal/zipxml"
)

// PPTX reads PowerPoint presentations (Office Open XML), a slide a page: its title, then the other texts, tables row by
// row, what charts and diagrams say, alternative texts of pictures, and the speaker's notes.
type PPTX struct {
	SkipNotes bool
}

const pptxType = "application/vnd.openxmlformats-officedocument.presentationml.presentation"

// Read implements ingest.Reader.
func (o PPTX) Read(ctx context.Context, r io.ReaderAt, size int64) (*ingest.Document, error) {
	z, err := open(r, size, "a presentation")
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
	doc := &ingest.Document{MediaType: pptxType, Title: coreTitle(ctx, z)}
	links := z.Relations(ctx, main)
	pictures := 0
	for i, id := range root.Kid("sldIdLst").All("sldId") {
		rel, ok := zipxml.Related(links, relationID(id), "slide")
		if !ok {
			continue
		}
		s := &slide{ctx: ctx, z: z, links: z.Relations(ctx, rel.Target)}
		text, err := s.read(rel.Target, !o.SkipNotes)
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

// relationID is r:id, beside which there may be an id.
func relationID(n *zipxml.Node) string {
	for _, a := range n.Attrs {
		if a.Name.Local == "id" && a.Name.Space != "" {
			return a.Value
		}
	}
	return ""
}

type slide struct {
	ctx      context.Context
	z        *zipxml.Archive
	links    []zipxml.Relation
	title    string
	texts    []string
	pictures int
}

func (s *slide) read(part string, notes bool) (string, error) {
	root, err := s.z.Tree(s.ctx, part)
	if err != nil {
		return "", err
	}
	s.shapes(root.Kid("cSld", "spTree"))
	texts := append([]string{s.title}, s.texts...)
	if rel, ok := zipxml.Related(s.links, "", "notesSlide"); ok && notes {
		if root, err := s.z.Tree(s.ctx, rel.Target); err == nil {
			n := &slide{ctx: s.ctx, z: s.z}
			for _, sp := range root.All("sp") {
				if sp.Kid("nvSpPr", "nvPr", "ph").Attr("type") == "body" {
					n.text(sp.Kid("txBody"))
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
		switch n.Name {
		case "sp", "cxnSp":
			switch n.Kid("nvSpPr", "nvPr", "ph").Attr("type") {
			case "sldNum", "dt", "ftr":
			case "title", "ctrTitle":
				t := &slide{ctx: s.ctx, z: s.z}
				t.text(n.Kid("txBody"))
				s.title = strings.TrimSpace(s.title + "\n" + strings.Join(t.texts, "\n"))
			default:
				s.text(n.Kid("txBody"))
			}
		case "pic":
			s.pictures++
			s.add(oneLine(n.Kid("nvPicPr", "cNvPr").Attr("descr")))
		case "grpSp":
			s.shapes(n)
		case "graphicFrame":
			s.add(oneLine(n.Kid("nvGraphicFramePr", "cNvPr").Attr("descr")))
			s.graphic(n.Kid("graphic", "graphicData"))
		case "AlternateContent":
			before := len(s.texts)
			s.shapes(n.Kid("Choice"))
			if len(s.texts) == before {
				s.shapes(n.Kid("Fallback"))
			}
		}
	}
}

func (s *slide) add(text string) {
	if text != "" {
		s.texts = append(s.texts, text)
	}
}

// text adds the paragraphs of a body as one block.
func (s *slide) text(body *zipxml.Node) {
	if body == nil {
		return
	}
	var lines []string
	counts := map[string]int{}
	for _, p := range body.Kids {
		if p.Name != "p" {
			continue
		}
		line := strings.TrimSpace(paragraph(p))
		if line == "" {
			continue
		}
		level := p.Kid("pPr").Attr("lvl")
		if auto := p.Kid("pPr", "buAutoNum"); auto != nil {
			if start, err := strconv.Atoi(auto.Attr("startAt")); err == nil && counts[level] == 0 {
				counts[level] = start - 1
			}
			counts[level]++
			line = autoNumber(counts[level], auto.Attr("type")) + " " + line
		} else {
			delete(counts, level)
		}
		lines = append(lines, line)
	}
	s.add(strings.Join(lines, "\n"))
}

// paragraph is the text of a:p.
func paragraph(p *zipxml.Node) string {
	var b strings.Builder
	for _, k := range p.Kids {
		switch k.Name {
		case "r":
			text := k.Kid("t").String()
			if up, err := strconv.Atoi(k.Kid("rPr").Attr("baseline")); err == nil && up > 0 {
				text = numerals.Power(b.String(), text)
			}
			b.WriteString(text)
		case "fld":
			if k.Attr("type") != "slidenum" {
				b.WriteString(k.Kid("t").String())
			}
		case "br":
			b.WriteByte('\n')
		case "m", "oMath", "oMathPara":
			b.WriteString(omml.Linear(k))
		case "AlternateContent":
			if text := paragraph(k.Kid("Choice")); text != "" {
				b.WriteString(text)
			} else if f := k.Kid("Fallback"); f != nil {
				b.WriteString(paragraph(f))
			}
		}
	}
	return b.String()
}

func autoNumber(n int, kind string) string {
	number := strconv.Itoa(n)
	for prefix, as := range map[string]string{"alphaLc": "a", "alphaUc": "A", "romanLc": "i", "romanUc": "I"} {
		if strings.HasPrefix(kind, prefix) {
			number = numerals.Format(n, as)
		}
	}
	switch {
	case strings.HasSuffix(kind, "ParenBoth"):
		return "(" + number + ")"
	case strings.HasSuffix(kind, "ParenR"):
		return number + ")"
	case strings.HasSuffix(kind, "Plain"):
		return number
	}
	return number + "."
}

// graphic adds a table, a chart or a diagram.
func (s *slide) graphic(data *zipxml.Node) {
	if data == nil {
		return
	}
	for _, tbl := range data.All("tbl") {
		var rows []string
		for _, tr := range tbl.All("tr") {
			var cells []string
			for _, tc := range tr.Kids {
				if tc.Name != "tc" {
					continue
				}
				var lines []string
				for _, p := range tc.Kid("txBody").All("p") {
					lines = append(lines, paragraph(p))
				}
				cells = append(cells, oneLine(strings.Join(lines, " ")))
			}
			rows = append(rows, strings.Join(cells, "\t"))
		}
		s.add(strings.Join(rows, "\n"))
	}
	for _, ref := range append(data.All("chart"), data.All("relIds")...) {
		id := relationID(ref)
		for _, a := range ref.Attrs {
			if a.Name.Local == "dm" { // the data of a diagram
				id = a.Value
			}
		}
		rel, ok := zipxml.Related(s.links, id, "")
		if !ok {
			continue
		}
		root, err := s.z.Tree(s.ctx, rel.Target)
		if err != nil {
			continue
		}
		if strings.HasPrefix(path.Base(rel.Target), "chart") {
			s.chart(root)
			continue
		}
		for _, t := range root.All("t") {
			if t.Kid("p") != nil {
				s.text(t)
			}
		}
	}
}

// chart adds the title of a chart and a row of numbers for each of its series.
func (s *slide) chart(root *zipxml.Node) {
	for _, p := range root.Kid("chart", "title").All("p") {
		s.add(strings.TrimSpace(paragraph(p)))
	}
	values := func(n *zipxml.Node) (all []string) {
		for _, v := range n.All("v") {
			all = append(all, oneLine(v.String()))
		}
		return all
	}
	var rows []string
	for i, series := range root.All("ser") {
		if i == 0 {
			if names := values(series.Kid("cat")); len(names) > 0 {
				rows = append(rows, "\t"+strings.Join(names, "\t"))
			}
		}
		rows = append(rows, strings.Join(append([]string{strings.Join(values(series.Kid("tx")), " ")}, values(series.Kid("val"))...), "\t"))
	}
	s.add(strings.Join(rows, "\n"))
}
