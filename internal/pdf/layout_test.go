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
