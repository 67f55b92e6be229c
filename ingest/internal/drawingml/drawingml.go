// Package drawingml reads the texts of what office programs draw: text bodies, tables, charts and diagrams.
package drawingml

import (
	"cmp"
	"context"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/docent-ml/docent/ingest/internal/numerals"
	"github.com/docent-ml/docent/ingest/internal/omml"
	"github.com/docent-ml/docent/ingest/internal/symbols"
	"github.com/docent-ml/docent/ingest/internal/zipxml"
)

// RelationID is r:id, beside which there may be an id.
func RelationID(n *zipxml.Node) string {
	for _, a := range n.Attrs {
		if a.Name.Local == "id" && a.Name.Space != "" {
			return a.Value
		}
	}
	return ""
}

// Body is the text of a body, a line for each paragraph, with the numbers of its lists.
func Body(body *zipxml.Node) string {
	if body == nil {
		return ""
	}
	var lines []string
	var counts [9]int // of each level
	for _, p := range body.Kids {
		if p.Name != "p" {
			continue
		}
		line := strings.TrimSpace(paragraph(p))
		if line == "" {
			continue
		}
		level, _ := strconv.Atoi(p.Kid("pPr").Attr("lvl"))
		level = min(max(level, 0), len(counts)-1)
		clear(counts[level+1:])
		if auto := p.Kid("pPr", "buAutoNum"); auto != nil {
			if start, err := strconv.Atoi(auto.Attr("startAt")); err == nil && counts[level] == 0 {
				counts[level] = start - 1
			}
			counts[level]++
			line = autoNumber(counts[level], auto.Attr("type")) + " " + line
		} else {
			counts[level] = 0
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// paragraph is the text of a:p.
func paragraph(p *zipxml.Node) string {
	var b strings.Builder
	formula := false // was written last
	var scripts numerals.Scripts
	for _, k := range p.Kids {
		text, place := "", 0
		switch k.Name {
		case "r":
			text = symbols.Text(k.Kid("t").String(), k.Kid("rPr", "latin").Attr("typeface"), k.Kid("rPr", "sym").Attr("typeface"))
			place, _ = strconv.Atoi(k.Kid("rPr").Attr("baseline"))
		case "fld":
			if k.Attr("type") != "slidenum" {
				text = k.Kid("t").String()
			}
		case "br":
			text = "\n"
		case "m", "oMath", "oMathPara":
			text = omml.Linear(k)
		}
		if is := strings.HasPrefix(k.Name, "m") || k.Name == "oMath"; text != "" {
			if is || formula && place == 0 {
				text = numerals.Apart(b.String(), text)
			}
			formula = is
		}
		b.WriteString(scripts.Next(b.String(), text, place))
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

// Shapes are what the shapes of a slide or a sheet say. The zero value is ready.
type Shapes struct {
	Title    string
	Texts    []string // in the order in which the shapes stand in the file
	Pictures int
	Outside  int // of the pictures, those that the file only refers to
}

// Add reads the shapes that stand in tree. What one refers to is found by links.
func (s *Shapes) Add(ctx context.Context, z *zipxml.Archive, links []zipxml.Relation, tree *zipxml.Node) {
	if tree == nil {
		return
	}
	for _, n := range tree.Kids {
		props := n.Kid(propertiesOf[n.Name])
		if props.Kid("cNvPr").Attr("hidden") == "1" {
			continue
		}
		label := strings.Join(strings.Fields(props.Kid("cNvPr").Attr("descr")), " ")
		switch n.Name {
		case "sp", "cxnSp":
			switch text := Body(n.Kid("txBody")); props.Kid("nvPr", "ph").Attr("type") {
			case "sldNum", "dt", "ftr":
			case "title", "ctrTitle":
				s.Title = strings.TrimSpace(s.Title + "\n" + text)
			default:
				s.texts(cmp.Or(text, label))
			}
		case "pic":
			s.texts(label)
			s.Pictures++
			id := n.Kid("blipFill", "blip").Attr("embed") // of a linked picture there is none
			if rel, _ := zipxml.Related(links, id, ""); id == "" || rel.Target == "" {
				s.Outside++
			}
		case "graphicFrame":
			s.texts(label)
			s.texts(Graphic(ctx, z, links, n.Kid("graphic", "graphicData"))...)
		case "grpSp", "twoCellAnchor", "oneCellAnchor", "absoluteAnchor":
			s.Add(ctx, z, links, n)
		}
	}
}

// propertiesOf names the element with the properties of each kind of shape.
var propertiesOf = map[string]string{"sp": "nvSpPr", "cxnSp": "nvCxnSpPr", "pic": "nvPicPr", "graphicFrame": "nvGraphicFramePr", "grpSp": "nvGrpSpPr"}

func (s *Shapes) texts(texts ...string) {
	for _, t := range texts {
		if t != "" {
			s.Texts = append(s.Texts, t)
		}
	}
}

// Graphic returns the texts of a table, a chart or a diagram.
func Graphic(ctx context.Context, z *zipxml.Archive, links []zipxml.Relation, data *zipxml.Node) (texts []string) {
	for _, tbl := range data.All("tbl") {
		var rows []string
		for _, tr := range tbl.All("tr") {
			var cells []string
			for _, tc := range tr.Kids {
				if tc.Name == "tc" {
					cells = append(cells, strings.Join(strings.Fields(Body(tc.Kid("txBody"))), " "))
				}
			}
			rows = append(rows, strings.Join(cells, "\t"))
		}
		texts = append(texts, strings.Join(rows, "\n"))
	}
	for _, ref := range append(data.All("chart"), data.All("relIds")...) {
		id := RelationID(ref)
		for _, a := range ref.Attrs {
			if a.Name.Local == "dm" { // the data of a diagram
				id = a.Value
			}
		}
		rel, ok := zipxml.Related(links, id, "")
		if !ok {
			continue
		}
		root, err := z.Tree(ctx, rel.Target)
		if err != nil {
			continue
		}
		if strings.HasPrefix(path.Base(rel.Target), "chart") {
			texts = append(texts, chart(root)...)
			continue
		}
		for _, t := range root.All("t") {
			if t.Kid("p") != nil {
				texts = append(texts, Body(t))
			}
		}
	}
	return slices.DeleteFunc(texts, func(s string) bool { return s == "" })
}

// chart is the title of a chart, and a row of numbers for each of its series.
func chart(root *zipxml.Node) (texts []string) {
	for _, p := range root.Kid("chart", "title").All("p") {
		texts = append(texts, strings.TrimSpace(paragraph(p)))
	}
	values := func(n *zipxml.Node) (all []string) {
		for _, v := range n.All("v") {
			all = append(all, strings.Join(strings.Fields(v.String()), " "))
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
	return append(texts, strings.Join(rows, "\n"))
}
