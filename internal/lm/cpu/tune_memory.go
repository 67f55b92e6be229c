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
	n, rows, hidden, attended := s.Tokens, min(s.Rows, s.Tokens), wide(t.HiddenSize), wide(t.QDim())
	heads, qkv := t.Heads*t.headStride(), wide(t.QDim()+2*t.KVDim())
	tape := func(i, rows int) int { // of a layer behind whose attention so many rows go on, without x and h
		l, z := &t.layers[i], [groupKinds]int{}
		for kind, u := range t.updates[i] {
			z[kind] = wide(u.ranks)
		}
		before := qkv + attended + z[groupIn] + heads + 2*t.KVHeads*t.headStride() + t.Heads
		mlp := wide(l.up.out) + wide(l.down.in) + z[groupUp] + z[groupDown]
		behind := 4*hidden + z[groupOut] + mlp
		if l.router.parts != nil { // a row for each of its experts, and what they take and give
			behind += (t.Experts.Used-1)*mlp + t.Experts.Used*(2*hidden+3) + wide(t.Experts.Count) + z[groupRouter]
		}
		kept := 0
		if i+1 == t.Layers {
			kept = rows * (hidden + attended)
		}
		return n*before + rows*behind + kept
	}
	streams := (len(t.tapes) + 1) * n * 2 * hidden // and what is lent
	tapes := 0
	for i := t.lowest; i < t.Layers; i++ {
		of := n
		if i+1 == t.Layers {
			of = rows
		}
		if recompute {
			tapes = max(tapes, tape(i, of))
		} else {
			tapes += tape(i, of)
		}
	}
	if t.lowest > 0 {
		tapes += tape(0, n)
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
	for i := range t.updates {
		for _, u := range t.updates[i] {
			for _, p := range u.parts {
				if p.dora != nil {
					back += 2 * len(p.dora.factors)
				}
			}
		}
	}
	if t.o.updatesRows() {
		back += n * out
	}
	some := min(s.Rows, lossRows)
	loss := some*t.VocabSize + (pieces(t.VocabSize, lossColumn)+2)*some*hidden
	for _, x := range t.tables() {
		loss += 2 * x.base.out * wide(x.base.in)
	}
	worker := 2*tileQueries*(s.Longest+2*block) + (t.k.panels+1)*t.k.panelDepth*t.k.panelWidth
	return int64(4 * (streams + tapes + back + loss + t.crew.workers()*worker))
}

// SetRecompute turns TunerOptions.Recompute on, before the first call.
func (t *Tuner) SetRecompute() { t.o.Recompute = true }

// updatesRows tells whether DoRA scales rows.
func (o *TunerOptions) updatesRows() bool {
	for _, u := range o.Updates {
		if u.Magnitude > 0 {
			return true
		}
	}
	return false
}
