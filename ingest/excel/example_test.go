package excel_test

import (
	"context"
	"fmt"
	"strings"
	"testing/fstest"

	"github.com/xuri/excelize/v2"

	"github.com/docent-ml/docent/ingest"
	"github.com/docent-ml/docent/ingest/excel"
)

// A workbook, each sheet of which is a page.
func Example() {
	book := excelize.NewFile()
	defer book.Close()
	for cell, value := range map[string]any{"A1": "Course", "B1": "Fee", "A2": "Rowing", "B2": 85} {
		if err := book.SetCellValue("Sheet1", cell, value); err != nil {
			fmt.Println(err)
			return
		}
	}
	file, err := book.WriteToBuffer()
	if err != nil {
		fmt.Println(err)
		return
	}
	folder := fstest.MapFS{"fees.xlsx": {Data: file.Bytes()}}
	for doc, err := range ingest.Walk(context.Background(), folder, ingest.Options{Readers: map[string]ingest.Reader{".xlsx": excel.XLSX{}}}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(doc.Path, strings.Contains(doc.Pages[0].Text, "Rowing"))
	}
	// Output: fees.xlsx true
}
