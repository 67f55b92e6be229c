package ingest

import (
	"context"
	"strings"

	"github.com/docent-ml/docent/internal/pdf"
)

// OCR reads text in pictures.
type OCR interface {
	// Recognize returns the text of one picture, which is a PNG, JPEG, JPEG 2000
	// or TIFF file. Several goroutines may call it at once, and it returns soon
	// after ctx ends.
	Recognize(ctx context.Context, picture []byte) (string, error)
}

// recognize reads the pictures of a page from top to bottom.
func recognize(ctx context.Context, by OCR, f *pdf.File) (string, error) {
	pictures, err := f.Pictures()
	var texts []string
	for _, picture := range pictures {
		text, ocrErr := by.Recognize(ctx, picture)
		if ocrErr != nil {
			return "", ocrErr
		}
		if text = strings.TrimSpace(strings.ReplaceAll(text, "\f", "")); text != "" {
			texts = append(texts, text)
		}
	}
	return strings.Join(texts, "\n\n"), err
}
