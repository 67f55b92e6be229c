package weights

import "github.com/docent-ml/docent/internal/lm"

// Expected lists the tensors that a checkpoint of configuration c consists of, with their shapes.
func Expected(c lm.Config) map[string][]int {
	out := map[string][]int{}
	for _, p := range c.Params() {
		out[p.Name] = p.Shape
	}
	return out
}
