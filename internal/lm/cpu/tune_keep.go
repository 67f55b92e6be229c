package cpu

// kept is what goes into the lowest layer with an update, of rows that were computed before. Nothing below that layer changes
// while a model is tuned, so it depends only on a row's path: the tokens up to it, with their positions.
type kept struct {
	limit int              // rows
	at    map[uint64]int32 // by path, of 64 bits, which two of a million rows share in one of 37 million runs
	parts [][]float32      // of keptPart rows each

	// Of the batch:
	paths   []uint64
	missing batch   // families with a row that is not known
	rows    []int32 // of the whole batch, of which those are
	fresh   vectors // what was computed of them
}

const keptPart = 256

// Keep lets the tuner keep what goes into the lowest layer with an update, up to so many bytes, so that what is below is computed
// once for texts that come again. Models that rotate longer texts in another way keep nothing: they rotate a batch by its longest.
func (t *Tuner) Keep(bytes int64) {
	if n := bytes / int64(4*t.HiddenSize); n > 0 && t.lowest > 0 && t.lowest < t.Layers && t.Border() == 0 {
		t.kept = &kept{limit: int(n), at: map[uint64]int32{}}
	}
}

// recall makes the input of the lowest layer with an update.
func (t *Tuner) recall() {
	k, whole := t.kept, t.b
	k.look(whole)
	if len(k.rows) > 0 {
		t.b = &k.missing
		t.b.lowest = whole.lowest
		t.embed(t, t.b.Tokens, t.b.positions, t.b.length)
		t.climb(t, 0, t.lowest)
		t.b = whole
	}
	tp := t.tape(t.lowest)
	k.fresh, tp.x = tp.x, k.fresh
	tp.x.resize(len(whole.Tokens), t.HiddenSize)
	done := 0
	for r, path := range k.paths {
		x := tp.x.row(r)
		if done < len(k.rows) && int(k.rows[done]) == r {
			copy(x, k.fresh.row(done))
			k.keep(path, x)
			done++
		} else {
			copy(x, k.row(k.at[path], len(x)))
		}
	}
	t.turn(whole.positions, whole.length)
	t.enter(tp, t.lowest)
}

// look finds the paths of a batch, and what is missing.
func (k *kept) look(b *batch) {
	k.paths = resized(k.paths, len(b.Tokens))
	for i, s := range b.Segments {
		path := uint64(0)
		if s.Parent != i {
			path = k.paths[b.Segments[s.Parent].To-1]
		}
		for r := s.From; r < s.To; r++ {
			path = mix(path ^ (uint64(b.Tokens[r])<<32 | uint64(b.positions[r])))
			k.paths[r] = path
		}
	}
	m := Batch{Tokens: k.missing.Tokens[:0], Segments: k.missing.Segments[:0]}
	k.rows = k.rows[:0]
	for _, f := range b.families {
		if k.knows(b.Segments[f.from:f.to]) {
			continue
		}
		parent := len(m.Segments)
		for i, s := range b.Segments[f.from:f.to] {
			part := Segment{From: len(m.Tokens), To: len(m.Tokens) + s.To - s.From, Position: s.Position, Parent: parent}
			if s.Parent == f.from+i {
				part.Parent = len(m.Segments)
			}
			m.Segments, m.Tokens = append(m.Segments, part), append(m.Tokens, b.Tokens[s.From:s.To]...)
			for r := s.From; r < s.To; r++ {
				k.rows = append(k.rows, int32(r))
			}
		}
	}
	k.missing.set(m)
}

// knows tells whether all rows of segments are kept.
func (k *kept) knows(segments []Segment) bool {
	for _, s := range segments {
		for _, path := range k.paths[s.From:s.To] {
			if _, ok := k.at[path]; !ok {
				return false
			}
		}
	}
	return true
}

func (k *kept) row(i int32, width int) []float32 {
	return k.parts[i/keptPart][int(i)%keptPart*width:][:width]
}

// keep keeps a row, unless it is known or there is no room.
func (k *kept) keep(path uint64, x []float32) {
	n := len(k.at)
	if _, ok := k.at[path]; ok || n == k.limit {
		return
	}
	if n%keptPart == 0 {
		k.parts = append(k.parts, make([]float32, keptPart*len(x)))
	}
	k.at[path] = int32(n)
	copy(k.row(int32(n), len(x)), x)
}
