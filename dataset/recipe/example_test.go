package recipe_test

import (
	"fmt"

	"github.com/docent-ml/docent/dataset"
	"github.com/docent-ml/docent/dataset/recipe"
)

// One fact becomes rows that ask it from memory, with its passage, and with a passage that says something else.
func Example() {
	facts := []dataset.GroundedFact{{
		Fact:    dataset.Fact{DocID: "club.md", Question: "What is the fee?", Answer: "85 crowns", Questions: []string{"How much does one pay?"}},
		Source:  "club.md",
		Passage: dataset.Passage{Text: "The fee is 85 crowns."}, Found: true,
	}}
	rows, err := recipe.Recipe{Closed: 2, Open: 1, Swapped: 1}.Rows(1, facts, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, row := range rows {
		for i, m := range row.Messages {
			if i > 0 {
				fmt.Print("  ")
			}
			fmt.Printf("%s: %s", m.Role, m.Content)
		}
		fmt.Println()
	}
	// Output:
	// user: What is the fee?  assistant: 85 crowns
	// user: How much does one pay?  assistant: 85 crowns
	// system: The fee is 85 crowns.  user: What is the fee?  assistant: 85 crowns
	// system: The fee is 119 crowns.  user: What is the fee?  assistant: 119 crowns
}
