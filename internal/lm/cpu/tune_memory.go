package cpu

// Size is what the memory of a call depends on.
type Size struct {
	Tokens  int
	Rows    int // that are trained on
	Longest int // text
}

// Memory is how many bytes gradients of calls up to a size take beside weights and parameters, all of them together, with or
// without Recompute. It follows what tape, Tuner and lossMemory hold.
func (t *Tuner) Memory(s Size, recompute bool) int64 {
	wide := func(n int) int { return roundUp(n, block) }
	n, rows, hidden := s.Tokens, min(s.Rows, s.Tokens), wide(t.HiddenSize)
	attended, heads, qkv := 0, 0, 0 // the most of any layer
	// Of a layer behind whose attention so many rows go on: its tape without x and h, and what it has in turn with the others.
	tape := func(i, rows int) (own, turn int) {
		l, z := &t.layers[i], [groupKinds]int{}
		ofRow := 0 // queries, keys, values and log sums
		if l.taps == nil {
			heads = t.Heads * t.headStride()
			ofRow = heads + 2*t.KVHeads*t.headStride() + t.Heads
		}
		ofQKV, ofAttended := wide(l.in.out), wide(l.out.in)
		qkv, attended = max(qkv, ofQKV), max(attended, ofAttended)
		for kind, u := range t.updates[i] {
			z[kind] = wide(u.ranks)
		}
		used := 1 // rows of each for experts
		behind := hidden + z[groupOut]
		if l.router.parts != nil { // what the experts take and give
			used = t.Experts.Used
			behind += used*(2*hidden+3) + wide(t.Experts.Count) + z[groupRouter]
		}
		behind += used * (wide(l.up.out) + z[groupUp] + z[groupDown])
		own = n*(ofAttended+z[groupIn]+ofRow) + rows*behind
		turn = rows * (hidden + used*wide(l.down.in))
		share := func(needed bool, size int) {
			if needed {
				own += size
			} else {
				turn += size
			}
		}
		needsQKV, needsOut, needsMLP := t.looksAt(i)
		share(needsQKV, n*ofQKV)
		share(needsOut, rows*hidden)
		share(needsMLP, rows*hidden)
		if i+1 == t.Layers { // the rows that go on
			own += rows * (hidden + ofAttended)
		}
		return own, turn
	}
	streams := (len(t.tapes) + 1) * n * 2 * hidden // and what is lent
	tapes, turns := 0, 0
	for i := t.lowest; i < t.Layers; i++ {
		of := n
		if i+1 == t.Layers {
			of = rows
		}
		own, turn := tape(i, of)
		if turns = max(turns, turn); recompute {
			tapes = max(tapes, own)
		} else {
			tapes += own
		}
	}
	ranks, dropped, out, mlp := 0, [3]int{}, 0, 0
	for i := t.lowest; i < t.Layers; i++ {
		l := &t.layers[i]
		wanted := wide(l.up.out) + wide(l.down.in)
		if l.router.parts != nil {
			wanted = t.Experts.Used*(wanted+hidden) + wide(t.Experts.Count)
		}
		mlp = max(mlp, wanted)
		for kind, g := range t.layers[i].groups() {
			u := t.updates[i][kind]
			ranks, out = max(ranks, wide(u.ranks)), max(out, wide(g.out))
			for k := range u.parts {
				if t.o.Dropout > 0 && u.parts[k].Update != nil {
					dropped[k] = max(dropped[k], 2*wide(g.in))
				}
			}
		}
	}
	back := n * (2*hidden + attended + qkv + mlp + ranks + 3*heads + dropped[0] + dropped[1] + dropped[2])
	if t.Parallel {
		back += n * hidden
	}
	below := 0 // what layers below share
	for i := range t.lowest {
		own, turn := tape(i, n)
		below = max(below, own+turn)
	}
	scaled := false
	for i := range t.updates {
		for k := range t.updates[i] {
			u := &t.updates[i][k]
			scaled = scaled || u.scaled()
			for _, p := range u.parts {
				if p.dora != nil {
					back += 2 * len(p.dora.factors)
				}
			}
		}
	}
	if scaled {
		back += n * out
	}
	some := min(s.Rows, lossRows)
	loss := some*t.VocabSize + (pieces(t.VocabSize, lossColumn)+2)*some*hidden
	for _, x := range t.tables() {
		loss += 2 * x.base.out * wide(x.base.in)
	}
	ofHalf := 1 // in halves of floats: see rounder
	if t.k.outerHalves == nil {
		ofHalf = 3
	}
	back += t.rounded(n, some) * ofHalf / 2
	if halvesOf(t.head) != nil {
		loss += t.crew.workers() * roundUp(some, tileSize) * lossColumn * ofHalf / 2
	}
	worker := 2*tileQueries*(s.Longest+2*block) + (t.k.panels+1)*t.k.panelDepth*t.k.panelWidth
	return int64(4 * (streams + tapes + turns + below + back + loss + t.crew.workers()*worker))
}

// rounded is how many numbers of n rows, or of some of the loss, are held in bfloat16 at once. Each expert's rows are filled up to whole
// tiles.
func (t *Tuner) rounded(n, some int) (most int) {
	if halvesOf(t.head) != nil {
		most = roundUp(some, tileSize) * roundUp(t.HiddenSize, block)
	}
	for i := range t.layers {
		for _, g := range t.layers[i].groups() {
			rows, full, in, out := n, 1, 0, 0
			if g.experts() {
				rows *= t.Experts.Used
				full = min(t.Experts.Count, rows)
			}
			for _, p := range g.parts {
				switch {
				case halvesOf(p.m) == nil:
					continue
				case i < t.lowest: // there is no way back
				case g.experts():
					out = roundUp(p.m.out, block)
				default:
					out += roundUp(p.m.out, block)
				}
				in = roundUp(g.in, block)
			}
			most = max(most, (rows+full*(tileSize-1))/tileSize*tileSize*max(in, out))
		}
	}
	return most
}

// SetRecompute turns TunerOptions.Recompute on, before the first call.
func (t *Tuner) SetRecompute() { t.o.Recompute = true }
