package excel

import (
	"archive/zip"
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/xuri/excelize/v2"

	"github.com/docent-ml/docent/ingest"
)

func read(data []byte) (*ingest.Document, error) {
	return XLSX{}.Read(context.Background(), bytes.NewReader(data), int64(len(data)))
}

func workbook(t testing.TB) []byte {
	f := excelize.NewFile()
	defer f.Close()
	require.NoError(t, f.SetSheetName("Sheet1", "Rooms"))
	require.NoError(t, f.SetSheetRow("Rooms", "A1", &[]any{"Room", "Seats", "Free since", "Share"}))
	require.NoError(t, f.SetSheetRow("Rooms", "A2", &[]any{"A1", 30, time.Date(2025, 3, 9, 0, 0, 0, 0, time.UTC), 0.25}))
	require.NoError(t, f.SetSheetRow("Rooms", "A3", &[]any{"B2", nil, nil, 1}))
	require.NoError(t, f.SetSheetRow("Rooms", "A4", &[]any{"hidden"}))
	require.NoError(t, f.SetRowVisible("Rooms", 4, false))
	date, err := f.NewStyle(&excelize.Style{NumFmt: 14})
	require.NoError(t, err)
	share, err := f.NewStyle(&excelize.Style{NumFmt: 9})
	require.NoError(t, err)
	require.NoError(t, f.SetCellStyle("Rooms", "C2", "C3", date))
	require.NoError(t, f.SetCellStyle("Rooms", "D2", "D3", share))
	for _, name := range []string{"Secret", "Numbers"} {
		_, err = f.NewSheet(name)
		require.NoError(t, err)
	}
	require.NoError(t, f.SetCellValue("Secret", "A1", "no"))
	require.NoError(t, f.SetSheetVisible("Secret", false))
	require.NoError(t, f.SetSheetRow("Numbers", "A1", &[]any{1, 2}))
	require.NoError(t, f.SetSheetRow("Numbers", "A2", &[]any{3, "x"}))
	require.NoError(t, f.SetSheetRow("Rooms", "A9", &[]any{"hidden"}))
	require.NoError(t, f.SetRowVisible("Rooms", 9, false))
	require.NoError(t, f.SetSheetRow("Rooms", "A12", &[]any{"C3"}))
	require.NoError(t, f.SetSheetRow("Rooms", "E1", &[]any{"no", "Key"}))
	require.NoError(t, f.SetSheetRow("Rooms", "E2", &[]any{"no", "blue"}))
	require.NoError(t, f.SetColVisible("Rooms", "E", false))
	require.NoError(t, f.AddShape("Rooms", &excelize.Shape{Cell: "H1", Type: "rect", Paragraph: []excelize.RichTextRun{{Text: "Ask at the desk."}}}))
	require.NoError(t, f.AddChart("Numbers", "H1", &excelize.Chart{Type: excelize.Col, Title: excelize.ChartTitle{Paragraph: []excelize.RichTextRun{{Text: "Guests"}}}, Series: []excelize.ChartSeries{{Values: "Numbers!$A$1:$A$2"}}}))
	require.NoError(t, f.SetDocProps(&excelize.DocProperties{Title: "House"}))
	b, err := f.WriteToBuffer()
	require.NoError(t, err)
	return b.Bytes()
}

func TestSpreadsheet(t *testing.T) {
	d, err := read(workbook(t))
	require.NoError(t, err)
	assert.Empty(t, d.Faults)
	assert.Equal(t, "House", d.Title)
	assert.Equal(t, []ingest.Page{
		{Number: 1, Text: "Rooms\n\nRoom: A1\tSeats: 30\tFree since: 03-09-25\tShare: 25%\tKey: blue\nRoom: B2\tShare: 100%\nRoom: C3\n\nAsk at the desk."},
		{Number: 3, Text: "Numbers\n\n1\t2\n3\tx\n\nGuests"},
	}, d.Pages)
}

// 10⁶ is not 106, wherever the text of a cell stands.
func TestScriptsInCells(t *testing.T) {
	f := excelize.NewFile()
	defer f.Close()
	small := func(place, s string) excelize.RichTextRun {
		return excelize.RichTextRun{Text: s, Font: &excelize.Font{VertAlign: place}}
	}
	require.NoError(t, f.SetSheetRow("Sheet1", "A1", &[]any{"x", 106}))
	require.NoError(t, f.SetCellRichText("Sheet1", "A2", []excelize.RichTextRun{{Text: "10"}, small("superscript", "6"), {Text: " <m> &"}, small("superscript", "3"), {Text: ", 101"}, small("subscript", "2")}))
	require.NoError(t, f.SetCellRichText("Sheet1", "B2", []excelize.RichTextRun{{Text: "H"}, small("subscript", "2"), {Text: "O"}}))
	b, err := f.WriteToBuffer()
	require.NoError(t, err)
	d, err := read(b.Bytes())
	require.NoError(t, err)
	assert.Equal(t, "Sheet1\n\nx\t106\n10⁶ <m> &3, 101_2\tH2O", d.Text())
	inline := `<c><is><x:r><rPr><vertAlign val="superscript"/></rPr><x:t>a&amp;</x:t></x:r><r><t>10</t></r><r><rPr><vertAlign val="superscript"/></rPr><t>6</t></r></is></c><c><v>1</v></c>`
	got, err := withScripts(context.Background(), []byte(inline))
	require.NoError(t, err)
	assert.Equal(t, strings.Replace(inline, "<t>6", "<t>⁶", 1), string(got))
	for _, bad := range []string{"<t>vertAlign", "vertAlign</t>", "<a", "\xff\xfe<"} {
		got, err = withScripts(context.Background(), []byte(bad))
		require.NoError(t, err)
		assert.Equal(t, bad, string(got))
	}
}

func TestBadWorkbooks(t *testing.T) {
	var bomb bytes.Buffer
	z := zip.NewWriter(&bomb)
	w, err := z.Create("xl/worksheets/sheet1.xml")
	require.NoError(t, err)
	for range maxUnpacked >> 20 {
		_, err = w.Write(make([]byte, 1<<20))
		require.NoError(t, err)
	}
	_, err = w.Write([]byte("x"))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	for name, c := range map[string]struct {
		data []byte
		want error
	}{
		"no zip": {[]byte("hello"), ingest.ErrMalformed}, "locked or old": {[]byte("\xD0\xCF\x11\xE0"), ingest.ErrEncrypted},
		"cut": {workbook(t)[:500], ingest.ErrMalformed}, "bomb": {bomb.Bytes(), ingest.ErrTooLarge},
	} {
		_, err := read(c.data)
		assert.ErrorIs(t, err, c.want, name)
	}
}

func FuzzSheet(f *testing.F) {
	f.Add(`<sheetData><row r="1"><c r="A1" t="inlineStr"><is><t>a</t></is></c></row></sheetData>`)
	whole := workbook(f)
	f.Fuzz(func(t *testing.T, s string) {
		old, err := zip.NewReader(bytes.NewReader(whole), int64(len(whole)))
		require.NoError(t, err)
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		for _, part := range old.File {
			if part.Name != "xl/worksheets/sheet1.xml" {
				require.NoError(t, z.Copy(part))
			}
		}
		w, err := z.Create("xl/worksheets/sheet1.xml")
		require.NoError(t, err)
		_, err = w.Write([]byte("<worksheet>" + s + "</worksheet>"))
		require.NoError(t, err)
		require.NoError(t, z.Close())
		_, _ = read(b.Bytes())
	})
}
