package ingest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// Report counts the documents of a walk and remembers what was wrong with them.
// It is made to be printed, and to be written as JSON beside the data. It keeps
// some hundreds of bytes for each document.
type Report struct {
	Read   int `json:"read"`   // with text: OK and Partial
	Empty  int `json:"empty"`  // without text
	Failed int `json:"failed"` // all other outcomes
	Pages  int `json:"pages"`  // pages with text

	Fallback   int `json:"fallback,omitempty"`   // documents with text from Options.Fallback
	Duplicates int `json:"duplicates,omitempty"` // documents with DuplicateOf

	Stopped bool `json:"stopped,omitempty"` // for the program to set: not all documents were read

	NotRead map[string]int `json:"not_read,omitempty"` // files of kinds without a reader, by their ending
	LeftOut map[string]int `json:"left_out,omitempty"` // files and folders of systems and programs, by their name

	Outcomes  map[Outcome]int  `json:"outcomes"`
	Documents []DocumentReport `json:"documents"`
}

// DocumentReport is a document without its text.
type DocumentReport struct {
	Path    string  `json:"path"`
	ID      string  `json:"id,omitempty"`
	Outcome Outcome `json:"outcome"`
	Pages   int     `json:"pages"`
	Faults  []Fault `json:"faults,omitempty"`

	DuplicateOf string  `json:"duplicate_of,omitempty"`
	Likeness    float64 `json:"likeness,omitempty"`
}

// Add counts a document that Walk yielded; nil counts nothing.
func (r *Report) Add(d *Document) {
	if d == nil {
		return
	}
	switch {
	case d.Outcome.HasText():
		r.Read++
	case d.Outcome == Empty:
		r.Empty++
	default:
		r.Failed++
	}
	r.Pages += len(d.Pages)
	if d.Fallback {
		r.Fallback++
	}
	if d.DuplicateOf != "" {
		r.Duplicates++
	}
	if r.Outcomes == nil {
		r.Outcomes = map[Outcome]int{}
	}
	r.Outcomes[d.Outcome]++
	r.Documents = append(r.Documents, DocumentReport{d.Path, d.ID, d.Outcome, len(d.Pages), d.Faults, d.DuplicateOf, d.Likeness})
}

// String is a table with a line for each document that is not OK, and a summary.
func (r *Report) String() string {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	if r.Outcomes[OK] < len(r.Documents) {
		fmt.Fprintln(t, "OUTCOME\tPAGES\tDOCUMENT\tREASON")
	}
	for _, d := range r.Documents {
		if d.Outcome != OK {
			fmt.Fprintf(t, "%s\t%d\t%s\t%s\n", d.Outcome, d.Pages, printable(d.Path), d.reason())
		}
	}
	t.Flush()
	fmt.Fprintf(&b, "%d documents: %d read (%d pages), %d empty, %d failed\n", len(r.Documents), r.Read, r.Pages, r.Empty, r.Failed)
	if r.Fallback > 0 {
		fmt.Fprintf(&b, "%d of them with the fallback\n", r.Fallback)
	}
	if r.Stopped {
		fmt.Fprintln(&b, "stopped before all documents were read")
	}
	if r.Duplicates > 0 {
		fmt.Fprintf(&b, "%d of them say what an earlier one says\n", r.Duplicates)
	}
	if len(r.NotRead) > 0 {
		fmt.Fprintf(&b, "not read, for no reader knows their kind: %s\n", Counts(r.NotRead))
	}
	if len(r.LeftOut) > 0 {
		fmt.Fprintf(&b, "left out, of systems and programs: %s\n", Counts(r.LeftOut))
	}
	return b.String()
}

// Counts writes what Report.NotRead and LeftOut count, most first: "12 .pptx, 1 .zip".
func Counts(n map[string]int) string {
	keys := slices.SortedFunc(maps.Keys(n), func(a, b string) int { return cmp.Or(n[b]-n[a], cmp.Compare(a, b)) })
	parts := make([]string, len(keys))
	for i, key := range keys {
		name := printable(key)
		if name == "" {
			name = "without an ending"
		}
		parts[i] = fmt.Sprintf("%d %s", n[key], name)
	}
	return strings.Join(parts, ", ")
}

// reason is the first fault, and how many more there are.
func (d *DocumentReport) reason() string {
	if len(d.Faults) == 0 {
		return ""
	}
	f := d.Faults[0]
	s := printable(f.Reason)
	if f.Page > 0 {
		s = fmt.Sprintf("page %d: %s", f.Page, s)
	}
	if n := len(d.Faults) - 1; n > 0 {
		s += fmt.Sprintf(" (and %d more)", n)
	}
	return s
}

// printable keeps what comes from a file from breaking the table or a terminal.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7F {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if r := []rune(s); len(r) > 200 {
		s = string(r[:200]) + "…"
	}
	return s
}
