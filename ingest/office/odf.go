package office

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/docent-ml/docent/ingest"
	"github.com/docent-ml/docent/ingest/internal/numerals"
	"github.com/docent-ml/docent/ingest/internal/table"
	"github.com/docent-ml/docent/ingest/internal/zipxml"
)

// ODF reads OpenDocument texts, sheets and presentations: paragraphs and list items with their numbers, tables row by
// row, alternative texts of pictures, and foot- and endnotes behind the text under the marks that refer to them. Deleted
// text and comments are left out. Pages are those of the last layout where a text notes them, and else the slides and sheets.
type ODF struct{}

// maxCells bounds what one cell or row may be repeated to.
const maxCells = 1 << 10

// Read implements ingest.Reader.
func (ODF) Read(ctx context.Context, r io.ReaderAt, size int64) (*ingest.Document, error) {
	z, err := zipxml.Open(r, size, "an OpenDocument file")
	if err != nil {
		return nil, err
	}
	if manifest, err := z.Tree(ctx, "META-INF/manifest.xml"); err == nil && len(manifest.All("encryption-data")) > 0 {
		return nil, fmt.Errorf("%w: save it anew, without a password", ingest.ErrEncrypted)
	}
	root, err := z.Tree(ctx, "content.xml")
	if err != nil {
		return nil, fmt.Errorf("no OpenDocument file: %w", err)
	}
	kind, _ := z.Read("mimetype")
	doc := &ingest.Document{MediaType: strings.TrimSpace(string(kind))}
	if meta, err := z.Tree(ctx, "meta.xml"); err == nil {
		doc.Title = oneLine(meta.Kid("meta", "title").String())
	}
	t := &odfText{ctx: ctx, z: z, lists: map[string]map[int]odfLevel{}, named: map[string]odfStyle{}, ended: map[string]int{}}
	t.styles(root)
	if styles, err := z.Tree(ctx, "styles.xml"); err == nil {
		t.styles(styles)
	}
	number := 0
	page := func(text string) error {
		if number++; strings.TrimSpace(text) == "" {
			return nil
		}
		return addPage(doc, number, text)
	}
	body := root.Kid("body")
	for _, sheet := range body.Kid("spreadsheet").All("table") {
		if t.isHidden(sheet) {
			number++
			continue
		}
		text, err := t.sheet(sheet)
		if err == nil {
			err = page(text)
		}
		if err != nil {
			return nil, err
		}
	}
	for _, slide := range body.Kid("presentation").All("page") {
		if !t.isHidden(slide) {
			t.blocks(slide.Kids)
		}
		if err := page(t.take()); err != nil {
			return nil, err
		}
	}
	if text := body.Kid("text"); text != nil {
		t.blocks(text.Kids)
		for i, n := range t.notes {
			t.add(fmt.Sprintf("[%d] %s", i+1, n))
		}
		for _, s := range strings.Split(t.take(), "\f") {
			if strings.TrimSpace(s) != "" {
				if err := page(s); err != nil {
					return nil, err
				}
			}
		}
	}
	if len(doc.Pages) == 0 {
		return doc, cmp.Or(ctx.Err(), z.OnlyPictures(0))
	}
	return doc, ctx.Err()
}

// odfLevel is how the items of a level of a list are numbered.
type odfLevel struct {
	format, prefix, suffix string // format "": by a mark
	start, shown           int
}

// odfStyle is what a style says of properties, and the one that it is based on.
type odfStyle struct {
	parent string
	says   map[[2]string]string
}

type odfText struct {
	ctx   context.Context
	z     *zipxml.Archive
	lists map[string]map[int]odfLevel // by style; "" is that of headings
	texts []string
	notes []string
	heads [10]int
	ended map[string]int      // the last number of a list, by its style and its name
	named map[string]odfStyle // styles, by family and name
}

func (t *odfText) styles(root *zipxml.Node) {
	for _, s := range root.All("style") {
		key := s.Attr("family") + "/" + s.Attr("name")
		if _, known := t.named[key]; known { // those of the text come first
			continue
		}
		x := odfStyle{s.Attr("parent-style-name"), map[[2]string]string{}}
		for _, a := range [][2]string{{"text-properties", "display"}, {"text-properties", "text-position"}, {"table-properties", "display"}, {"drawing-page-properties", "visibility"}} {
			if v, ok := s.Kid(a[0]).Lookup(a[1]); ok {
				x.says[a] = v
			}
		}
		t.named[key] = x
	}
	for _, s := range append(root.All("list-style"), root.All("outline-style")...) {
		levels := map[int]odfLevel{}
		for _, l := range s.Kids {
			levels[numberOr(l.Attr("level"), 0)] = odfLevel{
				format: l.Attr("num-format"), prefix: l.Attr("num-prefix"), suffix: l.Attr("num-suffix"),
				start: numberOr(l.Attr("start-value"), 1), shown: numberOr(l.Attr("display-levels"), 1),
			}
		}
		name := s.Attr("name")
		if s.Name == "outline-style" {
			name = ""
		}
		if t.lists[name] == nil {
			t.lists[name] = levels
		}
	}
}

// maxStyles bounds the chain of styles that a style is based on.
const maxStyles = 32

// style returns what the style of a node, or one that it is based on, says.
func (t *odfText) style(n *zipxml.Node, family, properties, attribute string) string {
	name := n.Attr("style-name")
	for range maxStyles {
		s, known := t.named[family+"/"+name]
		if v, ok := s.says[[2]string{properties, attribute}]; ok || !known {
			return v
		}
		name = s.parent
	}
	return ""
}

// isHidden tells what an office program does not show.
func (t *odfText) isHidden(n *zipxml.Node) bool {
	switch n.Name {
	case "p", "h":
		return n.Kid("hidden-paragraph").Attr("is-hidden") == "true" || t.style(n, "paragraph", "text-properties", "display") == "none"
	case "span":
		return t.style(n, "text", "text-properties", "display") == "none"
	case "section":
		return n.Attr("display") == "none" || n.Attr("display") == "condition" && n.Attr("is-hidden") == "true"
	case "page":
		return t.style(n, "drawing-page", "drawing-page-properties", "visibility") == "hidden"
	case "table":
		return t.style(n, "table", "table-properties", "display") == "false"
	case "table-row", "table-column":
		v := n.Attr("visibility")
		return v == "collapse" || v == "filter"
	case "table-row-group", "table-column-group":
		return n.Attr("display") == "false"
	}
	return false
}

func (t *odfText) add(s string) {
	if strings.Trim(s, " \n\t") != "" {
		t.texts = append(t.texts, s)
	}
}

func (t *odfText) take() string {
	text := strings.Join(t.texts, "\n\n")
	t.texts = nil
	return text
}

func (t *odfText) blocks(kids []*zipxml.Node) {
	for _, n := range kids {
		if t.isHidden(n) {
			continue
		}
		switch n.Name {
		case "p":
			t.add(strings.TrimSpace(t.inline(n)))
		case "h":
			t.add(t.headNumber(n) + strings.TrimSpace(t.inline(n)))
		case "list":
			t.list(n, "", nil)
		case "table":
			t.add(t.rows(n))
		case "soft-page-break":
			t.texts = append(t.texts, "\f")
		case "notes": // of a slide
			before := len(t.texts)
			t.blocks(n.Kids)
			if len(t.texts) > before {
				t.texts[before] = "Notes: " + t.texts[before]
			}
		case "", "tracked-changes", "annotation", "forms", "sequence-decls", "variable-decls", "page-thumbnail", "event-listeners", "index-source", "table-of-content-source":
		case "frame":
			t.add(t.frame(n))
		default:
			t.blocks(n.Kids)
		}
	}
}

func (t *odfText) frame(n *zipxml.Node) string {
	texts := t.apart(func() {
		for _, k := range n.Kids {
			switch k.Name {
			case "text-box":
				t.blocks(k.Kids)
			case "table":
				t.add(t.rows(k))
			case "object":
				t.add(t.formula(k.Attr("href")))
			}
		}
		for _, name := range []string{"desc", "title"} {
			if len(t.texts) == 0 {
				t.add(oneLine(n.Kid(name).String()))
			}
		}
	})
	return strings.Join(texts, "\n")
}

// apart returns the texts that read adds, instead of adding them.
func (t *odfText) apart(read func()) (texts []string) {
	around := t.texts
	t.texts = nil
	read()
	texts, t.texts = t.texts, around
	return texts
}

// formula reads a formula, which is a document of its own.
func (t *odfText) formula(name string) string {
	data, err := t.z.Read(path.Join(name, "content.xml"))
	if err != nil || !bytes.Contains(data, []byte("<math")) {
		return ""
	}
	d, err := ingest.HTML{}.Read(t.ctx, bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return ""
	}
	return d.Text()
}

// list writes the items of a list, each as a paragraph. counts are the numbers of the lists around it.
func (t *odfText) list(n *zipxml.Node, style string, counts []int) {
	if s := n.Attr("style-name"); s != "" {
		style = s
	}
	depth := len(counts) + 1
	level := t.lists[style][depth]
	counts = append(slices.Clone(counts), max(level.start, 1)-1)
	if before, ok := t.ended[n.Attr("continue-list")]; ok {
		counts[depth-1] = before
	} else if n.Attr("continue-numbering") == "true" {
		counts[depth-1] = t.ended[style]
	}
	defer func() {
		t.ended[style] = counts[depth-1]
		if id := n.Attr("id"); id != "" {
			t.ended[id] = counts[depth-1]
		}
	}()
	for _, item := range n.Kids {
		if item.Name != "list-item" && item.Name != "list-header" {
			continue
		}
		label := ""
		if item.Name == "list-item" {
			counts[depth-1] = numberOr(item.Attr("start-value"), counts[depth-1]+1)
			label = t.label(style, counts)
		}
		for _, k := range item.Kids {
			if k.Name == "list" {
				t.list(k, style, counts)
				continue
			}
			before := len(t.texts)
			t.blocks([]*zipxml.Node{k})
			if len(t.texts) > before {
				t.texts[before] = label + t.texts[before]
				label = ""
			}
		}
	}
}

func (t *odfText) label(style string, counts []int) string {
	level := t.lists[style][len(counts)]
	if level.format == "" {
		if style == "" {
			return ""
		}
		return "- "
	}
	var numbers []string
	for i := max(len(counts)-max(level.shown, 1), 0); i < len(counts); i++ {
		if format := t.lists[style][i+1].format; format != "" {
			numbers = append(numbers, numerals.Format(counts[i], format))
		}
	}
	return level.prefix + strings.Join(numbers, ".") + level.suffix + " "
}

func (t *odfText) headNumber(n *zipxml.Node) string {
	level := numberOr(n.Attr("outline-level"), 0)
	if level < 1 || level > len(t.heads) || n.Attr("is-list-header") == "true" {
		return ""
	}
	t.heads[level-1]++
	clear(t.heads[level:])
	return t.label("", t.heads[:level])
}

// inline is the text of a paragraph.
func (t *odfText) inline(n *zipxml.Node) string {
	var b strings.Builder
	var scripts numerals.Scripts
	for _, k := range n.Kids {
		if k.Name != "span" {
			scripts = numerals.Scripts{}
		}
		switch k.Name {
		case "":
			b.WriteString(collapsed(k.Text))
		case "s":
			b.WriteString(strings.Repeat(" ", repeated(k.Attr("c"))))
		case "tab":
			b.WriteByte('\t')
		case "line-break":
			b.WriteByte('\n')
		case "soft-page-break":
			b.WriteByte('\f')
		case "note":
			at := len(t.notes)
			t.notes = append(t.notes, "")
			texts := t.apart(func() { t.blocks(k.Kid("note-body").All("p")) })
			t.notes[at] = strings.Join(texts, "\n")
			fmt.Fprintf(&b, "[%d]", at+1)
		case "ruby":
			b.WriteString(t.inline(k.Kid("ruby-base")))
		case "frame":
			b.WriteString(t.frame(k))
		case "span":
			if t.isHidden(k) {
				continue
			}
			position, _, _ := strings.Cut(t.style(k, "text", "text-properties", "text-position"), " ")
			place := map[string]int{"super": 1, "sub": -1}[position]
			if percent, err := strconv.Atoi(strings.TrimSuffix(position, "%")); err == nil {
				place = percent
			}
			b.WriteString(scripts.Next(b.String(), t.inline(k), place))
		case "annotation", "annotation-end", "tracked-changes", "hidden-text", "bookmark", "change":
		default:
			b.WriteString(t.inline(k))
		}
	}
	return b.String()
}

// collapsed counts white space once, as the format does.
func collapsed(s string) string {
	words := strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == '\n' || r == '\t' || r == '\r' }), " ")
	if s != "" && strings.ContainsRune(" \n\t\r", rune(s[0])) {
		words = " " + words
	}
	if s != "" && words != " " && strings.ContainsRune(" \n\t\r", rune(s[len(s)-1])) {
		words += " "
	}
	return words
}

// maxColumns bounds what is read of a row.
const maxColumns = 1 << 14

// eachRow calls do with the cells of each row of a table, as often as it is repeated. hidden tells columns that are not shown.
func (t *odfText) eachRow(n *zipxml.Node, hidden []bool, do func([]string) error) error {
	for _, k := range n.Kids {
		if t.isHidden(k) {
			continue
		}
		switch k.Name {
		case "table-header-rows", "table-row-group", "table-rows":
			if err := t.eachRow(k, hidden, do); err != nil {
				return err
			}
		case "table-row":
			var row []string
			column := 0
			for _, c := range k.Kids {
				if c.Name != "table-cell" && c.Name != "covered-table-cell" {
					continue
				}
				text := oneLine(strings.Join(t.apart(func() { t.blocks(c.Kids) }), " "))
				for range repeated(c.Attr("number-columns-repeated")) {
					if column >= len(hidden) || !hidden[column] {
						row = append(row, text)
					}
					column++
				}
				if column > maxColumns {
					break
				}
			}
			for len(row) > 0 && row[len(row)-1] == "" {
				row = row[:len(row)-1]
			}
			for range repeated(k.Attr("number-rows-repeated")) {
				if len(row) == 0 {
					break
				}
				if err := do(row); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// hiddenColumns tells for each column of a table whether it is not shown.
func (t *odfText) hiddenColumns(n *zipxml.Node, all bool) (hidden []bool) {
	for _, k := range n.Kids {
		if len(hidden) > maxColumns {
			break
		}
		hides := all || t.isHidden(k)
		switch k.Name {
		case "table-column":
			for range repeated(k.Attr("number-columns-repeated")) {
				hidden = append(hidden, hides)
			}
		case "table-columns", "table-header-columns", "table-column-group":
			hidden = append(hidden, t.hiddenColumns(k, hides)...)
		}
	}
	return hidden
}

func repeated(s string) int { return min(max(numberOr(s, 1), 0), maxCells) }

func numberOr(s string, otherwise int) int {
	if n, err := strconv.Atoi(s); err == nil {
		return n
	}
	return otherwise
}

// rows is a table of a text, with tabs between the cells.
func (t *odfText) rows(n *zipxml.Node) string {
	var rows []string
	_ = t.eachRow(n, t.hiddenColumns(n, false), func(row []string) error {
		rows = append(rows, strings.Join(row, "\t"))
		return nil
	})
	return strings.Join(rows, "\n")
}

func (t *odfText) sheet(n *zipxml.Node) (string, error) {
	var s table.Sheet
	if err := t.eachRow(n, t.hiddenColumns(n, false), s.Add); err != nil {
		return "", err
	}
	t.add(s.String())
	if shapes := n.Kid("shapes"); shapes != nil {
		t.blocks(shapes.Kids)
	}
	text := t.take()
	if text == "" {
		return "", nil
	}
	return strings.TrimSpace(n.Attr("name") + "\n\n" + text), t.ctx.Err()
}
