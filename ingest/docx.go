package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/docent-ml/docent/ingest/internal/zipxml"
)

// DOCX reads Word documents (Office Open XML) as Word prints them: paragraphs
// and list items with their automatic numbers, tables row by row, formulas on
// one line, text boxes, the alternative text of pictures, and foot- and endnotes
// behind the text under the marks [1], [2], … that refer to them. Deleted and
// hidden text is left out. Pages are those of the last printing, where the file
// notes them, and else those of hard page breaks.
type DOCX struct {
	Headers  bool // headers and footers too, each once: before and behind the text
	Comments bool // comments too, in brackets where they were made

	inner bool // it stands in another document
}

const docxType = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"

// Read implements Reader.
func (o DOCX) Read(ctx context.Context, r io.ReaderAt, size int64) (*Document, error) {
	z, err := zipxml.Open(r, size, "a Word document")
	if err != nil {
		return nil, err
	}
	main := z.Main(ctx, "word/document.xml")
	doc := &Document{MediaType: docxType}
	w := newWordText(ctx, z, o, doc, main)
	if err := w.body(main); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: no %s inside, so this is no Word document", ErrMalformed, main)
	} else if err != nil {
		return nil, err
	}
	w.endPage()
	doc.Pages, doc.Title = w.pages, z.Title(ctx)
	if len(doc.Pages)+len(doc.Faults) > 0 {
		return doc, ctx.Err()
	}
	outside := 0
	for _, rel := range w.links {
		if rel.Type == "image" && rel.Target == "" {
			outside++
		}
	}
	return doc, cmp.Or(ctx.Err(), z.OnlyPictures(outside))
}

// maxAltChunks bounds documents that hold documents.
const maxAltChunks = 100

// wordText collects the text of the parts, page by page.
type wordText struct {
	ctx     context.Context
	z       *zipxml.Archive
	options DOCX
	doc     *Document
	part    string // that is being read
	links   []zipxml.Relation
	styles  map[string]wordStyle
	numbers *wordNumbers
	notes   *wordNotes

	pages  []Page
	number int // pages so far
	out    strings.Builder
	fields []wordField // that are open
	chunks int
}

func newWordText(ctx context.Context, z *zipxml.Archive, o DOCX, doc *Document, main string) *wordText {
	w := &wordText{ctx: ctx, z: z, options: o, doc: doc, part: main, links: z.Relations(ctx, main)}
	styles := w.related("styles")
	w.styles = readWordStyles(styles)
	w.numbers = readWordNumbers(w.related("numbering"), w.styles)
	language := languageTag(styles.Kid("docDefaults", "rPrDefault", "rPr", "lang").Attr("val"))
	w.numbers.english = language == "" || strings.HasPrefix(language, "en")
	w.notes = &wordNotes{}
	return w
}

// related reads the part of a type that the document refers to, or that lies in
// its usual place. Nil: there is none.
func (w *wordText) related(kind string) *zipxml.Node {
	name := path.Join(path.Dir(w.part), kind+".xml")
	if rel, ok := zipxml.Related(w.links, "", kind); ok {
		name = rel.Target
	}
	return w.tree(name)
}

func (w *wordText) tree(name string) *zipxml.Node {
	root, err := w.z.Tree(w.ctx, name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		w.doc.AddFault(0, "%s left out: %v", path.Base(name), err)
	}
	return root
}

// body reads the document, one paragraph or table after the other.
func (w *wordText) body(main string) error {
	text := &wordFlow{w: w, emit: w.paragraph}
	seen, around := map[string]bool{}, map[string][]string{} // headers and footers, by what refers to them
	sections := func(n *zipxml.Node) {
		for _, s := range append(n.All("sectPr"), n) {
			for _, k := range s.Kids {
				rel, ok := zipxml.Related(w.links, k.Attr("id"), "")
				if ok && w.options.Headers && s.Name == "sectPr" && strings.HasSuffix(k.Name, "Reference") && !seen[rel.Target] {
					seen[rel.Target] = true
					around[k.Name] = append(around[k.Name], w.partText(rel.Target))
				}
			}
		}
	}
	err := w.z.Walk(w.ctx, main, 2, func(n *zipxml.Node) error {
		text.block(n)
		sections(n)
		return nil
	})
	if err != nil {
		return err
	}
	text.end()
	for i := 0; i < len(w.notes.order); i++ { // a note may refer to another
		w.paragraph(w.note(w.notes.order[i]))
	}
	if text := strings.TrimSpace(strings.Join(around["headerReference"], "\n")); text != "" {
		w.endPage()
		if len(w.pages) == 0 {
			w.pages = []Page{{Number: 1}}
		}
		w.pages[0].Text = text + "\n\n" + w.pages[0].Text
	}
	w.paragraph(strings.Join(around["footerReference"], "\n"))
	return nil
}

// partText is the text of another part, such as a header.
func (w *wordText) partText(name string) string {
	if root := w.tree(name); root != nil {
		return w.text(root.Kids, "\n")
	}
	return ""
}

// text is what stands in a container, with sep between its paragraphs.
func (w *wordText) text(kids []*zipxml.Node, sep string) string {
	var parts []string
	f := &wordFlow{w: w, emit: func(s string) {
		if s != "" {
			parts = append(parts, s)
		}
	}}
	for _, k := range kids {
		f.block(k)
	}
	f.end()
	return strings.Join(parts, sep)
}

// pageBreak stands in the text of a paragraph where a page ends.
const pageBreak = "\f"

// paragraph adds to the page. A page break ends it unless it is blank: a hard
// break is noted twice, as itself and by the printing after it.
func (w *wordText) paragraph(s string) {
	for i, s := range strings.Split(s, pageBreak) {
		if i > 0 && w.out.Len() > 0 {
			w.endPage()
		}
		if s = strings.TrimSpace(strings.ReplaceAll(shown(s), "\u00A0", " ")); s == "" {
			continue
		}
		if w.out.Len() > 0 {
			w.out.WriteString("\n\n")
		}
		w.out.WriteString(s)
	}
}

func (w *wordText) endPage() {
	if w.out.Len() == 0 {
		return
	}
	w.number++
	w.pages = append(w.pages, Page{Number: w.number, Text: w.out.String()})
	w.out.Reset()
}

// wordFlow puts the blocks of a body, a cell or a note one after the other.
type wordFlow struct {
	w       *wordText
	emit    func(string)
	pending string // of paragraphs whose end is deleted: the next one goes on with it
}

func (f *wordFlow) blocks(kids []*zipxml.Node) {
	for _, k := range kids {
		f.block(k)
	}
}

func (f *wordFlow) block(n *zipxml.Node) {
	switch n.Name {
	case "p":
		f.paragraph(n)
	case "tbl":
		f.end()
		f.table(n)
	case "altChunk":
		f.end()
		f.emit(f.w.altChunk(n.Attr("id")))
	case "del", "moveFrom", "sectPr", "sdtPr", "sdtEndPr", "":
	case "oMathPara", "oMath":
		f.emit(f.w.inline(n).text())
	default: // content controls, insertions and other wrappings
		f.blocks(n.Kids)
	}
}

func (f *wordFlow) paragraph(p *zipxml.Node) {
	props := p.Kid("pPr")
	line := f.w.inline(p)
	f.pending += line.text()
	mark := props.Kid("rPr")
	if mark.Kid("del") != nil || mark.Kid("moveFrom") != nil || isOn(mark, "vanish") {
		f.boxes(line)
		return
	}
	text := strings.TrimLeft(f.pending, pageBreak)
	breaks := f.pending[:len(f.pending)-len(text)]
	label := f.w.numbers.label(props) // counts empty ones too
	if strings.TrimSpace(text) == "" {
		label = ""
	}
	f.emit(breaks + label + text)
	f.pending = ""
	f.boxes(line)
}

func (f *wordFlow) boxes(line *wordLine) {
	for _, b := range line.boxes {
		f.emit(b)
	}
}

// end writes what waits for a paragraph that does not come.
func (f *wordFlow) end() {
	if f.pending != "" {
		f.emit(f.pending)
		f.pending = ""
	}
}

// table writes a table row by row. One of a single column is a frame around
// what stands in it.
func (f *wordFlow) table(tbl *zipxml.Node) {
	var rows []string
	all := f.w.within(tbl, "tr")
	frame := len(tbl.Kid("tblGrid").All("gridCol")) < 2 && !slices.ContainsFunc(all, func(tr *zipxml.Node) bool { return len(f.w.within(tr, "tc")) > 1 })
	for _, tr := range all {
		props := tr.Kid("trPr")
		if props.Kid("del") != nil || isOn(props, "hidden") {
			continue
		}
		cells := f.w.within(tr, "tc")
		if frame && len(cells) > 0 {
			f.emit(f.w.text(cells[0].Kids, "\n\n"))
			continue
		}
		var row []string
		skip, _ := number(props.Kid("gridBefore").Attr("val"))
		row = append(row, make([]string, min(skip, maxSpan))...)
		spans := 0 // columns that the cell before covers too
		for _, tc := range cells {
			cell := tc.Kid("tcPr")
			if cell.Kid("cellDel") != nil {
				continue
			}
			row = append(row, make([]string, spans)...)
			row = append(row, oneLine(f.w.text(tc.Kids, " ")))
			n, _ := number(cell.Kid("gridSpan").Attr("val"))
			spans = min(max(n-1, 0), maxSpan)
		}
		if line := strings.Join(row, "\t"); strings.TrimSpace(line) != "" {
			rows = append(rows, line)
		}
	}
	f.emit(strings.Join(rows, "\n"))
}

const maxSpan = 63 // Word's own limit of columns

// within finds the rows or cells of a table through what may be around them.
func (w *wordText) within(n *zipxml.Node, name string) (found []*zipxml.Node) {
	for _, k := range n.Kids {
		switch k.Name {
		case name:
			found = append(found, k)
		case "sdt", "sdtContent", "ins", "moveTo", "customXml":
			found = append(found, w.within(k, name)...)
		}
	}
	return found
}

// altChunk reads a document of another kind that stands in the place of a block.
func (w *wordText) altChunk(id string) string {
	rel, _ := zipxml.Related(w.links, id, "")
	if w.chunks++; w.chunks > maxAltChunks {
		return ""
	}
	var reader Reader
	switch extension(rel.Target) {
	case ".html", ".htm", ".xhtml":
		reader = HTML{}
	case ".txt":
		reader = Text{}
	case ".docx":
		if !w.options.inner { // one in one is enough
			reader = DOCX{inner: true}
		}
	}
	data, err := w.z.Read(rel.Target)
	if err == nil && reader == nil {
		err = errors.New("no reader for it here")
	}
	if err == nil {
		var d *Document
		if d, err = reader.Read(w.ctx, memory(data), int64(len(data))); err == nil {
			return d.Text()
		}
	}
	w.doc.AddFault(0, "%s, a document inside this one, left out: %v", path.Base(rel.Target), err)
	return ""
}
