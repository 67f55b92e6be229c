package pdf

import (
	"math"
	"slices"

	parser "github.com/ledongthuc/pdf"
)

// maxAnnotations bounds what is looked at on one page, and maxMoved what is put beside its label.
const (
	maxAnnotations = 10_000
	maxMoved       = 500
)

// Flags of an annotation.
const (
	hiddenFlag = 1 << 1
	noViewFlag = 1 << 5
)

// annotations draws what annotations show: filled-in form fields, stamps and
// text boxes are text of the page for whoever looks at it.
func (in *interpreter) annotations(page *node) {
	list := safely(func() parser.Value { return page.value.Key("Annots") })
	same := in.file.index.list(in.file.index.dict(page.ref)["Annots"]) // as this package reads it
	for i := range min(list.Len(), maxAnnotations) {
		a := safely(func() parser.Value { return list.Index(i) })
		if a.Key("Subtype").Name() == "Popup" || a.Key("F").Int64()&(hiddenFlag|noViewFlag) != 0 {
			continue
		}
		var own field
		if i < len(same) {
			own = in.file.field(same[i])
		}
		if in.file.layers.hides(own.dict["OC"]) {
			continue
		}
		form := safely(func() parser.Value {
			n := a.Key("AP").Key("N")
			if n.Kind() == parser.Dict { // one appearance for each state
				n = n.Key(a.Key("AS").Name())
			}
			return n
		})
		before := len(in.glyphs)
		if form.Kind() == parser.Stream {
			in.form(form, parser.Value{}, intoRect(form, a), everywhere)
		}
		if rect, ok := rectangle(safely(func() parser.Value { return a.Key("Rect") })); ok && len(in.glyphs) == before {
			if form.Kind() != parser.Stream || in.file.form["NeedAppearances"] == true {
				in.typeset(own, rect)
			}
		}
		if n := len(in.glyphs); n > before && i < maxMoved && own.dict.name("Subtype") == "Widget" {
			in.besideLabel(before)
		}
	}
}

// besideLabel moves the glyphs of a field, the last ones from at on, behind what stands to their left: as if they had been drawn
// with it.
func (in *interpreter) besideLabel(at int) {
	value := slices.Clone(in.glyphs[at:])
	first, nearest := value[0], -1
	for i, g := range in.glyphs[:at] {
		if math.Abs(g.y1-first.y0) < 0.6*max(g.size, first.size) && g.x1 <= first.x0+0.5*first.size &&
			(nearest < 0 || g.x1 >= in.glyphs[nearest].x1) {
			nearest = i
		}
	}
	if nearest < 0 {
		return
	}
	drop := in.glyphs[nearest].y1 - first.y0
	for i := range value {
		if math.Abs(value[i].y0-first.y0) < 0.1*first.size {
			value[i].y0 += drop
			value[i].y1 += drop
		}
	}
	in.glyphs = slices.Insert(in.glyphs[:at], nearest+1, value...)
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
	around := bbox.under(formMatrix(form))
	sx, sy := 1.0, 1.0
	if w := around.right - around.left; w > 0 {
		sx = (rect.right - rect.left) / w
	}
	if h := around.top - around.bottom; h > 0 {
		sy = (rect.top - rect.bottom) / h
	}
	return matrix{sx, 0, 0, sy, rect.left - around.left*sx, rect.bottom - around.bottom*sy}
}
