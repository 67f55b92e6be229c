package weights

import (
	"fmt"
	"slices"
	"sort"

	"github.com/docent-ml/docent/internal/lm"
)

// Join makes a model's parameters of the tensors that the checkpoint holds them in, where those are not the parameters
// themselves. A parameter of which a piece is missing, or has another shape, is left for Check to report.
func (c *catalog) Join(params []lm.Param, pieces func(lm.Param) ([]lm.Piece, error)) error {
	used := map[string]bool{}
	for _, p := range params {
		parts, err := pieces(p)
		if err != nil {
			return err
		}
		if p.Experts == 0 && parts[0].Tensor == p.Name {
			continue
		}
		first := c.byName[parts[0].Tensor]
		if slices.ContainsFunc(parts, func(x lm.Piece) bool {
			s := c.byName[x.Tensor]
			return s == nil || !slices.Equal(s.Shape, x.Shape)
		}) || c.byName[p.Name] != nil {
			continue
		}
		for _, x := range parts {
			used[x.Tensor] = true
		}
		if c.joined == nil {
			c.joined = map[string][]lm.Piece{}
		}
		c.joined[p.Name] = parts
		c.tensors = append(c.tensors, Tensor{Name: p.Name, Shape: p.Shape, DType: first.DType})
	}
	c.tensors = sortedByName(slices.DeleteFunc(c.tensors, func(t Tensor) bool { return used[t.Name] }))
	return nil
}

// readJoined fills dst with the elements from start on of what lies in pieces.
func (c *catalog) readJoined(pieces []lm.Piece, start int, dst []float32) error {
	for i := sort.Search(len(pieces), func(i int) bool { return pieces[i].At+pieces[i].Size > start }); len(dst) > 0; i++ {
		x := pieces[i]
		skip := start - x.At
		n := min(x.Size-skip, len(dst))
		if err := c.ReadFrom(x.Tensor, x.From+skip, dst[:n]); err != nil {
			return err
		}
		start, dst = start+n, dst[n:]
	}
	return nil
}

// joinedBlocks is Blocks for a matrix in pieces of whole rows, if all of them are of one type.
func (g *GGUF) joinedBlocks(pieces []lm.Piece) (b Blocks, ok bool) {
	for i, x := range pieces {
		s, err := g.find(x.Tensor)
		if err != nil || s.headDim > 0 || s.shift != 0 || i > 0 && s.DType != g.byName[pieces[0].Tensor].DType {
			return b, false
		}
	}
	s := g.byName[pieces[0].Tensor]
	in := s.Shape[len(s.Shape)-1]
	b = Blocks{Format: BlockFormats[s.DType], Bytes: s.codec.bytes, RowBytes: int(s.bytes(in))}
	b.Read = func(first int, dst []byte) error {
		for start := first * in; len(dst) > 0; {
			x := pieces[sort.Search(len(pieces), func(i int) bool { return pieces[i].At+pieces[i].Size > start })]
			s, skip := g.byName[x.Tensor], start-x.At
			n := min(int(s.bytes(x.Size-skip)), len(dst))
			if _, err := s.file.ReadAt(dst[:n], s.offset+s.bytes(x.From+skip)); err != nil {
				return &Error{"read", s.file.name, s.raw, fmt.Errorf("row %d: %w", first, err)}
			}
			start, dst = start+n/b.RowBytes*in, dst[n:]
		}
		return nil
	}
	return b, b.Format != nil
}
