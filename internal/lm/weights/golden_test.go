package weights

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/lm"
)

// Checkpoints as save_pretrained writes them match their configuration, and survive the way to GGUF and back.
func TestGoldenTinyCheckpoints(t *testing.T) {
	root := os.Getenv("DOCENT_GOLDEN_TINY")
	if root == "" {
		root = filepath.Join("..", "..", "golden", "testdata", "tiny")
	}
	folders, err := filepath.Glob(filepath.Join(root, "*", "model", "config.json"))
	require.NoError(t, err)
	require.NotEmpty(t, folders)
	for _, path := range folders {
		dir := filepath.Dir(path)
		t.Run(filepath.Base(filepath.Dir(dir)), func(t *testing.T) {
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			c, err := lm.ParseConfig(data)
			if errors.Is(err, lm.ErrUnsupported) {
				t.Skip(err)
			}
			require.NoError(t, err)
			s, err := OpenFolder(os.DirFS(dir))
			require.NoError(t, err)
			defer s.Close()
			require.NoError(t, s.Join(c.Params(), func(p lm.Param) ([]lm.Piece, error) { return c.Pieces(p), nil }))
			require.NoError(t, Check(Expected(c), s))

			if ggufArch(c.Family) == "" || c.Ropes[0].Type == lm.RopeDynamic || c.Experts.Count > 0 && (!c.Experts.Normalized || c.Lacks != nil) {
				return // GGUF cannot say it
			}
			if c.Experts.Fused { // llama.cpp goes by the values of OpenAI's models
				c.Experts.Limit, c.Experts.Slope = 7, 1.702
			}
			values := readAll(t, s)
			g, err := openGGUFBytes(t, toGGUF(c, values).bytes())
			require.NoError(t, err)
			got, err := g.Config()
			require.NoError(t, err)
			require.NoError(t, g.Join(got.Params(), got.GGUFPieces))
			require.NoError(t, Check(Expected(got), g))
			for name, back := range readAll(t, g) {
				// The 1 added to gemma's norms costs the last bits of a small weight.
				assert.InDeltaSlice(t, values[name], back, 1e-7, name)
			}
			if c.Ropes[0].Type == lm.RopeLlama3 { // other parameters may yield the same factors
				assert.InDeltaSlice(t, llama3Factors(c.Ropes[0], c.HeadDim), llama3Factors(got.Ropes[0], c.HeadDim), 1e-3)
				got.Ropes[0] = c.Ropes[0]
			}
			if c.Ropes[0].Type == lm.RopeLong { // float32 in the file
				assert.Empty(t, c.Differences(got))
				got.Ropes[0].Magnitude, got.Ropes[0].Short, got.Ropes[0].Long = c.Ropes[0].Magnitude, c.Ropes[0].Short, c.Ropes[0].Long
			}
			if strings.HasPrefix(c.Family, "gemma") { // GGUF has no key for query_pre_attn_scalar: llama.cpp, too, goes by the model's size
				got.AttentionScale = c.AttentionScale
			}
			if c.Family == "mistral" && !slices.ContainsFunc(c.Windows, func(w int) bool { return w > 0 }) {
				got.Family = c.Family // without a window it is a llama, in GGUF and in what is computed
			}
			if c.Family == "smollm3" { // nor for these: every fourth in llama.cpp, too
				got.Rotations = c.Rotations
			}
			if yarn := &got.Ropes[0]; yarn.Type == lm.RopeYarn {
				if c.Family == "ministral3" {
					assert.InEpsilon(t, c.Ropes[0].Scale(), yarn.Scale(), 1e-6)
				}
				yarn.Magnitude, yarn.Truncate = c.Ropes[0].Magnitude, c.Ropes[0].Truncate // the converter writes neither
			}
			for _, x := range []struct{ want, got *float64 }{ // float32 in the file
				{&c.AttentionScale, &got.AttentionScale}, {&c.EmbedScale, &got.EmbedScale}, {&c.ResidualScale, &got.ResidualScale},
				{&c.LogitScale, &got.LogitScale}, {&c.QueryBeta, &got.QueryBeta}, {&c.NormEps, &got.NormEps},
			} {
				assert.InDelta(t, *x.want, *x.got, 1e-6**x.want)
				*x.got = *x.want
			}
			got.Activation = c.Activation // nor for this: llama.cpp goes by the family
			c.Source = nil
			assert.Equal(t, c, got)
		})
	}
}

// A real file gives, bit for bit, the tensors that transformers 5.23.0 loads from it.
func TestGoldenSmolLM2(t *testing.T) {
	path := os.Getenv("DOCENT_SMOLLM2")
	if path == "" {
		t.Skip("DOCENT_SMOLLM2 does not name SmolLM2-135M-Instruct.Q4_1.gguf: no real GGUF file is read")
	}
	data, err := os.ReadFile("testdata/smollm2-135m-q4_1.json")
	require.NoError(t, err)
	var want struct {
		Tensors int
		SHA256  map[string]string
		All     string
	}
	require.NoError(t, json.Unmarshal(data, &want))

	g, err := OpenGGUF(path)
	require.NoError(t, err)
	defer g.Close()
	c, err := g.Config()
	require.NoError(t, err)
	require.NoError(t, Check(Expected(c), g))
	all := sha256.New()
	found := 0
	for _, x := range g.Tensors() {
		v := make([]float32, x.Size())
		require.NoError(t, g.Read(x.Name, v))
		raw := floatBytes(v)
		all.Write(raw)
		if sum, ok := want.SHA256[x.Name]; ok {
			found++
			got := sha256.Sum256(raw)
			assert.Equal(t, sum, hex.EncodeToString(got[:]), x.Name)
		}
	}
	assert.Len(t, g.Tensors(), want.Tensors)
	assert.Len(t, want.SHA256, found)
	assert.Equal(t, want.All, hex.EncodeToString(all.Sum(nil)))
}

func BenchmarkRead(b *testing.B) {
	path := os.Getenv("DOCENT_SMOLLM2")
	if path == "" {
		b.Skip("DOCENT_SMOLLM2 does not name a .gguf file")
	}
	g, err := OpenGGUF(path)
	require.NoError(b, err)
	defer g.Close()
	var elements, largest int
	for _, x := range g.Tensors() {
		elements += x.Size()
		largest = max(largest, x.Size())
	}
	values := make([]float32, largest)
	for b.Loop() {
		for _, x := range g.Tensors() {
			require.NoError(b, g.Read(x.Name, values[:x.Size()]))
		}
	}
	b.ReportMetric(float64(elements)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mvalues/s")
}
