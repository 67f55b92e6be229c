package evaluate_test

import (
	"context"
	"fmt"

	"github.com/docent-ml/docent/dataset"
	"github.com/docent-ml/docent/lora/evaluate"
)

// parrot says the same to everything. Served asks a real model.
type parrot string

func (p parrot) Answer(context.Context, []dataset.Message, int) (evaluate.Reply, error) {
	return evaluate.Reply{Text: string(p), Tokens: 6}, nil
}

func ExampleRun() {
	facts := []dataset.GroundedFact{
		{Fact: dataset.Fact{DocID: "club.md", Question: "When does the club meet?", Answer: "Tuesdays"}},
		{Fact: dataset.Fact{DocID: "club.md", Question: "What is the yearly fee?", Answer: "85 crowns"}},
	}
	result, err := evaluate.Run(context.Background(), parrot("The club meets on Tuesdays."), evaluate.Suite{Facts: facts}, evaluate.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	share := result.Share(evaluate.AsWritten)
	fmt.Println(share.Right, "of", share.Of)
	// Output: 1 of 2
}
