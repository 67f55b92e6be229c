package cpu

import (
	"math"
	"slices"
	"sort"
)

// routing is which rows each of some experts takes. Rows lie by expert: those of the first, then those of the second, each in
// the order of the rows they were taken from.
type routing struct {
	starts []int   // first row of each expert, and the end
	rows   []int32 // that each row was taken from
	places []int32 // [rows taken from, experts a row passes through]: where its rows lie
}

// taken are the rows of a group's input that its part i takes, of those that were taken from rows from to to.
func (v *vectors) taken(i, from, to int) (int, int) {
	if v.routing == nil {
		return from, min(to, v.n)
	}
	first, end := v.routing.starts[i], v.routing.starts[i+1]
	rows := v.routing.rows[first:end]
	at := func(row int) int {
		return first + sort.Search(len(rows), func(k int) bool { return int(rows[k]) >= row })
	}
	return at(from), at(to)
}

// parts are those of n parts of a group that take row r.
func (v *vectors) parts(r, n int) (from, to int) {
	if v.routing == nil {
		return 0, n
	}
	expert := sort.SearchInts(v.routing.starts, r+1) - 1
	return expert, expert + 1
}

// routed is what a layer with experts computes on the way.
type routed struct {
	*routing
	shares  vectors   // [rows, experts]: the scores, then their softmax
	weights []float32 // of each row's experts, in the order of places
	in, out vectors   // of the experts, by expert
}

// route chooses the experts of each row of h, and lays the rows by expert.
func (m *runner) route(p pass, l *layer, tp *tape, h *vectors) *vectors {
	x, used, count := &tp.routed, m.Experts.Used, m.Experts.Count
	if x.routing == nil {
		x.routing = &routing{}
	}
	p.project(&l.router, h, &tp.z[groupRouter], &x.shares)
	chosen := make([]int32, h.n*used)
	x.weights = resized(x.weights, h.n*used)
	m.crew.rows(h.n, func(r int) {
		share := x.shares.row(r)
		softmax(share)
		mine, weights := chosen[r*used:][:used], x.weights[r*used:][:used]
		largest(share, mine)
		total := float32(1)
		if m.Experts.Normalized {
			total = 0
			for _, e := range mine {
				total += share[e]
			}
		}
		for j, e := range mine {
			weights[j] = share[e] / total
		}
	})
	x.starts = resized(x.starts, count+1)
	clear(x.starts)
	for _, e := range chosen {
		x.starts[e+1]++
	}
	for e := range count {
		x.starts[e+1] += x.starts[e]
	}
	next := slices.Clone(x.starts)
	x.rows, x.places = resized(x.rows, len(chosen)), resized(x.places, len(chosen))
	for i, e := range chosen {
		x.places[i], x.rows[next[e]] = int32(next[e]), int32(i/used)
		next[e]++
	}
	x.in.pick(h, x.rows)
	x.in.routing = x.routing
	return &x.in
}

// gather adds up what the experts of each of n rows gave, by their weights.
func (m *runner) gather(tp *tape, n int) {
	x, used := &tp.routed, m.Experts.Used
	tp.mlp.resize(n, m.HiddenSize)
	m.crew.rows(n, func(r int) {
		y := tp.mlp.row(r)
		clear(y)
		for j, at := range x.places[r*used:][:used] {
			weight := x.weights[r*used+j]
			for i, v := range x.out.row(int(at)) {
				y[i] += weight * v
			}
		}
	})
}

// softmax replaces scores by their shares.
func softmax(x []float32) {
	top, total := slices.Max(x), 0.0
	for i, v := range x {
		e := math.Exp(float64(v - top))
		x[i] = float32(e)
		total += e
	}
	for i := range x {
		x[i] /= float32(total)
	}
}

// gatherBack sets dOut to the gradient of what the experts gave, given that of gather's sum, and returns that of the router's
// scores. With w the weights and d their gradients:
//
//	normalized: w is the softmax over the scores of the chosen alone, and the gradient is w·(d − Σ w·d) for those
//	otherwise:  w are shares p of all, and the gradient is p·(d − Σ w·d), where d is 0 for those that were not chosen
func (t *Tuner) gatherBack(tp *tape, dy *vectors) (dOut, dScores *vectors) {
	x, used := &tp.routed, t.Experts.Used
	dOut, dScores = &t.dRouted, &t.dScores
	dOut.resize(len(x.rows), t.HiddenSize)
	dScores.zero(dy.n, t.Experts.Count)
	t.crew.rows(dy.n, func(r int) {
		d := make([]float32, used)
		var mean float32
		places, weights := x.places[r*used:][:used], x.weights[r*used:][:used]
		for j, at := range places {
			to, out := dOut.row(int(at)), x.out.row(int(at))
			for i, v := range dy.row(r) {
				to[i] = weights[j] * v
				d[j] += v * out[i]
			}
			mean += weights[j] * d[j]
		}
		scores := dScores.row(r)
		if !t.Experts.Normalized {
			for e, p := range x.shares.row(r) {
				scores[e] = -p * mean
			}
		}
		for j, at := range places {
			e, _ := x.in.parts(int(at), t.Experts.Count)
			if scores[e] += weights[j] * d[j]; t.Experts.Normalized {
				scores[e] -= weights[j] * mean
			}
		}
	})
	return dOut, dScores
}

// routeBack adds to dh the gradients of the rows that the experts took, which lie by expert.
func (t *Tuner) routeBack(tp *tape, dh, dIn *vectors) {
	used := t.Experts.Used
	t.crew.rows(dh.n, func(r int) {
		dst := dh.row(r)
		for _, at := range tp.routed.places[r*used:][:used] {
			for i, v := range dIn.row(int(at)) {
				dst[i] += v
			}
		}
	})
}
