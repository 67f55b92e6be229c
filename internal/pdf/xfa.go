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
	within := map[string]int{} // how many elements of a name are open
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
			if within[t.Name.Local]++; within["data"] > 0 {
				flush()
			}
		case xml.EndElement:
			if name := t.Name.Local; name == "text" || name == "p" || within["data"] > 0 {
				flush()
			}
			within[t.Name.Local] = max(within[t.Name.Local]-1, 0)
		case xml.CharData:
			shown := within["value"] > 0 && within["text"]+within["exData"] > 0 && within["items"] == 0
			if within["data"] > 0 && within["datasets"] > 0 || within["template"] > 0 && shown {
				b.Write(t)
			}
		}
	}
}
