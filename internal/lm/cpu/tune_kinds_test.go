package cpu

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/docent-ml/docent/internal/lm"
)

// TestGradientKinds is TestGradient of what is trained beside A and B: vectors, whole matrices and rows of them. Of DoRA only
// the magnitudes are compared, for the lengths of rows count as constants in the gradient of A and B: PEFT's steps, in package
// lora, hold for those.
func TestGradientKinds(t *testing.T) {
	for name, x := range map[string]struct {
		change func(c *lm.Config)
		kinds  string // of: update, dora, bias, lora bias, embed, head, rows, embed update, head update
	}{
		"dora":                 {func(c *lm.Config) { c.QKVBias, c.OutBias, c.MLPBias = true, true, true }, "update dora"},
		"dora, norms":          {addNorms, "update dora"},
		"biases":               {func(c *lm.Config) { c.QKVBias, c.OutBias, c.MLPBias = true, true, true }, "update bias lora_bias"},
		"biases alone":         {func(c *lm.Config) { c.QKVBias, c.OutBias, c.MLPBias = true, true, true }, "bias"},
		"whole":                {func(c *lm.Config) { c.EmbedScale, c.LogitScale = 3, 0.5 }, "embed head"},
		"whole head":           {func(c *lm.Config) { c.FinalSoftcap = 2 }, "update head"},
		"tied":                 {func(c *lm.Config) { c.TieEmbeddings, c.FinalSoftcap, c.EmbedScale = true, 2, 3 }, "update embed"},
		"normed embedding":     {func(c *lm.Config) { addNorms(c); c.PlainNorms, c.LateQKNorm, c.NormEmbeddings = true, true, true }, "embed"},
		"updates":              {func(c *lm.Config) { c.EmbedScale = 3 }, "embed_update head_update"},
		"rows":                 {func(c *lm.Config) { c.EmbedScale = 3 }, "update rows"},
		"rows, tied, parallel": {func(c *lm.Config) { c.Parallel, c.Names[lm.MLPNorm], c.TieEmbeddings = true, "", true }, "rows"},
	} {
		t.Run(name, func(t *testing.T) {
			c := oddConfig()
			x.change(&c)
			has := func(kind string) bool { return strings.Contains(" "+x.kinds+" ", " "+kind+" ") }
			r := rand.New(rand.NewPCG(1, 2))
			o := TunerOptions{Weights: map[string]int{}}
			theta, pieces := make([]float32, 1), [][2]int{} // no vector begins at 0
			take := func(n int, size, mean float32, compare bool) int {
				at := len(theta)
				for _, v := range randomFloats(r, n) {
					theta = append(theta, mean+size*v)
				}
				if compare {
					pieces = append(pieces, [2]int{at, len(theta)})
				}
				return at
			}
			for _, p := range c.Params() {
				path := strings.TrimSuffix(p.Name, ".weight")
				table := map[string]string{lm.EmbedTokens: "embed", lm.LMHead: "head"}[p.Name]
				if p.Linear && has("update") || table != "" && has(table+"_update") {
					u := Update{Path: path, Rank: 3, Scale: 1.5, A: take(3*p.Shape[1], 0.2, 0, !has("dora")), B: take(3*p.Shape[0], 0.2, 0, !has("dora"))}
					if has("dora") {
						u.Magnitude = take(p.Shape[0], 0.2, 1, true)
					}
					if has("lora_bias") {
						u.Bias = take(p.Shape[0], 0.2, 0, true)
					}
					o.Updates = append(o.Updates, u)
				}
				switch {
				case has("bias") && strings.HasSuffix(p.Name, "proj.bias"):
					o.Weights[p.Name] = take(p.Shape[0], 0.2, 1, true)
				case table != "" && has(table):
					o.Weights[p.Name] = take(p.Shape[0]*p.Shape[1], 0.2, 0, true)
				case table == "embed" && has("rows"):
					o.Rows = []Rows{{p.Name, []int32{5, 2, 30}, take(3*p.Shape[1], 0.2, 0, true)}}
				}
			}
			tuner := NewTuner(c, randomWeights(t, c, nil), o)
			t.Cleanup(tuner.Close)
			b := softened(randomBatch(c.VocabSize), c.VocabSize)
			gradient := make([]float32, len(theta))
			assert.InEpsilon(t, tuner.Loss(b, theta), tuner.Gradient(b, theta, gradient, 7), 1e-6)
			for _, piece := range pieces {
				from, to := piece[0], piece[1]
				direction := randomFloats(r, to-from)
				var want, size float64
				for k, d := range direction {
					want += float64(gradient[from+k]) * float64(d)
					size += float64(gradient[from+k]) * float64(gradient[from+k])
				}
				slope := func(step float64) float64 {
					at := func(step float64) float64 {
						moved := append([]float32{}, theta...)
						for i, d := range direction {
							moved[from+i] += float32(step) * d
						}
						return tuner.Loss(b, moved)
					}
					return (at(step) - at(-step)) / (2 * step)
				}
				got := (4*slope(3e-4) - slope(6e-4)) / 3
				assert.InDelta(t, want, got, 0.05+0.01*math.Sqrt(size), "numbers %d to %d", from, to)
				assert.NotZero(t, size)
			}
		})
	}
}
