// Package table writes the rows of sheets so that each of them says what its cells are.
package table

import (
	"fmt"
	"strings"

	"github.com/docent-ml/docent/ingest/internal/zipxml"
)

// MaxText is what a sheet may come to; a small file can repeat a row a million times.
const MaxText = 32 << 20

// Sheet puts rows together. The first one names the columns if it is made of names: then each other row is written as
// "name: value", with a tab between two cells, and else as its values. The zero value is ready.
type Sheet struct {
	b     strings.Builder
	first []string
	named bool
	rows  int
}

// Add takes the next row. Rows without text count for nothing.
func (s *Sheet) Add(row []string) error {
	blank := true
	cells := make([]string, len(row))
	for i, c := range row {
		cells[i] = strings.Join(strings.Fields(c), " ")
		blank = blank && cells[i] == ""
	}
	if blank {
		return nil
	}
	if s.rows++; s.rows == 1 {
		s.first = cells
		return nil
	}
	if s.rows == 2 && len(trimmed(s.first)) == 1 && len(trimmed(cells)) > 1 { // a title above the names
		s.write(s.first)
		s.rows, s.first = 1, cells
		return nil
	}
	if s.rows == 2 {
		if s.named = isHead(s.first, cells) && len(trimmed(cells)) <= len(trimmed(s.first)); !s.named {
			s.write(s.first)
		}
	}
	s.write(cells)
	if s.b.Len() > MaxText {
		return fmt.Errorf("%w: a sheet of more than %d MiB of text", zipxml.ErrTooLarge, MaxText>>20)
	}
	return nil
}

func (s *Sheet) write(row []string) {
	if s.b.Len() > 0 {
		s.b.WriteByte('\n')
	}
	if !s.named {
		s.b.WriteString(strings.Join(trimmed(row), "\t"))
		return
	}
	tab := ""
	for i, c := range row {
		switch {
		case c == "":
		case i < len(s.first) && s.first[i] != "":
			s.b.WriteString(tab + s.first[i] + ": " + c)
			tab = "\t"
		default:
			s.b.WriteString(tab + c)
			tab = "\t"
		}
	}
}

// String is the text of all rows.
func (s *Sheet) String() string {
	if s.rows == 1 {
		s.write(s.first)
		s.rows = 0
	}
	return s.b.String()
}

func trimmed(row []string) []string {
	for len(row) > 0 && row[len(row)-1] == "" {
		row = row[:len(row)-1]
	}
	return row
}

func isYear(s string) bool {
	return len(s) == 4 && (s[:2] == "19" || s[:2] == "20") && strings.Trim(s[2:], "0123456789") == ""
}

// isHead tells a row of names from one of values: it has no gap and no number but years, and says nothing twice.
func isHead(row, next []string) bool {
	row = trimmed(row)
	seen := map[string]bool{}
	for i, c := range row {
		if i > 0 && isYear(c) && (i >= len(next) || !isYear(next[i])) && !seen[c] {
			seen[c] = true
			continue
		}
		if c == "" && i > 0 || seen[c] || strings.Trim(c, "0123456789.,:/-+% €$£") == "" && c != "" || len(c) > 100 {
			return false
		}
		seen[c] = true
	}
	return len(row) > 1
}
