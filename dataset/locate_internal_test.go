package dataset

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestCandidates: of a long document few passages are read for a fact, and none that has the answer is left out, be its words
// run together or apart.
func TestCandidates(t *testing.T) {
	var d document
	for i := range 1000 {
		d.passages = append(d.passages, Passage{Text: fmt.Sprintf("The seat no. %d is in the reading room.", i)})
	}
	d.passages[7].Text = "The seatno 517, the 23 readingrooms"
	d.fold()
	for answer, want := range map[string][]int{"517": {7, 17, 517}, "Seat no. 517": {7, 17, 517}, "reading rooms": {7}, "23 reading": {2, 7, 23}, "nowhere": nil, "": nil} {
		assert.Equal(t, want, d.candidates(foldText(answer)), answer)
	}
	_, found := d.answering(Fact{Question: "Which rooms?", Answer: "reading rooms"})
	assert.True(t, found)
	passage, _ := d.answering(Fact{Question: "Which?", Answer: "517", Quote: "is 517 in the"})
	assert.Equal(t, d.passages[7], passage, "of two without the quote the first")
	passage, _ = d.answering(Fact{Question: "Which?", Answer: "517", Quote: "no. 517 is in the"})
	assert.Equal(t, d.passages[517], passage)
}
