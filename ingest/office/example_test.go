package office_test

import (
	"context"
	"fmt"
	"testing/fstest"

	"github.com/docent-ml/docent/ingest"
	"github.com/docent-ml/docent/ingest/office"
)

// A walk reads what its readers know: here Markdown and the like, and CSV.
func Example() {
	readers := ingest.DefaultReaders()
	readers[".csv"] = office.CSV{}
	folder := fstest.MapFS{"fees.csv": {Data: []byte("Course,Fee\nRowing,85 crowns\n")}}
	for doc, err := range ingest.Walk(context.Background(), folder, ingest.Options{Readers: readers}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(doc.Path, doc.Outcome, len(doc.Pages))
	}
	// Output: fees.csv ok 1
}
