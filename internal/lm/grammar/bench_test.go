package grammar

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const person = `{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer","minimum":0,"maximum":150},
	"email":{"type":"string","format":"email"},"tags":{"type":"array","items":{"enum":["a","b","c"]}},
	"address":{"type":"object","properties":{"street":{"type":"string","maxLength":80},"zip":{"type":"string","pattern":"^[0-9]{5}$"}},
	"required":["street"],"additionalProperties":false}},"required":["name","age"],"additionalProperties":false}`

func BenchmarkCompile(b *testing.B) {
	for b.Loop() {
		_, err := strictly([]byte(person))
		require.NoError(b, err)
	}
}

// BenchmarkMask writes documents: the first time with no mask known, then with those of the documents before.
func BenchmarkMask(b *testing.B) {
	v := vocabulary(b, 49152)
	for name, schema := range map[string]string{"person": person, "any": `{"type":"object"}`, "long": `{"type":"string","maxLength":2000}`} {
		b.Run(name, func(b *testing.B) {
			var cold, warm []time.Duration
			for b.Loop() {
				g, err := strictly([]byte(schema))
				require.NoError(b, err)
				for i := range 10 {
					random := rand.New(rand.NewPCG(uint64(i/2), 3)) // each document twice
					s, mask := g.Start(v), make([]uint64, v.Words())
					for n := 0; n < 60 && !s.Final(); n++ {
						before := len(g.locals)
						start := time.Now()
						s.Mask(mask)
						took := time.Since(start)
						if len(g.locals) != before {
							cold = append(cold, took)
						} else {
							warm = append(warm, took)
						}
						id := -1
						for id < 0 || !has(mask, id) {
							id = random.IntN(v.size)
							if random.IntN(1000) == 0 {
								id = home(v, mask, id)
							}
						}
						require.True(b, s.Accept(id))
					}
				}
			}
			for name, took := range map[string][]time.Duration{"cold": cold, "warm": warm} {
				slices.Sort(took)
				for _, percent := range []int{50, 95} {
					at := took[len(took)*percent/100]
					b.ReportMetric(float64(at.Nanoseconds())/1000, fmt.Sprintf("%s-p%d-µs", name, percent))
				}
			}
		})
	}
}

func BenchmarkVocabulary(b *testing.B) {
	v := vocabulary(b, 49152)
	for b.Loop() {
		_, err := NewVocabulary(v.size, func(id int) []byte { return v.tokens[id] }, v.end...)
		require.NoError(b, err)
	}
}
