package chunk_test

import (
	"fmt"
	"strings"

	"github.com/docent-ml/docent/chunk"
)

func Example() {
	pages := func(yield func(chunk.Section, error) bool) {
		_ = yield(chunk.Section{Source: "guide.pdf", Page: 1, Text: "Late work loses five points a day.\n\nThe examination takes two ho\u00ad"}, nil) &&
			yield(chunk.Section{Source: "guide.pdf", Page: 2, Text: "urs. Bring a pencil."}, nil)
	}
	s, err := chunk.New(chunk.Options{Size: 60, Overlap: 20})
	if err != nil {
		fmt.Println(err)
		return
	}
	for c, err := range s.Split(pages) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s, pages %d-%d: %q\n", c.ID, c.FirstPage, c.LastPage, c.Text)
	}
	// Output:
	// guide.pdf#0, pages 1-1: "Late work loses five points a day."
	// guide.pdf#1, pages 1-2: "five points a day.\n\nThe examination takes two hours."
	// guide.pdf#2, pages 1-2: "takes two hours. Bring a pencil."
}

// A tokenizer's count in place of characters; here words stand in for tokens.
func ExampleNew_tokens() {
	s, err := chunk.New(chunk.Options{Size: 6, Measure: func(text string) int { return len(strings.Fields(text)) }})
	if err != nil {
		fmt.Println(err)
		return
	}
	text := "Office hours are on Tuesday. The room is H-217 in the Harbour Building."
	for _, span := range s.Spans(text) {
		fmt.Println(text[span.Start:span.End])
	}
	// Output:
	// Office hours are on Tuesday.
	// The room is H-217 in the
	// Harbour Building.
}

func ExampleNormalize() {
	fmt.Println(chunk.Normalize("The  labora-\ntory   is in H-\n217;\r\ne-\nmail works."))
	// Output:
	// The laboratory is in H-217;
	// e-mail works.
}
