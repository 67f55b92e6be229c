package questions_test

import (
	"context"
	"fmt"
	"slices"

	"github.com/docent-ml/docent/dataset"
	"github.com/docent-ml/docent/dataset/questions"
)

// Questions whose answers stand in a document, word for word.
func ExampleFromDocuments() {
	text := "The club meets on Tuesdays. The yearly fee of the club is 85 crowns."
	facts, _, err := questions.FromDocuments(context.Background(), []questions.Document{{
		Source: "club.md", Pages: []string{text}, Passages: []dataset.Passage{{ID: "club.md#1", Source: "club.md", Text: text}},
	}}, questions.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(slices.ContainsFunc(facts, func(f dataset.GroundedFact) bool { return f.Answer == "85 crowns" }))
	// Output: true
}

// Other wordings of a question that somebody wrote.
func ExampleReword() {
	fact := dataset.Fact{DocID: "club.md", Question: "What is the yearly fee of the club?", Answer: "85 crowns"}
	wordings := questions.Reword(fact, 10)
	fmt.Println(len(wordings) > 3, slices.Contains(wordings, fact.Question))
	// Output: true false
}
