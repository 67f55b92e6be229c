package infer

import (
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/docent-ml/docent/internal/device"
)

// whole are the graphs for texts that are read but not continued: no cache comes of them. They are compiled when a text
// is first embedded or scored, for lengths that are powers of two.
type whole struct {
	hidden *device.Program // tokens [1, width], weights. out: [width, hidden]
	head   *device.Program // hidden [ScorePiece, hidden], weights. out: logits [ScorePiece, vocab]
}

func (p *Programs) whole() (*whole, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.texts != nil {
		return p.texts, nil
	}
	w := &whole{}
	var err error
	w.hidden, err = device.NewProgram(p.backend, "hidden", func(in []*Node) []*Node {
		positions := Iota(in[0].Graph(), in[0].Shape(), 1)
		one := OnesLike(positions)
		return []*Node{ConvertDType(p.decoder(in[1:]).Hidden(in[0], positions, one, one), dtypes.Float32)}
	})
	if err != nil {
		return nil, err
	}
	w.head, err = device.NewProgram(p.backend, "head", func(in []*Node) []*Node {
		d := p.decoder(in[1:])
		return []*Node{d.Logits(ConvertDType(in[0], in[1].DType()))}
	})
	if err != nil {
		return nil, err
	}
	p.texts = w
	return w, nil
}

// Hidden implements Slots.
func (s *Graphs) Hidden(ids []int32) ([][]float32, error) {
	if err := CheckText(ids, s.context); err != nil {
		return nil, err
	}
	w, err := s.programs.whole()
	if err != nil {
		return nil, err
	}
	width := smallPiece
	for width < len(ids) {
		width *= 2
	}
	tokens := make([]int32, width) // what is behind the text is not seen by it
	copy(tokens, ids)
	out, err := w.hidden.Run(append([]any{tensors.FromFlatDataAndDimensions(tokens, 1, width)}, s.model.Inputs()...))
	if err != nil {
		return nil, err
	}
	return rowsOf(out[0], len(ids))
}

// Logits implements Slots.
func (s *Graphs) Logits(hidden [][]float32) ([][]float32, error) {
	w, err := s.programs.whole()
	if err != nil {
		return nil, err
	}
	n := s.config.HiddenSize
	if err := CheckHidden(hidden, n); err != nil {
		return nil, err
	}
	flat := make([]float32, ScorePiece*n)
	for i, row := range hidden {
		copy(flat[i*n:], row)
	}
	out, err := w.head.Run(append([]any{tensors.FromFlatDataAndDimensions(flat, ScorePiece, n)}, s.model.Inputs()...))
	if err != nil {
		return nil, err
	}
	return rowsOf(out[0], len(hidden))
}

// rowsOf takes the first n rows of a two-dimensional result.
func rowsOf(t *tensors.Tensor, n int) ([][]float32, error) {
	width := t.Shape().Dim(1)
	flat, err := take(t)
	if err != nil {
		return nil, err
	}
	rows := make([][]float32, n)
	for i := range rows {
		rows[i] = flat[i*width : (i+1)*width]
	}
	return rows, nil
}
