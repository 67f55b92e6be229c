//go:build goexperiment.simd && amd64

package cpu

import (
	"math"
	"simd/archsimd"
	"unsafe"
)

// fast tells whether the kernels are vector code here.
var fast = archsimd.X86.AVX2() && archsimd.X86.FMA()

type (
	f32x8  = archsimd.Float32x8
	i16x16 = archsimd.Int16x16
)

// The loops address memory by themselves: bounds are checked once, by whoever slices the arguments.
//
// No scalar float may live through a loop, and no upper half of a vector behind a kernel: Go's scalar instructions are of
// the old encoding, and each change between the encodings can cost hundreds of cycles. Scales are therefore passed by
// address, and read behind the loop.

func loadFloat(p unsafe.Pointer, bytes int) f32x8 {
	return archsimd.LoadFloat32x8((*[8]float32)(unsafe.Add(p, bytes)))
}

func loadInt16(p unsafe.Pointer, bytes int) i16x16 {
	return archsimd.LoadInt16x16((*[16]int16)(unsafe.Add(p, bytes)))
}

func loadInt8(p unsafe.Pointer, bytes int) i16x16 { // widened
	return archsimd.LoadInt8x16((*[16]int8)(unsafe.Add(p, bytes))).ExtendToInt16()
}

func loadScale(p unsafe.Pointer, bytes int) f32x8 {
	return archsimd.BroadcastFloat32x8(*(*float32)(unsafe.Add(p, bytes)))
}

// sums writes the sum of the lanes of each vector, scaled. Scalar code behind vector code would cost more than the sums.
func sums(a, b, c, d f32x8, scale float32, y *[rowTile]float32) {
	t := a.AddPairsGrouped(b).AddPairsGrouped(c.AddPairsGrouped(d))
	t.GetLo().Add(t.GetHi()).Mul(archsimd.BroadcastFloat32x4(scale)).Store(y)
}

func total(v f32x8) float32 {
	var y [rowTile]float32
	sums(v, v, v, v, 1, &y)
	return y[0]
}

func address[T any](s []T) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(s)) }

// dotFloat sets y[i] to the product of row i of w, rows stride apart, and x.
func dotFloat(w []float32, stride int, x []float32, y *[rowTile]float32) {
	if !fast {
		plainFloat(w, stride, x, y)
		return
	}
	_ = w[3*stride+len(x)-1]
	var a, b, c, d f32x8
	w0, v, n := address(w), address(x), 4*len(x)
	w1, w2, w3 := unsafe.Add(w0, 4*stride), unsafe.Add(w0, 8*stride), unsafe.Add(w0, 12*stride)
	for i := 0; i < n; i += 64 {
		p := unsafe.Add(v, i)
		u, u1, u2, u3 := unsafe.Add(w0, i), unsafe.Add(w1, i), unsafe.Add(w2, i), unsafe.Add(w3, i)
		x0, x1 := loadFloat(p, 0), loadFloat(p, 32)
		a = loadFloat(u, 32).MulAdd(x1, loadFloat(u, 0).MulAdd(x0, a))
		b = loadFloat(u1, 32).MulAdd(x1, loadFloat(u1, 0).MulAdd(x0, b))
		c = loadFloat(u2, 32).MulAdd(x1, loadFloat(u2, 0).MulAdd(x0, c))
		d = loadFloat(u3, 32).MulAdd(x1, loadFloat(u3, 0).MulAdd(x0, d))
	}
	sums(a, b, c, d, 1, y)
	archsimd.ClearAVXUpperBits()
}

// dotFloats is dotFloat for two vectors, x and z.
func dotFloats(w []float32, stride int, x, z []float32, y, t *[rowTile]float32) {
	if !fast {
		plainFloat(w, stride, x, y)
		plainFloat(w, stride, z, t)
		return
	}
	_, _ = w[3*stride+len(x)-1], z[len(x)-1]
	var a, b, c, d, e, f, g, h f32x8
	w0, v0, v1, n := address(w), address(x), address(z), 4*len(x)
	w1, w2, w3 := unsafe.Add(w0, 4*stride), unsafe.Add(w0, 8*stride), unsafe.Add(w0, 12*stride)
	for i := 0; i < n; i += 64 {
		p, q := unsafe.Add(v0, i), unsafe.Add(v1, i)
		u0, u1, u2, u3 := unsafe.Add(w0, i), unsafe.Add(w1, i), unsafe.Add(w2, i), unsafe.Add(w3, i)
		r, s := loadFloat(p, 0), loadFloat(q, 0)
		m := loadFloat(u0, 0)
		a, e = m.MulAdd(r, a), m.MulAdd(s, e)
		m = loadFloat(u1, 0)
		b, f = m.MulAdd(r, b), m.MulAdd(s, f)
		m = loadFloat(u2, 0)
		c, g = m.MulAdd(r, c), m.MulAdd(s, g)
		m = loadFloat(u3, 0)
		d, h = m.MulAdd(r, d), m.MulAdd(s, h)
		r, s = loadFloat(p, 32), loadFloat(q, 32)
		m = loadFloat(u0, 32)
		a, e = m.MulAdd(r, a), m.MulAdd(s, e)
		m = loadFloat(u1, 32)
		b, f = m.MulAdd(r, b), m.MulAdd(s, f)
		m = loadFloat(u2, 32)
		c, g = m.MulAdd(r, c), m.MulAdd(s, g)
		m = loadFloat(u3, 32)
		d, h = m.MulAdd(r, d), m.MulAdd(s, h)
	}
	sums(a, b, c, d, 1, y)
	sums(e, f, g, h, 1, t)
	archsimd.ClearAVXUpperBits()
}

// dotInt8 is dotFloat for weights of 8 bits and x of 16, whose scale is given, in the layout of plainInt8.
func dotInt8(w []int8, d []float32, x []int16, scale *float32, y *[rowTile]float32) {
	if !fast {
		plainInt8(w, d, x, *scale, y)
		return
	}
	_, _ = w[rowTile*len(x)-1], d[rowTile*len(x)/block-1]
	var a, b, c, e f32x8
	weights, scales, v, n := address(w), address(d), address(x), 2*len(x)
	for i := 0; i < n; i += 2 * block {
		u, s, r := unsafe.Add(weights, 2*i), unsafe.Add(scales, i/4), unsafe.Add(v, i)
		p, q := loadInt16(r, 0), loadInt16(r, 32)
		a = loadInt8(u, 0).DotProductPairs(p).Add(loadInt8(u, 16).DotProductPairs(q)).ConvertToFloat32().MulAdd(loadScale(s, 0), a)
		b = loadInt8(u, 32).DotProductPairs(p).Add(loadInt8(u, 48).DotProductPairs(q)).ConvertToFloat32().MulAdd(loadScale(s, 4), b)
		c = loadInt8(u, 64).DotProductPairs(p).Add(loadInt8(u, 80).DotProductPairs(q)).ConvertToFloat32().MulAdd(loadScale(s, 8), c)
		e = loadInt8(u, 96).DotProductPairs(p).Add(loadInt8(u, 112).DotProductPairs(q)).ConvertToFloat32().MulAdd(loadScale(s, 12), e)
	}
	sums(a, b, c, e, *scale, y)
	archsimd.ClearAVXUpperBits()
}

// dotInt8s is dotInt8 for two vectors, x and z.
func dotInt8s(w []int8, d []float32, x, z []int16, xScale, zScale *float32, y, t *[rowTile]float32) {
	if !fast {
		plainInt8(w, d, x, *xScale, y)
		plainInt8(w, d, z, *zScale, t)
		return
	}
	_, _, _ = w[rowTile*len(x)-1], d[rowTile*len(x)/block-1], z[len(x)-1]
	var a, b, c, e, a1, b1, c1, e1 f32x8
	weights, scales, v, v1, n := address(w), address(d), address(x), address(z), 2*len(x)
	for i := 0; i < n; i += 2 * block {
		u, s, r, r1 := unsafe.Add(weights, 2*i), unsafe.Add(scales, i/4), unsafe.Add(v, i), unsafe.Add(v1, i)
		p, q, p1, q1 := loadInt16(r, 0), loadInt16(r, 32), loadInt16(r1, 0), loadInt16(r1, 32)
		l, h, k := loadInt8(u, 0), loadInt8(u, 16), loadScale(s, 0)
		a = l.DotProductPairs(p).Add(h.DotProductPairs(q)).ConvertToFloat32().MulAdd(k, a)
		a1 = l.DotProductPairs(p1).Add(h.DotProductPairs(q1)).ConvertToFloat32().MulAdd(k, a1)
		l, h, k = loadInt8(u, 32), loadInt8(u, 48), loadScale(s, 4)
		b = l.DotProductPairs(p).Add(h.DotProductPairs(q)).ConvertToFloat32().MulAdd(k, b)
		b1 = l.DotProductPairs(p1).Add(h.DotProductPairs(q1)).ConvertToFloat32().MulAdd(k, b1)
		l, h, k = loadInt8(u, 64), loadInt8(u, 80), loadScale(s, 8)
		c = l.DotProductPairs(p).Add(h.DotProductPairs(q)).ConvertToFloat32().MulAdd(k, c)
		c1 = l.DotProductPairs(p1).Add(h.DotProductPairs(q1)).ConvertToFloat32().MulAdd(k, c1)
		l, h, k = loadInt8(u, 96), loadInt8(u, 112), loadScale(s, 12)
		e = l.DotProductPairs(p).Add(h.DotProductPairs(q)).ConvertToFloat32().MulAdd(k, e)
		e1 = l.DotProductPairs(p1).Add(h.DotProductPairs(q1)).ConvertToFloat32().MulAdd(k, e1)
	}
	sums(a, b, c, e, *xScale, y)
	sums(a1, b1, c1, e1, *zScale, t)
	archsimd.ClearAVXUpperBits()
}

// expVector is exp(x) to two units in the last place for x ≤ 0, and 0 below -87: x = n·ln 2 + r, with a polynomial for exp(r).
// Source: S. Moshier's Cephes, expf.
func expVector(x f32x8) f32x8 {
	b := archsimd.BroadcastFloat32x8
	floor := b(-87)
	keep := x.GreaterEqual(floor)
	x = x.Max(floor)
	n := x.Mul(b(math.Log2E)).RoundToEven()
	r := n.MulAdd(b(-0.693359375), x)
	r = n.MulAdd(b(2.12194440e-4), r)
	p := r.MulAdd(b(1.9875691500e-4), b(1.3981999507e-3))
	p = p.MulAdd(r, b(8.3334519073e-3))
	p = p.MulAdd(r, b(4.1665795894e-2))
	p = p.MulAdd(r, b(1.6666665459e-1))
	p = p.MulAdd(r, b(5.0000001201e-1))
	p = p.MulAdd(r.Mul(r), r.Add(b(1)))
	power := n.ConvertToInt32().Add(archsimd.BroadcastInt32x8(127)).ShiftAllLeft(23).AsFloat32x8()
	return p.Mul(power).Masked(keep)
}

// exp replaces x by exp(x-top), top being at least the largest, and returns the sum. len(x) is a multiple of 8.
func exp(x []float32, top float32) float32 {
	if !fast {
		return plainExp(x, top)
	}
	var sum f32x8
	t := archsimd.BroadcastFloat32x8(top)
	for i := 0; i < len(x); i += 8 {
		v := (*[8]float32)(x[i:])
		e := expVector(archsimd.LoadFloat32x8(v).Sub(t))
		e.Store(v)
		sum = sum.Add(e)
	}
	return total(sum)
}

// silu replaces gate by silu(gate)·up. The length is a multiple of 8.
func silu(gate, up []float32) {
	if !fast {
		plainSiLU(gate, up)
		return
	}
	zero, one := archsimd.BroadcastFloat32x8(0), archsimd.BroadcastFloat32x8(1)
	for i := 0; i < len(gate); i += 8 {
		v := (*[8]float32)(gate[i:])
		g, u := archsimd.LoadFloat32x8(v), archsimd.LoadFloat32x8((*[8]float32)(up[i:]))
		// With e = exp(-|g|), the sigmoid is 1/(1+e) for g ≥ 0 and e/(1+e) otherwise.
		e := expVector(zero.Sub(g).Min(g))
		s := one.Merge(e, g.GreaterEqual(zero)).Div(one.Add(e))
		g.Mul(s).Mul(u).Store(v)
	}
}

// largest is the largest absolute value of x, whose length is a multiple of 8.
func largest(x []float32) float32 {
	if !fast {
		return plainLargest(x)
	}
	var m f32x8
	zero := archsimd.BroadcastFloat32x8(0)
	for i := 0; i < len(x); i += 8 {
		v := archsimd.LoadFloat32x8((*[8]float32)(x[i:]))
		m = m.Max(v).Max(zero.Sub(v))
	}
	var lanes [8]float32
	m.Store(&lanes)
	return plainLargest(lanes[:])
}

// round writes x·scale, rounded to even. The length is a multiple of 16.
func round(dst []int16, x []float32, scale float32) {
	if !fast {
		plainRound(dst, x, scale)
		return
	}
	s := archsimd.BroadcastFloat32x8(scale)
	order := archsimd.LoadUint32x8(&[8]uint32{0, 1, 4, 5, 2, 3, 6, 7}) // packing leaves the halves interleaved
	for i := 0; i < len(x); i += 16 {
		lo := archsimd.LoadFloat32x8((*[8]float32)(x[i:])).Mul(s).RoundToEven().ConvertToInt32()
		hi := archsimd.LoadFloat32x8((*[8]float32)(x[i+8:])).Mul(s).RoundToEven().ConvertToInt32()
		lo.SaturateToInt16ConcatGrouped(hi).AsInt32x8().Permute(order).AsInt16x16().Store((*[16]int16)(dst[i:]))
	}
}
