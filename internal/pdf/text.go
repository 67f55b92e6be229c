package pdf

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	parser "github.com/ledongthuc/pdf"
)

// workspace is the memory of a page in work. A page has thousands of glyphs, so
// it is used again for other pages, of other files too.
type workspace struct {
	glyphs []shown
	pieces []piece
	lines  []line
	text   []byte // of the pieces
	out    []byte
}

var workspaces = sync.Pool{New: func() any { return new(workspace) }}

// maxKeptGlyphs is more than most pages have; the memory of larger ones is not kept.
const maxKeptGlyphs = 1 << 15

func (w *workspace) release() {
	if cap(w.glyphs) > maxKeptGlyphs || cap(w.out) > maxKeptBytes {
		return
	}
	clear(w.glyphs) // what the page referred to must not live on
	clear(w.pieces)
	clear(w.lines)
	workspaces.Put(w)
}

// Text returns the text of page i, counted from 0, in reading order: lines end
// with "\n", paragraphs and blocks with a blank line, and cells of a table row
// are set apart by tabs. Characters that the fonts do not tell are U+FFFD.
//
// A page over one of the limits, or cut short by ctx, is an error and no text;
// one with damaged content is an error and the text that is left.
func (f *File) Text(ctx context.Context, i int) (text string, err error) {
	defer func() {
		switch x := recover().(type) {
		case nil:
		case stop:
			text, err = "", x.err
		default:
			text, err = "", fmt.Errorf("%w: %v", ErrMalformed, x)
		}
	}()
	if err := ctx.Err(); err != nil {
		return "", context.Cause(ctx)
	}
	f.drawn = nil
	page := &f.pages[i]
	if page.value.IsNull() {
		return "", fmt.Errorf("%w: page object cannot be read", ErrMalformed)
	}
	w := workspaces.Get().(*workspace)
	defer w.release()
	w.glyphs = w.glyphs[:0]
	in := &interpreter{ctx: ctx, file: f, running: map[*stream]bool{}, workspace: w}
	content, err := in.pageContent(page.value)
	if err != nil {
		err = fmt.Errorf("%w: content: %v", ErrMalformed, err)
	}
	in.run(content, safely(func() parser.Value { return page.inherited("Resources") }), unit, everywhere)
	in.spans = nil
	in.annotations(page)
	dropUnpainted(in)
	if box, ok := pageBox(page); ok {
		in.glyphs = slices.DeleteFunc(in.glyphs, func(g shown) bool { return !box.holds(g) })
		f.drawn = f.scan(in.drawn, box)
	}
	return w.layout(), cmp.Or(err, in.damage)
}

// dropUnpainted leaves out text that is not painted, unless it may stand for what a picture shows, or for outlines where the
// page has little other text.
func dropUnpainted(in *interpreter) {
	is := func(g shown) bool { return g.unpainted }
	if len(in.drawn) > 0 || !slices.ContainsFunc(in.glyphs, is) {
		return
	}
	if painted := slices.DeleteFunc(slices.Clone(in.glyphs), is); 2*len(painted) > len(in.glyphs) {
		in.glyphs = painted
	}
}

// pageContent joins the content streams of a page. They are one program, but a
// token never crosses from one to the next.
func (in *interpreter) pageContent(page parser.Value) (content []byte, err error) {
	v := page.Key("Contents")
	if v.Kind() != parser.Array {
		if s := in.file.streamOf(v); s != nil {
			return in.decode(s)
		}
		if slices.Contains(page.Keys(), "Contents") {
			err = errNoContent
		}
		return nil, err // else an empty page
	}
	found := 0
	for i := range v.Len() {
		s := in.file.streamOf(safely(func() parser.Value { return v.Index(i) }))
		if s == nil {
			continue
		}
		found++
		part, partErr := in.decode(s)
		content, err = append(append(content, part...), '\n'), cmp.Or(err, partErr)
	}
	if found == 0 && v.Len() > 0 {
		err = errNoContent
	}
	return content, err
}

var errNoContent = errors.New("the stream that the page names is missing")
