package pdf

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// at draws s at a place.
func at(x, y int, s string) string {
	return fmt.Sprintf("BT /F1 10 Tf %d %d Td (%s) Tj ET\n", x, y, s)
}

func TestTableRowByRow(t *testing.T) {
	shows(t, "Week\tTopic\tHours\n1\tGames and payoffs\t4\n2\tDominance\t2",
		at(50, 700, "Week")+at(120, 700, "Topic")+at(400, 700, "Hours")+
			at(50, 685, "1")+at(120, 685, "Games and payoffs")+at(400, 685, "4")+
			at(50, 670, "2")+at(120, 670, "Dominance")+at(400, 670, "2"))
}

func TestParagraphs(t *testing.T) {
	shows(t, "one\ntwo\nthree\n\nfour\nfive",
		at(50, 700, "one")+at(50, 688, "two")+at(50, 676, "three")+at(50, 640, "four")+at(50, 628, "five"))
}

var (
	leftColumn  = []string{"the left column begins with this", "and runs on below the first line", "down to where the column has its", "last line of all, number four"}
	rightColumn = []string{"then the right column continues", "with sentences of the same kind", "each filling most of its measure", "until the page comes to its end"}
)

func TestColumnsInDrawingOrder(t *testing.T) {
	var content, want strings.Builder
	for i, s := range leftColumn {
		content.WriteString(at(50, 700-12*i, s))
		want.WriteString(s + "\n")
	}
	want.WriteString("\n")
	for i, s := range rightColumn {
		content.WriteString(at(320, 700-12*i, s))
		want.WriteString(s + "\n")
	}
	shows(t, strings.TrimSpace(want.String()), content.String())
}

// A page drawn from bottom to top says nothing about reading order, so where
// things stand decides: columns one after the other, table rows across.
func TestColumnsDrawnInDisorder(t *testing.T) {
	var up strings.Builder
	for i := 3; i >= 0; i-- {
		up.WriteString(at(320, 700-12*i, rightColumn[i]) + at(50, 700-12*i, leftColumn[i]))
	}
	up.WriteString(at(50, 730, "A headline over both of the columns, as wide as the whole page is here and wider"))
	got := textOf(t, onePage(up.String(), ""))
	assert.Equal(t, "A headline over both of the columns, as wide as the whole page is here and wider", strings.SplitN(got, "\n", 2)[0])
	assert.Less(t, strings.Index(got, leftColumn[3]), strings.Index(got, rightColumn[0]))

	var table strings.Builder
	for i := 7; i >= 0; i-- {
		table.WriteString(at(320, 700-12*i, fmt.Sprint(i*5)) + at(50, 700-12*i, fmt.Sprintf("row %d", i)))
	}
	got = textOf(t, onePage(table.String(), ""))
	assert.True(t, strings.HasPrefix(got, "row 0\t0\nrow 1\t5\nrow 2\t10\n"), got)
}

func TestStrayWordsFindTheirLine(t *testing.T) {
	shows(t, "see the bold word here\nnext line",
		at(50, 700, "see the")+at(112, 700, "word here")+at(50, 688, "next line")+at(88, 700, "bold"))
}

func TestDirections(t *testing.T) {
	shows(t, "sideways text\nsecond line",
		"BT /F1 10 Tf 0 1 -1 0 100 100 Tm (sideways text) Tj ET BT /F1 10 Tf 0 1 -1 0 112 100 Tm (second line) Tj ET")
	shows(t, "most of the text is level\n\nup",
		at(50, 700, "most of the text is level")+"BT /F1 10 Tf 0 1 -1 0 20 400 Tm (up) Tj ET")
	shows(t, "DRAFT", "BT /F1 40 Tf 0.707 0.707 -0.707 0.707 100 100 Tm (DRAFT) Tj ET")
}

func TestRightToLeft(t *testing.T) {
	for visual, want := range map[string]string{
		"plain text":         "plain text",
		"םלוע םולש":          "שלום עולם",
		"15 ףיעס":            "סעיף 15",
		"PDF ץבוק ארוק":      "קורא קובץ PDF",
		"a word םולש inside": "a word שלום inside",
		")םולש( אוה":         "הוא (שלום)",
		"(םולש) אוה":         "הוא (שלום)",
	} {
		assert.Equal(t, want, logical(visual))
	}
}

func FuzzLogical(f *testing.F) {
	f.Add("15 ףיעס (א)")
	f.Fuzz(func(t *testing.T, s string) {
		if got := []rune(logical(s)); len(got) != len([]rune(s)) {
			t.Fatalf("%d characters of %d", len(got), len([]rune(s)))
		}
	})
}

// cellsAt draws the cells of a table, row by row or column by column.
func cellsAt(rows [][]string, down bool) (content string) {
	cell := func(r, c int) {
		if s := rows[r][c]; s != "" {
			content += at(50+c*110, 700-16*r, s)
		}
	}
	for i := range max(len(rows), len(rows[0])) {
		for j := range max(len(rows), len(rows[0])) {
			if r, c := i, j; !down && r < len(rows) && c < len(rows[0]) {
				cell(r, c)
			}
			if r, c := j, i; down && r < len(rows) && c < len(rows[0]) {
				cell(r, c)
			}
		}
	}
	return content
}

func TestTablesOfAnyOrder(t *testing.T) {
	full := [][]string{{"Room", "Seats", "Floor"}, {"A1", "30", "Ground"}, {"B2", "45", "First"}, {"C3", "12", "Second"}}
	pairs := [][]string{{"Item", "Price"}, {"Boat", "120"}, {"Rope", "8"}, {"Anchor", "45"}}
	sparse := [][]string{{"Day", "Room", "Tutor", "Note"}, {"Mon", "A1", "Ash", ""}, {"Tue", "", "Birch", "late"}, {"Wed", "B2", "", ""}, {"Thu", "", "", "none"}, {"Fri", "C3", "Elm", "x"}}
	diagonal := [][]string{{"Key", "Mon", "Tue", "Wed"}, {"9", "x", "", ""}, {"10", "", "x", ""}, {"11", "", "", "x"}}
	for _, table := range [][][]string{full, pairs, sparse, diagonal} {
		want := ""
		for _, row := range table {
			want += strings.Join(row, "\t") + "\n"
		}
		for _, down := range []bool{false, true} {
			assert.Equal(t, "Above.\n\n"+want+"\nBelow.", textOf(t, onePage(at(50, 750, "Above.")+cellsAt(table, down)+at(50, 500, "Below."), "")))
		}
	}
	// Lists side by side are none.
	lists := [][]string{{"Oars", "Ropes"}, {"Sails", "Masts"}, {"Nets", "Keels"}}
	assert.Equal(t, "Oars\nSails\nNets\n\nRopes\nMasts\nKeels", textOf(t, onePage(cellsAt(lists, true), "")))
}

func TestPowersAndHeadings(t *testing.T) {
	shows(t, "10⁶ boats, 5 of them1", "BT /F1 12 Tf 50 700 Td (10) Tj /F1 8 Tf 5 Ts (6) Tj 0 Ts /F1 12 Tf ( boats, 5 of them) Tj /F1 8 Tf 5 Ts (1) Tj ET")
	shows(t, "H2O, 101_2 and x12", "BT /F1 12 Tf 50 700 Td (H) Tj /F1 8 Tf -2 Ts (2) Tj 0 Ts /F1 12 Tf (O, 101) Tj /F1 8 Tf -2 Ts (2) Tj 0 Ts /F1 12 Tf ( and x) Tj /F1 8 Tf -2 Ts (12) Tj ET")
	shows(t, "Fees\n\nA card costs\nten euros.", "BT /F1 16 Tf 50 700 Td (Fees) Tj /F1 12 Tf 0 -14 Td (A card costs) Tj 0 -14 Td (ten euros.) Tj ET")
}
