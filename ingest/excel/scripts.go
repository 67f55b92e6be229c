package excel

import (
	"bytes"
	"context"
	"encoding/xml"
	"path"

	"github.com/xuri/excelize/v2"

	"github.com/docent-ml/docent/ingest/internal/numerals"
)

// raiseScripts writes superscripts and subscripts inside of cells so that 10⁶ stays it: the library tells of a cell's text alone.
func raiseScripts(ctx context.Context, f *excelize.File) (err error) {
	f.Pkg.Range(func(name, part any) bool {
		if data, ok := part.([]byte); ok && path.Base(name.(string)) != "styles.xml" && bytes.Contains(data, []byte("vertAlign")) {
			var changed []byte
			if changed, err = withScripts(ctx, data); err == nil {
				f.Pkg.Store(name, changed)
			}
		}
		return err == nil
	})
	return err
}

const longestNumber = 64 // bytes

// withScripts is a part with the texts of its cells as they are to be read. What is no XML stays as it is.
func withScripts(ctx context.Context, data []byte) ([]byte, error) {
	var out bytes.Buffer
	var text []byte // of a run
	before := ""    // of those before it in the cell
	var scripts numerals.Scripts
	copied, start, place := int64(0), int64(-1), 0 // start: of a text, -1 outside of one
	d := xml.NewDecoder(bytes.NewReader(data))
	for n, at := 1, int64(0); ; n, at = n+1, d.InputOffset() {
		token, _ := d.RawToken() // nil at the end, and where it is no XML any more
		if n%1000 == 0 && ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if token == nil {
			out.Write(data[copied:])
			return out.Bytes(), nil
		}
		switch token := token.(type) {
		case xml.CharData:
			if start >= 0 {
				text = append(text, token...)
			}
		case xml.StartElement:
			switch token.Name.Local {
			case "si", "is":
				before, scripts = "", numerals.Scripts{}
			case "r":
				place = 0
			case "vertAlign":
				for _, a := range token.Attr {
					place = map[string]int{"superscript": 1, "subscript": -1}[a.Value]
				}
			case "t":
				text, start = text[:0], d.InputOffset()
			}
		case xml.EndElement:
			if token.Name.Local != "t" || start < 0 {
				continue
			}
			written := scripts.Next(before, string(text), place)
			before = (before + written)[max(len(before+written)-longestNumber, 0):]
			if written != string(text) {
				out.Write(data[copied:start])
				_ = xml.EscapeText(&out, []byte(written))
				copied = at
			}
			start = -1
		}
	}
}
