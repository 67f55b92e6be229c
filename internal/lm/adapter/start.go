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
	out := &Adapter{Config: a.Config.Doubled(), Modules: map[string]Module{}, Weights: a.Weights, Rows: a.Rows}
	for _, path := range a.Paths() {
		m := a.Modules[path]
		if _, left := a.Weights[path+".weight"]; left || path == embedding { // PEFT saved what was left, or took nothing
			out.Modules[path] = m.minus(mat.NewDense(m.Out, m.Rank, nil), mat.NewDense(m.Rank, m.In, nil))
			continue
		}
		w := make([]float32, m.Out*m.In)
		if err := read(path, w); err != nil {
			return nil, err
		}
		if m.Scale == 0 || m.Rank > min(m.Out, m.In) {
			return nil, fmt.Errorf("%w: module %s: %s with rank %d and scale %g", ErrFormat, path, a.Config.start, m.Rank, m.Scale)
		}
		p1, p2, err := startingPart(a.Config.start, w, m.In, m.Rank)
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

// startingPart is what a start makes of a weight w [out, in]: principal or firstColumns.
func startingPart(start string, w []float32, in, rank int) (p1, p2 *mat.Dense, err error) {
	wide := mat.NewDense(len(w)/in, in, nil)
	for i, v := range w {
		wide.Set(i/in, i%in, float64(v))
	}
	if start == "olora" {
		return firstColumns(wide, rank)
	}
	return principal(wide, rank)
}

// Start gives the matrices A [rank, in] and B [out, rank] that an adapter begins with, of a weight w [out, in]: with OLoRA the
// first columns of Q and rows of R, with PiSSA U·√(S/scale) and √(S/scale)·Vᵀ, the singular values being the lengths of P₂'s rows
// where P₁ has columns of length 1, or the other way round.
func Start(start string, w []float32, in, rank int, scale float64) (a, b []float32, err error) {
	out := len(w) / in
	if rank > min(out, in) {
		return nil, nil, fmt.Errorf("rank %d is more than the matrix [%d %d] has", rank, out, in)
	}
	p1, p2, err := startingPart(start, w, in, rank)
	if err != nil {
		return nil, nil, err
	}
	a, b = make([]float32, rank*in), make([]float32, out*rank)
	for r := range rank {
		from, left, right := r, 1.0, 1.0
		if start == "pissa" {
			from = rank - 1 - r // the largest first
			x, y := mat.Norm(p1.ColView(from), 2), mat.Norm(p2.RowView(from), 2)
			root := math.Sqrt(x * y / scale)
			left, right = root/x, root/y
		}
		for i := range in {
			a[r*in+i] = float32(right * p2.At(from, i))
		}
		for o := range out {
			b[o*rank+r] = float32(left * p1.At(o, from))
		}
	}
	return a, b, nil
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
