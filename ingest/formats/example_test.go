package formats_test

import (
	"context"
	"fmt"
	"testing/fstest"

	"github.com/docent-ml/docent/ingest"
	"github.com/docent-ml/docent/ingest/formats"
)

// A walk over whatever people keep.
func ExampleReaders() {
	folder := fstest.MapFS{
		"club.md":  {Data: []byte("# Club\n\nThe club meets on Tuesdays.")},
		"fees.csv": {Data: []byte("Course,Fee\nRowing,85 crowns\n")},
		"old.rtf":  {Data: []byte(`{\rtf1 The yearly fee was 80 crowns.}`)},
	}
	for doc, err := range ingest.Walk(context.Background(), folder, ingest.Options{Readers: formats.Readers()}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(doc.Path, doc.Outcome)
	}
	// Output:
	// club.md ok
	// fees.csv ok
	// old.rtf ok
}
