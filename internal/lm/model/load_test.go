//go:build !race

// The race detector takes several times the memory.

package model_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/device"
	"github.com/docent-ml/docent/internal/golden"
	"github.com/docent-ml/docent/internal/lm"
	"github.com/docent-ml/docent/internal/lm/cpu"
	"github.com/docent-ml/docent/internal/lm/model"
	"github.com/docent-ml/docent/internal/lm/weights"
)

// midsize is a model of 150 MB in the proportions of SmolLM2-135M: what is needed beside weights is lost in it, and
// its embedding is a fifth of it.
const midsize = `{"model_type":"llama","vocab_size":16384,"hidden_size":512,"intermediate_size":1536,"num_hidden_layers":10,
	"num_attention_heads":8,"num_key_value_heads":2,"max_position_embeddings":128,"rms_norm_eps":1e-5,"tie_word_embeddings":true}`

// TestMemoryWhileLoading: the peak stays under 1.3 times the size of the weights. Children load, since a process knows
// only the peak of its whole life.
func TestMemoryWhileLoading(t *testing.T) {
	if how := os.Getenv("DOCENT_TEST_LOAD"); how != "" {
		loadingChild(t, how)
		return
	}
	if memory(t, "VmHWM") == 0 {
		t.Skip("this system does not tell the peak of a process's memory")
	}
	c, err := lm.ParseConfig([]byte(midsize))
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config.json"), []byte(midsize), 0o644))
	var tensors []weights.Tensor
	for _, p := range c.Params() {
		tensors = append(tensors, weights.Tensor{Name: p.Name, Shape: p.Shape, DType: weights.F32})
	}
	fill := func(_ string, dst []float32) error {
		for i := range dst {
			dst[i] = float32(i%7) / 100
		}
		return nil
	}
	require.NoError(t, weights.Write(t.Context(), dir, tensors, fill, weights.WriteOptions{}))
	size := float64(4 * c.NumParams())
	require.Greater(t, size, 120e6)

	int8s := size / 4 * 9 / 8 // a byte each, and a float32 for 32 of them
	for how, size := range map[string]float64{
		"backend": size, "transposed": size, "bf16": size / 2, "bf16 transposed": size / 2, "own code": size, "int8": int8s,
	} {
		t.Run(how, func(t *testing.T) {
			if strings.HasPrefix(how, "bf16") && device.Check(golden.Backend(t), dtypes.BFloat16) != nil {
				t.Skip("this backend refuses bfloat16")
			}
			child := exec.Command(os.Args[0], "-test.run=^TestMemoryWhileLoading$", "-test.v")
			child.Env = append(os.Environ(), "DOCENT_TEST_LOAD="+how, "DOCENT_TEST_MODEL="+dir)
			out, err := child.CombinedOutput()
			require.NoError(t, err, "%s", out)
			_, answer, found := strings.Cut(string(out), "peak: ")
			require.True(t, found, "%s", out)
			var peak float64
			require.NoError(t, json.NewDecoder(strings.NewReader(answer)).Decode(&peak))
			assert.Greater(t, peak, 0.9*size, "the weights are there")
			assert.Less(t, peak, 1.3*size)
			t.Logf("%.2f times the weights", peak/size)
		})
	}
}

// loadingChild tells by how many bytes loading raised the largest size of the process.
func loadingChild(t *testing.T, how string) {
	var o model.Options
	storage := cpu.F32
	if how == "int8" {
		storage = cpu.Int8
	}
	kept := cpu.NewWeights(storage)
	if how == "own code" || how == "int8" {
		o.Keep = kept.Take
	} else {
		o.Backend, o.Transposed = golden.Backend(t), strings.HasSuffix(how, "transposed")
		if strings.HasPrefix(how, "bf16") {
			o.DType = dtypes.BFloat16
		}
	}
	debug.FreeOSMemory()
	before := memory(t, "VmRSS")
	m, err := model.Open(t.Context(), os.Getenv("DOCENT_TEST_MODEL"), o)
	require.NoError(t, err)
	fmt.Printf("peak: %.0f\n", memory(t, "VmHWM")-before)
	require.NoError(t, m.Close())
	runtime.KeepAlive(kept) // else it could be collected before it is measured
}

// memory reads a size in bytes from what Linux tells of the process, 0 elsewhere.
func memory(t *testing.T, name string) float64 {
	status, err := os.ReadFile("/proc/self/status")
	if os.IsNotExist(err) {
		return 0
	}
	require.NoError(t, err)
	for line := range strings.Lines(string(status)) {
		var kb float64
		if n, _ := fmt.Sscanf(line, name+": %f kB", &kb); n == 1 {
			return kb * 1024
		}
	}
	return 0
}
