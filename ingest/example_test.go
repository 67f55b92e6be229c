package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"regexp"
	"testing/fstest"

	"github.com/docent-ml/docent/ingest"
)

func ExampleWalk() {
	folder := fstest.MapFS{
		"notes/week1.txt": {Data: []byte("Replication keeps copies in step.")},
		"notes/week2.md":  {Data: []byte("# Consensus\n\nAgreeing despite failures.")},
		"old/broken.pdf":  {Data: []byte("not a PDF at all")},
	}
	var report ingest.Report
	for doc, err := range ingest.Walk(context.Background(), folder, ingest.Options{}) {
		if doc == nil {
			log.Fatal(err)
		}
		report.Add(doc)
		if errors.Is(err, ingest.ErrNotPDF) {
			fmt.Println("skipped:", doc.Path)
			continue
		}
		for _, page := range doc.Pages {
			fmt.Printf("%s, page %d: %d bytes\n", doc.Path, page.Number, len(page.Text))
		}
	}
	fmt.Print(&report)
	// Output:
	// notes/week1.txt, page 1: 33 bytes
	// notes/week2.md, page 1: 39 bytes
	// skipped: old/broken.pdf
	// OUTCOME  PAGES  DOCUMENT        REASON
	// not_pdf  0      old/broken.pdf  not a PDF file: no %PDF- in the first 1,024 bytes
	// 3 documents: 2 read (2 pages), 0 empty, 1 failed
}

// A program that reads files from strangers calls RunChild first, and asks for
// isolation.
func ExampleRunChild() {
	if ingest.RunChild(os.Args) {
		return
	}
	options := ingest.Options{Isolated: &ingest.Isolated{MaxMemory: 256 << 20}}
	fmt.Println(options.Validate())
	// Output: <nil>
}

func ExampleCleanup() {
	pages := []ingest.Page{{Number: 1, Text: "an ef\ufb01cient exam\u00ad\nple of distri-\nbuted systems"}}
	ingest.Cleanup{}.Apply(pages)
	fmt.Println(pages[0].Text)
	// Output:
	// an efficient example
	// of distributed
	// systems
}

// Addresses and telephone numbers do not reach the rows.
func ExampleOptions_redact() {
	mail := regexp.MustCompile(`[\w.+-]+@[\w-]+(\.[\w-]+)+`)
	phone := regexp.MustCompile(`\+?\(?\d[\d ()/.-]{6,}\d`)
	fsys := fstest.MapFS{"desk.txt": {Data: []byte("Ask ann.reed@example.org, or call +44 (0)20 7946 0018 before 9.")}}
	for doc, err := range ingest.Walk(context.Background(), fsys, ingest.Options{
		Redact: func(text string) string {
			return phone.ReplaceAllString(mail.ReplaceAllString(text, "[e-mail]"), "[telephone]")
		},
	}) {
		fmt.Println(doc.Text(), err)
	}
	// Output: Ask [e-mail], or call [telephone] before 9. <nil>
}
