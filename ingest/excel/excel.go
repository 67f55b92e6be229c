// Package excel reads Excel workbooks with github.com/xuri/excelize, which knows the formats of numbers and dates; of the
// readers that were looked at it alone is kept up and writes cells as Excel shows them (thedatashed/xlsxreader knows
// no formats of one's own, tealeg/xlsx holds whole workbooks).
package excel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/xuri/excelize/v2"

	"github.com/docent-ml/docent/ingest"
	"github.com/docent-ml/docent/ingest/internal/drawingml"
	"github.com/docent-ml/docent/ingest/internal/table"
	"github.com/docent-ml/docent/ingest/internal/zipxml"
)

// XLSX reads workbooks (Office Open XML), a visible sheet a page: its name, then its rows, each with the names of its
// columns if the first row names them, then the texts of its charts, boxes and pictures. Hidden rows, columns and sheets are
// left out, and formulas show their last results.
type XLSX struct{}

const xlsxType = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

// maxUnpacked is what all parts of a workbook may unpack to. None is put on disk.
const maxUnpacked = 128 << 20

// Read implements ingest.Reader.
func (XLSX) Read(ctx context.Context, r io.ReaderAt, size int64) (*ingest.Document, error) {
	z, err := zipxml.Open(r, size, "a workbook")
	if err != nil {
		return nil, err
	}
	for _, name := range z.Names() { // the library has no limit for one part, and none for depth
		if strings.HasSuffix(name, ".xml") && !strings.Contains(name, "/worksheets/") {
			if err := z.Walk(ctx, name, 1<<10, nil); errors.Is(err, ingest.ErrTooLarge) || ctx.Err() != nil {
				return nil, err
			}
		}
	}
	f, err := excelize.OpenReader(io.NewSectionReader(r, 0, size), excelize.Options{UnzipSizeLimit: maxUnpacked, UnzipXMLSizeLimit: maxUnpacked})
	if err != nil {
		if strings.Contains(err.Error(), "exceeds the") {
			return nil, fmt.Errorf("%w: %w", ingest.ErrTooLarge, err)
		}
		return nil, fmt.Errorf("%w: not a workbook: %w", ingest.ErrMalformed, err)
	}
	defer f.Close()
	if err := raiseScripts(ctx, f); err != nil {
		return nil, err
	}
	doc := &ingest.Document{MediaType: xlsxType}
	if p, err := f.GetDocProps(); err == nil {
		doc.Title = strings.TrimSpace(p.Title)
	}
	parts := parts(ctx, z)
	total := 0
	for i, name := range f.GetSheetList() {
		if visible, err := f.GetSheetVisible(name); err == nil && !visible {
			continue
		}
		hidden := hiddenColumns(ctx, z, parts[name])
		text, err := sheet(ctx, f, name, hidden)
		text = strings.TrimSpace(text + "\n\n" + drawn(ctx, z, parts[name]))
		if total += len(text); total > 2*table.MaxText {
			err = fmt.Errorf("%w: more than %d MiB of text", ingest.ErrTooLarge, 2*table.MaxText>>20)
		}
		if errors.Is(err, ingest.ErrTooLarge) || ctx.Err() != nil {
			return nil, err
		}
		if err != nil {
			doc.AddFault(i+1, "sheet %q: %v", name, err)
		}
		if text != "" {
			doc.Pages = append(doc.Pages, ingest.Page{Number: i + 1, Text: name + "\n\n" + text})
		}
	}
	if len(doc.Pages)+len(doc.Faults) == 0 {
		return doc, z.OnlyPictures(0)
	}
	return doc, nil
}

func sheet(ctx context.Context, f *excelize.File, name string, hidden map[int]bool) (string, error) {
	rows, err := f.Rows(name)
	if err != nil {
		return "", err // a chart has no rows
	}
	defer rows.Close()
	var s table.Sheet
	for n := 0; rows.Next(); n++ {
		if n%1000 == 0 && ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		cells, err := rows.Columns()
		if err != nil {
			return s.String(), err
		}
		if rows.GetRowOpts().Hidden {
			continue
		}
		shown := cells[:0]
		for i, c := range cells {
			if !hidden[i+1] {
				shown = append(shown, c)
			}
		}
		if err := s.Add(shown); err != nil {
			return "", err
		}
	}
	return s.String(), rows.Error()
}

// parts returns the name of the part of each sheet.
func parts(ctx context.Context, z *zipxml.Archive) map[string]string {
	main := z.Main(ctx, "xl/workbook.xml")
	root, _ := z.Tree(ctx, main)
	links, parts := z.Relations(ctx, main), map[string]string{}
	for _, s := range root.Kid("sheets").All("sheet") {
		rel, _ := zipxml.Related(links, drawingml.RelationID(s), "")
		parts[s.Attr("name")] = rel.Target
	}
	return parts
}

var errRows = errors.New("the rows have begun")

// hiddenColumns returns the numbers of the columns that are not shown. The library would hold the whole sheet for that.
func hiddenColumns(ctx context.Context, z *zipxml.Archive, part string) map[int]bool {
	hidden, next := map[int]bool{}, 1 // columns stand in order, each once
	_ = z.Walk(ctx, part, 2, func(n *zipxml.Node) error {
		switch n.Name {
		case "col":
			first, _ := strconv.Atoi(n.Attr("min"))
			last, _ := strconv.Atoi(n.Attr("max"))
			if width, ok := n.Lookup("width"); n.Attr("hidden") == "1" || n.Attr("hidden") == "true" || ok && width == "0" {
				for i := max(first, next); i <= min(last, excelize.MaxColumns); i++ {
					hidden[i], next = true, i+1
				}
			}
		case "row":
			return errRows
		}
		return nil
	})
	return hidden
}

// drawn is what the charts, boxes and pictures on a sheet say.
func drawn(ctx context.Context, z *zipxml.Archive, part string) string {
	rel, ok := zipxml.Related(z.Relations(ctx, part), "", "drawing")
	if !ok {
		return ""
	}
	root, _ := z.Tree(ctx, rel.Target)
	var s drawingml.Shapes
	s.Add(ctx, z, z.Relations(ctx, rel.Target), root)
	return strings.Join(s.Texts, "\n\n")
}
