package weights

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/lm"
)

func writeFile(t testing.TB, name string, data []byte) string {
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, data, 0o600))
	return path
}

func openGGUFBytes(t testing.TB, data []byte) (*GGUF, error) {
	g, err := OpenGGUF(writeFile(t, "model.gguf", data))
	if err == nil {
		t.Cleanup(func() { assert.NoError(t, g.Close()) })
	}
	return g, err
}

// A model of each family, converted to the conventions of GGUF, comes back as it was: names, values, configuration.
func TestGGUFRoundTrip(t *testing.T) {
	for name, text := range tinyConfigs {
		t.Run(name, func(t *testing.T) {
			want := tinyConfig(t, text)
			values := randomModel(want)
			g, err := openGGUFBytes(t, toGGUF(want, values).bytes())
			require.NoError(t, err)

			got, err := g.Config()
			require.NoError(t, err)
			want.Source = nil
			assert.Equal(t, want, got)
			require.NoError(t, Check(Expected(got), g))
			assert.Equal(t, values, readAll(t, g))
			requireReadFrom(t, g)
		})
	}
}

// requireReadFrom reads every tensor by parts of odd sizes.
func requireReadFrom(t *testing.T, src Source) {
	t.Helper()
	for name, want := range readAll(t, src) {
		size := max(1, len(want)/3-1)
		for start := 0; start < len(want); start += size {
			got := make([]float32, min(size, len(want)-start))
			require.NoError(t, src.ReadFrom(name, start, got))
			require.Equal(t, want[start:start+len(got)], got, "%s from %d on", name, start)
		}
		require.NoError(t, src.ReadFrom(name, len(want), nil))
		for _, start := range []int{-1, len(want)} {
			require.ErrorContains(t, src.ReadFrom(name, start, make([]float32, 1)), "are not in shape")
		}
	}
}

func TestReadFromSeveralPieces(t *testing.T) {
	values := make([]float32, 3*pieceElements+100)
	for i := range values {
		values[i] = float32(i)
	}
	requireReadFrom(t, written(t, map[string][]int{"x": {len(values)}}, map[string][]float32{"x": values}))
}

func TestGGUFVersion2AndAlignment(t *testing.T) {
	c := tinyConfig(t, tinyConfigs["llama"])
	values := randomModel(c)
	f := toGGUF(c, values)
	f.version, f.align = 2, 128
	f.set("general.alignment", uint32(128))
	g, err := openGGUFBytes(t, f.bytes())
	require.NoError(t, err)
	assert.Equal(t, values, readAll(t, g))
}

// Quantised rows of q are reordered after they are decoded; the tensor has several pieces, and both destinations agree.
func TestGGUFQuantisedRowsAreUnpermuted(t *testing.T) {
	c := tinyConfig(t, tinyConfigs["llama"])
	f := toGGUF(c, randomModel(c))
	name, rows := "model.layers.1.self_attn.q_proj.weight", c.QDim()
	raw := make([]byte, rows*34)
	for row := range rows { // Q8_0: the scale is 1, the values are the number of the stored row
		block := raw[row*34:][:34]
		binary.LittleEndian.PutUint16(block, 0x3C00)
		for i := range 32 {
			block[2+i] = byte(row)
		}
	}
	for i := range f.tensors {
		if f.tensors[i].name == "blk.1.attn_q.weight" {
			f.tensors[i].kind, f.tensors[i].data = 8, raw
		}
	}
	g, err := openGGUFBytes(t, f.bytes())
	require.NoError(t, err)
	got := make([]float32, rows*32)
	require.NoError(t, g.Read(name, got))
	for row := range rows {
		head, r := row/c.HeadDim, row%c.HeadDim
		i, j := r/(c.HeadDim/2), r%(c.HeadDim/2)
		want := float32(head*c.HeadDim + 2*j + i)
		assert.Equal(t, want, got[row*32], "row %d", row)
	}
}

func TestGGUFMetadata(t *testing.T) {
	c := tinyConfig(t, tinyConfigs["llama"])
	f := toGGUF(c, randomModel(c))
	f.set("x.float", float32(1e-5))
	f.set("x.int", int32(-3))
	f.set("x.big", uint64(1)<<40)
	f.set("x.bool", true)
	f.set("x.strings", []string{"Ġa", "", "b"})
	f.set("x.ints", []int32{1, -2})
	f.set("x.bools", []bool{true, false})
	g, err := openGGUFBytes(t, f.bytes())
	require.NoError(t, err)
	m := g.Metadata()

	float, ok := m.Float("x.float")
	assert.True(t, ok)
	assert.Equal(t, 1e-5, float, "a float32 comes as the decimal number that was meant")
	n, _ := m.Int("x.int")
	assert.Equal(t, -3, n)
	n, _ = m.Int("x.big")
	assert.Equal(t, 1<<40, n)
	b, _ := m.Bool("x.bool")
	assert.True(t, b)
	s, _ := m.Strings("x.strings")
	assert.Equal(t, []string{"Ġa", "", "b"}, s)
	ints, _ := m.Ints("x.ints")
	assert.Equal(t, []int{1, -2}, ints)
	ints, _ = m.Ints("x.bools")
	assert.Equal(t, []int{1, 0}, ints)
	_, ok = m.Int("x.float")
	assert.False(t, ok, "a float is not an int")
	assert.True(t, m.Has("x.float"))
	assert.Equal(t, []int{1, -2}, m.Map()["x.ints"])
	assert.False(t, m.Has("x.none"))
	float, ok = m.Float("x.int")
	assert.True(t, ok)
	assert.Equal(t, -3.0, float)
}

// Each fault of a file is found when it is opened, and the message says which file, what and where.
func TestGGUFRefusesFaults(t *testing.T) {
	c := tinyConfig(t, tinyConfigs["llama"])
	good := func() *ggufFile { return toGGUF(c, randomModel(c)) }
	with := func(change func(*ggufFile)) []byte {
		f := good()
		change(f)
		return f.bytes()
	}
	patch := func(at int, v uint64) []byte {
		data := good().bytes()
		binary.LittleEndian.PutUint64(data[at:], v)
		return data
	}
	whole := good().bytes()
	for name, f := range map[string]struct {
		data []byte
		is   error
		says string
	}{
		"empty":           {nil, ErrFormat, "ends within the header"},
		"magic":           {append([]byte("gguf"), whole[4:]...), ErrFormat, `"gguf"`},
		"version 1":       {with(func(f *ggufFile) { f.version = 1 }), lm.ErrUnsupported, "version 1"},
		"big-endian":      {with(func(f *ggufFile) { f.version = 3 << 24 }), lm.ErrUnsupported, "big-endian"},
		"header cut":      {whole[:200], ErrFormat, "does not fit in the file"},
		"data cut":        {whole[:len(whole)-4096], ErrFormat, "lie outside the file"},
		"many tensors":    {patch(8, math.MaxUint64), ErrFormat, "dimensions"},
		"many pairs":      {patch(16, math.MaxUint64), ErrFormat, ""},
		"long key":        {patch(24, 1<<50), ErrFormat, "does not fit"},
		"double key":      {with(func(f *ggufFile) { f.set("general.architecture", "llama") }), ErrFormat, "general.architecture"},
		"no architecture": {with(func(f *ggufFile) { f.pairs = f.pairs[1:] }), ErrFormat, "general.architecture"},
		"architecture":    {with(func(f *ggufFile) { f.pairs[0].value = "gptneox" }), lm.ErrUnsupported, `"gptneox"; docent reads apertus, cohere2`},
		"not a model":     {with(func(f *ggufFile) { f.pairs[1].value = "adapter" }), lm.ErrUnsupported, "adapter"},
		"split":           {with(func(f *ggufFile) { f.set("split.count", uint32(3)) }), ErrFormat, "it is file 1 of 3"},
		"alignment":       {with(func(f *ggufFile) { f.set("general.alignment", uint32(33)) }), ErrFormat, "power of two"},
		"alignment type":  {with(func(f *ggufFile) { f.set("general.alignment", "x") }), ErrFormat, "power of two"},
		"misaligned":      {with(func(f *ggufFile) { f.align = 16; f.tensors[0].data = make([]byte, 16) }), ErrFormat, "not a multiple of 32"},
		"double tensor":   {with(func(f *ggufFile) { f.tensors[1].name = f.tensors[0].name }), ErrFormat, "twice"},
		"double meaning":  {with(func(f *ggufFile) { f.tensors[0].name = "model.norm.weight" }), ErrFormat, "twice"},
		"unknown types": {with(func(f *ggufFile) { f.tensors[0].kind, f.tensors[1].kind, f.tensors[2].kind = 18, 18, 99 }),
			lm.ErrUnsupported, "2 of type IQ3_XXS, 1 of type number 99"},
		"half a block":  {with(func(f *ggufFile) { f.tensors[0].kind, f.tensors[0].shape = 12, []int{4, 300} }), ErrFormat, "blocks of 256"},
		"too large":     {with(func(f *ggufFile) { f.tensors[0].shape = []int{1 << 40, 1 << 40} }), ErrFormat, "does not fit"},
		"overflow":      {with(func(f *ggufFile) { f.tensors[0].shape = []int{1 << 20, 1 << 20, 1 << 20, 1 << 20} }), ErrFormat, "too large"},
		"no dimensions": {with(func(f *ggufFile) { f.tensors[0].shape = nil }), ErrFormat, "0 dimensions"},
		"zero":          {with(func(f *ggufFile) { f.tensors[0].shape = []int{0, 4} }), ErrFormat, "dimension of 0"},
		"overlap":       {with(func(f *ggufFile) { f.tensors[0].data = nil }), ErrFormat, "overlaps"},
		"odd heads": {with(func(f *ggufFile) {
			for i := range f.tensors {
				if f.tensors[i].name == "blk.0.attn_q.weight" {
					f.tensors[i].shape = []int{23, 32}
				}
			}
		}), ErrFormat, "23 rows"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := openGGUFBytes(t, f.data)
			require.ErrorIs(t, err, f.is)
			assert.ErrorContains(t, err, "open weights model.gguf: ")
			assert.ErrorContains(t, err, f.says)
		})
	}
	_, err := OpenGGUF(filepath.Join(t.TempDir(), "none.gguf"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = OpenGGUF(t.TempDir())
	require.ErrorContains(t, err, "is a folder")
}

// What the name table does not know is kept, so that Check can report it.
func TestGGUFKeepsUnknownTensors(t *testing.T) {
	c := tinyConfig(t, tinyConfigs["llama"])
	f := toGGUF(c, randomModel(c))
	for _, name := range []string{"blk.0.attn_sinks.weight", "blk.0.attn_qkv.weight", "altup", "blk.x", "blk.attn_q.weight"} {
		f.tensors = append(f.tensors, ggufTensor{name, []int{2}, 0, floatBytes([]float32{1, 2})})
	}
	g, err := openGGUFBytes(t, f.bytes())
	require.NoError(t, err)
	var mismatch *CheckError
	require.ErrorAs(t, Check(Expected(c), g), &mismatch)
	assert.Equal(t, []string{"altup", "blk.0.attn_qkv.weight", "blk.0.attn_sinks.weight", "blk.attn_q.weight", "blk.x"}, mismatch.Unused)
	assert.Empty(t, mismatch.Missing)
}

func TestReadsAreConcurrent(t *testing.T) {
	c := tinyConfig(t, tinyConfigs["gemma3"])
	values := randomModel(c)
	g, err := openGGUFBytes(t, toGGUF(c, values).bytes())
	require.NoError(t, err)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for _, x := range g.Tensors() {
				v := make([]float32, x.Size())
				if assert.NoError(t, g.Read(x.Name, v)) {
					assert.Equal(t, values[x.Name], v)
				}
			}
		})
	}
	group.Wait()
}

func TestReadFaults(t *testing.T) {
	c := tinyConfig(t, tinyConfigs["llama"])
	path := writeFile(t, "model.gguf", toGGUF(c, randomModel(c)).bytes())
	g, err := OpenGGUF(path)
	require.NoError(t, err)

	require.ErrorIs(t, g.Read("none", nil), ErrNotFound)
	err = g.Read("model.norm.weight", make([]float32, 31))
	require.ErrorContains(t, err, `read weights model.gguf: tensor "output_norm.weight": destination has 31 elements, shape [32] needs 32`)

	require.NoError(t, os.Truncate(path, 4096)) // the file shrinks under an open reader
	last := g.Tensors()[0].Name
	for _, x := range g.Tensors() {
		if strings.Contains(x.Name, "v_proj") {
			last = x.Name
		}
	}
	require.ErrorContains(t, g.Read(last, make([]float32, 12*32)), "unexpected EOF")

	require.NoError(t, g.Close())
	require.NoError(t, g.Close())
	require.ErrorIs(t, g.Read("model.norm.weight", make([]float32, 32)), fs.ErrClosed)
	var typed *Error
	require.ErrorAs(t, g.Read("model.norm.weight", make([]float32, 32)), &typed)
	assert.Equal(t, "model.norm.weight", typed.Tensor)
}

// The rotary factors of every plausible llama3 scaling lead back to parameters that yield them.
func TestGGUFLlama3Scaling(t *testing.T) {
	for _, r := range []lm.Rope{
		{Theta: 500000, Factor: 8, LowFreq: 1, HighFreq: 4, OriginalContext: 8192},
		{Theta: 500000, Factor: 32, LowFreq: 1, HighFreq: 4, OriginalContext: 8192},
		{Theta: 10000, Factor: 8, LowFreq: 1, HighFreq: 4, OriginalContext: 32},
		{Theta: 10000, Factor: 4, LowFreq: 1, HighFreq: 4, OriginalContext: 3000},
		{Theta: 10000, Factor: 2.5, LowFreq: 2, HighFreq: 7, OriginalContext: 4097},
		{Theta: 100000, Factor: 16, LowFreq: 3, HighFreq: 20, OriginalContext: 1000},
	} {
		for _, headDim := range []int{12, 64, 128} {
			r.Type = lm.RopeLlama3
			c := tinyConfig(t, tinyConfigs["llama"])
			c.HeadDim, c.RotaryDim, c.Ropes = headDim, headDim, []lm.Rope{r}
			want := llama3Factors(r, headDim)
			g, err := openGGUFBytes(t, toGGUF(c, randomModel(c)).bytes())
			require.NoError(t, err)
			got, err := g.Config()
			require.NoError(t, err, "%+v, head %d", r, headDim)
			if r.LowFreq == 1 && r.HighFreq == 4 && r.OriginalContext != 3000 { // what models have, by its name
				require.Equal(t, lm.RopeLlama3, got.Ropes[0].Type)
			}
			plain := lm.Rope{Type: lm.RopeDefault, Theta: r.Theta}.Frequencies(headDim, 1)
			for i, f := range got.Ropes[0].Frequencies(headDim, c.MaxPositions+1) {
				assert.InEpsilon(t, want[i], plain[i]/f, 2e-4, "%+v, head %d, factor %d: %+v", r, headDim, i, got.Ropes[0])
			}
		}
	}
}

func TestGGUFOtherRotaryFactors(t *testing.T) {
	c := tinyConfig(t, tinyConfigs["llama"])
	for name, factors := range map[string][]float32{
		"wrong number": {1, 2}, "zero": {0, 0, 0},
		"not a number": {float32(math.NaN()), 1, 2},
	} {
		f := toGGUF(c, randomModel(c))
		f.tensors = append(f.tensors, ggufTensor{"rope_freqs.weight", []int{len(factors)}, 0, floatBytes(factors)})
		g, err := openGGUFBytes(t, f.bytes())
		require.NoError(t, err)
		_, err = g.Config()
		assert.ErrorContains(t, err, "rope_freqs", name)
	}
	for factors, want := range map[[3]float32]lm.RopeType{{1, 1, 1}: lm.RopeDefault, {4, 4, 4}: lm.RopeLinear, {1, 8, 2}: lm.RopeLong, {0.5, 0.7, 0.9}: lm.RopeLong} {
		f := toGGUF(c, randomModel(c))
		f.tensors = append(f.tensors, ggufTensor{"rope_freqs.weight", []int{3}, 0, floatBytes(factors[:])})
		g, err := openGGUFBytes(t, f.bytes())
		require.NoError(t, err)
		got, err := g.Config()
		require.NoError(t, err)
		assert.Equal(t, want, got.Ropes[0].Type)
	}
}

// TestGGUFSplit: a model over several files is read from the first, whatever the order of the tensors.
func TestGGUFSplit(t *testing.T) {
	for _, family := range []string{"llama", "apertus"} { // which has tensors in the header, too
		t.Run(family, func(t *testing.T) { testSplit(t, tinyConfig(t, `{"model_type":"`+family+`","head_dim":6}`)) })
	}
}

func testSplit(t *testing.T, c lm.Config) {
	values := randomModel(c)
	whole := toGGUF(c, values)
	dir := t.TempDir()
	const count = 3
	write := func(total int) {
		for i := range count {
			part := &ggufFile{version: whole.version, align: whole.align}
			if i == 0 { // as llama-gguf-split does: the others say nothing of the model
				part.pairs = slices.Clone(whole.pairs)
			}
			part.set("split.no", uint32(i))
			part.set("split.count", uint32(count))
			part.set("split.tensors.count", int32(total))
			for j, x := range whole.tensors {
				if j%count == i {
					part.tensors = append(part.tensors, x)
				}
			}
			name := fmt.Sprintf("m-%05d-of-%05d.gguf", i+1, count)
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), part.bytes(), 0o600))
		}
	}
	write(len(whole.tensors))
	first := filepath.Join(dir, "m-00001-of-00003.gguf")
	g, err := OpenGGUF(first)
	require.NoError(t, err)
	defer g.Close()
	require.NoError(t, g.Join(c.Params(), c.GGUFPieces))
	require.NoError(t, Check(Expected(c), g))
	assert.Equal(t, values, readAll(t, g))

	_, err = OpenGGUF(filepath.Join(dir, "m-00002-of-00003.gguf"))
	require.ErrorContains(t, err, "general.architecture")
	write(99)
	_, err = OpenGGUF(first)
	require.ErrorContains(t, err, "not 99")
	require.NoError(t, os.Remove(filepath.Join(dir, "m-00003-of-00003.gguf")))
	_, err = OpenGGUF(first)
	require.ErrorIs(t, err, os.ErrNotExist)
}
