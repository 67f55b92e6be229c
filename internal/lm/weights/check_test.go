package weights

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// written stores tensors and opens them again.
func written(t testing.TB, shapes map[string][]int, values map[string][]float32) *Safetensors {
	dir := t.TempDir()
	require.NoError(t, Write(t.Context(), dir, tensorsOf(shapes, F32), fillFrom(values), WriteOptions{}))
	s, err := OpenFolder(os.DirFS(dir))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	return s
}

// hidden offers nothing but the interface.
type hidden struct{ Source }

func TestCheckListsEverything(t *testing.T) {
	s := written(t, map[string][]int{"a": {2}, "b": {3, 1}, "extra": {1}, "lm_head.weight": {9, 9}, "other": {1}}, nil)
	err := Check(map[string][]int{"a": {2}, "b": {1, 3}, "gone": {1}, "lost": {2}, "model.embed_tokens.weight": {4, 2}}, s)
	var e *CheckError
	require.ErrorAs(t, err, &e)
	assert.Equal(t, &CheckError{
		Missing: []string{"gone", "lost", "model.embed_tokens.weight"},
		Unused:  []string{"extra", "lm_head.weight", "other"},
		Shapes:  []ShapeMismatch{{"b", []int{3, 1}, []int{1, 3}}},
	}, e)
	assert.EqualError(t, err, "the checkpoint does not match its configuration; 3 missing: gone, lost, model.embed_tokens.weight; "+
		"3 unused: extra, lm_head.weight, other; 1 of another shape: b [3 1] instead of [1 3]")
}

func TestCheckHarmlessSurplus(t *testing.T) {
	expected := map[string][]int{"model.embed_tokens.weight": {3, 2}}
	shapes := map[string][]int{"model.embed_tokens.weight": {3, 2}, "lm_head.weight": {3, 2}, "model.layers.0.self_attn.rotary_emb.inv_freq": {4}}
	values := map[string][]float32{"model.embed_tokens.weight": {1, 2, 3, 4, 5, 6}, "lm_head.weight": {1, 2, 3, 4, 5, 6}}
	same := written(t, shapes, values)
	require.NoError(t, Check(expected, same))
	require.NoError(t, Check(expected, hidden{same}))

	values["lm_head.weight"] = []float32{1, 2, 3, 4, 5, 7}
	differs := written(t, shapes, values)
	for _, src := range []Source{differs, hidden{differs}} {
		var e *CheckError
		require.ErrorAs(t, Check(expected, src), &e)
		assert.Equal(t, []string{"lm_head.weight"}, e.Tied)
		assert.ErrorContains(t, e, "set tie_word_embeddings to false")
	}
	require.NoError(t, differs.Close())
	require.Error(t, Check(expected, differs), "a read that fails is not a verdict")
}

// The number of parameters of each family, by formula.
func TestExpectedCountsParameters(t *testing.T) {
	for name, text := range tinyConfigs {
		c := tinyConfig(t, text)
		h, f, q, kv := c.HiddenSize, c.IntermediateSize, c.QDim(), c.KVDim()
		perLayer := h*(q+2*kv) + q*h + 3*h*f + 2*h
		switch name {
		case "llama-biases":
			perLayer += q + 2*kv + h + 2*f + h
		case "qwen2":
			perLayer += q + 2*kv
		case "qwen3":
			perLayer += 2 * c.HeadDim
		case "gemma3":
			perLayer += 2*c.HeadDim + 2*h
		}
		want := c.VocabSize*h + h + c.Layers*perLayer
		if !c.TieEmbeddings {
			want += c.VocabSize * h
		}
		got := 0
		for _, shape := range Expected(c) {
			got += Tensor{Shape: shape}.Size()
		}
		assert.Equal(t, want, got, name)
	}
}
