package pdf

import (
	"math"

	parser "github.com/ledongthuc/pdf"
)

// box is a rectangle along the axes.
type box struct{ left, bottom, right, top float64 }

var (
	everywhere = box{math.Inf(-1), math.Inf(-1), math.Inf(1), math.Inf(1)}
	nowhere    = box{math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)}
)

// pageBox is the part of a page that viewers show: writers park text outside of it that no reader is meant to see.
func pageBox(page *node) (b box, ok bool) {
	b, ok = rectangle(safely(func() parser.Value { return page.inherited("MediaBox") }))
	if crop, is := rectangle(safely(func() parser.Value { return page.inherited("CropBox") })); is {
		if both := b.within(crop); !ok || both.right-both.left > 1 && both.top-both.bottom > 1 {
			b, ok = both, true
		}
	}
	return b, ok && b.right-b.left > 1 && b.top-b.bottom > 1
}

func rectangle(v parser.Value) (b box, ok bool) {
	if v.Len() != 4 {
		return box{}, false
	}
	x0, y0, x1, y1 := v.Index(0).Float64(), v.Index(1).Float64(), v.Index(2).Float64(), v.Index(3).Float64()
	return box{min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)}, true
}

func (b *box) add(x, y float64) {
	*b = box{min(b.left, x), min(b.bottom, y), max(b.right, x), max(b.top, y)}
}

// within is what two boxes have in common.
func (b box) within(c box) box {
	return box{max(b.left, c.left), max(b.bottom, c.bottom), min(b.right, c.right), min(b.top, c.top)}
}

// under is the box around b after a transformation.
func (b box) under(m matrix) box {
	around := nowhere
	for _, corner := range [4][2]float64{{b.left, b.bottom}, {b.left, b.top}, {b.right, b.bottom}, {b.right, b.top}} {
		around.add(m.apply(corner[0], corner[1]))
	}
	return around
}

// holds tells whether most of a glyph lies inside.
func (b box) holds(g shown) bool {
	x, y := (g.x0+g.x1)/2, (g.y0+g.y1)/2
	slack := math.Abs(g.size) / 2
	return x >= b.left-slack && x <= b.right+slack && y >= b.bottom-slack && y <= b.top+slack
}
