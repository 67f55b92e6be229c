package office

import (
	"context"
	"encoding/csv"
	"errors"
	"io"
	"strings"

	"github.com/docent-ml/docent/ingest"
	"github.com/docent-ml/docent/ingest/internal/table"
)

// CSV reads tables as text, whose cells commas, semicolons, tabs or bars set apart. The encoding is found as ingest.Text
// finds it. Each row is written with the names of its columns, if the first one names them.
type CSV struct{}

// Read implements ingest.Reader.
func (CSV) Read(ctx context.Context, r io.ReaderAt, size int64) (*ingest.Document, error) {
	doc, err := ingest.Text{}.Read(ctx, r, size)
	if err != nil {
		return nil, err
	}
	doc.MediaType = "text/csv"
	text := strings.TrimPrefix(doc.Text(), "\uFEFF")
	comma := rune(0)
	if first, rest, ok := strings.Cut(text, "\n"); ok { // Excel says so in the first line
		if sep, ok := strings.CutPrefix(strings.TrimSpace(first), "sep="); ok && len(sep) == 1 {
			comma, text = rune(sep[0]), rest
		}
	}
	if comma == 0 {
		comma = separator(text)
	}
	rows, sheet := reader(text, comma), table.Sheet{}
	for n := 0; ; n++ {
		if n%1000 == 0 && ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = sheet.Add(row)
		}
		if err != nil {
			return nil, err
		}
	}
	doc.Pages = []ingest.Page{{Number: 1, Text: sheet.String()}}
	return doc, nil
}

func reader(text string, comma rune) *csv.Reader {
	c := csv.NewReader(strings.NewReader(text))
	c.Comma, c.LazyQuotes, c.FieldsPerRecord = comma, true, -1
	return c
}

// separator takes the character that cuts the first rows into as many cells each.
func separator(text string) rune {
	const rows = 50
	best, most := ',', 0
	for _, comma := range ",;\t|" {
		c := reader(text, comma)
		counts := map[int]int{}
		for range rows {
			row, err := c.Read()
			if err != nil {
				break
			}
			counts[len(row)]++
		}
		for cells, n := range counts {
			if score := n * min(cells-1, 1) * 100; cells > 1 && score+cells > most {
				best, most = comma, score+cells
			}
		}
	}
	return best
}
