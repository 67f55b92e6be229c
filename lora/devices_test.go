//go:build cgo

package lora

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/go-xla/compute/xla"
	"github.com/gomlx/go-xla/pjrt"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/testmodel"
)

// severalDevices is a backend of two devices of XLA on the CPU, or of the cards there are.
func severalDevices(t *testing.T) compute.Backend {
	t.Helper()
	plugin, ok := strings.CutPrefix(os.Getenv("DOCENT_BACKEND"), "xla:")
	if !ok {
		t.Skip("DOCENT_BACKEND names no plugin of XLA")
	}
	options := pjrt.NamedValuesMap{}
	if !pjrt.IsCUDAName(plugin) {
		options["cpu_device_count"] = int64(2)
	}
	b, err := xla.NewWithOptions(plugin, options)
	require.NoError(t, err)
	t.Cleanup(b.Finalize)
	if b.NumDevices() < 2 {
		t.Skip("there is one device")
	}
	return b
}

// TestSeveralDevices train and evaluate as one does, in steps of one call and of several, whose last has nothing for some devices.
func TestSeveralDevices(t *testing.T) {
	backend := severalDevices(t)
	b, err := OpenBase(t.Context(), testmodel.Write(t, 1), BaseOptions{Backend: backend, Precision: F32})
	require.NoError(t, err)
	defer b.Close()
	for rows, microTokens := range map[int]int{5: 1024, 13: 64} {
		t.Run(fmt.Sprint(rows), func(t *testing.T) {
			run := func(all bool) (out []float64, calls int) {
				c := smallConfig()
				c.BatchSize, c.MicroTokens, c.Epochs = rows, microTokens, 2
				tr, err := NewTrainer(b, c, Options{AllDevices: all})
				require.NoError(t, err)
				defer tr.Close()
				e := tokenized(t, tr, 13)
				for s, err := range tr.Steps(t.Context(), e) {
					require.NoError(t, err)
					out = append(out, s.Loss, s.GradNorm)
				}
				eval, err := tr.Evaluate(t.Context(), e)
				require.NoError(t, err)
				batches, _ := c.batches(e.rows)
				return append(out, eval.Loss), len(tr.layout.newPlan(batches, microTokens).calls(batches[0]))
			}
			want, alone := run(false)
			got, together := run(true)
			assert.InEpsilonSlice(t, want, got, 1e-5)
			assert.Equal(t, microTokens < 1024, together > 1, "%d calls of one device, %d of all", alone, together)
			assert.LessOrEqual(t, together, alone)
		})
	}
}
