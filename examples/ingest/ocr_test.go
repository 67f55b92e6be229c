package main

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/ingest"
)

// letters are drawn as bars of a grid of five by seven.
var letters = map[rune][7]uint8{
	'H': {0x11, 0x11, 0x11, 0x1F, 0x11, 0x11, 0x11}, 'E': {0x1F, 0x10, 0x10, 0x1E, 0x10, 0x10, 0x1F}, 'L': {0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x1F},
	'T': {0x1F, 0x04, 0x04, 0x04, 0x04, 0x04, 0x04}, 'F': {0x1F, 0x10, 0x10, 0x1E, 0x10, 0x10, 0x10},
}

// scanned is a PDF file whose first page is a picture of words in capitals, and whose second page has text.
func scanned(t *testing.T, words string) []byte {
	const dot, left, top = 8, 80, 100
	img := image.NewGray(image.Rect(0, 0, 2*left+6*dot*len(words), 2*top+7*dot))
	for i := range img.Pix {
		img.Pix[i] = 255
	}
	for i, r := range words {
		for y, row := range letters[r] {
			for x := range 5 {
				if row>>(4-x)&1 == 1 {
					for j := range dot * dot {
						img.SetGray(left+(6*i+x)*dot+j%dot, top+y*dot+j/dot, color.Gray{})
					}
				}
			}
		}
	}
	var b, file bytes.Buffer
	require.NoError(t, jpeg.Encode(&b, img, nil))
	text, page := "BT /F 12 Tf 50 700 Td (Typed) Tj ET", "q 500 0 0 120 40 500 cm /I Do Q"
	fmt.Fprintf(&file, "%%PDF-1.7\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Kids[3 0 R 4 0 R]/MediaBox[0 0 595 842]/Resources<</XObject<</I 7 0 R>>/Font<</F<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>>>endobj\n"+
		"3 0 obj<</Type/Page/Parent 2 0 R/Contents 5 0 R>>endobj\n4 0 obj<</Type/Page/Parent 2 0 R/Contents 6 0 R>>endobj\n"+
		"5 0 obj<</Length %d>>stream\n%s\nendstream endobj\n6 0 obj<</Length %d>>stream\n%s\nendstream endobj\n"+
		"7 0 obj<</Subtype/Image/Width %d/Height %d/BitsPerComponent 8/ColorSpace/DeviceGray/Filter/DCTDecode/Length %d>>stream\n%s\nendstream endobj\ntrailer<</Root 1 0 R>>\n",
		len(page), page, len(text), text, img.Rect.Dx(), img.Rect.Dy(), b.Len(), b.String())
	return file.Bytes()
}

func TestScansAreRead(t *testing.T) {
	tesseract, err := exec.LookPath("tesseract")
	if err != nil {
		t.Skip("tesseract is not here: apt-get install tesseract-ocr")
	}
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.pdf"), scanned(t, "THE HEEL FELL"), 0o600))
	read := func(o ingest.Options) *ingest.Document {
		for d, err := range ingest.Walk(t.Context(), os.DirFS(dir), o) {
			require.NoError(t, err)
			return d
		}
		return nil
	}
	d := read(ingest.Options{})
	require.Len(t, d.Faults, 1)
	assert.Equal(t, "page 1 of 2: no text layer, likely scanned: run OCR over the file first", d.Faults[0].Reason)
	for name, isolated := range map[string]*ingest.Isolated{"in process": nil, "isolated": {}} {
		d := read(ingest.Options{Readers: map[string]ingest.Reader{".pdf": scans{Tesseract: tesseract, Languages: "eng"}}, Isolated: isolated})
		assert.Equal(t, ingest.OK, d.Outcome, "%s: %v", name, d.Faults)
		assert.Equal(t, "THE HEEL FELL\n\nTyped", d.Text(), name)
	}
}
