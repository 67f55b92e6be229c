package cpu

import "math"

const (
	lossRows   = 128  // that have their logits in memory at once
	lossColumn = 3072 // tokens of the vocabulary that one task sums over
)

// lossMemory is what the loss needs.
type lossMemory struct {
	h, dh  vectors
	logits []float32 // [rows, vocab]
	parts  []vectors // the gradient of h, of each task
	sums   []float32 // [tasks, rows]
}

// crossEntropy is the sum of −log softmax(h·Wᵀ)[label] over the rows of the batch, h being the normed end of the residual
// stream. It adds its gradient with respect to that end to dx, if it is not nil:
//
//	∂loss/∂h = softmax(h·Wᵀ)·W − W[label]
func (t *Tuner) crossEntropy(dx *vectors) (loss float64) {
	for from := 0; from < len(t.b.Rows); from += lossRows {
		to := min(from+lossRows, len(t.b.Rows))
		loss += t.partLoss(t.b.Rows[from:to], t.b.Labels[from:to], dx)
	}
	return loss
}

func (t *Tuner) partLoss(rows, labels []int32, dx *vectors) (loss float64) {
	m, n, vocab := &t.loss, len(rows), t.VocabSize
	m.h.resize(n, t.HiddenSize)
	t.crew.rows(n, func(i int) { t.normalize(m.h.row(i), t.end.row(int(rows[i])), t.final) })
	m.logits = resized(m.logits, n*vocab)
	t.crew.multiply(&m.h, product{m: t.head, dst: m.logits, stride: vocab})
	t.crew.rows(n, func(i int) { t.softcap(m.logits[i*vocab:][:vocab]) })
	tops, chosen := make([]float32, n), make([]float32, n)
	t.crew.rows(n, func(i int) {
		row := m.logits[i*vocab:][:vocab]
		chosen[i], tops[i] = row[labels[i]], most(row)
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
		loss += math.Log(float64(s)) + float64(tops[i]) - float64(chosen[i])
	}
	if dx == nil {
		return loss
	}
	m.dh.resize(n, t.HiddenSize)
	t.crew.rows(n, func(i int) {
		dh := m.dh.row(i)
		t.head.row(int(labels[i]), dh)
		slope := t.capSlope(chosen[i])
		for j := range dh {
			var sum float32
			for task := range tasks {
				sum += m.parts[task].row(i)[j]
			}
			dh[j] = sum/sums[i] - dh[j]*slope
		}
	})
	for i, r := range rows { // a row may predict more than once
		t.normalizeBack(dx.row(int(r)), m.dh.row(i), t.end.row(int(r)), t.final)
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
				slopes[j] = t.capSlope(v)
			}
		}
		whole := len(row) &^ 7
		sum := float32(0)
		if whole > 0 {
			sum = exp(row[:whole], top)
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
		a: m.logits[from:], aRow: vocab, aStep: 1, depth: to - from, b: t.head.floats[from*t.head.stride:], bStride: t.head.stride,
	}}})
}

// capSlope is the derivative of cap·tanh(x/cap) where it has the value y.
func (t *Tuner) capSlope(y float32) float32 {
	if t.FinalSoftcap == 0 {
		return 1
	}
	x := float64(y) / t.FinalSoftcap
	return float32(1 - x*x)
}

// most is the largest of x.
func most(x []float32) float32 {
	whole := len(x) &^ 7
	top := float32(math.Inf(-1))
	if whole > 0 {
		top = largest(x[:whole])
	}
	for _, v := range x[whole:] {
		top = max(top, v)
	}
	return top
}
