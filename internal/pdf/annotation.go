package pdf

import (
	"math"
	"slices"
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
	ix := in.file.index
	list := ix.list(page.dict["Annots"])
	for i, v := range list[:min(len(list), maxAnnotations)] {
		a := in.file.field(v)
		if ix.name(a.dict["Subtype"]) == "Popup" || int(ix.num(a.dict["F"]))&(hiddenFlag|noViewFlag) != 0 || in.file.layers.hides(a.dict["OC"]) {
			continue
		}
		look := ix.dict(a.dict["AP"])["N"]
		if ix.stream(look) == nil { // one appearance for each state
			look = ix.dict(look)[ix.name(a.dict["AS"])]
		}
		form := ix.stream(look)
		before := len(in.glyphs)
		rect, ok := ix.rectangle(a.dict["Rect"])
		if form != nil {
			in.form(form, nil, in.intoRect(form, rect, ok), everywhere)
		}
		if ok && len(in.glyphs) == before && (form == nil || in.file.form["NeedAppearances"] == true) {
			in.typeset(a, rect)
		}
		if n := len(in.glyphs); n > before && i < maxMoved && a.dict.name("Subtype") == "Widget" {
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
func (in *interpreter) intoRect(form *stream, rect box, ok bool) matrix {
	if !ok {
		return unit
	}
	bbox, ok := in.file.index.rectangle(form.dict["BBox"])
	if !ok {
		return matrix{1, 0, 0, 1, rect.left, rect.bottom}
	}
	around := bbox.under(in.file.index.matrix(form.dict["Matrix"]))
	sx, sy := 1.0, 1.0
	if w := around.right - around.left; w > 0 {
		sx = (rect.right - rect.left) / w
	}
	if h := around.top - around.bottom; h > 0 {
		sy = (rect.top - rect.bottom) / h
	}
	return matrix{sx, 0, 0, sy, rect.left - around.left*sx, rect.bottom - around.bottom*sy}
}
