package lora

// arrays are the inputs of one call of a graph, on the host.
type arrays struct {
	tokens, positions, segments, parents []int32   // [rows·seq]
	rows                                 []int32   // [targets]
	labels                               []int32   // [targets, choices]
	weights                              []float32 // [targets, choices]
	count                                int       // of targets that are none of the surplus
}

// arrays lays the examples of a call out. Unused positions have segment 0, which no example has.
func (c call) arrays() arrays {
	n, choices := c.shape.rows*c.shape.seq, c.shape.choices
	a := arrays{
		tokens: make([]int32, n), positions: make([]int32, n), segments: make([]int32, n), parents: make([]int32, n),
		rows: make([]int32, c.shape.targets), labels: make([]int32, c.shape.targets*choices), weights: make([]float32, c.shape.targets*choices),
	}
	for r, row := range c.rows {
		at, segment := r*c.shape.seq, int32(0)
		for _, f := range row {
			start, parent := at, int32(0)
			if f.shared > 0 {
				segment++
				parent = segment
				at = a.put(at, f.members[0].ids[:f.shared], 0, segment, segment)
			}
			for _, x := range f.members {
				segment++
				if f.shared == 0 {
					parent = segment
				}
				for i, trained := range x.trained {
					if trained {
						a.rows[a.count] = int32(f.place(i-1, start, at))
						for k, y := range x.choices(i) {
							a.labels[a.count*choices+k], a.weights[a.count*choices+k] = y.token, y.weight
						}
						a.count++
					}
				}
				at = a.put(at, x.ids[f.shared:], f.shared, segment, parent)
			}
		}
	}
	return a
}

// put writes tokens, the first of which has the given position in its example, and returns the place behind them.
func (a *arrays) put(at int, ids []int32, position int, segment, parent int32) int {
	for i, id := range ids {
		a.tokens[at+i], a.positions[at+i], a.segments[at+i], a.parents[at+i] = id, int32(position+i), segment, parent
	}
	return at + len(ids)
}
