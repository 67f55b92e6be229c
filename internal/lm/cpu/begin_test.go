package cpu

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/lm"
)

func TestTooLargeToLoad(t *testing.T) {
	params := []lm.Param{{Name: "embed", Shape: []int{1000, 1000}}, {Name: "norm", Shape: []int{24}}}
	for _, c := range []struct {
		s    Storage
		kB   string
		fits bool
	}{{F32, "3907", true}, {F32, "3900", false}, {BF16, "1954", true}, {BF16, "1950", false}, {Int8, "1099", true}, {Int4, "700", false}, {Stored, "550", true}} {
		w := NewWeights(c.s)
		w.root = fstest.MapFS{"proc/meminfo": {Data: []byte("MemTotal: 99999 kB\nMemAvailable: " + c.kB + " kB\n")}}
		err := w.Begin(params)
		if c.fits {
			assert.NoError(t, err, c)
			continue
		}
		require.ErrorIs(t, err, ErrMemory, c)
		assert.ErrorContains(t, err, "lower precision")
	}
	w := NewWeights(F32)
	w.root = fstest.MapFS{}
	assert.NoError(t, w.Begin(params), "where nothing tells, nothing is refused")
}
