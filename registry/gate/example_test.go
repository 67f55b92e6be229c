package gate_test

import (
	"fmt"

	"github.com/docent-ml/docent/registry/gate"
)

// A version that answers as well as the one that serves, but has forgotten too much of what the base model knew.
func Example() {
	rules, err := gate.Parse([]string{"reworded >= production - 1 point", "general >= 0.9 base"})
	if err != nil {
		fmt.Println(err)
		return
	}
	verdict := gate.Check(rules, gate.Metrics{
		Candidate:  map[string]float64{"eval/reworded": 0.60, "eval/general": 0.70, "eval_base/general": 0.90},
		Production: map[string]float64{"eval/reworded": 0.58},
	})
	fmt.Println(verdict.Passed())
	fmt.Println(verdict)
	// Output:
	// false
	// failed: general >= 0.9 base (0.7 against 0.81)
}
