package weights

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func listing(t testing.TB, dir string) []string {
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestWriteReadsBack(t *testing.T) {
	c := tinyConfig(t, tinyConfigs["llama-biases"])
	values := randomModel(c)
	for _, dtype := range []DType{F32, BF16} {
		for name, o := range map[string]WriteOptions{
			"single":   {},
			"sharded":  {ShardBytes: 20_000},
			"one each": {ShardBytes: 1},
			"metadata": {Metadata: map[string]string{"origin": "a \"test\" <ü>"}},
		} {
			t.Run(name+" "+string(dtype), func(t *testing.T) {
				dir := t.TempDir()
				tensors := tensorsOf(Expected(c), dtype)
				require.NoError(t, Write(t.Context(), dir, tensors, fillFrom(values), o))
				s, err := OpenFolder(os.DirFS(dir))
				require.NoError(t, err)
				defer s.Close()
				assert.Equal(t, tensors, s.Tensors())
				assert.Equal(t, values, readAll(t, s))
				assert.Equal(t, "pt", s.Metadata()["format"])
				assert.Equal(t, o.Metadata["origin"], s.Metadata()["origin"])
				require.NoError(t, Check(Expected(c), s))

				for _, n := range listing(t, dir) {
					info, err := os.Stat(filepath.Join(dir, n))
					require.NoError(t, err)
					if runtime.GOOS != "windows" {
						assert.Equal(t, os.FileMode(0o644), info.Mode().Perm(), n)
					}
					if o.ShardBytes > 1 && filepath.Ext(n) == ".safetensors" {
						assert.Less(t, info.Size(), o.ShardBytes+8000, n)
					}
				}
				switch o.ShardBytes {
				case 0:
					assert.Equal(t, []string{"model.safetensors"}, listing(t, dir))
				case 1:
					assert.Len(t, listing(t, dir), len(tensors)+1)
				}
			})
		}
	}
}

func TestWriteIndex(t *testing.T) {
	dir := t.TempDir()
	tensors := []Tensor{{"a", []int{2}, F32}, {"b", []int{3}, BF16}, {"c", []int{}, F32}}
	require.NoError(t, Write(t.Context(), dir, tensors, fillFrom(map[string][]float32{"a": {1, 2}, "b": {3, 4, 5}, "c": {6}}),
		WriteOptions{Name: "adapter_model", ShardBytes: 8}))
	assert.Equal(t, []string{"adapter_model-00001-of-00003.safetensors", "adapter_model-00002-of-00003.safetensors",
		"adapter_model-00003-of-00003.safetensors", "adapter_model.safetensors.index.json"}, listing(t, dir))
	data, err := os.ReadFile(filepath.Join(dir, "adapter_model.safetensors.index.json"))
	require.NoError(t, err)
	var got any
	require.NoError(t, json.Unmarshal(data, &got))
	assert.Equal(t, map[string]any{
		"metadata": map[string]any{"total_size": 18.0, "total_parameters": 6.0},
		"weight_map": map[string]any{"a": "adapter_model-00001-of-00003.safetensors", "c": "adapter_model-00002-of-00003.safetensors",
			"b": "adapter_model-00003-of-00003.safetensors"},
	}, got)
}

// The bytes of a small file: whoever changes them should know.
func TestWriteBytes(t *testing.T) {
	dir := t.TempDir()
	tensors := []Tensor{{"half", []int{1, 1}, BF16}, {"x", []int{2}, F32}}
	require.NoError(t, Write(t.Context(), dir, tensors, fillFrom(map[string][]float32{"half": {1.005}, "x": {1, -2}}), WriteOptions{}))
	data, err := os.ReadFile(filepath.Join(dir, "model.safetensors"))
	require.NoError(t, err)
	header := `{"__metadata__":{"format":"pt"},"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},` +
		`"half":{"dtype":"BF16","shape":[1,1],"data_offsets":[8,10]}}`
	for len(header)%8 != 0 {
		header += " "
	}
	assert.Equal(t, safetensorsFile(header, []byte{0, 0, 0x80, 0x3F, 0, 0, 0, 0xC0, 0x81, 0x3F}), data)
}

// Whatever goes wrong, the folder stays as it was.
func TestWriteFailureLeavesTheOldFile(t *testing.T) {
	full := []Tensor{{"a", []int{2}, F32}, {"b", []int{2}, BF16}}
	boom := errors.New("boom")
	fail := func(name string, dst []float32) error {
		if name == "b" {
			return boom
		}
		return nil
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	huge := fillFrom(map[string][]float32{"b": {math.MaxFloat32, 0}})
	for name, c := range map[string]struct {
		ctx     context.Context
		tensors []Tensor
		fill    func(string, []float32) error
		o       WriteOptions
		says    string
	}{
		"fill":           {t.Context(), full, fail, WriteOptions{}, `tensor "b": boom`},
		"cancelled":      {cancelled, full, fillFrom(nil), WriteOptions{}, "context canceled"},
		"out of range":   {t.Context(), full, huge, WriteOptions{}, `tensor "b": 3.4028235e+38 is beyond the range of bfloat16`},
		"double":         {t.Context(), []Tensor{full[0], full[0]}, fail, WriteOptions{}, "taken"},
		"reserved":       {t.Context(), []Tensor{{"__metadata__", nil, F32}}, fail, WriteOptions{}, "taken"},
		"not UTF-8":      {t.Context(), []Tensor{{"\xFF", nil, F32}}, fail, WriteOptions{}, "UTF-8"},
		"type":           {t.Context(), []Tensor{{"a", nil, "Q4_0"}}, fail, WriteOptions{}, "Q4_0"},
		"shape":          {t.Context(), []Tensor{{"a", []int{-1}, F32}}, fail, WriteOptions{}, "negative"},
		"shards":         {t.Context(), full, fillFrom(nil), WriteOptions{ShardBytes: 4}, "write to an empty folder"},
		"negative shard": {t.Context(), full, fillFrom(nil), WriteOptions{ShardBytes: -4}, "ShardBytes"},
		"name":           {t.Context(), full, fillFrom(nil), WriteOptions{Name: "../model"}, "plain file name"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, Write(t.Context(), dir, full, fillFrom(map[string][]float32{"a": {1, 2}}), WriteOptions{}))
			before, err := os.ReadFile(filepath.Join(dir, "model.safetensors"))
			require.NoError(t, err)

			err = Write(c.ctx, dir, c.tensors, c.fill, c.o)
			require.ErrorContains(t, err, c.says)
			var typed *Error
			require.ErrorAs(t, err, &typed)
			after, err := os.ReadFile(filepath.Join(dir, "model.safetensors"))
			require.NoError(t, err)
			assert.Equal(t, before, after)
			assert.Equal(t, []string{"model.safetensors"}, listing(t, dir))
		})
	}
	require.Error(t, Write(t.Context(), filepath.Join(t.TempDir(), "none"), full, fillFrom(nil), WriteOptions{}))
}

func TestWriteReplacesASingleFileOnly(t *testing.T) {
	dir := t.TempDir()
	tensors := []Tensor{{"a", []int{2}, F32}, {"b", []int{2}, F32}}
	require.NoError(t, Write(t.Context(), dir, tensors, fillFrom(map[string][]float32{"a": {1, 2}}), WriteOptions{}))
	require.NoError(t, Write(t.Context(), dir, tensors, fillFrom(map[string][]float32{"a": {3, 4}}), WriteOptions{}))
	s, err := OpenFolder(os.DirFS(dir))
	require.NoError(t, err)
	defer s.Close()
	assert.Equal(t, []float32{3, 4}, readAll(t, s)["a"])

	dir = t.TempDir()
	require.NoError(t, Write(t.Context(), dir, tensors, fillFrom(nil), WriteOptions{ShardBytes: 8}))
	before := listing(t, dir)
	require.ErrorContains(t, Write(t.Context(), dir, tensors, fillFrom(nil), WriteOptions{}), "write to an empty folder")
	assert.Equal(t, before, listing(t, dir))
	require.NoError(t, Write(t.Context(), dir, tensors, fillFrom(nil), WriteOptions{Name: "other"}), "another name is another checkpoint")
}
