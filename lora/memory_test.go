package lora

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/golden"
	"github.com/docent-ml/docent/internal/race"
	"github.com/docent-ml/docent/internal/testmodel"
)

// TestMemoryIsPredicted within a tenth of the peak, or a seventh with XLA on the CPU of DOCENT_BACKEND, in whose peak is what compiling
// took. A process of its own trains, whose peak is of nothing else. DOCENT_MEMORY_MODEL names a model to measure with in place of
// small ones, and DOCENT_MEMORY_PRECISION how it is held.
func TestMemoryIsPredicted(t *testing.T) {
	if peakMB() == 0 {
		t.Skip("the system does not tell the peak")
	}
	if race.Enabled {
		t.Skip("the race detector keeps memory of its own beside every word")
	}
	for name, size := range map[string]testmodel.Shape{
		"few layers":  {Vocab: 24000, Hidden: 576, Intermediate: 1536, Layers: 4, Heads: 9, KVHeads: 3, Context: 8192},
		"many layers": {Vocab: 8000, Hidden: 576, Intermediate: 1536, Layers: 16, Heads: 9, KVHeads: 3, Context: 8192},
		"wide layers": {Vocab: 16000, Hidden: 1536, Intermediate: 4096, Layers: 2, Heads: 24, KVHeads: 8, Context: 8192},
	} {
		for place, within := range map[string]float64{"cpu": 0.1, "xla": 1. / 7} {
			t.Run(name+"/"+place, func(t *testing.T) {
				backend := ""
				if place == "xla" {
					if backend = os.Getenv("DOCENT_BACKEND"); !strings.HasPrefix(backend, "xla:") {
						t.Skip("DOCENT_BACKEND names no plugin of XLA")
					}
				}
				dir := os.Getenv("DOCENT_MEMORY_MODEL")
				if dir == "" {
					dir = t.TempDir()
					require.NoError(t, size.WriteTo(t.Context(), dir, 1))
				}
				for _, recompute := range []bool{false, true} {
					if recompute && backend != "" && size.Layers > 4 {
						continue // so many layers are compiled once
					}
					child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMemoryOfAProcess$", "-test.v")
					child.Env = append(os.Environ(), "DOCENT_MEMORY_CHILD="+dir, fmt.Sprintf("DOCENT_MEMORY_RECOMPUTE=%t", recompute), "DOCENT_BACKEND="+backend)
					out, err := child.CombinedOutput()
					require.NoError(t, err, "%s", out)
					var predicted, peak float64
					for line := range strings.Lines(string(out)) {
						fmt.Sscanf(line, "predicted %f peak %f", &predicted, &peak)
					}
					t.Logf("recompute=%t: predicted %.0f MB, peak %.0f MB; %s", recompute, predicted, peak, out)
					assert.InEpsilon(t, peak, predicted, within, "recompute=%t", recompute)
				}
			})
		}
	}
}

// TestTooLittleMemory has layers computed again where that suffices, and is refused where nothing does.
func TestTooLittleMemory(t *testing.T) {
	b, err := OpenBase(t.Context(), testmodel.Write(t, 1), BaseOptions{})
	require.NoError(t, err)
	defer b.Close()
	with := func(left int64, recompute bool) (Memory, error) {
		tr, err := NewTrainer(b, DefaultConfig(), Options{Recompute: recompute})
		require.NoError(t, err)
		defer tr.Close()
		train := &Examples{}
		for range 8 {
			train.add(example{ids: make([]int32, 256), trained: all(256)}, 256)
		}
		tr.computer.(*onCPU).root = fstest.MapFS{
			"proc/self/status": {Data: []byte("VmRSS: 1000 kB\n")},
			"proc/meminfo":     {Data: fmt.Appendf(nil, "MemTotal: 99999 kB\nMemAvailable: %d kB\n", left>>10)},
		}
		m, err := tr.Memory(train)
		for _, stepErr := range tr.Steps(t.Context(), train) {
			require.Equal(t, err, stepErr)
			break
		}
		return m, err
	}
	plenty, err := with(90<<20, false)
	require.NoError(t, err)
	assert.False(t, plenty.Recompute)
	assert.EqualValues(t, 1000<<10+90<<20, plenty.Limit)

	asked, err := with(90<<20, true)
	require.NoError(t, err)
	assert.Less(t, asked.Activations, plenty.Activations)

	less, err := with((asked.Activations+plenty.Activations)/2, false)
	require.NoError(t, err)
	assert.True(t, less.Recompute)
	assert.Equal(t, asked.Activations, less.Activations)

	_, err = with(less.Activations/2, false)
	require.ErrorIs(t, err, ErrMemory)
	assert.ErrorContains(t, err, "take a smaller MicroTokens")
}

// TestTooLittleOnADevice is refused before the first step, and says what to change.
func TestTooLittleOnADevice(t *testing.T) {
	tr := onGraphs(t, F32, Options{})
	train := tokenized(t, tr, 6)
	m, err := tr.Memory(train)
	require.NoError(t, err)
	if m.Total() == 0 {
		t.Skip("the backend does not tell what programs take")
	}
	assert.Greater(t, m.Activations, int64(0))
	tr.computer.(*graphs).options.DeviceBytes = m.Activations / 2
	_, err = tr.Memory(train)
	require.ErrorIs(t, err, ErrMemory)
	assert.ErrorContains(t, err, "take Recompute, a smaller MicroTokens")
	for _, err := range tr.Steps(t.Context(), train) {
		require.ErrorIs(t, err, ErrMemory)
	}
	assert.Zero(t, tr.Step())
}

func TestMemoryOfAProcess(t *testing.T) {
	dir := os.Getenv("DOCENT_MEMORY_CHILD")
	if dir == "" {
		t.Skip("is what TestMemoryIsPredicted runs")
	}
	o := BaseOptions{Precision: Precision(os.Getenv("DOCENT_MEMORY_PRECISION"))}
	if os.Getenv("DOCENT_BACKEND") != "" {
		o.Backend = golden.Backend(t)
	}
	b, err := OpenBase(t.Context(), dir, o)
	require.NoError(t, err)
	defer b.Close()
	c := DefaultConfig()
	c.Rank, c.BatchSize, c.MaxSeqLen, c.MicroTokens, c.Epochs, c.MaxSteps = 8, 1, 256, 256, 0, 2
	tr, err := NewTrainer(b, c, Options{Recompute: os.Getenv("DOCENT_MEMORY_RECOMPUTE") == "true"})
	require.NoError(t, err)
	defer tr.Close()
	r := rand.New(rand.NewPCG(1, 2))
	train := &Examples{}
	for range c.MaxSteps * c.BatchSize {
		x := example{ids: make([]int32, c.MaxSeqLen), trained: all(c.MaxSeqLen)}
		for i := range x.ids {
			x.ids[i] = 3 + r.Int32N(200)
		}
		train.add(x, c.MaxSeqLen)
	}
	m, err := tr.Memory(train)
	require.NoError(t, err)
	for s, err := range tr.Steps(t.Context(), train) {
		require.NoError(t, err)
		t.Log(s.Elapsed)
	}
	fmt.Println(m)
	fmt.Printf("predicted %.0f peak %.0f\n", float64(m.Total())/(1<<20), peakMB())
}
