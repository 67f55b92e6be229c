package pdf

import (
	"bytes"
	"encoding/xml"
	"strings"
)

// XFA returns the text of a form whose pages are made by the viewer, out of XML in the file: the pages that the file has
// only ask for another viewer. Labels come first, as they follow each other in the form, then what was filled in.
// False: the pages are those that viewers show.
func (f *File) XFA() (text string, is bool) {
	if f.form["XFA"] == nil || !f.rendered {
		return "", false
	}
	var source []byte
	parts := array{f.form["XFA"]}
	if list, ok := f.index.get(f.form["XFA"]).(array); ok {
		parts = list // names and streams in turn
	}
	for _, p := range parts {
		r, ok := p.(ref)
		if !ok {
			continue
		}
		if s := f.index.defs[r.num].stream; s != nil {
			data, _ := f.decode(s)
			if source = append(source, data...); len(source) > f.limits.StreamBytes {
				return "", true
			}
		}
	}
	return xfaText(source), true
}

// xfaText lists the texts of a form and its data.
func xfaText(source []byte) string {
	d := xml.NewDecoder(bytes.NewReader(source))
	d.Strict = false
	var lines []string
	var open []string
	within := func(name string) bool {
		for _, n := range open {
			if n == name {
				return true
			}
		}
		return false
	}
	var b strings.Builder
	flush := func() {
		if line := strings.Join(strings.Fields(b.String()), " "); line != "" {
			lines = append(lines, line)
		}
		b.Reset()
	}
	for {
		t, err := d.RawToken()
		if err != nil {
			flush()
			return strings.Join(lines, "\n")
		}
		switch t := t.(type) {
		case xml.StartElement:
			if len(open) < maxNesting {
				open = append(open, t.Name.Local)
			}
			if within("data") {
				flush()
			}
		case xml.EndElement:
			switch name := t.Name.Local; {
			case name == "text", name == "p", within("data"):
				flush()
			}
			if n := len(open); n > 0 {
				open = open[:n-1]
			}
		case xml.CharData:
			if within("data") && within("datasets") || within("template") && within("value") && (within("text") || within("exData")) && !within("items") {
				b.Write(t)
			}
		}
	}
}
