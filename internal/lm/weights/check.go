package weights

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/docent-ml/docent/internal/lm"
)

// CheckError lists everything that keeps a checkpoint from being the model that was expected.
type CheckError struct {
	Missing []string // expected, not there
	Unused  []string // there, not expected
	Shapes  []ShapeMismatch
	Tied    []string // copies of tied tensors whose values differ from the original
}

// ShapeMismatch is a tensor of another shape than expected.
type ShapeMismatch struct {
	Name      string
	Got, Want []int
}

func (e *CheckError) Error() string {
	var b strings.Builder
	b.WriteString("the checkpoint does not match its configuration")
	list := func(what string, names []string) {
		if len(names) > 0 {
			fmt.Fprintf(&b, "; %d %s: %s", len(names), what, strings.Join(names, ", "))
		}
	}
	list("missing", e.Missing)
	list("unused", e.Unused)
	var shapes []string
	for _, s := range e.Shapes {
		shapes = append(shapes, fmt.Sprintf("%s %v instead of %v", s.Name, s.Got, s.Want))
	}
	list("of another shape", shapes)
	list("differing from the tensor that the configuration ties them to (set tie_word_embeddings to false to use them)", e.Tied)
	return b.String()
}

// Expected lists the tensors that a checkpoint of configuration c consists of, with their shapes.
func Expected(c lm.Config) map[string][]int {
	out := map[string][]int{}
	for _, p := range c.Params() {
		out[p.Name] = p.Shape
	}
	return out
}

// Check compares a checkpoint with the tensors a model consists of (see Expected) and reports all differences in one
// *CheckError. Two kinds of surplus are harmless and pass: a copy of the embeddings as lm_head.weight when the
// configuration ties the two (its values are compared), and rotary_emb.inv_freq buffers of old checkpoints, which
// follow from the configuration.
func Check(expected map[string][]int, src Source) error {
	e := new(CheckError)
	have := map[string][]int{}
	for _, t := range src.Tensors() {
		have[t.Name] = t.Shape
		want, ok := expected[t.Name]
		switch {
		case ok && !slices.Equal(want, t.Shape):
			e.Shapes = append(e.Shapes, ShapeMismatch{t.Name, t.Shape, want})
		case ok, strings.HasSuffix(t.Name, ".rotary_emb.inv_freq"):
		case t.Name == lm.LMHead && slices.Equal(t.Shape, expected[lm.EmbedTokens]):
			equal, err := sameValues(src, t, lm.EmbedTokens)
			if err != nil {
				return err
			}
			if !equal {
				e.Tied = append(e.Tied, t.Name)
			}
		default:
			e.Unused = append(e.Unused, t.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(expected)) {
		if _, ok := have[name]; !ok {
			e.Missing = append(e.Missing, name)
		}
	}
	if len(e.Missing)+len(e.Unused)+len(e.Shapes)+len(e.Tied) > 0 {
		return e
	}
	return nil
}

// sameValues compares two tensors of one shape, a piece at a time.
func sameValues(src Source, t Tensor, other string) (bool, error) {
	x := make([]float32, min(t.Size(), pieceElements))
	y := make([]float32, len(x))
	for at := 0; at < t.Size(); at += len(x) {
		n := min(len(x), t.Size()-at)
		if err := errors.Join(src.ReadFrom(t.Name, at, x[:n]), src.ReadFrom(other, at, y[:n])); err != nil {
			return false, err
		}
		if !slices.Equal(x[:n], y[:n]) {
			return false, nil
		}
	}
	return true, nil
}
