package ingest

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
)

// DOCX reads Word documents (Office Open XML): paragraphs, lists, tables row by
// row, text boxes, foot- and endnotes. Deleted text, comments, headers and
// footers are left out. Pages are those of the last printing, where the file
// notes them, and else those of hard page breaks.
type DOCX struct{}

// Limits of one file. A ZIP file of a few kilobytes can unpack to gigabytes,
// name a million files, or nest its XML without end.
const (
	maxPartBytes = 32 << 20
	maxParts     = 20_000
	maxDepth     = 256
)

const docxType = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"

// Read implements Reader.
func (DOCX) Read(ctx context.Context, r io.ReaderAt, size int64) (*Document, error) {
	head := make([]byte, 8)
	n, _ := r.ReadAt(head, 0)
	if bytes.HasPrefix(head[:n], []byte("\xD0\xCF\x11\xE0")) {
		return nil, fmt.Errorf("%w: or in Word's old format: save it as .docx without a password", ErrEncrypted)
	}
	z, err := zip.NewReader(r, size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) { // names are looked up, never written
		return nil, fmt.Errorf("%w: not a Word document: %v", ErrMalformed, err)
	}
	if len(z.File) > maxParts {
		return nil, fmt.Errorf("%w: %d files inside, the limit is %d", ErrTooLarge, len(z.File), maxParts)
	}
	main := mainPart(z)
	w := &wordText{ctx: ctx}
	if err := w.part(z, main); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: no %s inside, so this is no Word document", ErrMalformed, main)
	} else if err != nil {
		return nil, err
	}
	doc := &Document{MediaType: docxType}
	for _, name := range []string{"footnotes.xml", "endnotes.xml"} {
		w.out.paragraph()
		if err := w.part(z, path.Join(path.Dir(main), name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			doc.fault(0, "%s left out: %v", name, err)
		}
	}
	w.endPage()
	doc.Pages, doc.Title = w.pages, docxTitle(z)
	return doc, ctx.Err()
}

// mainPart finds the document itself, which the root relationships name.
func mainPart(z *zip.Reader) string {
	const usual = "word/document.xml"
	var rels struct {
		Relationship []struct {
			Type   string `xml:",attr"`
			Target string `xml:",attr"`
		}
	}
	data, err := readPart(z, "_rels/.rels")
	if err != nil || xml.Unmarshal(data, &rels) != nil {
		return usual
	}
	for _, r := range rels.Relationship {
		if strings.HasSuffix(r.Type, "/officeDocument") {
			return strings.TrimPrefix(path.Clean("/"+r.Target), "/")
		}
	}
	return usual
}

func docxTitle(z *zip.Reader) string {
	var core struct {
		Title string `xml:"title"`
	}
	data, err := readPart(z, "docProps/core.xml")
	if err != nil || xml.Unmarshal(data, &core) != nil {
		return ""
	}
	return oneLine(core.Title)
}

// readPart unpacks a small part.
func readPart(z *zip.Reader, name string) ([]byte, error) {
	f, err := openPart(z, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	const small = 1 << 20
	data, err := io.ReadAll(io.LimitReader(f, small+1))
	if len(data) > small {
		return nil, fmt.Errorf("%w: %s unpacks to more than %d bytes", ErrTooLarge, name, small)
	}
	return data, err
}

// openPart compares names without case, as Word does.
func openPart(z *zip.Reader, name string) (io.ReadCloser, error) {
	for _, f := range z.File {
		if strings.EqualFold(f.Name, name) {
			return f.Open()
		}
	}
	return nil, fs.ErrNotExist
}

// wordText collects the text of the parts, page by page.
type wordText struct {
	ctx    context.Context
	out    blocks
	pages  []Page
	number int // pages so far, blank ones included
	table  int // depth of tables
}

func (w *wordText) endPage() {
	w.number++
	if text := w.out.String(); text != "" {
		w.pages = append(w.pages, Page{Number: w.number, Text: text})
	}
	w.out = blocks{}
}

// part reads one XML file. Names are taken without their namespace, of which
// there are two for the same elements.
func (w *wordText) part(z *zip.Reader, name string) error {
	f, err := openPart(z, name)
	if err != nil {
		return err
	}
	defer f.Close()
	limited := &io.LimitedReader{R: f, N: maxPartBytes}
	d := xml.NewDecoder(limited)
	depth, skip := 0, 0
	var inText bool
	for n := 0; ; n++ {
		if n%checkEvery == 0 && w.ctx.Err() != nil {
			return context.Cause(w.ctx)
		}
		t, err := d.RawToken() // element by element: what is not closed costs nothing
		switch {
		case limited.N <= 0:
			return fmt.Errorf("%w: %s unpacks to more than %d MiB", ErrTooLarge, name, maxPartBytes>>20)
		case err == io.EOF && depth == 0:
			return nil
		case err != nil:
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return fmt.Errorf("%w: %s: %v", ErrMalformed, name, err)
		}
		switch t := t.(type) {
		case xml.StartElement:
			if depth++; depth > maxDepth {
				return fmt.Errorf("%w: %s nests more than %d elements", ErrMalformed, name, maxDepth)
			}
			if skip > 0 || isHiddenWord(t) {
				skip++
				continue
			}
			inText = t.Name.Local == "t"
			w.open(t)
		case xml.EndElement:
			if depth--; depth < 0 {
				return fmt.Errorf("%w: %s closes more elements than it opens", ErrMalformed, name)
			}
			if skip > 0 {
				skip--
				continue
			}
			inText = false
			w.close(t.Name.Local)
		case xml.CharData:
			if inText && skip == 0 {
				w.out.exactly(string(t))
			}
		}
	}
}

// isHiddenWord tells elements whose text is not the document's: deleted or
// moved text, field codes, and the second rendering of a drawing.
func isHiddenWord(e xml.StartElement) bool {
	switch e.Name.Local {
	case "del", "moveFrom", "instrText", "delText", "Fallback", "rPr", "pPr", "sectPr", "tblPr", "trPr", "tcPr":
		return true
	case "footnote", "endnote": // separators
		kind := attribute(e, "type")
		return kind != "" && kind != "normal"
	}
	return false
}

func attribute(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

func (w *wordText) open(e xml.StartElement) {
	switch e.Name.Local {
	case "tab", "ptab":
		w.out.exactly("\t")
	case "br", "cr":
		if attribute(e, "type") == "page" {
			w.breakPage()
		} else {
			w.out.line()
		}
	case "lastRenderedPageBreak":
		w.breakPage()
	case "noBreakHyphen":
		w.out.exactly("-")
	case "tbl":
		w.table++
		w.out.paragraph()
	case "tr":
		w.out.row()
	case "tc":
		w.out.cell()
	}
}

func (w *wordText) close(name string) {
	switch name {
	case "p":
		if w.table > 0 {
			w.out.space = true // a cell stays on its row
		} else {
			w.out.paragraph()
		}
	case "tr":
		w.out.line()
	case "tbl":
		w.table = max(w.table-1, 0)
		w.out.paragraph()
	}
}

// breakPage ends the page unless it is blank: a hard break is noted twice, as
// itself and by the printing after it. Inside a table a row must stay whole.
func (w *wordText) breakPage() {
	if w.table == 0 && w.out.String() != "" {
		w.endPage()
	}
}
