package pdf

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	parser "github.com/ledongthuc/pdf"
)

// A page's glyphs are many, and its content tells about how many.
const (
	bytesPerGlyph = 4
	usualGlyphs   = 1 << 12
)

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
	page := &f.pages[i]
	if page.value.IsNull() {
		return "", fmt.Errorf("%w: page object cannot be read", ErrMalformed)
	}
	in := &interpreter{ctx: ctx, file: f, running: map[*stream]bool{}}
	content, err := in.pageContent(page.value)
	in.glyphs = slices.Grow(f.glyphs[:0], min(len(content)/bytesPerGlyph, usualGlyphs))
	defer func() { f.glyphs = in.glyphs[:0] }() // the next page needs about as many
	if err != nil {
		err = fmt.Errorf("%w: content: %v", ErrMalformed, err)
	}
	in.run(content, safely(func() parser.Value { return page.inherited("Resources") }), unit)
	in.spans = nil
	in.annotations(page.value)
	if box, ok := pageBox(page); ok {
		in.glyphs = box.clip(in.glyphs)
	}
	return layout(in.glyphs), cmp.Or(err, in.damage)
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
		if partErr != nil && err == nil {
			err = partErr
		}
		content = append(append(content, part...), '\n')
	}
	if found == 0 && v.Len() > 0 {
		err = errNoContent
	}
	return content, err
}

var errNoContent = errors.New("the stream that the page names is missing")

// box is the visible part of a page.
type box struct{ left, bottom, right, top float64 }

func pageBox(page *node) (b box, ok bool) {
	b, ok = rectangle(safely(func() parser.Value { return page.inherited("MediaBox") }))
	return b, ok && b.right-b.left > 1 && b.top-b.bottom > 1
}

func rectangle(v parser.Value) (b box, ok bool) {
	if v.Len() != 4 {
		return box{}, false
	}
	x0, y0, x1, y1 := v.Index(0).Float64(), v.Index(1).Float64(), v.Index(2).Float64(), v.Index(3).Float64()
	return box{min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)}, true
}

// clip drops what stands outside the page: writers park text there that no
// reader is meant to see.
func (b box) clip(glyphs []shown) []shown {
	kept := glyphs[:0]
	for _, g := range glyphs {
		x, y := (g.x0+g.x1)/2, (g.y0+g.y1)/2
		slack := math.Abs(g.size) / 2
		if x >= b.left-slack && x <= b.right+slack && y >= b.bottom-slack && y <= b.top+slack {
			kept = append(kept, g)
		}
	}
	return kept
}
