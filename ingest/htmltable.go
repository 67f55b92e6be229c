package ingest

import (
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// What a cell of data holds at most; more is a part of the page.
const (
	maxCell    = 1000 // bytes of text
	maxColSpan = 50
)

// table writes a row as a line with tabs between its cells, whatever stands in
// them: paragraphs, line breaks, another table. Cells that span several columns
// or rows leave the others empty. A table that only places parts of the page
// beside each other is written part by part.
func (p *htmlText) table(n *html.Node, out *blocks) {
	out.paragraph()
	defer out.paragraph()
	rows := rowsOf(n)
	if isLayout(n, rows) {
		p.children(n, out)
		return
	}
	for c := range n.ChildNodes() {
		if c.DataAtom == atom.Caption {
			p.node(c, out)
		}
	}
	var below []int // for each column, how many rows the cell above still takes
	for _, row := range rows {
		var cells []string
		column, rest := 0, 1 // rows from this one to the end of its part of the table
		for next := row.NextSibling; next != nil; next = next.NextSibling {
			if next.DataAtom == atom.Tr && !isHidden(next) {
				rest++
			}
		}
		skip := func() {
			for column < len(below) && below[column] > 0 {
				below[column]--
				cells = append(cells, "")
				column++
			}
		}
		for c := range row.ChildNodes() {
			if !isCell(c) || isHidden(c) {
				continue
			}
			skip()
			cells = append(cells, p.cellText(c))
			for i := range span(c, "colspan", maxColSpan) {
				if i > 0 {
					cells = append(cells, "")
				}
				for len(below) <= column {
					below = append(below, 0)
				}
				if below[column] = span(c, "rowspan", rest) - 1; attributeOf(c.Attr, "rowspan") == "0" {
					below[column] = rest - 1
				}
				column++
			}
		}
		skip()
		out.cells(cells)
	}
}

// cellText is what a cell says, as one line.
func (p *htmlText) cellText(n *html.Node) string {
	var b blocks
	inner := &htmlText{ctx: p.ctx, frames: p.frames}
	inner.children(n, &b)
	return oneLine(b.String())
}

// row writes a row that its role tells, and not its element.
func (p *htmlText) row(n *html.Node, out *blocks) {
	var cells []string
	for c := range n.Descendants() {
		switch attributeOf(c.Attr, "role") {
		case "cell", "gridcell", "columnheader", "rowheader":
			cells = append(cells, p.cellText(c))
		}
	}
	if len(cells) == 0 {
		p.children(n, out)
	}
	out.cells(cells)
}

func isCell(n *html.Node) bool { return n.DataAtom == atom.Td || n.DataAtom == atom.Th }

func span(n *html.Node, key string, most int) int {
	count, err := strconv.Atoi(attributeOf(n.Attr, key))
	if err != nil || count < 1 {
		return 1
	}
	return max(min(count, most), 1)
}

// rowsOf are the rows of a table, without those of tables inside it, as they are shown: those of the foot come last.
func rowsOf(n *html.Node) (rows []*html.Node) {
	var foot []*html.Node
	for c := range n.ChildNodes() {
		if isHidden(c) {
			continue
		}
		switch c.DataAtom {
		case atom.Tr:
			rows = append(rows, c)
		case atom.Thead, atom.Tbody:
			rows = append(rows, rowsOf(c)...)
		case atom.Tfoot:
			foot = append(foot, rowsOf(c)...)
		}
	}
	return append(rows, foot...)
}

// hasHeading tells whether a row has a cell that names a column or a row.
func hasHeading(row *html.Node) bool {
	return slices.ContainsFunc(slices.Collect(row.ChildNodes()), func(c *html.Node) bool { return c.DataAtom == atom.Th })
}

// isLayout tells a table that holds parts of a page from one that holds data: by
// its role, or by cells with a lot of text or, where no heading of a column or row says that it is data, with headings,
// forms or code.
func isLayout(table *html.Node, rows []*html.Node) bool {
	switch attributeOf(table.Attr, "role") {
	case "presentation", "none":
		return true
	case "table", "grid":
		return false
	}
	widest, headed := 0, slices.ContainsFunc(rows, hasHeading)
	for _, row := range rows {
		columns := 0
		for c := range row.ChildNodes() {
			if !isCell(c) {
				continue
			}
			columns++
			length := 0
			for d := range c.Descendants() {
				switch d.DataAtom {
				case atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6:
					if !headed && oneLine(textOf(d)) != oneLine(textOf(c)) { // alone it is set like one, as the heading of a column
						return true
					}
				case atom.Form, atom.Pre, atom.Article, atom.Section, atom.Nav, atom.Center:
					if !headed {
						return true
					}
				}
				if d.Type == html.TextNode {
					length += len(strings.TrimSpace(d.Data))
				}
			}
			if length > maxCell && c.DataAtom == atom.Td {
				return true
			}
		}
		widest = max(widest, columns)
	}
	return widest < 2
}
