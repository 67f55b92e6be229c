// Package device is docent's boundary to the compute backend: programs compiled for a few shapes, tensors filled in
// place, and the one spot where panics of graph building become errors.
//
// A Program may be run by several goroutines; the tensors it is given belong to one at a time. A compiled program cannot be interrupted:
// contexts are checked by the callers, between runs.
package device

import (
	"fmt"
	"sync/atomic"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// Program is one graph function and its compiled forms, one for each combination of input shapes.
type Program struct {
	name     string
	exec     *graph.Exec
	compiled atomic.Int64
}

// NewProgram prepares build, which maps the parameters of a graph to its results. Nothing is compiled yet.
func NewProgram(backend compute.Backend, name string, build func(in []*graph.Node) []*graph.Node) (*Program, error) {
	p := &Program{name: name}
	err := guard(func() (err error) {
		p.exec, err = graph.NewExec(backend, func(in []*graph.Node) []*graph.Node {
			p.compiled.Add(1)
			return build(in)
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	p.exec.WithName(name)
	p.exec.SetMaxCache(-1) // callers keep their shapes few; gomlx's own limit would fail the 33rd
	return p, nil
}

// Compiled is the number of compiled forms there were so far.
func (p *Program) Compiled() int { return int(p.compiled.Load()) }

// Run executes the program, compiling it first where the shapes of in are new. Inputs stay valid, but for those
// wrapped by graph.DonateTensorBuffer; the caller owns the results.
func (p *Program) Run(in []any) (out []*tensors.Tensor, err error) {
	err = guard(func() (err error) {
		out, err = p.exec.Call(in...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.name, err)
	}
	return out, nil
}

// Close frees the compiled forms.
func (p *Program) Close() {
	if p != nil && p.exec != nil {
		p.exec.Finalize()
		p.exec = nil
	}
}

// guard turns a panic, gomlx's error channel while a graph is built, into an error.
func guard(fn func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			if e, ok := r.(error); ok {
				err = e
				return
			}
			err = fmt.Errorf("%v", r)
		}
	}()
	return fn()
}

// IsGo tells gomlx's pure-Go backend from the others. Its Name is one for people.
func IsGo(backend compute.Backend) bool { return backend.String() == "go" }

// Check refuses types of weights that a backend computes wrongly.
func Check(backend compute.Backend, dtype dtypes.DType) error {
	if vectors && dtype == dtypes.BFloat16 && IsGo(backend) {
		return fmt.Errorf("precision bf16: gomlx's Go backend multiplies bfloat16 wrongly when it is built with GOEXPERIMENT=simd: " +
			"use f32, or another backend")
	}
	return nil
}

// Floats copies a float32 or bfloat16 tensor to the host.
func Floats(t *tensors.Tensor) (out []float32, err error) {
	err = guard(func() (err error) {
		if t.DType() == dtypes.BFloat16 {
			return tensors.ConstFlatData(t, func(flat []bfloat16.BFloat16) {
				out = make([]float32, len(flat))
				for i, v := range flat {
					out[i] = v.Float32()
				}
			})
		}
		out, err = tensors.CopyFlatData[float32](t)
		return err
	})
	return out, err
}

// Ints copies an int32 tensor to the host.
func Ints(t *tensors.Tensor) (out []int32, err error) {
	err = guard(func() (err error) {
		out, err = tensors.CopyFlatData[int32](t)
		return err
	})
	return out, err
}

// Free releases tensors early instead of waiting for the garbage collector, which does not see device memory.
func Free(ts ...*tensors.Tensor) {
	for _, t := range ts {
		if t != nil {
			_ = guard(t.FinalizeAll)
		}
	}
}
