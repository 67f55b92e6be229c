package ingest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// doubtful tells whether a second reader may do better. It may not where the
// file cannot be had at all, or is no document of its kind.
func (r reading) doubtful() bool {
	if r.err != nil {
		switch outcomeOf(r.err) {
		case Unreadable, NotPDF:
			return false
		case TooLarge: // of the file, or of what a reader made of it
			return r.doc.ID != ""
		}
		return true
	}
	return r.doc.blank() || slices.ContainsFunc(r.doc.Faults, func(f Fault) bool { return f.Page > 0 })
}

func (d *Document) blank() bool {
	return !slices.ContainsFunc(d.Pages, func(p Page) bool { return strings.TrimSpace(p.Text) != "" })
}

// better makes one reading of two: of each page that the first reader failed
// on or doubted, what the second read at all, or without a fault and with more
// characters: on a damaged page both may stop at the same place.
func better(first, second reading) reading {
	lasting := first.lasting && second.lasting
	if a, b := first.doc.ID, second.doc.ID; a != "" && b != "" && a != b {
		return reading{doc: &Document{}, err: errors.New("file changed between two readings")}
	}
	switch {
	case second.err != nil || second.doc.blank():
		if second.err != nil && outcomeOf(second.err) != outcomeOf(first.err) && !errors.Is(second.err, ErrNoText) {
			first.doc.AddFault(0, "the fallback does not read it either: %v", second.err)
		}
		first.lasting = lasting
		return first
	case first.err != nil || first.doc.blank():
		second.doc.Fallback, second.lasting = true, lasting
		return second
	}
	return reading{doc: mergePages(first.doc, second.doc), lasting: lasting}
}

func mergePages(first, second *Document) *Document {
	faulted := func(d *Document, page int) bool {
		return slices.ContainsFunc(d.Faults, func(f Fault) bool { return f.Page == page })
	}
	for _, p := range second.Pages {
		at, found := slices.BinarySearchFunc(first.Pages, p.Number, func(q Page, n int) int { return q.Number - n })
		if !faulted(first, p.Number) || strings.TrimSpace(p.Text) == "" ||
			found && (faulted(second, p.Number) || 100*readable(p.Text) <= 101*readable(first.Pages[at].Text)) {
			continue
		}
		if found {
			first.Pages[at] = p
		} else {
			first.Pages = slices.Insert(first.Pages, at, p)
		}
		first.Fallback = true
		first.Faults = slices.DeleteFunc(first.Faults, func(f Fault) bool { return f.Page == p.Number })
		for _, f := range second.Faults {
			if f.Page == p.Number {
				first.Faults = append(first.Faults, f)
			}
		}
	}
	slices.SortStableFunc(first.Faults, func(a, b Fault) int { return a.Page - b.Page })
	return first
}

// readable counts the characters that a person can make something of.
func readable(s string) (n int) {
	for _, r := range s {
		if unicode.IsGraphic(r) && !unicode.IsSpace(r) && r != unicode.ReplacementChar {
			n++
		}
	}
	return n
}

// AddPage is for readers: it adds a page after the others, unless too much of
// its text is unreadable. Where more than 3 % of the characters are U+FFFD,
// control or private-use characters, it adds a fault.
func (d *Document) AddPage(number int, text string) {
	share := unreadableShare(text)
	if share > doubtfulShare {
		d.AddFault(number, "%.0f %% of the characters are unreadable: the fonts do not say what their glyphs mean", 100*share)
	}
	if share <= garbledShare {
		d.Pages = append(d.Pages, Page{Number: number, Text: text})
	}
}

// AddFault is for readers: it notes what was wrong with a page, or with the whole document (0).
func (d *Document) AddFault(page int, format string, args ...any) {
	d.Faults = append(d.Faults, Fault{Page: page, Reason: fmt.Sprintf(format, args...)})
}
