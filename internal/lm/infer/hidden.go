package infer

import (
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/docent-ml/docent/internal/device"
)

// The graphs below are for texts that are read but not continued: no cache comes of them. Their lengths are powers of two.

// hidden is: tokens [1, width], positions of the same shape, weights, adapter. out: [width, hidden].
func (p *Programs) hidden(f form) (*device.Program, error) {
	return p.program("hidden "+f.key(), func(in []*Node) []*Node {
		one := Zeros(in[0].Graph(), shapes.Make(dtypes.Int32, 1, 1)) // text in a row
		return []*Node{ConvertDType(p.decoder(in[2:], f).Hidden(in[0], in[1], one, one), dtypes.Float32)}
	})
}

// head is: hidden [ScorePiece, hidden], weights. out: logits [ScorePiece, vocab].
func (p *Programs) head() (*device.Program, error) {
	return p.program("head", func(in []*Node) []*Node {
		return []*Node{p.decoder(in[1:], form{}).Logits(ConvertDType(in[0], in[1].DType()))}
	})
}

// Hidden implements Slots.
func (s *Graphs) Hidden(ids []int32, a Adapter) ([][]float32, error) {
	if err := CheckText(ids, s.context); err != nil {
		return nil, err
	}
	x, _ := a.(*attached)
	program, err := s.programs.hidden(x.of())
	if err != nil {
		return nil, err
	}
	width := bucket(len(ids), smallPiece)
	tokens, positions := make([]int32, width), make([]int32, width) // what is behind the text is not seen by it
	for i := range copy(tokens, ids) {
		positions[i] = int32(i)
	}
	in := append([]any{tensors.FromFlatDataAndDimensions(tokens, 1, width), tensors.FromFlatDataAndDimensions(positions, 1, width)}, s.model.Inputs()...)
	out, err := program.Run(append(in, x.inputs()...))
	if err != nil {
		return nil, err
	}
	return rowsOf(out[0], len(ids))
}

// Logits implements Slots.
func (s *Graphs) Logits(hidden [][]float32) ([][]float32, error) {
	program, err := s.programs.head()
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
	out, err := program.Run(append([]any{tensors.FromFlatDataAndDimensions(flat, ScorePiece, n)}, s.model.Inputs()...))
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
