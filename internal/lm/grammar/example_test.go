package grammar_test

import (
	"context"
	"fmt"

	"github.com/docent-ml/docent/internal/lm/grammar"
)

// A model that would rather say something else is kept to the schema.
func Example() {
	tokens := []string{"Sure", "{", `":`, `"`, "open", " true", " maybe", "}", "!", "</s>"}
	v, err := grammar.NewVocabulary(len(tokens), func(id int) []byte { return []byte(tokens[id]) }, 9)
	if err != nil {
		fmt.Println(err)
		return
	}
	g, err := grammar.JSONSchema(context.Background(), []byte(`{"properties":{"open":{"type":"boolean"}},"required":["open"],"additionalProperties":false}`), grammar.Strict, grammar.Limits{})
	if err != nil {
		fmt.Println(err)
		return
	}
	s, mask := g.Start(v), make([]uint64, v.Words())
	for !s.Final() {
		s.Mask(mask)
		for id := range tokens { // the first that is allowed
			if mask[0]>>id&1 == 1 {
				s.Accept(id)
				fmt.Print(tokens[id])
				break
			}
		}
	}
	fmt.Println()

	_, err = grammar.JSONSchema(context.Background(), []byte(`{"properties":{"x":{"contains":{"const":1}}}}`), grammar.Strict, grammar.Limits{})
	fmt.Println(err)
	// Output:
	// {"open": true}
	// grammar: #/properties/x/contains: the keyword "contains" is not supported
}
