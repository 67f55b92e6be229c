package pdfium_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing/fstest"

	"github.com/docent-ml/docent/ingest"
	"github.com/docent-ml/docent/ingest/pdfium"
)

// The second reader of a walk, where the own engine fails or doubts its text. Of this file the end is missing.
func Example() {
	cache, err := os.MkdirTemp("", "pdfium") // a program keeps the compiled engine there for its next start
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(cache)
	engine := &pdfium.PDF{CacheDir: cache}
	defer engine.Close()
	page := "BT /F1 12 Tf 72 700 Td (The club meets on Tuesdays.) Tj ET"
	file := fmt.Sprintf(`%%PDF-1.4
1 0 obj <</Type /Catalog /Pages 2 0 R>> endobj
2 0 obj <</Type /Pages /Kids [3 0 R] /Count 1>> endobj
3 0 obj <</Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources <</Font <</F1 5 0 R>>>>>> endobj
4 0 obj <</Length %d>> stream
%s
endstream endobj
5 0 obj <</Type /Font /Subtype /Type1 /BaseFont /Helvetica>> endobj
trailer <</Root 1 0 R>>
`, len(page), page)
	folder := fstest.MapFS{"club.pdf": {Data: []byte(file)}}
	for doc, err := range ingest.Walk(context.Background(), folder, ingest.Options{Fallback: map[string]ingest.Reader{".pdf": engine}}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(doc.Path, strings.TrimSpace(doc.Pages[0].Text))
	}
	// Output: club.pdf The club meets on Tuesdays.
}
