package engine

import "math"

// draw chooses at random among the tokens that top-k, top-p and min-p leave, each by its probability at the
// temperature. best is the most likely token. Ties at the border of top-k all stay, as in Hugging Face.
func (s *sampler) draw(scores []float32, best int, w *workspace) int {
	largest, topP := float64(scores[best]), s.p.TopP > 0 && s.p.TopP < 1
	floor := math.Inf(-1) // of min-p, as a score
	if s.p.MinP > 0 {
		floor = largest + s.p.Temperature*math.Log(s.p.MinP)
	}
	all := w.heap[:0]
	for i, x := range scores {
		// Below the floor is out, but if top-p comes first, its sum still needs them.
		if !math.IsInf(float64(x), -1) && (topP || float64(x) >= floor) {
			all = append(all, scored{id: int32(i), score: x})
		}
	}
	w.heap = all

	kept := all
	if k := s.p.TopK; k > 0 && k < len(all) {
		kept = topK(all, w.kept[:0], k)
		w.kept = kept
	}
	var total float64
	for i := range kept {
		kept[i].weight = math.Exp((float64(kept[i].score) - largest) / s.p.Temperature)
		total += kept[i].weight
	}
	if topP {
		if len(kept) == len(all) {
			kept = nucleus(all, w.kept[:0], s.p.TopP*total)
			w.kept = kept
		} else {
			kept = kept[:nucleusSize(kept, s.p.TopP*total)]
		}
		for len(kept) > 1 && float64(kept[len(kept)-1].score) < floor { // in order, so what is out is at the end
			kept = kept[:len(kept)-1]
		}
		total = 0
		for _, c := range kept {
			total += c.weight
		}
	}
	u := s.rng.Float64() * total
	for _, c := range kept {
		if u -= c.weight; u < 0 {
			return int(c.id)
		}
	}
	return best // rounding left a crumb of u
}

// topK puts the k most likely of all, and what ties with the last of them, into kept, in order. all becomes a
// heap: of a large vocabulary only what is kept gets sorted.
func topK(all, kept []scored, k int) []scored {
	heapify(all)
	for len(all) > 0 && (len(kept) < k || all[0].score == kept[len(kept)-1].score) {
		kept, all = append(kept, all[0]), pop(all)
	}
	return kept
}

// nucleus puts the most likely of all, until their weights reach enough, into kept, in order. At least one.
func nucleus(all, kept []scored, enough float64) []scored {
	heapify(all)
	var before float64
	for len(all) > 0 && (before < enough || len(kept) == 0) {
		before += all[0].weight
		kept, all = append(kept, all[0]), pop(all)
	}
	return kept
}

// nucleusSize is the same for a list that is in order already: how many of it stay.
func nucleusSize(list []scored, enough float64) int {
	n, before := 0, 0.0
	for n < len(list) && (before < enough || n == 0) {
		before += list[n].weight
		n++
	}
	return n
}

// A max-heap by score, the lower id first among equals. container/heap would allocate for each element.

func (a scored) above(b scored) bool {
	return a.score > b.score || a.score == b.score && a.id < b.id
}

func heapify(h []scored) {
	for i := len(h)/2 - 1; i >= 0; i-- {
		sink(h, i)
	}
}

// pop removes the first element and returns the rest.
func pop(h []scored) []scored {
	n := len(h) - 1
	h[0] = h[n]
	h = h[:n]
	sink(h, 0)
	return h
}

func sink(h []scored, i int) {
	for {
		child := 2*i + 1
		if child >= len(h) {
			return
		}
		if r := child + 1; r < len(h) && h[r].above(h[child]) {
			child = r
		}
		if !h[child].above(h[i]) {
			return
		}
		h[i], h[child] = h[child], h[i]
		i = child
	}
}
