package cpu

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/lm"
	"github.com/docent-ml/docent/internal/lm/weights"
)

// blockBytes are the sizes of blocks, and halvesAt where the numbers of half precision begin in them.
var (
	blockBytes = map[weights.DType]int{"Q8_0": 34, "Q4_0": 18, "Q4_1": 20, "Q4_K": 144, "Q5_K": 176, "Q6_K": 210}
	halvesAt   = map[weights.DType]int{"Q6_K": 208}
)

// randomBlocks are those of a matrix whose weights are about as large as that of a random model.
func randomBlocks(r *rand.Rand, dtype weights.DType, out, in int) weights.Blocks {
	f := weights.BlockFormats[dtype]
	size := blockBytes[dtype]
	row := in / f.Elements * size
	data := make([]byte, out*row)
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	halves := 1
	if f.Minima {
		halves = 2
	}
	for b := 0; b < len(data); b += size {
		for h := range halves {
			v := 0x1000 + uint16(r.Uint32N(0x400)) // 0.0005 to 0.001
			if f.Small {
				v -= 0xc00
			}
			if dtype == "Q4_1" && h == 1 {
				v = 0x9c00 // -0.004
			}
			data[b+halvesAt[dtype]+2*h], data[b+halvesAt[dtype]+2*h+1] = byte(v), byte(v>>8)
		}
	}
	return weights.Blocks{Format: f, Bytes: size, RowBytes: row, Read: func(first int, dst []byte) error {
		copy(dst, data[first*row:])
		return nil
	}}
}

// floatsOf are the values of blocks, made in another way than the storage does.
func floatsOf(t *testing.T, b weights.Blocks, out, in int) []float32 {
	var values []float32
	f := b.Format
	raw := make([]byte, b.RowBytes)
	for r := range out {
		require.NoError(t, b.Read(r, raw))
		for ; len(raw) > 0 && len(values) < (r+1)*in; raw = raw[b.Bytes:] {
			var u blockParts
			f.Unpack(u.q[:], u.half[:], u.small[:], raw[:b.Bytes])
			for i, q := range u.q[:f.Elements] {
				scale, least := float64(weights.FromHalf(u.half[0])), float64(weights.FromHalf(u.half[1]))
				each := 1
				if f.Minima {
					each = 2
				}
				if f.Small {
					scale, least = scale*float64(u.small[i/f.Sub*each]), least*float64(u.small[i/f.Sub*each+each-1])
				}
				switch {
				case f.Bits == 8:
					values = append(values, float32(scale*float64(int8(q))))
				case f.Minima:
					values = append(values, float32(scale*float64(q)+least))
				default:
					values = append(values, float32(scale*(float64(q)+float64(f.Bias))))
				}
			}
		}
		raw = make([]byte, b.RowBytes)
	}
	return values
}

// TestBlocks: rows, panels and products of blocks are those of the numbers that they stand for.
func TestBlocks(t *testing.T) {
	eachSet(t, func(t *testing.T, k *kernels) {
		for dtype := range weights.BlockFormats {
			testBlocks(t, k, dtype)
		}
	})
}

func testBlocks(t *testing.T, k *kernels, dtype weights.DType) {
	const out, in = 77, 512
	r := rand.New(rand.NewPCG(5, 6))
	b := randomBlocks(r, dtype, out, in)
	want := floatsOf(t, b, out, in)
	m, err := readBlocks(k, b, out, in)
	require.NoError(t, err)
	row := make([]float32, in)
	for o := range out {
		m.row(o, row)
		require.Equal(t, want[o*in:][:in], row, "%s, row %d", dtype, o)
	}
	assert.InEpsilon(t, b.RowBytes*roundUp(out, k.intRows), m.bytes(), map[bool]float64{true: 0.21, false: 0.07}[dtype == "Q5_K"], "%s: as small as in the file", dtype)

	p := newPanels(k)
	got, like := make([]float32, k.panelDepth*k.panelWidth), make([]float32, k.panelDepth*k.panelWidth)
	for _, at := range []struct{ k, depth, j int }{{0, 32, 0}, {8, 40, k.panelWidth}, {16, 21, 0}, {3, 7, 2 * k.panelWidth}} {
		n := min(k.panelWidth, in-at.j)
		m.pack(&p, got, false, at.k, at.depth, at.j, n)
		dense{want, in}.pack(&p, like, false, at.k, at.depth, at.j, n)
		require.Equal(t, like[:at.depth*k.panelWidth], got[:at.depth*k.panelWidth], "%s %+v", dtype, at)
		for j := 0; j < out; j += k.panelWidth {
			n := min(k.panelWidth, out-j)
			m.pack(&p, got, true, at.k, at.depth, j, n)
			dense{want, in}.pack(&p, like, true, at.k, at.depth, j, n)
			require.Equal(t, like[:at.depth*k.panelWidth], got[:at.depth*k.panelWidth], "%s turned %+v %d", dtype, at, j)
		}
	}

	c := newCrew(2, k)
	defer c.close()
	for _, n := range []int{1, 4, 7, 19} {
		var x, y vectors
		x.resize(n, in)
		y.resize(n, out)
		for i := range n {
			copy(x.row(i), randomFloats(r, in))
		}
		c.multiply(&x, product{m, nil, 0, n, y.floats, y.stride})
		for o := range out {
			for i := range n {
				sum := 0.0
				for j, v := range x.row(i) {
					sum += float64(v) * float64(want[o*in+j])
				}
				require.InDelta(t, sum, y.row(i)[o], 1e-3+roundingOfBytes(x.row(i), want[o*in:][:in]), "%s, row %d, vector %d of %d", dtype, o, i, n)
			}
		}
	}
}

// TestFrozenBaseInBlocks: loss and gradient are those of the same weights as floats.
func TestFrozenBaseInBlocks(t *testing.T) {
	c := oddConfig()
	c.HiddenSize, c.IntermediateSize, c.Layers = 256, 256, 2
	c.Rotations, c.Windows = make([]int, 2), make([]int, 2)
	c.Heads, c.KVHeads, c.HeadDim, c.RotaryDim = 4, 2, 64, 64
	for dtype := range weights.BlockFormats {
		w := NewWeights(Stored)
		r := rand.New(rand.NewPCG(7, 8))
		for _, p := range c.Params() {
			taken := false
			if len(p.Shape) == 2 {
				var err error
				taken, err = w.TakeBlocks(p, randomBlocks(r, dtype, p.Shape[0], p.Shape[1]))
				require.NoError(t, err)
				require.True(t, taken)
			}
			if !taken {
				require.NoError(t, w.Take(p, func(dst []float32) error {
					for i := range dst {
						dst[i] = 1
					}
					return nil
				}))
			}
		}
		assertTunesAsUnpacked(t, w, c, 1e-6, 1e-5, dtype) // the head adds up in another order
	}
}

// TestBlocksThatCannotBeRead: the fault of the file comes through, with the name of the weight.
func TestBlocksThatCannotBeRead(t *testing.T) {
	w := NewWeights(Stored)
	b := randomBlocks(rand.New(rand.NewPCG(1, 2)), "Q4_0", 64, 64)
	b.Read = func(first int, _ []byte) error {
		if first > 0 {
			return fmt.Errorf("row %d: %w", first, errors.ErrUnsupported)
		}
		return nil
	}
	_, err := w.TakeBlocks(lm.Param{Name: "x", Shape: []int{64, 64}}, b)
	require.ErrorIs(t, err, errors.ErrUnsupported)
}
