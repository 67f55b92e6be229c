package chunk_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/docent-ml/docent/chunk"
)

func TestNormalizeKeepsStructure(t *testing.T) {
	for name, text := range map[string]string{
		"code":               "Run this:\n\n```python\ndef close(room):\n    if room.open:\n        room.lock()\n```\n\n- Doors\n  - Front",
		"spaces in code":     "~~~\nx  =  1\t# one -\nand\n~~~",
		"a fence in a fence": "````\n```\na  b\n````",
		"indented code":      "Run:\n\n    a b\n\tc",
		"empty cells":        "Room\tSeats\tKey\nA1\t\tdesk\n\t30\t\nB2\t45",
	} {
		assert.Equal(t, text, chunk.Normalize(text), name)
	}
	assert.Equal(t, "laboratory work", chunk.Normalize("labora-\n   tory work"))
	assert.Equal(t, "a\n\n  b", chunk.Normalize("\n \n\na\n \t\n\u00a0 b  \n\n"))
	assert.Equal(t, "a `x`\n```y``` b c", chunk.Normalize("a `x`\n```y```  b  c"), "no fence")
}

func TestHeadingsGoWithWhatFollows(t *testing.T) {
	text := "4.2 Opening hours\n\nThe reading room opens at nine on Mondays. It closes at six. Nr. 5 is the key of the cellar, and Dr. Ash keeps it.\n\n" +
		"4.3 Fees\n\nA card costs ten euros a year for members and twenty for all others who live in the town."
	for _, overlap := range []int{0, 30, 60} {
		for size := 70; size < 180; size++ {
			begins := false
			for _, got := range cuts(t, chunk.Options{Size: size, Overlap: min(overlap, size-1)}, text) {
				assert.False(t, strings.HasSuffix(got, "4.3 Fees") || strings.HasSuffix(got, "4.2 Opening hours"), "size %d: %q", size, got)
				assert.False(t, strings.HasSuffix(got, "Dr.") && size > 80, "size %d: %q", size, got)
				begins = begins || strings.HasPrefix(got, "4.3 Fees\n\nA card")
			}
			if size == 90 {
				assert.True(t, begins)
			}
		}
	}
	for name, text := range map[string]string{
		"Markdown":       "Some words that stand before it all.\n\n## Fees and the rest\nA card costs ten euros a year.",
		"Setext":         "Some words that stand before it all.\n\nfees and the rest\n-----\nA card costs ten euros a year.",
		"Setext 1":       "Some words that stand before it all.\n\nFees and the rest\n=====\nA card costs ten euros a year.",
		"in bold":        "Some words that stand before it all.\n\n**Fees and the rest**\n\nA card costs ten euros a year.",
		"Roman":          "Some words that stand before it all.\n\nIV. Fees and the rest\n\nA card costs ten euros a year.",
		"a section":      "Some words that stand before it all.\n\n§ 3 Fees and the rest\n\nA card costs ten euros a year.",
		"a colon":        "Some words that stand before it all.\n\nFees and the rest:\n\nA card costs ten euros a year.",
		"a line alone":   "Some words that stand before it all.\n\nFees and the rest\n\nA card costs ten euros a year.",
		"without a line": "Some words that stand before it all.\n4.3 Fees and the rest\nA card costs ten euros a year.",
		"in Greek":       "Some words that stand before it all.\n\nΤέλη και τα λοιπά\n\nA card costs ten euros a year.",
	} {
		for size := 38; size < 56; size++ {
			got := cuts(t, chunk.Options{Size: size}, text)
			assert.Equal(t, "Some words that stand before it all.", got[0], "%s, size %d", name, size)
		}
	}
}

func TestHeadingsOfChunks(t *testing.T) {
	text := "# Manual\n\nIntro of it all, with words.\n\n## Doors\n\nThe front door is opened at nine.\n\n### Keys\n\nThe desk has them all, every one.\n\n## Fees ##\n\nNone are taken from anybody here."
	s := splitter(t, chunk.Options{Size: 70})
	var got []string
	for _, c := range collect(t, s.Split(of(pages("a.md", text)))) {
		got = append(got, strings.Join(c.Headings, "/")+": "+c.Text)
	}
	assert.Equal(t, []string{
		": # Manual\n\nIntro of it all, with words.", "Manual: ## Doors\n\nThe front door is opened at nine.",
		"Manual/Doors: ### Keys\n\nThe desk has them all, every one.", "Manual: ## Fees ##\n\nNone are taken from anybody here.",
	}, got)

	long := "# Manual\n\n## Doors\n\n" + strings.Repeat("The front door is opened at nine. ", 8)
	chunks := collect(t, splitter(t, chunk.Options{Size: 100, Headings: true}).Split(of(pages("a.md", long))))
	assert.Greater(t, len(chunks), 3)
	for _, c := range chunks[1:] {
		assert.True(t, strings.HasPrefix(c.Text, "Manual\nDoors\n\nThe front"), c.Text)
		assert.LessOrEqual(t, c.Size, 100)
		assert.Equal(t, []string{"Manual", "Doors"}, c.Headings)
	}
	small := collect(t, splitter(t, chunk.Options{Size: 24, Headings: true}).Split(of(pages("a.md", long))))
	assert.True(t, strings.HasPrefix(small[3].Text, "Doors\n\n"), "the nearest alone fits: %q", small[3].Text)

	plain := "2 Rules\n\nOne.\n\n2.1 Late work\n\nTwo is here.\n\n2.1.1 Marks\n\nThree is here.\n\n3 Exams\n\nFour is here."
	got = nil
	for _, c := range collect(t, splitter(t, chunk.Options{Size: 32}).Split(of(pages("a.txt", plain)))) {
		got = append(got, strings.Join(c.Headings, "/"))
	}
	assert.Equal(t, []string{"", "2 Rules", "2 Rules/2.1 Late work", ""}, got)
}

// A question that stands alone goes with its answer.
func TestQuestionsAreHeadings(t *testing.T) {
	for _, question := range []string{"Who may borrow?", "¿Quién lee aquí?", "Ποιος δανείζεται;", "Ποιος δανείζεται\u037E"} {
		text := "The desk is on the first floor.\n\n" + question + "\n\nAll members may borrow books."
		got := collect(t, splitter(t, chunk.Options{Size: 50}).Split(of(pages("a", text))))
		assert.Equal(t, question+"\n\nAll members may borrow books.", got[1].Text)
	}
}

// Whatever is cut, its headings and the head of its table stand in front of the last row too.
func TestHeadingsToTheLastRow(t *testing.T) {
	var rows strings.Builder
	for i := range 40 {
		fmt.Fprintf(&rows, "B%d\t%d\t\n", i, 10+i)
	}
	text := "# Harbour\n\nWords of the first part.\n\n## Berths\n\nRoom\tSeats\tKey\n" + rows.String() + "\n### Fees\n\n" + strings.Repeat("A berth costs ten crowns. ", 12)
	chunks := collect(t, splitter(t, chunk.Options{Size: 120, Headings: true}).Split(of(pages("a.md", text))))
	cells := 0
	for _, c := range chunks {
		assert.LessOrEqual(t, c.Size, 120)
		if !strings.HasPrefix(c.Text, "# Harbour") {
			assert.True(t, strings.HasPrefix(c.Text, "Harbour\n"), c.Text)
		}
		if n := strings.Count(c.Text, "\t\nB") + strings.Count(c.Text, "Key\nB"); n > 0 {
			cells += n
			assert.True(t, strings.HasPrefix(c.Text, "Harbour\nBerths\n\nRoom\tSeats\tKey\nB") || strings.Contains(c.Text, "## Berths\n\nRoom\tSeats\tKey\nB"), c.Text)
		}
	}
	assert.Equal(t, 40, cells)
	assert.True(t, strings.HasPrefix(chunks[len(chunks)-1].Text, "Harbour\nBerths\nFees\n\nA berth"), chunks[len(chunks)-1].Text)
}

func TestNoHeadings(t *testing.T) {
	for name, text := range map[string]string{
		"code":          "```sh\n# comment\nrun\n```",
		"list items":    "- Alpha\n\n- Beta\n\nrest of it",
		"a sentence":    "It is late.\n\nrest of it",
		"small letters": "and so on\n\nrest of it",
		"the last line": "Some words are here.\n\nYours, Ann",
		"a hashtag":     "#late and so on\n\nrest",
	} {
		for _, c := range collect(t, splitter(t, chunk.Options{Size: 12}).Split(of(pages("a", text)))) {
			assert.Empty(t, c.Headings, name)
		}
	}
}

func TestTablesRepeatTheirHead(t *testing.T) {
	rows := "Room\tSeats\tKey\n" + strings.Repeat("A1\t30\tdesk\nB2\t\tporter\n", 6)
	chunks := collect(t, splitter(t, chunk.Options{Size: 70, Overlap: 20}).Split(of(pages("a", "Words before.\n\n"+rows+"\nWords behind."))))
	assert.Greater(t, len(chunks), 3)
	for _, c := range chunks {
		assert.LessOrEqual(t, c.Size, 70)
		assert.Contains(t, c.Text, "Room\tSeats\tKey\n", "every part of the table has its head")
		for line := range strings.Lines(c.Text) {
			if !strings.HasPrefix(line, "Words") && strings.TrimSpace(line) != "" {
				assert.Equal(t, 2, strings.Count(line, "\t"), "no row is cut: %q", line)
			}
		}
	}
	pipes := "| Room | Seats |\n|------|:-----:|\n" + strings.Repeat("| A1 | 30 |\n", 12)
	for _, size := range []int{70, 110} {
		for _, c := range collect(t, splitter(t, chunk.Options{Size: size}).Split(of(pages("a.md", pipes)))) {
			assert.True(t, strings.HasPrefix(c.Text, "| Room | Seats |\n|------|:-----:|\n| A1"), c.Text)
		}
	}
	data := strings.Repeat("A1\t30\n", 20)
	for _, c := range collect(t, splitter(t, chunk.Options{Size: 40}).Split(of(pages("a", data))))[1:] {
		assert.True(t, strings.HasPrefix(c.Text, "A1\t30\nA1"), "a table without a head")
		assert.Equal(t, c.End-c.Start, c.Size)
	}
}

// One sentence of each script, and a second one.
func TestSentencesOfAllScripts(t *testing.T) {
	for name, pair := range map[string][2]string{
		"Latin": {"The room is closed.", "Come back."}, "quoted": {"She said: “It is closed!”", "Come back."}, "Greek": {"Είναι κλειστό;", "Ελάτε αύριο."},
		"Cyrillic": {"Дверь закрыта.", "Звоните завтра."}, "Armenian": {"Դուռը փակ է։", "Եկեք վաղը։"}, "Arabic": {"هل الباب مغلق؟", "عد غدا."},
		"Urdu": {"دروازہ بند ہے۔", "کل آئیں۔"}, "Hebrew": {"הדלת סגורה.", "בואו מחר."}, "Hindi": {"दरवाज़ा बंद है।", "कल आइए।"}, "Amharic": {"በሩ ተዘግቷል።", "ነገ ይምጡ።"},
		"Georgian": {"კარი დაკეტილია.", "მობრძანდით ხვალ."}, "Korean": {"문이 닫혔습니다.", "내일 오세요."}, "Khmer": {"ទ្វារបិទ។", "មកស្អែក។"}, "Burmese": {"တံခါးပိတ်ထားသည်။", "မနက်ဖြန်လာပါ။"},
		"Chinese": {"门关了。", "明天再来。"}, "Japanese": {"閉まっています！", "明日来てください。"},
	} {
		a, b := pair[0], pair[1]
		space := " "
		if name == "Chinese" || name == "Japanese" {
			space = ""
		}
		size := len([]rune(a+space+b)) - 1
		assert.Equal(t, []string{a, b}, cuts(t, chunk.Options{Size: size}, a+space+b), name)
	}
}
