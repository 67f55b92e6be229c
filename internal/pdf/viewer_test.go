package pdf

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// tabled adds a cross-reference table of the objects, as they are so far.
func tabled(data []byte, free ...int) []byte {
	defs, _ := scan([]byte(string(data)))
	var b strings.Builder
	b.WriteString("xref\n0 1\n0000000000 65535 f \n")
	for _, d := range defs {
		fmt.Fprintf(&b, "%d 1\n%010d 00000 n \n", d.ref.num, d.offset)
	}
	for _, n := range free {
		fmt.Fprintf(&b, "%d 1\n0000000000 00001 f \n", n)
	}
	return append(data, fmt.Sprintf("%strailer\n<</Root 1 0 R/Size 99>>\nstartxref\n%d\n%%%%EOF\n", b.String(), len(data))...)
}

// What no viewer shows is no text of the document, wherever it stands in the file.
func TestObjectsThatNoTableNames(t *testing.T) {
	other := strings.Replace(hello, "Hello", "Orphan", 1)
	sound := onePage(hello, "")
	orphan := "4 0 obj\n" + streamObject("", other) + "\nendobj\n"
	tables := string(tabled(sound))
	at := strings.LastIndex(tables, "xref\n0 1")

	before := strings.Replace(string(sound), "%PDF-1.4\n", "%PDF-1.4\n"+orphan, 1)
	assert.Equal(t, "Hello", textOf(t, []byte(before)), "without a table the last one counts")
	behind := tables[:at] + orphan + tables[at:]
	assert.Equal(t, "Orphan", textOf(t, []byte(behind)), "a table that is in the wrong place is not believed")
	behind = strings.Replace(behind, fmt.Sprintf("startxref\n%d\n", at), fmt.Sprintf("startxref\n%d\n", at+len(orphan)), 1)
	assert.Equal(t, "Hello", textOf(t, []byte(behind)), "what stands behind the objects of the table")
	assert.Equal(t, "Hello", textOf(t, []byte(strings.Repeat("junk ", 20)+behind)), "offsets from the header")
	assert.Equal(t, "Orphan", textOf(t, []byte(strings.Replace(behind, "0000000009 00000 n", "0000000011 00000 n", 1))), "one false offset")

	annotated := onePage(hello, "", "<</Subtype/FreeText/Rect[50 600 200 620]/Contents(Deleted note)>>")
	annotated = []byte(strings.Replace(string(annotated), "/Contents 4 0 R", "/Annots[5 0 R]/Contents 4 0 R", 1))
	assert.Contains(t, textOf(t, tabled(annotated)), "Deleted note")
	note := strings.Index(string(annotated), "5 0 obj")
	gone := string(annotated[:note]) + "trailer\n<</Root 1 0 R>>\n"
	assert.Equal(t, "Hello", textOf(t, tabled([]byte(gone), 5)))
}

func TestStreamsWhoseLengthIsAnObject(t *testing.T) {
	inner := "endstream\nendobj\n4 0 obj\n" + streamObject("", strings.Replace(hello, "Hello", "Inner", 1)) + "\nendobj\n"
	data := onePage(hello, "", fmt.Sprintf("<</Type/EmbeddedFile/Length 6 0 R>>\nstream\n%s\nendstream", inner), fmt.Sprint(len(inner)))
	assert.Equal(t, "Hello", textOf(t, data))
}

func TestLayersThatAreOff(t *testing.T) {
	layer := func(name, text string, y int) string { return "/OC /" + name + " BDC " + at(50, y, text) + " EMC\n" }
	content := layer("Off", "off", 700) + layer("On", "on", 680) + layer("Any", "any", 660) + layer("All", "all", 640) + layer("Not", "not", 620) + layer("Print", "print", 600) + "/F Do " + at(50, 560, "end")
	data := string(onePage(content, "/Properties<</Off 5 0 R/On 6 0 R/Any 7 0 R/All 8 0 R/Not 9 0 R/Print 10 0 R>>/XObject<</F 11 0 R>>",
		"<</Type/OCG>>", "<</Type/OCG>>", "<</Type/OCMD/OCGs[5 0 R 6 0 R]>>", "<</Type/OCMD/OCGs[5 0 R 6 0 R]/P/AllOn>>", "<</Type/OCMD/VE[/Not 5 0 R]>>",
		"<</Type/OCG/Usage<</View<</ViewState/OFF>>>>>>", streamObject("/Subtype/Form/OC 5 0 R/Resources<</Font<</F1 "+helvetica+">>>>", at(50, 580, "form"))))
	data = strings.Replace(data, "/Type/Catalog", "/Type/Catalog/OCProperties<</OCGs[5 0 R 6 0 R 10 0 R]/D<</OFF[5 0 R]/AS[<</Event/View/OCGs[10 0 R]>>]>>>>", 1)
	assert.Equal(t, []string{"on", "any", "not", "end"}, strings.Fields(textOf(t, []byte(data))))
	base := strings.Replace(data, "/OFF[5 0 R]", "/BaseState/OFF/ON[6 0 R]", 1)
	assert.Equal(t, []string{"on", "any", "not", "end"}, strings.Fields(textOf(t, []byte(base))))
}

func TestFieldsWithoutAppearance(t *testing.T) {
	widget := func(y int, entries string) string {
		return fmt.Sprintf("<</Subtype/Widget/Rect[180 %d 400 %d]%s>>", y-5, y+12, entries)
	}
	content := at(50, 700, "Name:") + at(50, 680, "Colour:") + at(50, 660, "Secret:") + at(50, 640, "Hidden:") + at(50, 620, "Part:") + at(50, 500, "End")
	data := string(onePage(content, "",
		widget(700, "/FT/Tx/V(Maple Street Club)"), widget(680, "/FT/Ch/V(r)/Opt[[(g)(green)][(r)(red)]]"), widget(660, "/FT/Tx/Ff 8192/V(word)"),
		widget(640, "/FT/Tx/F 2/V(unseen)"), widget(620, "/Parent 10 0 R"), "<</FT/Tx/V(\xFE\xFF\x00O\x00k\x00\xE9)>>"))
	data = strings.Replace(data, "/Contents 4 0 R", "/Annots[5 0 R 6 0 R 7 0 R 8 0 R 9 0 R]/Contents 4 0 R", 1)
	assert.Equal(t, "Name: Maple Street Club\nColour: red\nSecret:\nHidden:\nPart: Oké\n\nEnd", textOf(t, []byte(data)))

	blank := strings.Replace(data, "/FT/Tx/V(Maple", "/AP<</N 4 0 R>>/FT/Tx/V(Maple", 1)
	blank = strings.Replace(blank, "/Type/Catalog", "/Type/Catalog/AcroForm<</NeedAppearances true>>", 1)
	blank = strings.Replace(blank, streamObject("", content), streamObject("", ""), 1)
	assert.Contains(t, textOf(t, []byte(blank)), "Maple Street Club")
}

func TestCellsInAnyOrder(t *testing.T) {
	shows(t, "Ash\tBoats\tNorth\tyes\nBirch\tQuays\tSouth\tno",
		at(180, 700, "Boats")+at(470, 700, "yes")+at(40, 700, "Ash")+at(330, 700, "North")+
			at(470, 684, "no")+at(330, 684, "South")+at(180, 684, "Quays")+at(40, 684, "Birch"))
}

func TestEmptyCellsKeepTheirPlace(t *testing.T) {
	row := func(y int, cells ...string) (s string) {
		for i, c := range cells {
			if c != "" {
				s += at(40+140*i, y, c)
			}
		}
		return s
	}
	shows(t, "Room\tOpen\tSeats\tKey\nA1\tMon\t30\tdesk\nA2\t\t12\tdesk\n\tTue\t\thall\nA4\tWed\t8\tdesk\nA5\tThu\t9",
		row(700, "Room", "Open", "Seats", "Key")+row(685, "A1", "Mon", "30", "desk")+row(670, "A2", "", "12", "desk")+
			row(655, "", "Tue", "", "hall")+row(640, "A4", "Wed", "8", "desk")+row(625, "A5", "Thu", "9"))
}

func TestColumnsDrawnAcross(t *testing.T) {
	var content, want strings.Builder
	left := append(leftColumn, "another line of the left column", "and one more to make it six")
	right := append(rightColumn, "another line of the right column", "and one more to make it six too")
	for i := range left {
		content.WriteString(at(50, 700-12*i, left[i]) + at(320, 700-12*i, right[i]))
		want.WriteString(left[i] + "\n")
	}
	want.WriteString("\n" + strings.Join(right, "\n"))
	shows(t, want.String(), content.String())
}

// Narrow columns of few lines are told from a table by sentences that go on from line to line.
func TestNarrowColumnsDrawnAcross(t *testing.T) {
	left, right := []string{"The reading room opens", "at nine on all days of", "the week, and it closes", "at six in the evening."}, []string{"Members pay ten euros", "a year for a card, all", "others twenty, and all", "children pay nothing."}
	across := func(left, right []string) (content string) {
		for i := range left {
			content += at(50, 700-12*i, left[i]) + at(320, 700-12*i, right[i])
		}
		return content
	}
	shows(t, strings.Join(left, "\n")+"\n\n"+strings.Join(right, "\n"), across(left, right))
	for _, table := range [][2][]string{
		{{"Reading room, first floor", "Cellar with the boilers", "Hall of the harbour club", "Attic over the kitchen"}, {"Opens at nine on Mondays", "Closed to all visitors", "Opens on club evenings", "Opens when it is booked"}},
		{{"colour of the cover", "height of the shelves", "width of the counter", "depth of the cellar"}, {"green with white letters", "two metres and a half", "about a metre and a half", "three metres below ground"}},
		{{"colour of the cover.", "height of the shelves.", "width of the counter.", "depth of the cellar."}, {"green with white letters.", "two metres and a half.", "about a metre and a half.", "three metres below ground."}},
	} {
		want := ""
		for i := range table[0] {
			want += table[0][i] + "\t" + table[1][i] + "\n"
		}
		shows(t, strings.TrimSpace(want), across(table[0], table[1]))
	}
}

// Text that is not painted stands for a picture or for outlines, or is seen by no one.
func TestUnpaintedText(t *testing.T) {
	secret := "BT /F1 10 Tf 3 Tr 50 600 Td (a secret) Tj ET "
	shows(t, "What viewers show", at(50, 700, "What viewers show")+secret)
	shows(t, "a secret", "q 3 Tr Q "+secret)
	shows(t, "7\na secret", at(50, 700, "7")+secret)
	shows(t, "back to ink", "BT /F1 10 Tf 3 Tr 0 Tr 50 600 Td (back to ink) Tj ET "+secret)
	shows(t, "A scan: see below\na secret", at(50, 700, "A scan: see below")+"q 9 0 0 9 0 0 cm BI /W 1 /H 1 /BPC 8 ID x EI Q "+secret)
}

// Letters set wide are one word; a letter that stands apart by a spacing of its own is not.
func TestSpacesOfCharacterSpacing(t *testing.T) {
	shows(t, "Take a map", "BT /F1 10 Tf 72 700 Td (Take) Tj 24.9 0 Td 2.5 Tc (a) Tj 8.06 0 Td 0 Tc (map) Tj ET")
	shows(t, "wide word", "BT /F1 10 Tf 72 700 Td 2.5 Tc (wide) Tj 0 Tc ( word) Tj ET")
}

func TestFormsThatViewersMake(t *testing.T) {
	xml := `<xdp><template><subform><draw><value><text>Berth</text></value></draw><field><caption><value><exData><p>Length of the <b>boat</b></p></exData></value></caption><items><text>1</text></items></field></subform></template><xfa:datasets><xfa:data><f><a>Pier 7</a><b>9 m</b></f></xfa:data></xfa:datasets></xdp>`
	data := string(onePage(hello, "", streamObject("", xml)))
	static := strings.Replace(data, "/Type/Catalog", "/Type/Catalog/AcroForm<</XFA[(xdp:xdp)5 0 R]>>", 1)
	dynamic := strings.Replace(static, "/Type/Catalog", "/Type/Catalog/NeedsRendering true", 1)
	for source, want := range map[string]string{static: "", dynamic: "Berth\nLength of the boat\nPier 7\n9 m"} {
		f, err := Open([]byte(source), "", Limits{})
		assert.NoError(t, err)
		text, is := f.XFA()
		assert.Equal(t, want, text)
		assert.Equal(t, want != "", is)
	}
}

// Scans come out as files that other programs open.
func TestPictures(t *testing.T) {
	for name, c := range map[string]struct{ entries, data, begins string }{
		"plain": {"/Width 2/Height 2/BitsPerComponent 8/ColorSpace/DeviceRGB", "123456789012", "\x89PNG"},
		"bits":  {"/Width 9/Height 1/BitsPerComponent 1/ColorSpace[/Indexed/DeviceRGB 1(abcdef)]", "\xAA\x80", "\x89PNG"},
		"fax":   {"/Width 8/Height 1/Filter/CCITTFaxDecode/DecodeParms<</K -1/Columns 8>>", "x", "II*\x00"},
		"photo": {"/Width 8/Height 1/Filter/DCTDecode", "\xFF\xD8x", "\xFF\xD8"},
	} {
		data := onePage("q 500 0 0 700 40 60 cm /I Do Q", "/XObject<</I 5 0 R>>", streamObject("/Subtype/Image"+c.entries, c.data))
		f, err := Open(data, "", Limits{})
		assert.NoError(t, err, name)
		text, err := f.Text(t.Context(), 0)
		assert.NoError(t, err, name)
		assert.Empty(t, text, name)
		assert.True(t, f.Scanned(), name)
		files, err := f.Pictures()
		assert.NoError(t, err, name)
		if assert.Len(t, files, 1, name) {
			assert.True(t, strings.HasPrefix(string(files[0]), c.begins), name)
		}
	}
	f, err := Open(onePage("q 20 0 0 20 40 60 cm /I Do Q", "/XObject<</I 5 0 R>>", streamObject("/Subtype/Image", "x")), "", Limits{})
	assert.NoError(t, err)
	_, err = f.Text(t.Context(), 0)
	assert.NoError(t, err)
	assert.False(t, f.Scanned(), "a mark on a blank page")
}

func TestClips(t *testing.T) {
	for content, want := range map[string]string{
		"q 40 690 200 30 re W n " + at(50, 700, "seen") + at(50, 600, "hidden") + "Q " + at(50, 500, "after"):                    "seen\nafter",
		"q 40 690 m 240 690 l 240 720 l 40 720 l h W* n " + at(50, 700, "seen") + at(50, 600, "hidden") + "Q":                    "seen",
		"q 40 690 20 30 re W n " + at(50, 700, "seen in part") + "Q q 60 690 100 30 re W n " + at(50, 700, "seen in part") + "Q": "seen in part",
		"q W n " + at(50, 700, "no path") + "Q": "no path",
		"q 1 0 0 1 0 -500 cm 40 1190 200 30 re W n BT /F1 12 Tf 1 0 0 1 50 1200 Tm (seen) Tj 0 -100 Td (hidden) Tj ET Q": "seen",
	} {
		assert.Equal(t, want, textOf(t, onePage(content, "")), content)
	}
	form := streamObject("/Subtype/Form/BBox[0 600 612 792]/Resources<</Font<</F1 3 0 R>>>>", at(50, 700, "inside")+at(50, 500, "outside"))
	assert.Equal(t, "inside", textOf(t, onePage("/F Do", "/XObject<</F 5 0 R>>", form)))
	cropped := strings.Replace(string(onePage(at(50, 700, "seen")+at(50, 20, "below"), "")), "/Contents 4", "/CropBox[0 50 612 792]/Contents 4", 1)
	assert.Equal(t, "seen", textOf(t, []byte(cropped)))
}

func TestBoxesToTickWithoutAppearance(t *testing.T) {
	widget := "<</Subtype/Widget/FT/Btn/AS/%s/Rect[150 695 162 712]>>"
	for state, want := range map[string]string{"Yes": "Agree ☒", "Off": "Agree ☐"} {
		data := strings.Replace(string(onePage(at(50, 700, "Agree  "), "", fmt.Sprintf(widget, state))), "/Contents 4", "/Annots[5 0 R]/Contents 4", 1)
		assert.Equal(t, want, strings.ReplaceAll(textOf(t, []byte(data)), "\t", " "))
	}
}
