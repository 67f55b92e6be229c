package cpu

import "unsafe"

// Products with weights in bfloat16 while training. The vectors are rounded to it too, on every processor, so that a run rounds
// the same numbers everywhere; sums are of float32, in an order that depends on the kernels. Where there are tiles they multiply, elsewhere the code for float32.

// rounder is the memory for what vectors are rounded to, once for all terms that take the same, one behind the other.
type rounder struct {
	bits   []uint16  // [n, depth] of each, padded to whole tiles, in the order of halfAt
	floats []float32 // the same for code that has no tiles
}

// halvesOf are weights if they are in bfloat16, and otherwise nil. A storage without its matrix is taken as it is.
func halvesOf(b source) *halves {
	if m, ok := b.(*matrix); ok {
		h, _ := m.storage.(*halves)
		return h
	}
	return nil
}

// round replaces the vectors of terms whose weights are in bfloat16. rows calls a function for each row, as crew.rows does.
func (x *rounder) round(k *kernels, rows func(n int, do func(r int)), sums ...sum) {
	size := func(s sum, t term) int { return roundUp(s.n, tileSize) * roundUp(t.depth, block) }
	end, last := 0, (*float32)(nil)
	for _, s := range sums {
		for _, t := range s.terms {
			if halvesOf(t.b) != nil && &t.a[0] != last { // queries, keys and values are made of the same
				last = &t.a[0]
				end += size(s, t)
			}
		}
	}
	x.bits = resized(x.bits, end)
	if k.outerHalves == nil {
		x.floats = resized(x.floats, end)
	}
	from := 0
	end, last = 0, nil
	for _, s := range sums {
		for i := range s.terms {
			t := &s.terms[i]
			if halvesOf(t.b) == nil {
				continue
			}
			stride := roundUp(t.depth, block)
			if &t.a[0] != last {
				last, from = &t.a[0], end
				end += size(s, *t)
				rows(s.n, func(r int) {
					src, dst := t.a[r*t.aRow:][:t.depth], x.bits[from+r*stride:][:stride]
					whole := t.depth / block * block
					if whole > 0 {
						k.narrow(dst, src[:whole])
					}
					if whole < stride {
						var tail [block]float32
						copy(tail[:], src[whole:])
						plainNarrow(dst[whole:], tail[:])
					}
					if k.outerHalves == nil {
						k.widen(x.floats[from+r*stride:], dst)
					}
				})
			}
			if t.a, t.aRow = nil, stride; k.outerHalves != nil {
				t.bits = x.bits[from:]
			} else {
				t.a = x.floats[from:]
			}
		}
	}
}

// inTurn is crew.rows of one worker.
func inTurn(n int, do func(r int)) {
	for r := range n {
		do(r)
	}
}

// packPairs is pack for tiles: dst is [depth/2, tileSize] of pairs, whose numbers are as far apart in depth as halfAt has them. depth and j
// are whole blocks, or up to the end of the matrix.
func (m *halves) packPairs(p *panels, dst []float32, turned bool, k, depth, j, n int) {
	if turned { // rows are pairs already
		pairs := unsafe.Slice((*float32)(unsafe.Pointer(&m.bits[0])), len(m.bits)/2)
		dense{pairs, m.stride / 2}.pack(p, dst, true, k/2, roundUp(depth, block)/2, j, n)
		return
	}
	row := func(r int) []uint16 {
		if r < depth {
			return m.bits[(k+r)*m.stride+j:]
		}
		return noHalves[:]
	}
	for r := 0; r < depth; r += halfBlock {
		for i := range halfBlock / 2 {
			p.k.braid(dst[(r/2+i)*tileSize:], row(r+i), row(r+i+halfBlock/2))
		}
	}
	clear(dst[roundUp(depth, halfBlock)/2*tileSize : roundUp(depth, block)/2*tileSize])
}

// noHalves stand where there is no row.
var noHalves [tileSize]uint16
