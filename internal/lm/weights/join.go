package weights

import (
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
