// Package golden gives tests the reference values that transformers and PEFT computed, and the backend to compare them
// on. Tests never rewrite them.
//
// testdata/tiny holds one small random checkpoint per family; DOCENT_GOLDEN_TINY names another folder of that layout.
// The values of SmolLM2-135M-Instruct are read where DOCENT_GOLDEN_SMOLLM2 and DOCENT_SMOLLM2 (its GGUF file) point,
// on the backend that DOCENT_BACKEND names, "go" when it names none.
package golden

import (
	"encoding/binary"
	"encoding/json"
	"maps"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	_ "github.com/gomlx/compute/gobackend" // backend "go"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/lm"
	"github.com/docent-ml/docent/internal/lm/weights"
)

// Backend opens the backend under test and closes it with the test.
func Backend(t testing.TB) compute.Backend {
	t.Helper()
	name := os.Getenv("DOCENT_BACKEND")
	if name == "" {
		name = "go"
	}
	b, err := compute.NewWithConfig(name)
	require.NoError(t, err, "DOCENT_BACKEND=%s", name)
	t.Cleanup(b.Finalize)
	return b
}

// Tiny lists the folders of the tiny layout, without families that docent refuses by the part they need.
func Tiny(t testing.TB) []string {
	t.Helper()
	root := os.Getenv("DOCENT_GOLDEN_TINY")
	if root == "" {
		_, here, _, ok := runtime.Caller(0)
		require.True(t, ok)
		root = filepath.Join(filepath.Dir(here), "testdata", "tiny")
	}
	return slices.DeleteFunc(folders(t, root, "run.json"), func(dir string) bool {
		family := JSON[struct {
			Name string `json:"model_type"`
		}](t, dir, "model", "config.json").Name
		part := lm.Missing(family)
		if part != "" {
			t.Logf("%s is left out: it needs %s", family, part)
		}
		return part != ""
	})
}

// WriteTokenizer gives a model folder of the tiny layout a tokenizer: the first ids of one with 160, without merges.
func WriteTokenizer(t testing.TB, dir string) {
	t.Helper()
	_, here, _, ok := runtime.Caller(0)
	require.True(t, ok)
	require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Join(filepath.Dir(here), "..", "ci", "testdata", "tokenizer"))))
	name := filepath.Join(dir, "tokenizer.json")
	doc := JSON[map[string]any](t, name)
	model, size := doc["model"].(map[string]any), JSON[map[string]any](t, dir, "config.json")["vocab_size"]
	maps.DeleteFunc(model["vocab"].(map[string]any), func(_ string, id any) bool { return id.(float64) >= size.(float64) })
	model["merges"] = []string{}
	data, err := json.Marshal(doc)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(name, data, 0o644))
}

// SmolLM2 returns the GGUF file and the folders of the smollm2-135m layout; the test is skipped where they are not
// named.
func SmolLM2(t testing.TB) (gguf string, dirs []string) {
	t.Helper()
	gguf, root := os.Getenv("DOCENT_SMOLLM2"), os.Getenv("DOCENT_GOLDEN_SMOLLM2")
	if gguf == "" || root == "" {
		t.Skip("DOCENT_SMOLLM2 (a .gguf file) and DOCENT_GOLDEN_SMOLLM2 (a folder of reference values) are not set; make test-full sets them")
	}
	if _, err := os.Stat(filepath.Join(root, "generate.json")); err == nil {
		return gguf, []string{root}
	}
	return gguf, folders(t, root, "generate.json")
}

// BenchModel is the model that benchmarks run on, a folder or a GGUF file; the benchmark is skipped where none is named.
func BenchModel(b *testing.B) string {
	b.Helper()
	ref := os.Getenv("DOCENT_BENCH_MODEL")
	if ref == "" {
		b.Skip("DOCENT_BENCH_MODEL (a model folder or .gguf file) is not set")
	}
	return ref
}

// LoRARuns lists the folders in dir that hold a LoRA run.
func LoRARuns(t testing.TB, dir string) []string {
	t.Helper()
	return folders(t, dir, "run.json")
}

// folders are the sub-folders of root that have a file of that name.
func folders(t testing.TB, root, file string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(root, "*", file))
	require.NoError(t, err)
	require.NotEmpty(t, found, "no folder in %s has a %s", root, file)
	for i := range found {
		found[i] = filepath.Dir(found[i])
	}
	return found
}

// JSON decodes a reference file.
func JSON[T any](t testing.TB, path ...string) T {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(path...))
	require.NoError(t, err)
	var v T
	require.NoError(t, json.Unmarshal(data, &v), path)
	return v
}

// Floats reads a float tensor of a safetensors file and its shape.
func Floats(t testing.TB, dir, file, name string) (values []float32, shape []int) {
	t.Helper()
	src, err := weights.OpenSafetensors(os.DirFS(dir), file)
	require.NoError(t, err)
	defer src.Close()
	i := slices.IndexFunc(src.Tensors(), func(x weights.Tensor) bool { return x.Name == name })
	require.GreaterOrEqual(t, i, 0, "no tensor %s in %s/%s", name, dir, file)
	x := src.Tensors()[i]
	values = make([]float32, x.Size())
	require.NoError(t, src.Read(name, values))
	return values, x.Shape
}

// Ints reads a tensor of int32 and its shape.
func Ints(t testing.TB, dir, file, name string) (values []int32, shape []int) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, file))
	require.NoError(t, err)
	header := 8 + int(binary.LittleEndian.Uint64(data))
	var tensors map[string]struct {
		DType   string
		Shape   []int
		Offsets []int `json:"data_offsets"`
	}
	require.NoError(t, json.Unmarshal(data[8:header], &tensors))
	x := tensors[name]
	require.Equal(t, "I32", x.DType, "%s/%s: %s", dir, file, name)
	values = make([]int32, (x.Offsets[1]-x.Offsets[0])/4)
	_, err = binary.Decode(data[header+x.Offsets[0]:], binary.LittleEndian, values)
	require.NoError(t, err)
	return values, x.Shape
}

// Close compares all values, tolerating differences up to tolerance times the largest wanted one, and names the worst.
func Close(t testing.TB, want, got []float32, tolerance float64, what string) {
	t.Helper()
	require.Len(t, got, len(want), what)
	var top, worst float64
	at := 0
	for i := range want {
		top = max(top, math.Abs(float64(want[i])))
		diff := math.Abs(float64(got[i]) - float64(want[i]))
		if diff > worst || math.IsNaN(diff) {
			worst, at = diff, i
		}
	}
	require.LessOrEqual(t, worst, tolerance*top, "%s: largest difference at %d: want %g, got %g", what, at, want[at], got[at])
	t.Logf("%s: largest difference %.2g of %.3g", what, worst, top)
}

// TinyRun is run.json of the tiny layout.
type TinyRun struct {
	Greedy struct {
		Prompt []int32 `json:"prompt_ids"`
		New    []int32 `json:"new_ids"`
	} `json:"greedy"`
	LoRA LoRARun `json:"lora"`
}

// LoRARun is what PEFT was told, and what came out.
type LoRARun struct {
	Rank      int         `json:"r"`
	Alpha     float64     `json:"lora_alpha"`
	Targets   Targets     `json:"target_modules"`
	Optimizer Optimizer   `json:"optimizer"`
	Batches   [][][]int32 `json:"batches"`
	// OddBatches says in words which row of every second batch ends where: its rest is padding.
	OddBatches string    `json:"odd_batches"`
	Losses     []float64 `json:"losses"`
	GradNorm   float64   `json:"grad_norm_step0"`
}

// Optimizer is the AdamW of a reference run.
type Optimizer struct {
	Rate  float64 `json:"lr"`
	Decay float64 `json:"weight_decay"`
}

// Targets is a list of modules, or one word, in JSON.
type Targets []string

// UnmarshalJSON reads both forms.
func (x *Targets) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*x = Targets{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(x))
}

// SmolRun is run.json of a LoRA run on SmolLM2.
type SmolRun struct {
	LoRARun
	EvalBatches      [][][]int32 `json:"eval_batches"`
	EvalBefore       float64     `json:"eval_loss_before"`
	EvalAfter        float64     `json:"eval_loss_after"`
	PerplexityBefore float64     `json:"perplexity_before"`
	PerplexityAfter  float64     `json:"perplexity_after"`
}

// Generation is an entry of generate.json.
type Generation struct {
	Messages []struct{ Role, Content string } `json:"messages"`
	Text     string                           `json:"text"`
	IDs      []int32                          `json:"ids"`
	Greedy   []int32                          `json:"greedy_ids"`
	Top      [][2]float64                     `json:"top10_next"` // id, log probability
	Guarded  []int32                          `json:"greedy_rep1.2_ngram3_ids"`
}
