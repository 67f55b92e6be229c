package weights

import (
	"slices"
	"sort"
	"sync"

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
			if s := c.byName[p.Name]; s != nil && slices.Equal(s.Shape, parts[0].Shape) { // but for an axis of one element
				s.Shape = p.Shape
				i := slices.IndexFunc(c.tensors, func(t Tensor) bool { return t.Name == p.Name })
				c.tensors[i].Shape = p.Shape
			}
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
		read := c.gather
		if x.Columns == 0 {
			read = func(x lm.Piece, skip int, dst []float32) error { return c.ReadFrom(x.Tensor, x.From+skip, dst) }
		}
		if err := read(x, skip, dst[:n]); err != nil {
			return err
		}
		start, dst = start+n, dst[n:]
	}
	return nil
}

// span is elements of a tensor that are kept for the next read: the rows of a piece may be its columns.
type span struct {
	sync.Mutex
	tensor string
	from   int
	values []float32
}

// gather fills dst with the elements from skip on of a piece whose elements lie apart.
func (c *catalog) gather(x lm.Piece, skip int, dst []float32) error {
	first, last := x.In(skip/x.Columns*x.Columns), x.In((skip+len(dst)-1)/x.Columns*x.Columns+x.Columns-1)
	if x.Step > x.RowStep { // every row goes through all of them
		first, last = x.From, x.In(x.Size-1)
	}
	s := &c.span
	s.Lock()
	defer s.Unlock()
	if s.tensor != x.Tensor || s.from != first || len(s.values) != last+1-first {
		s.tensor, s.from, s.values = "", first, resize(s.values, last+1-first)
		if err := c.ReadFrom(x.Tensor, first, s.values); err != nil {
			return err
		}
		s.tensor = x.Tensor
	}
	for i := 0; i < len(dst); {
		n := min(x.Columns-(skip+i)%x.Columns, len(dst)-i)
		from := x.In(skip+i) - first
		for j := range n {
			dst[i+j] = s.values[from+j*x.Step]
		}
		i += n
	}
	return nil
}
