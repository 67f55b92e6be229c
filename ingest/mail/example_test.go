package mail_test

import (
	"context"
	"fmt"
	"strings"
	"testing/fstest"

	"github.com/docent-ml/docent/ingest"
	"github.com/docent-ml/docent/ingest/mail"
)

// A folder of saved messages.
func Example() {
	folder := fstest.MapFS{"dates.eml": {Data: []byte("From: Mira <mira@example.org>\r\nSubject: New dates\r\nContent-Type: text/plain\r\n\r\nThe club meets on Tuesdays.\r\n")}}
	for doc, err := range ingest.Walk(context.Background(), folder, ingest.Options{Readers: mail.Readers()}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(doc.Path, strings.Contains(doc.Pages[0].Text, "The club meets on Tuesdays."))
	}
	// Output: dates.eml true
}
