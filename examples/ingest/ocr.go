package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"

	"github.com/docent-ml/docent/ingest"
)

// scans reads PDF files as ingest.PDF does, and the pictures of scanned pages with Tesseract. It is a reader of its own,
// because its settings go to child processes, which have no environment to find programs with.
type scans struct {
	ingest.PDF
	Tesseract string // the program's path
	Languages string // as "eng+deu"; "": Tesseract's own choice
}

// Read implements ingest.Reader.
func (s scans) Read(ctx context.Context, r io.ReaderAt, size int64) (*ingest.Document, error) {
	s.PDF.OCR = s
	return s.PDF.Read(ctx, r, size)
}

// Recognize implements ingest.OCR.
func (s scans) Recognize(ctx context.Context, picture []byte) (string, error) {
	args := []string{"stdin", "stdout"}
	if s.Languages != "" {
		args = append(args, "-l", s.Languages)
	}
	cmd := exec.CommandContext(ctx, s.Tesseract, args...)
	cmd.Env = []string{"OMP_THREAD_LIMIT=1"} // documents are read side by side already
	cmd.Stdin = bytes.NewReader(picture)
	var errors bytes.Buffer
	cmd.Stderr = &errors
	text, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, strings.TrimSpace(errors.String()))
	}
	return string(text), nil
}
