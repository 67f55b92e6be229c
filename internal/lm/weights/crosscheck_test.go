package weights

import (
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	_ "github.com/gomlx/compute/gobackend"
	"github.com/gomlx/go-huggingface/models/gguf"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"
)

// TestGoldenSmolLM2OtherReader compares what go-huggingface's GGUF reader returns, where it can be trusted: in files
// whose tensors are listed in the order of their offsets, and for tensors that are stored as they are used.
func TestGoldenSmolLM2OtherReader(t *testing.T) {
	path := os.Getenv("DOCENT_SMOLLM2")
	if path == "" {
		t.Skip("DOCENT_SMOLLM2 (a .gguf file) is not set")
	}
	backend, err := compute.NewWithConfig("go")
	require.NoError(t, err)
	defer backend.Finalize()
	ours, err := OpenGGUF(path)
	require.NoError(t, err)
	defer ours.Close()
	file, err := gguf.Open(path)
	require.NoError(t, err)
	reader, err := gguf.NewReader(file)
	require.NoError(t, err)
	defer reader.Close()

	names := map[string]string{"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}
	for i := range 3 {
		for theirs, name := range map[string]string{"ffn_gate": "gate_proj", "ffn_up": "up_proj", "ffn_down": "down_proj"} {
			names[fmt.Sprintf("blk.%d.%s.weight", i, theirs)] = fmt.Sprintf("model.layers.%d.mlp.%s.weight", i, name)
		}
	}
	for theirs, name := range names {
		info, ok := file.GetTensorInfo(theirs)
		require.True(t, ok, theirs)
		if info.Name != theirs {
			t.Skipf("go-huggingface returns %q for %q: the file is not in offset order", info.Name, theirs)
		}
		x, err := reader.ReadTensor(backend, theirs)
		require.NoError(t, err)
		want, err := tensors.CopyFlatData[float32](x)
		require.NoError(t, err)
		got := make([]float32, len(want))
		require.NoError(t, ours.Read(name, got), name)
		require.True(t, slices.Equal(want, got), name)
	}
}
