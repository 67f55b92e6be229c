// Package weights reads and writes model checkpoints: safetensors (one file, or shards with an index) and GGUF.
//
// A Source lists the tensors of an opened checkpoint under their canonical names, which are those of Hugging Face
// transformers (model.layers.0.self_attn.q_proj.weight), whatever the file calls them, and reads them one at a time,
// converted to float32 or bfloat16:
//
//	src, err := weights.OpenFolder(os.DirFS("SmolLM2-135M-Instruct")) // or weights.OpenGGUF("model.gguf")
//	if err != nil { … }
//	defer src.Close()
//	if err := weights.Check(weights.Expected(config), src); err != nil { … } // lists every missing, unused and mis-shaped tensor
//	for _, t := range src.Tensors() {
//		values := make([]float32, t.Size())
//		if err := src.Read(t.Name, values); err != nil { … }
//	}
//
// Nothing is read but headers until Read is called, and Read needs, beyond its destination, a few megabytes at most,
// so loading a model costs little more memory than the model. Write is the counterpart: it streams tensors into
// safetensors files that appear whole or not at all.
//
// The package converts and checks; it does not build models. A Source may be read from several goroutines at once. Everything in
// a file is distrusted: counts, offsets, shapes and names are checked against the file's size before they are used.
package weights

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/docent-ml/docent/internal/lm"
)

// DType names how a tensor's values are stored, in the words of its file format: "F32", "BF16", "I64", "Q4_K", ….
type DType string

// The types that Write produces; Read converts every other floating-point or quantised type into one of them.
const (
	F32  DType = "F32"
	BF16 DType = "BF16"
)

// Tensor describes one stored tensor.
type Tensor struct {
	Name  string // canonical name
	Shape []int  // row-major, outermost dimension first; empty for a scalar
	DType DType  // as stored
}

// Size is the number of elements.
func (t Tensor) Size() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// Source is an opened checkpoint. It is safe for concurrent use.
type Source interface {
	// Tensors lists everything in the checkpoint, sorted by name. The caller must not change the shapes.
	Tensors() []Tensor

	// Read fills dst with a tensor's values in row-major order, dequantised if need be. dst must have exactly the
	// tensor's size. Integer tensors are refused with lm.ErrUnsupported.
	Read(name string, dst []float32) error

	// ReadFrom is Read for the elements from start on, as many as dst has room for.
	ReadFrom(name string, start int, dst []float32) error

	// Close releases the files. Reads that follow fail with fs.ErrClosed; closing twice is harmless.
	Close() error
}

var (
	// ErrFormat is wrapped when a file breaks the rules of its format: truncated, overlapping, inconsistent. A file
	// that keeps them but that docent cannot use (an unknown quantisation, a GGUF architecture without a decoder,
	// integers where weights are asked for) is refused with lm.ErrUnsupported.
	ErrFormat = errors.New("malformed checkpoint")

	// ErrNotFound is wrapped when a tensor is asked for that the checkpoint does not have.
	ErrNotFound = errors.New("no such tensor")
)

// Error says which file, and which tensor in it, an operation failed on.
type Error struct {
	Op     string // "open", "read" or "write"
	File   string
	Tensor string // as the file names it; empty when the fault is not one tensor's
	Err    error
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s weights %s: ", e.Op, e.File)
	if e.Tensor != "" {
		fmt.Fprintf(&b, "tensor %q: ", e.Tensor)
	}
	b.WriteString(e.Err.Error())
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrFormat, fmt.Errorf(format, args...))
}

func unsupported(format string, args ...any) error {
	return fmt.Errorf("%w: %w", lm.ErrUnsupported, fmt.Errorf(format, args...))
}

// elements multiplies a shape without overflowing.
func elements(shape []int) (int, error) {
	n := 1
	for _, d := range shape {
		if d < 0 {
			return 0, malformed("negative dimension in shape %v", shape)
		}
		if d != 0 && n > math.MaxInt/8/d {
			return 0, malformed("shape %v is too large", shape)
		}
		n *= d
	}
	return n, nil
}

func sortedByName(tensors []Tensor) []Tensor {
	slices.SortFunc(tensors, func(a, b Tensor) int { return strings.Compare(a.Name, b.Name) })
	return tensors
}
