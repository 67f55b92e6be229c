package lora

import "github.com/docent-ml/docent/internal/lm/cpu"

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
	var b cpu.Batch
	c.lay(&b, c.shape.seq)
	copy(a.tokens, b.Tokens)
	for i, s := range b.Segments {
		for at := s.From; at < s.To; at++ {
			a.positions[at], a.segments[at], a.parents[at] = int32(s.Position+at-s.From), int32(i+1), int32(s.Parent+1)
		}
	}
	a.count = copy(a.rows, b.Rows)
	copy(a.labels, b.Labels)
	copy(a.weights, b.Weights)
	return a
}

// lay fills b with the examples of a call: its sequences are width apart, or follow each other if that is 0.
func (c call) lay(b *cpu.Batch, width int) {
	b.Tokens, b.Segments, b.Rows, b.Labels, b.Weights = b.Tokens[:0], b.Segments[:0], b.Rows[:0], b.Labels[:0], b.Weights[:0]
	segment := func(ids []int32, position, parent int) {
		from := len(b.Tokens)
		b.Tokens = append(b.Tokens, ids...)
		b.Segments = append(b.Segments, cpu.Segment{From: from, To: len(b.Tokens), Position: position, Parent: parent})
	}
	for r, row := range c.rows {
		if unused := r*width - len(b.Tokens); unused > 0 {
			b.Tokens = append(b.Tokens, make([]int32, unused)...)
		}
		for _, f := range row {
			start, parent := len(b.Tokens), len(b.Segments)
			if f.shared > 0 {
				segment(f.members[0].ids[:f.shared], 0, parent)
			}
			for _, x := range f.members {
				own := len(b.Tokens)
				if f.shared == 0 {
					parent = len(b.Segments)
				}
				segment(x.ids[f.shared:], f.shared, parent)
				for i, trained := range x.trained {
					if !trained {
						continue
					}
					b.Rows = append(b.Rows, int32(f.place(i-1, start, own)))
					choices := x.choices(i)
					for k := range c.shape.choices {
						y := target{} // of weight 0
						if k < len(choices) {
							y = choices[k]
						}
						b.Labels, b.Weights = append(b.Labels, y.token), append(b.Weights, y.weight)
					}
				}
			}
		}
	}
}
