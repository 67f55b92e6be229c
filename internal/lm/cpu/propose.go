package cpu

import "math"

// Propose returns the k likeliest successors of each row of the batch, the likeliest first, with their probabilities: [rows, k].
// The batch needs no labels.
func (t *Tuner) Propose(b Batch, theta []float32, k int) (tokens []int32, probabilities []float32) {
	t.begin(b, theta, len(t.layers))
	t.b.dropout = 0
	t.compute()
	tokens, probabilities = make([]int32, len(b.Rows)*k), make([]float32, len(b.Rows)*k)
	for from := 0; from < len(b.Rows); from += lossRows {
		rows := t.b.row[from:min(from+lossRows, len(b.Rows))]
		logits := t.logits(rows)
		t.crew.rows(len(rows), func(i int) {
			at := (from + i) * k
			likeliest(logits[i*t.VocabSize:][:t.VocabSize], tokens[at:at+k], probabilities[at:at+k])
		})
	}
	return tokens, probabilities
}

// logits of rows of the end: [rows, vocab].
func (t *Tuner) logits(rows []int32) []float32 {
	m, n, vocab := &t.loss, len(rows), t.VocabSize
	m.h.resize(n, t.HiddenSize)
	end := t.tape(len(t.layers))
	t.crew.rows(n, func(i int) { copy(m.h.row(i), end.h.row(int(rows[i]))) })
	m.logits = resized(m.logits, n*vocab)
	if _, ok := t.head.storage.(*floats); ok {
		t.crew.multiply(&m.h, product{t.head, nil, 0, n, m.logits, vocab})
	} else { // the gradient is that of the weights as they are, with inputs rounded as there
		clear(m.logits)
		t.crew.add(sum{m.logits, vocab, n, vocab, []term{{a: m.h.floats, aRow: m.h.stride, aStep: 1, depth: t.HiddenSize, b: t.head, turned: true}}})
	}
	t.crew.rows(n, func(i int) { softcap(m.logits[i*vocab:][:vocab], t.FinalSoftcap) })
	return m.logits
}

// likeliest fills tokens with those of the largest logits, in falling order, and probabilities with their share of the softmax.
func likeliest(logits []float32, tokens []int32, probabilities []float32) {
	largest(logits, tokens)
	top, sum := logits[tokens[0]], 0.0
	for _, v := range logits {
		sum += math.Exp(float64(v - top))
	}
	for i, token := range tokens {
		probabilities[i] = float32(math.Exp(float64(logits[token]-top)) / sum)
	}
}

// largest sets dst to the indices of the largest numbers of x, in falling order, the first of them where they are equal.
func largest(x []float32, dst []int32) {
	found := 0
	for i, v := range x {
		if found == len(dst) && v <= x[dst[found-1]] {
			continue
		}
		at := found
		for at > 0 && v > x[dst[at-1]] {
			at--
		}
		found = min(found+1, len(dst))
		copy(dst[at+1:found], dst[at:])
		dst[at] = int32(i)
	}
}
