package pdf

import (
	"maps"
	"slices"

	parser "github.com/ledongthuc/pdf"
)

// layers tells which optional content a viewer shows when it opens the file. Nil: all.
type layers struct {
	ix    *index
	off   map[int]bool // by the object number of the group
	names map[string]dict
}

func (f *File) readLayers(root ref) *layers {
	props := f.index.dict(f.index.dict(root)["OCProperties"])
	config := f.index.dict(props["D"])
	l := &layers{ix: f.index, off: map[int]bool{}, names: map[string]dict{}}
	set := func(groups any, off bool) {
		for _, g := range f.index.list(groups) {
			if r, ok := g.(ref); ok {
				l.off[r.num] = off
			}
		}
	}
	set(props["OCGs"], config.name("BaseState") == "OFF")
	set(config["ON"], false)
	set(config["OFF"], true)
	for _, u := range f.index.list(config["AS"]) { // some are for the printer only
		if use := f.index.dict(u); use.name("Event") == "View" {
			for _, g := range f.index.list(use["OCGs"]) {
				if r, ok := g.(ref); ok {
					state := f.index.dict(f.index.dict(f.index.dict(g)["Usage"])["View"]).name("ViewState")
					l.off[r.num] = state == "OFF" || state == "" && l.off[r.num]
				}
			}
		}
	}
	if !slices.Contains(slices.Collect(maps.Values(l.off)), true) {
		return nil
	}
	return l
}

const maxLayerDepth = 16

// hides tells whether content of a group, or of a membership in several, is not shown.
func (l *layers) hides(v any) bool { return l != nil && v != nil && !l.shows(v, 0) }

func (l *layers) shows(v any, depth int) bool {
	d := l.ix.dict(v)
	if depth > maxLayerDepth || d.name("Type") != "OCMD" {
		r, ok := v.(ref)
		return !ok || !l.off[r.num]
	}
	if rule, ok := l.ix.get(d["VE"]).(array); ok {
		return l.obeys(rule, depth+1)
	}
	groups, ok := l.ix.get(d["OCGs"]).(array)
	if !ok && d["OCGs"] != nil {
		groups = array{d["OCGs"]}
	}
	on, off := 0, 0
	for _, g := range groups {
		switch {
		case l.ix.dict(g) == nil: // it is gone, and does not count
		case l.shows(g, depth+1):
			on++
		default:
			off++
		}
	}
	if on+off == 0 {
		return true
	}
	switch d.name("P") {
	case "AllOn":
		return off == 0
	case "AnyOff":
		return off > 0
	case "AllOff":
		return on == 0
	}
	return on > 0
}

// obeys computes [/And …], [/Or …] and [/Not …].
func (l *layers) obeys(rule array, depth int) bool {
	if len(rule) == 0 {
		return true
	}
	op, _ := rule[0].(nameObj)
	all, one := true, false
	for _, v := range rule[1:] {
		var shown bool
		if inner, ok := l.ix.get(v).(array); ok && depth < maxLayerDepth {
			shown = l.obeys(inner, depth+1)
		} else {
			shown = l.shows(v, depth+1)
		}
		all, one = all && shown, one || shown
	}
	switch op {
	case "Not":
		return !one
	case "Or":
		return one
	}
	return all
}

// named tells whether a name of a /Properties dictionary is of a layer that is off. The parser library follows
// references and does not tell them, but in its printed form.
func (l *layers) named(properties parser.Value, name string) bool {
	if l == nil {
		return false
	}
	text := properties.String()
	d, known := l.names[text]
	if !known {
		if len(l.names) >= maxFonts {
			clear(l.names)
		}
		lex := lexer{data: []byte(text)}
		obj, _ := lex.object(0)
		d, _ = obj.(dict)
		l.names[text] = d
	}
	return l.hides(d[name])
}
