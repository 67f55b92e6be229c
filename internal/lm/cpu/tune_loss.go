package cpu

import (
	"math"
	"slices"
)

const (
	lossRows   = 128  // that have their logits in memory at once
	lossColumn = 3072 // tokens of the vocabulary that one task sums over
)

// lossMemory is what the loss needs.
type lossMemory struct {
	h, dh  vectors
	logits []float32 // [rows, vocab]
	slopes []float32 // ∂loss of the labels' logits before the softcap, negative
	parts  []vectors // the gradient of h, of each task
	sums   []float32 // [tasks, rows]
}

// crossEntropy is the sum of −Σ weight·log softmax(h·Wᵀ)[label] over the rows of the batch, h being the normed end of the
// residual stream. It adds its gradient with respect to that end to dx, if it is not nil:
//
//	∂loss/∂h = Σ weight · softmax(h·Wᵀ)·W − Σ weight·W[label]
func (t *Tuner) crossEntropy(dx *vectors) (loss float64) {
	for from := 0; from < len(t.b.Rows); from += lossRows {
		loss += t.partLoss(t.b.targets(from, min(from+lossRows, len(t.b.Rows))), dx)
	}
	return loss
}

// targets are some rows of the end: row i is trained on labels i·choices to (i+1)·choices.
type targets struct {
	rows, labels []int32
	weights      []float32
	choices      int
	sums         []float32 // of the weights of a row
}

func (b *batch) targets(from, to int) targets {
	k := len(b.Labels) / len(b.Rows)
	x := targets{rows: b.row[from:to], labels: b.Labels[from*k : to*k], choices: k, sums: make([]float32, to-from)}
	if b.Weights != nil {
		x.weights = b.Weights[from*k : to*k]
	} else {
		x.weights = slices.Repeat([]float32{1}, (to-from)*k)
	}
	for i, w := range x.weights {
		x.sums[i/k] += w
	}
	return x
}

func (t *Tuner) partLoss(x targets, dx *vectors) (loss float64) {
	rows := x.rows
	m, n, vocab := &t.loss, len(rows), t.VocabSize
	t.logits(rows)
	end := t.tape(len(t.layers))
	tops, chosen := make([]float32, n), make([]float32, n)
	m.slopes = resized(m.slopes, len(x.labels))
	t.crew.rows(n, func(i int) {
		row := m.logits[i*vocab:][:vocab]
		tops[i] = t.k.most(row)
		for c := i * x.choices; c < (i+1)*x.choices; c++ {
			y := row[x.labels[c]]
			chosen[i] += x.weights[c] * y
			m.slopes[c] = x.weights[c] * capSlope(y, t.FinalSoftcap)
		}
	})
	tasks := pieces(vocab, lossColumn)
	m.sums = resized(m.sums, tasks*n)
	if len(m.parts) < tasks {
		m.parts = make([]vectors, tasks)
	}
	t.crew.run(tasks, func(worker, task int) { t.lossTask(task, tops, dx != nil, worker) })
	sums := make([]float32, n)
	for task := range tasks {
		for i := range sums {
			sums[i] += m.sums[task*n+i]
		}
	}
	for i, s := range sums {
		loss += float64(x.sums[i])*(math.Log(float64(s))+float64(tops[i])) - float64(chosen[i])
	}
	if dx == nil {
		return loss
	}
	m.dh.resize(n, t.HiddenSize)
	t.crew.rows(n, func(i int) {
		dh := m.dh.row(i)
		clear(dh)
		for task := range tasks {
			for j, v := range m.parts[task].row(i) {
				dh[j] += v
			}
		}
		share := x.sums[i] / sums[i]
		for j := range dh {
			dh[j] *= share
		}
		label := make([]float32, len(dh))
		for c := i * x.choices; c < (i+1)*x.choices; c++ {
			if slope := m.slopes[c]; slope != 0 {
				t.head.row(int(x.labels[c]), label)
				for j, v := range label {
					dh[j] -= v * slope
				}
			}
		}
	})
	if t.output != nil {
		t.headBack(x, sums)
	}
	for i, r := range rows { // a row may predict more than once
		t.normalizeBack(dx.row(int(r)), m.dh.row(i), end.x.row(int(r)), t.final)
	}
	return loss
}

// lossTask makes exponentials of some columns of the logits, sums them and, if asked to, what they weigh of the head.
func (t *Tuner) lossTask(task int, tops []float32, gradient bool, worker int) {
	m, n, vocab := &t.loss, len(tops), t.VocabSize
	from, to := task*lossColumn, min(task*lossColumn+lossColumn, vocab)
	for i, top := range tops {
		row := m.logits[i*vocab:][from:to]
		var slopes []float32
		if t.FinalSoftcap != 0 {
			slopes = make([]float32, len(row))
			for j, v := range row {
				slopes[j] = capSlope(v, t.FinalSoftcap)
			}
		}
		whole := len(row) / t.k.lanes * t.k.lanes
		sum := float32(0)
		if whole > 0 {
			sum = t.k.exp(row[:whole], top)
		}
		m.sums[task*n+i] = sum + plainExp(row[whole:], top)
		for j, s := range slopes {
			row[j] *= s
		}
	}
	if !gradient {
		return
	}
	part := m.parts[task].zero(n, t.HiddenSize)
	t.crew.panels[worker].add(sum{part.floats, part.stride, n, t.HiddenSize, []term{{
		a: m.logits[from:], aRow: vocab, aStep: 1, depth: to - from, b: t.head, from: from,
	}}})
}

// most is the largest of x.
func (k *kernels) most(x []float32) float32 {
	whole := len(x) / k.lanes * k.lanes
	top := float32(math.Inf(-1))
	if whole > 0 {
		top = k.largest(x[:whole])
	}
	for _, v := range x[whole:] {
		top = max(top, v)
	}
	return top
}
