package pdf

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	parser "github.com/ledongthuc/pdf"
)

// shown is a glyph on the page: its baseline from (x0, y0) to (x1, y1) in
// points, and the font size after all scaling.
type shown struct {
	x0, y0, x1, y1 float64
	size           float64
	spacing        float64 // what letter spacing adds to the glyph, up to x1
	text           string
	hidden         bool // by a clip
	unpainted      bool
}

// state is what q saves and Q restores.
type state struct {
	ctm       matrix
	font      font
	size      float64
	charSpace float64
	wordSpace float64
	scale     float64 // horizontal, 1 = normal
	leading   float64
	rise      float64
	mode      float64 // unpainted: text is there to be found in a picture
	clip      box     // outside of it nothing shows
}

const unpainted = 3

const (
	maxSaved     = 512 // nested q
	maxFormDepth = 24
	maxOperands  = 1 << 18 // of one operator, the elements of an array counted
	formCost     = 100     // operators that drawing a form counts as, by the time it takes
	checkEvery   = 1 << 12 // operators between looks at the context
	leapSpace    = 1.0     // of the font size: wider letter spacing sets no word apart, but columns
)

// interpreter runs the content streams of one page and collects its glyphs.
type interpreter struct {
	ctx  context.Context
	file *File
	*workspace
	ops     int
	check   int              // ops at which to look at the context
	runes   int              // bytes of text in glyphs
	content int              // bytes decoded
	running map[*stream]bool // forms being drawn, to meet a cycle
	depth   int
	spans   []span // open marked content
	damage  error  // of the first font that has any
	drawn   []drawn
}

// span is a marked-content sequence. With replacement text, that text stands
// for all glyphs inside; the first of them takes it. In a layer that is off
// there is none.
type span struct {
	replaced bool
	text     string
}

// frame is one content stream with the resources that its names refer to.
type frame struct {
	in        *interpreter
	resources parser.Value
	fontDict  parser.Value
	fonts     map[string]font         // of fontDict, by name; nil until one is shown
	gsFonts   map[string]parser.Value // what graphics states set as font, by name
	state
	saved    []state
	tm, line matrix
	path     box  // around the path that is being built
	clips    bool // the path is to clip what is drawn next
	text     int  // glyphs on the page when the text object began
}

// stop ends a page from deep inside: it is a limit or the context's end.
type stop struct{ err error }

// run interprets content. Limits and the context end it by panic(stop).
func (in *interpreter) run(content []byte, resources parser.Value, ctm matrix, clip box) {
	fr := &frame{
		in: in, resources: resources, tm: unit, line: unit,
		state: state{ctm: ctm, font: fallbackFont(), scale: 1, clip: clip}, path: nowhere, text: len(in.glyphs),
	}
	l := lexer{data: content}
	var args []token
	for {
		t := l.next()
		switch {
		case t.kind == eof:
			fr.endText()
			return
		case t.kind != keyword:
			if args = append(args, t); len(args) > maxOperands {
				args = args[:0] // no operator has so many: this is no content any more
				l.reset()
			}
			continue
		case t.is("ID"):
			l.skipInlineImage()
			in.picture(nil, fr.ctm)
		default:
			fr.operator(t.text, args)
		}
		args = args[:0]
		l.reset()
		if in.ops++; in.ops > in.file.limits.Operators {
			panic(stop{fmt.Errorf("more than %d operators", in.file.limits.Operators)})
		}
		if in.ops >= in.check {
			in.check = in.ops + checkEvery
			if in.ctx.Err() != nil {
				panic(stop{context.Cause(in.ctx)})
			}
		}
	}
}

// skipInlineImage moves behind the EI that ends an image whose ID is read. An
// EI inside the image's bytes is told by what follows it.
func (l *lexer) skipInlineImage() {
	for from := l.pos; ; {
		i := bytes.Index(l.data[from:], []byte("EI"))
		if i < 0 {
			l.pos = len(l.data)
			return
		}
		at := from + i
		from = at + 2
		if at > 0 && isSpace(l.data[at-1]) && plainText(l.data[from:min(from+12, len(l.data))]) {
			l.pos = from
			return
		}
	}
}

func plainText(b []byte) bool {
	return (len(b) == 0 || isSpace(b[0])) && !slices.ContainsFunc(b, func(c byte) bool { return !isPlain(c) })
}

// isPlain tells the bytes of content and text from those of pictures and ciphers.
func isPlain(c byte) bool { return c >= ' ' && c < 0x7F || isSpace(c) && c != 0 }

// num returns operand i, counted from the last one back, or 0.
func num(args []token, i int) float64 {
	if i = len(args) - 1 - i; i >= 0 && args[i].kind == number {
		return args[i].num
	}
	return 0
}

func six(args []token) (m matrix, ok bool) {
	for i := range m {
		m[i] = num(args, 5-i)
	}
	return m, len(args) >= 6
}

func (fr *frame) operator(op []byte, args []token) {
	switch string(op) {
	case "q":
		if len(fr.saved) < maxSaved {
			fr.saved = append(fr.saved, fr.state)
		}
	case "Q":
		if n := len(fr.saved); n > 0 {
			fr.state, fr.saved = fr.saved[n-1], fr.saved[:n-1]
		}
	case "cm":
		if m, ok := six(args); ok {
			fr.ctm = m.mul(fr.ctm)
		}
	case "re":
		x, y := num(args, 3), num(args, 2)
		fr.path.add(x, y)
		fr.path.add(x+num(args, 1), y+num(args, 0))
	case "m", "l":
		fr.path.add(num(args, 1), num(args, 0))
	case "c", "v", "y":
		for i := 0; i+1 < len(args); i += 2 {
			fr.path.add(num(args, i+1), num(args, i))
		}
	case "W", "W*":
		fr.clips = true
	case "n", "f", "F", "f*", "S", "s", "B", "B*", "b", "b*":
		if fr.clips && fr.path.left <= fr.path.right {
			fr.clip = fr.clip.within(fr.path.under(fr.ctm))
		}
		fr.path, fr.clips = nowhere, false
	case "BT":
		fr.tm, fr.line = unit, unit
		fr.text = len(fr.in.glyphs)
	case "ET":
		fr.endText()
	case "Tf":
		if len(args) >= 2 && args[len(args)-2].kind == name {
			fr.font = fr.fontNamed(string(args[len(args)-2].text))
		}
		fr.size = num(args, 0)
	case "Tc":
		fr.charSpace = num(args, 0)
	case "Tw":
		fr.wordSpace = num(args, 0)
	case "Tz":
		fr.scale = num(args, 0) / 100
	case "TL":
		fr.leading = num(args, 0)
	case "Tr":
		fr.mode = num(args, 0)
	case "Ts":
		fr.rise = num(args, 0)
	case "Td":
		fr.move(num(args, 1), num(args, 0))
	case "TD":
		fr.leading = -num(args, 0)
		fr.move(num(args, 1), num(args, 0))
	case "Tm":
		if m, ok := six(args); ok {
			fr.tm, fr.line = m, m
		}
	case "T*":
		fr.move(0, -fr.leading)
	case "Tj", "TJ":
		fr.show(args)
	case "'":
		fr.move(0, -fr.leading)
		fr.show(args)
	case "\"":
		fr.wordSpace, fr.charSpace = num(args, 2), num(args, 1)
		fr.move(0, -fr.leading)
		fr.show(args[max(len(args)-1, 0):])
	case "Do":
		if len(args) > 0 && args[len(args)-1].kind == name {
			fr.draw(string(args[len(args)-1].text))
		}
	case "gs":
		if len(args) > 0 {
			fr.graphicsState(string(args[len(args)-1].text))
		}
	case "BMC":
		fr.in.open(span{})
	case "BDC":
		fr.in.open(fr.markedSpan(args))
	case "EMC":
		if n := len(fr.in.spans); n > 0 {
			fr.in.spans = fr.in.spans[:n-1]
		}
	}
}

// endText leaves out what the clip hides of a text object. A line that it cuts off stays whole, since half a number would be
// another one, and since some writers draw each line several times, a part of it at a time.
func (fr *frame) endText() {
	in := fr.in
	text := in.glyphs[min(fr.text, len(in.glyphs)):]
	fr.text = len(in.glyphs)
	if !slices.ContainsFunc(text, func(g shown) bool { return g.hidden }) {
		return
	}
	const step = 3 // points: lines nearer than this are one
	height := func(g shown) int { return int(math.Round(g.across() / step)) }
	seen := map[int]bool{}
	for _, g := range text {
		if h := height(g); !g.hidden {
			seen[h-1], seen[h], seen[h+1] = true, true, true
		}
	}
	kept := slices.DeleteFunc(text, func(g shown) bool { return g.hidden && !seen[height(g)] })
	in.glyphs = in.glyphs[:len(in.glyphs)-len(text)+len(kept)]
	fr.text = len(in.glyphs)
}

// across is where the line of a glyph stands, across the direction in which it runs.
func (g shown) across() float64 {
	dx, dy := g.x1-g.x0, g.y1-g.y0
	if n := math.Hypot(dx, dy); n > 0 {
		return (g.y0*dx - g.x0*dy) / n
	}
	return g.y0
}

func (fr *frame) move(x, y float64) {
	fr.line = matrix{1, 0, 0, 1, x, y}.mul(fr.line)
	fr.tm = fr.line
}

func (fr *frame) fontNamed(n string) font {
	if fr.fonts == nil {
		fr.fontDict = safely(func() parser.Value { return fr.resources.Key("Font") })
		fr.fonts = fr.in.file.fontsIn(fr.fontDict)
	}
	f, ok := fr.fonts[n]
	if !ok {
		f = fr.in.file.font(safely(func() parser.Value { return fr.fontDict.Key(n) }))
		fr.fonts[n] = f
	}
	fr.in.damage = cmp.Or(fr.in.damage, fr.in.file.damaged[f])
	return f
}

// graphicsState takes the font that an ExtGState dictionary may set.
func (fr *frame) graphicsState(n string) {
	v, ok := fr.gsFonts[n]
	if !ok {
		v = safely(func() parser.Value { return fr.resources.Key("ExtGState").Key(n).Key("Font") })
		if fr.gsFonts == nil || len(fr.gsFonts) >= maxFonts {
			fr.gsFonts = map[string]parser.Value{}
		}
		fr.gsFonts[n] = v
	}
	if v.Len() == 2 {
		fr.font = fr.in.file.font(safely(func() parser.Value { return v.Index(0) }))
		fr.size = v.Index(1).Float64()
	}
}

// show draws the strings among the operands; the numbers of a TJ array move on.
func (fr *frame) show(args []token) {
	for _, a := range args {
		switch a.kind {
		case number:
			fr.advance(-a.num / 1000 * fr.size)
		case text:
			fr.showString(a.text)
		}
	}
}

// advance moves by w along the writing direction. Only horizontal text is
// scaled by Tz.
func (fr *frame) advance(w float64) {
	x, y := w*fr.scale, 0.0
	if fr.font.vertical() {
		x, y = 0, -w
	}
	fr.tm[4], fr.tm[5] = fr.tm.apply(x, y)
}

func (fr *frame) showString(s []byte) {
	for len(s) > 0 {
		g, n := fr.font.next(s)
		s = s[n:]
		w := g.width*fr.size + fr.charSpace
		if g.space {
			w += fr.wordSpace
		}
		from := fr.tm.mul(fr.ctm)
		// Letter spacing belongs to the glyph, or spaced letters fall apart; but
		// some writers go to the next column of a table with it.
		beyond := 0.0
		if fr.charSpace > leapSpace*math.Abs(fr.size) {
			beyond = fr.charSpace
		}
		fr.advance(w - beyond)
		to := fr.tm.mul(fr.ctm)
		fr.advance(beyond)
		at := shown{text: g.text, size: math.Abs(fr.size) * fr.font.em() * math.Hypot(from[2], from[3])}
		at.x0, at.y0 = from.apply(0, fr.rise)
		at.x1, at.y1 = to.apply(0, fr.rise)
		if fr.charSpace > 0 && beyond == 0 {
			at.spacing = fr.charSpace * math.Hypot(to[4]-from[4], to[5]-from[5]) / max(math.Abs(w), 1e-6)
		}
		at.hidden, at.unpainted = !fr.clip.holds(at), fr.mode == unpainted
		fr.in.emit(at)
	}
}

func (in *interpreter) emit(g shown) {
	for i := range in.spans {
		if sp := &in.spans[i]; sp.replaced {
			g.text, sp.text = sp.text, ""
			break
		}
	}
	if g.text == "" || !finite(g) {
		return
	}
	// A glyph may stand for many characters, so these are counted.
	if in.runes += len(g.text); len(in.glyphs) >= in.file.limits.Glyphs || in.runes > 16*in.file.limits.Glyphs {
		panic(stop{fmt.Errorf("more than %d glyphs", in.file.limits.Glyphs)})
	}
	in.glyphs = append(in.glyphs, g)
}

// finite keeps numbers out that would make distances meaningless.
func finite(g shown) bool {
	const far = 1e7
	return math.Abs(g.x0) < far && math.Abs(g.y0) < far && math.Abs(g.x1) < far && math.Abs(g.y1) < far && g.size < far
}

func (in *interpreter) open(sp span) {
	if len(in.spans) < maxSaved {
		in.spans = append(in.spans, sp)
	}
}

// markedSpan finds the ActualText of "/Span <<…>> BDC" or "/Span /Name BDC", and
// the layer of "/OC /Name BDC".
func (fr *frame) markedSpan(args []token) span {
	if len(args) == 2 && args[0].kind == name && string(args[0].text) == "OC" && args[1].kind == name {
		properties := safely(func() parser.Value { return fr.resources.Key("Properties") })
		return span{replaced: fr.in.file.layers.named(properties, string(args[1].text))}
	}
	for i := 1; i+1 < len(args); i++ {
		if args[i].kind == name && string(args[i].text) == "ActualText" && args[i+1].kind == text {
			return span{true, textString(string(args[i+1].text))}
		}
	}
	if len(args) == 2 && args[1].kind == name {
		v := safely(func() parser.Value {
			return fr.resources.Key("Properties").Key(string(args[1].text)).Key("ActualText")
		})
		if v.Kind() == parser.String {
			return span{true, textString(v.RawString())}
		}
	}
	return span{}
}

// draw runs the form XObject of a name.
func (fr *frame) draw(n string) {
	form := safely(func() parser.Value { return fr.resources.Key("XObject").Key(n) })
	fr.in.form(form, fr.resources, fr.ctm, fr.clip)
}

// form runs a form XObject with its own resources, or those around it. One
// that draws itself is left out, and so is one that cannot be decoded: the
// page's other text is worth more.
func (in *interpreter) form(form, resources parser.Value, ctm matrix, clip box) {
	s := in.file.streamOf(form)
	if s == nil || in.running[s] || in.depth >= maxFormDepth || in.file.layers.hides(s.dict["OC"]) {
		return
	}
	if s.dict.name("Subtype") == "Image" {
		in.picture(s, ctm)
		return
	}
	content, err := in.decode(s)
	if err != nil && len(content) == 0 {
		return
	}
	if own := safely(func() parser.Value { return form.Key("Resources") }); !own.IsNull() {
		resources = own
	}
	in.ops += formCost
	in.running[s] = true
	in.depth++
	ctm = formMatrix(form).mul(ctm)
	if bbox, ok := rectangle(safely(func() parser.Value { return form.Key("BBox") })); ok && bbox.left < bbox.right && bbox.bottom < bbox.top {
		clip = clip.within(bbox.under(ctm))
	}
	in.run(content, resources, ctm, clip)
	in.depth--
	delete(in.running, s)
}

// decode counts what all streams of the page decode to: a form drawn a
// thousand times costs a thousand times.
func (in *interpreter) decode(s *stream) ([]byte, error) {
	data, err := in.file.decode(s)
	if in.content += len(data); in.content > in.file.limits.StreamBytes || errors.Is(err, errTooLong) {
		panic(stop{fmt.Errorf("more than %d bytes of content", in.file.limits.StreamBytes)})
	}
	return data, err
}
