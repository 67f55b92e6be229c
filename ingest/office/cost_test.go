package office

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/docent-ml/docent/ingest"
)

// TestSmallFilesCostLittle: what is repeated costs each time as much as the first. Each took minutes when it did not.
func TestSmallFilesCostLittle(t *testing.T) {
	for name, c := range map[string]struct {
		reader ingest.Reader
		data   []byte
	}{
		"runs of a formula":     {RTF{}, []byte(`{\rtf1{\*\moMath ` + strings.Repeat(`{\mr a}`, 600_000) + `}}`)},
		"signs of a setting":    {RTF{}, []byte(`{\rtf1{\*\moMath{\mf{\mfPr{\mtype ` + strings.Repeat(`a\~`, 300_000) + `}}}}}`)},
		"texts within a field":  {RTF{}, []byte(`{\rtf1{\*\fldinst EQ ` + strings.Repeat(`\\b(`, 2000) + `{\upr ` + strings.Repeat(`{\ud}`, 30_000) + `}}}`)},
		"spans of a full style": {ODF{}, odfFile(t, "text", `<text:p>`+strings.Repeat(`<text:span text:style-name="T"/>`, 100_000)+`</text:p>`, `<style:style style:name="T" style:family="text">`+strings.Repeat(`<x/>`, 100_000)+`</style:style>`)},
		"repeated columns":      {ODF{}, odfFile(t, "spreadsheet", `<table>`+strings.Repeat(`<table-column number-columns-repeated="1024"/>`, 400_000)+`</table>`, "")},
	} {
		begun := time.Now()
		_, _ = read(c.reader, c.data)
		assert.Less(t, time.Since(begun), 20*time.Second, name)
	}
}
