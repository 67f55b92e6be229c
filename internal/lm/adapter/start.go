package adapter

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/gonum/mat"
)

// startOf reads init_lora_weights. Starts that take a part out of the base model's weights, which the matrices then hold,
// are named; those that leave it alone are "".
func startOf(raw json.RawMessage) (string, error) {
	var name string
	if s := string(raw); !set(raw) || s == "true" {
		return "", nil
	} else if err := json.Unmarshal(raw, &name); err != nil {
		return "", fmt.Errorf("%w: init_lora_weights is %s", ErrFormat, s)
	}
	switch lower := strings.ToLower(name); {
	case slices.Contains([]string{"gaussian", "eva", "orthogonal", "mica"}, lower):
		return "", nil
	case name == "pissa" || lower == "olora":
		return lower, nil
	}
	return "", fmt.Errorf("%w: init_lora_weights %q: docent cannot tell from the adapter's files what this start made of the base model's weights: "+
		"save the adapter as plain LoRA, with path_initial_model_for_weight_conversion of PEFT's save_pretrained", ErrFormat, name)
}

// Plain gives the adapter as one for the base model as it is. PiSSA and OLoRA start from a part P of each weight W, which they
// take out of it: W − P + s·BA is s·[B −P₁/s]·[A; P₂] with P = P₁P₂, an update of twice the rank. read fills dst with the weight
// [out, in] of a module.
func (a *Adapter) Plain(read func(path string, dst []float32) error) (*Adapter, error) {
	if a.Config.start == "" {
		return a, nil
	}
	out := &Adapter{Config: a.Config, Modules: map[string]Module{}}
	c, alpha := &out.Config, 2.0 // of twice the rank, for the scale to stay
	if c.RSLoRA {
		alpha = math.Sqrt2
	}
	c.start, c.file = "", nil
	c.Rank, c.rankPattern = 2*c.Rank, c.rankPattern.times(2)
	c.Alpha, c.alphaPattern = alpha*c.Alpha, c.alphaPattern.times(alpha)
	part := principal
	if a.Config.start == "olora" {
		part = firstColumns
	}
	for _, path := range a.Paths() {
		m := a.Modules[path]
		w := make([]float32, m.Out*m.In)
		if err := read(path, w); err != nil {
			return nil, err
		}
		if m.Scale == 0 || m.Rank > min(m.Out, m.In) {
			return nil, fmt.Errorf("%w: module %s: %s with rank %d and scale %g", ErrFormat, path, a.Config.start, m.Rank, m.Scale)
		}
		wide := mat.NewDense(m.Out, m.In, nil)
		for i, v := range w {
			wide.Set(i/m.In, i%m.In, float64(v))
		}
		p1, p2, err := part(wide, m.Rank)
		if err != nil {
			return nil, fmt.Errorf("%w: module %s: %w", ErrFormat, path, err)
		}
		if a.Config.start == "olora" {
			p1.Scale(m.Scale, p1)
		}
		out.Modules[path] = m.minus(p1, p2)
	}
	return out, nil
}

// minus is the update without P₁P₂, [out, rank]·[rank, in].
func (m Module) minus(p1, p2 *mat.Dense) Module {
	out := Module{Rank: 2 * m.Rank, In: m.In, Out: m.Out, Scale: m.Scale, A: slices.Clone(m.A)}
	for r := range m.Rank {
		for _, v := range p2.RawRowView(r) {
			out.A = append(out.A, float32(v))
		}
	}
	for o := range m.Out {
		out.B = append(out.B, m.B[o*m.Rank:(o+1)*m.Rank]...)
		for _, v := range p1.RawRowView(o) {
			out.B = append(out.B, float32(-v/m.Scale))
		}
	}
	return out
}

// principal is PiSSA's part of w, that of the largest singular values: U·Uᵀw or wV·Vᵀ, with the singular vectors of the shorter
// side, which are the eigenvectors of wwᵀ or wᵀw.
func principal(w *mat.Dense, rank int) (p1, p2 *mat.Dense, err error) {
	out, in := w.Dims()
	gram := mat.NewSymDense(min(out, in), nil)
	if out <= in {
		gram.SymOuterK(1, w)
	} else {
		gram.SymOuterK(1, w.T())
	}
	var eigen mat.EigenSym
	if !eigen.Factorize(gram, true) { // values in ascending order
		return nil, nil, errors.New("its weight has no singular value decomposition")
	}
	var all, product mat.Dense
	eigen.VectorsTo(&all)
	n := min(out, in)
	vectors := mat.DenseCopyOf(all.Slice(0, n, n-rank, n))
	if out <= in {
		product.Mul(vectors.T(), w)
		return vectors, &product, nil
	}
	product.Mul(w, vectors)
	return &product, mat.DenseCopyOf(vectors.T()), nil
}

// firstColumns is what OLoRA's part of w is a multiple of, the update's scale: w projected on the span of its first columns,
// Q·Qᵀw, as the first rows of R are Qᵀw.
func firstColumns(w *mat.Dense, rank int) (p1, p2 *mat.Dense, err error) {
	var qr mat.QR
	out, _ := w.Dims()
	qr.Factorize(w.Slice(0, out, 0, rank))
	q, first := mat.NewDense(out, rank, nil), mat.NewDense(out, rank, nil)
	for i := range rank {
		first.Set(i, i, 1)
	}
	var whole, product mat.Dense
	qr.QTo(&whole)
	q.Mul(&whole, first)
	product.Mul(q.T(), w)
	return q, &product, nil
}
