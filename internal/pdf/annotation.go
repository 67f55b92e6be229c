package pdf

import (
	"math"

	parser "github.com/ledongthuc/pdf"
)

// maxAnnotations bounds what is looked at on one page.
const maxAnnotations = 10_000

// Flags of an annotation.
const (
	hiddenFlag = 1 << 1
	noViewFlag = 1 << 5
)

// annotations draws what annotations show: filled-in form fields, stamps and
// text boxes are text of the page for whoever looks at it.
func (in *interpreter) annotations(page parser.Value) {
	list := safely(func() parser.Value { return page.Key("Annots") })
	for i := range min(list.Len(), maxAnnotations) {
		a := safely(func() parser.Value { return list.Index(i) })
		if a.Key("Subtype").Name() == "Popup" || a.Key("F").Int64()&(hiddenFlag|noViewFlag) != 0 {
			continue
		}
		form := safely(func() parser.Value {
			n := a.Key("AP").Key("N")
			if n.Kind() == parser.Dict { // one appearance for each state
				n = n.Key(a.Key("AS").Name())
			}
			return n
		})
		if form.Kind() == parser.Stream {
			in.form(form, parser.Value{}, intoRect(form, a))
		}
	}
}

// intoRect maps the form's bounding box, after the form's own matrix, to the
// annotation's rectangle.
func intoRect(form, annotation parser.Value) matrix {
	rect, ok := rectangle(safely(func() parser.Value { return annotation.Key("Rect") }))
	if !ok {
		return unit
	}
	bbox, ok := rectangle(safely(func() parser.Value { return form.Key("BBox") }))
	if !ok {
		return matrix{1, 0, 0, 1, rect.left, rect.bottom}
	}
	m := formMatrix(form)
	around := box{math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)}
	for _, corner := range [][2]float64{
		{bbox.left, bbox.bottom}, {bbox.left, bbox.top}, {bbox.right, bbox.bottom}, {bbox.right, bbox.top},
	} {
		x, y := m.apply(corner[0], corner[1])
		around = box{min(around.left, x), min(around.bottom, y), max(around.right, x), max(around.top, y)}
	}
	sx, sy := 1.0, 1.0
	if w := around.right - around.left; w > 0 {
		sx = (rect.right - rect.left) / w
	}
	if h := around.top - around.bottom; h > 0 {
		sy = (rect.top - rect.bottom) / h
	}
	return matrix{sx, 0, 0, sy, rect.left - around.left*sx, rect.bottom - around.bottom*sy}
}
