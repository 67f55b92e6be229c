package ingest

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/docent-ml/docent/ingest/internal/drawingml"
	"github.com/docent-ml/docent/ingest/internal/numerals"
	"github.com/docent-ml/docent/ingest/internal/omml"
	"github.com/docent-ml/docent/ingest/internal/symbols"
	"github.com/docent-ml/docent/ingest/internal/zipxml"
)

// wordLine is the text of one paragraph, and the text boxes that are tied to it.
type wordLine struct {
	w       *wordText
	b       strings.Builder
	style   string    // of the paragraph
	fonts   [3]string // of the run: for ASCII, for other letters, for complex scripts
	place   int       // of the run: above 0 superscript, below subscript
	scripts numerals.Scripts
	apart   bool // a formula was written last
	boxes   []string
}

func (l *wordLine) text() string { return l.b.String() }

// inline reads a paragraph.
func (w *wordText) inline(p *zipxml.Node) *wordLine {
	l := &wordLine{w: w, style: p.Kid("pPr", "pStyle").Attr("val")}
	l.all(p.Kids)
	// A field without an end must not hide what follows.
	w.fields = slices.DeleteFunc(w.fields, func(f wordField) bool { return !f.result })
	return l
}

func (l *wordLine) all(kids []*zipxml.Node) {
	for _, k := range kids {
		l.add(k)
	}
}

// add writes an element. Names that are not here are wrappings.
func (l *wordLine) add(n *zipxml.Node) {
	switch n.Name {
	case "", "del", "moveFrom", "delText", "delInstrText", "rPr", "pPr", "sdtPr", "sdtEndPr", "rubyPr", "rt", "footnoteRef", "endnoteRef", "annotationRef":
	case "fldChar":
		l.field(n)
	case "r":
		if props := n.Kid("rPr"); !l.w.hides(l.style, props) {
			l.fonts, l.place = l.w.fonts(l.style, props), l.w.place(l.style, props)
			l.all(n.Kids)
			l.fonts, l.place = [3]string{}, 0
		}
	case "t":
		text := l.inFont(n.String())
		if l.apart && l.place == 0 {
			text = numerals.Apart(l.b.String(), text)
		}
		l.write(text)
	case "instrText":
		if last := len(l.w.fields) - 1; last >= 0 && len(l.w.fields[last].code) < maxFieldCode {
			l.w.fields[last].code += n.String()
		}
	case "sym":
		if code, err := strconv.ParseUint(n.Attr("char"), 16, 16); err == nil {
			l.symbol(n.Attr("font"), rune(code))
		}
	case "tab", "ptab":
		l.write("\t")
	case "br", "cr":
		if n.Attr("type") == "page" {
			l.write(pageBreak)
		} else {
			l.write("\n")
		}
	case "lastRenderedPageBreak":
		l.write(pageBreak)
	case "noBreakHyphen":
		l.write("-")
	case "oMath":
		l.formula(omml.Linear(n))
	case "footnoteReference", "endnoteReference":
		l.write(l.w.notes.mark(n.Name, n.Attr("id"), isSet(n.Attr("customMarkFollows"))))
	case "commentReference":
		if l.w.options.Comments {
			l.write(l.w.comment(n.Attr("id")))
		}
	case "txbxContent":
		l.boxes = append(l.boxes, l.w.text(n.Kids, "\n\n"))
	case "drawing", "pict", "object":
		l.all(n.Kids)
		if len(n.All("txbxContent")) == 0 {
			l.picture(n)
		}
		l.boxes = append(l.boxes, drawingml.Graphic(l.w.ctx, l.w.z, l.w.links, n)...)
		for _, o := range n.All("OLEObject") {
			if strings.HasPrefix(o.Attr("ProgID"), "Equation") {
				l.faultOnce("a formula of the old Equation Editor is a picture, and left out")
			}
		}
	default:
		l.all(n.Kids)
	}
}

// formula writes a formula whose digits must not become those of the text around it.
func (l *wordLine) formula(s string) {
	l.write(numerals.Apart(l.b.String(), s))
	l.apart = true
}

func (l *wordLine) write(s string) {
	l.apart = l.apart && s == ""
	s = l.scripts.Next(l.b.String(), s, l.place)
	if !slices.ContainsFunc(l.w.fields, func(f wordField) bool { return !f.result }) {
		l.b.WriteString(s)
	}
}

// field follows a field from its begin over its code to its result and end.
func (l *wordLine) field(n *zipxml.Node) {
	w := l.w
	switch n.Attr("fldCharType") {
	case "begin":
		box, list := n.Kid("ffData", "checkBox"), n.Kid("ffData", "ddList")
		if box != nil {
			sign := "☐"
			if box.Kid("checked") == nil && isOn(box, "default") || isOn(box, "checked") {
				sign = "☒"
			}
			l.write(sign)
		}
		if entries := list.All("listEntry"); len(entries) > 0 {
			chosen, ok := number(list.Kid("result").Attr("val"))
			if !ok {
				chosen, _ = number(list.Kid("default").Attr("val"))
			}
			if chosen < len(entries) {
				l.write(entries[chosen].Attr("val"))
			}
		}
		if len(w.fields) < zipxml.MaxDepth {
			w.fields = append(w.fields, wordField{})
		}
	case "separate":
		if n := len(w.fields); n > 0 {
			w.fields[n-1].result = true
		}
	case "end":
		if n := len(w.fields); n > 0 {
			f := w.fields[n-1]
			w.fields = w.fields[:n-1]
			if !f.result {
				l.computed(strings.TrimSpace(f.code))
			}
		}
	}
}

// wordField is a field that is open.
type wordField struct {
	code   string
	result bool // has begun
}

const maxFieldCode = 4 << 10

var symbolField = regexp.MustCompile(`(?i)^SYMBOL\s+(\w+).*?\\f\s+"?([^"\\]+)`)

// computed writes fields that hold no result, because Word shows them from their code: symbols and old formulas.
func (l *wordLine) computed(code string) {
	if m := symbolField.FindStringSubmatch(code); m != nil {
		if n, err := strconv.ParseUint(m[1], 0, 16); err == nil {
			l.symbol(m[2], rune(n))
		}
	} else if f := omml.Field(code); f != "" {
		l.formula(f)
	}
}

// symbol writes a character that is named by its font and code there.
func (l *wordLine) symbol(font string, code rune) {
	if r, ok := symbols.Rune(font, code); ok {
		code = r
	} else if unicode.Is(unicode.Co, code) {
		l.faultOnce(fmt.Sprintf("symbols of the font %q are not known, and left out", font))
		return
	}
	l.write(string(code))
}

func (l *wordLine) faultOnce(reason string) {
	if f := (Fault{Reason: reason}); !slices.Contains(l.w.doc.Faults, f) {
		l.w.doc.Faults = append(l.w.doc.Faults, f)
	}
}

// inFont reads text in a font of symbols.
func (l *wordLine) inFont(s string) string { return symbols.Text(s, l.fonts[:]...) }

// picture writes the text that stands for a picture.
func (l *wordLine) picture(n *zipxml.Node) {
	for _, p := range n.All("docPr") {
		l.word(p.Attr("descr"))
	}
	for _, s := range n.All("shape") {
		l.word(s.Attr("alt"))
		l.word(s.Kid("textpath").Attr("string"))
	}
}

// word writes s with spaces between it and other words.
func (l *wordLine) word(s string) {
	if s = oneLine(s); s == "" {
		return
	}
	if r, _ := utf8.DecodeLastRuneInString(l.b.String()); unicode.IsLetter(r) || unicode.IsDigit(r) {
		l.write(" ")
	}
	l.write(s)
}

// isOn reads a property that is on unless it says otherwise.
func isOn(props *zipxml.Node, name string) bool {
	k := props.Kid(name)
	v, set := k.Lookup("val")
	return k != nil && (!set || isSet(v))
}

func isSet(v string) bool { return v != "" && v != "0" && v != "false" && v != "off" }

// wordNotes numbers foot- and endnotes in the order in which they are referred to.
type wordNotes struct {
	order   []wordNote
	counted int // of order, those without a mark of their own
	parts   map[string]map[string]*zipxml.Node
}

type wordNote struct {
	kind, id string
	mark     string // "[1]"; "": its text has its own
}

// mark writes what refers to a note. One with a mark of its own has that in the text.
func (t *wordNotes) mark(reference, id string, own bool) string {
	n := wordNote{kind: strings.TrimSuffix(reference, "Reference"), id: id}
	if i := slices.IndexFunc(t.order, func(o wordNote) bool { return o.kind == n.kind && o.id == id }); i >= 0 {
		return t.order[i].mark
	}
	if !own {
		t.counted++
		n.mark = fmt.Sprintf("[%d]", t.counted)
	}
	t.order = append(t.order, n)
	return n.mark
}

// note is the text of a note, with its mark.
func (w *wordText) note(n wordNote) string {
	if entry := w.entry(n.kind, n.id); entry != nil {
		if text := strings.TrimSpace(w.text(entry.Kids, "\n")); text != "" {
			return strings.TrimSpace(n.mark + " " + text)
		}
	}
	return ""
}

// entry finds a note or comment in its part.
func (w *wordText) entry(kind, id string) *zipxml.Node {
	entries, known := w.notes.parts[kind]
	if !known {
		entries = map[string]*zipxml.Node{}
		if root := w.related(kind + "s"); root != nil {
			for _, k := range root.Kids {
				entries[k.Attr("id")] = k
			}
		}
		if w.notes.parts == nil {
			w.notes.parts = map[string]map[string]*zipxml.Node{}
		}
		w.notes.parts[kind] = entries
	}
	return entries[id]
}

func (w *wordText) comment(id string) string {
	n := w.entry("comment", id)
	if n == nil {
		return ""
	}
	text := oneLine(w.text(n.Kids, " "))
	if author := n.Attr("author"); author != "" {
		return fmt.Sprintf(" [Comment by %s: %s]", author, text)
	}
	return fmt.Sprintf(" [Comment: %s]", text)
}
