// Package device is docent's boundary to the compute backend: programs compiled for a few shapes, tensors filled in
// place, and the one spot where panics of graph building become errors.
//
// A Program may be run by several goroutines; the tensors it is given belong to one at a time. A compiled program cannot be interrupted:
// contexts are checked by the callers, between runs.
package device

import (
	"fmt"
	"reflect"
	"sync/atomic"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/distributed"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/compute/shapes"
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
	return NewParallel(backend, 1, name, build)
}

// NewParallel prepares a program that the first so many devices of a backend run together, each on inputs of its own: Run takes
// those of one device behind those of another, and so returns the results. Sum is what they exchange.
func NewParallel(backend compute.Backend, devices int, name string, build func(in []*graph.Node) []*graph.Node) (*Program, error) {
	p := &Program{name: name}
	err := guard(func() (err error) {
		p.exec, err = graph.NewExec(backend, func(in []*graph.Node) []*graph.Node {
			p.compiled.Add(1)
			return build(in)
		})
		if err != nil || devices == 1 {
			return err
		}
		mesh, err := distributed.NewDeviceMesh([]int{devices}, []string{"data"})
		if err == nil {
			p.exec.SPMD(mesh)
		}
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

// Sum adds up what x is on each of the devices that run the program.
func Sum(x *graph.Node) *graph.Node {
	if x.Graph().NumDevices() == 1 {
		return x
	}
	return x.Graph().Distributed().AllReduceOne(x, compute.ReduceOpSum)
}

// Memory is what a compiled form takes of each device beside its inputs, in bytes.
type Memory struct{ Results, Temporary, Code int64 }

// Memory compiles the program, where the shapes of in are new, and says what it will take. ok is false where the backend does not
// tell.
func (p *Program) Memory(in []any) (m Memory, ok bool, err error) {
	of := make([]shapes.Shape, len(in))
	err = guard(func() error {
		for i, x := range in {
			t, isTensor := x.(*tensors.Tensor)
			if !isTensor {
				t = tensors.MustFromAnyValue(x)
			}
			of[i] = t.Shape()
		}
		g, err := p.exec.Compile(of...)
		if err == nil {
			m, ok = reported(g.Executable())
		}
		return err
	})
	if err != nil {
		return m, false, fmt.Errorf("%s: %w", p.name, err)
	}
	return m, ok, nil
}

// reported reads what XLA's compiler reports of a program. go-xla v0.4.1 keeps it where only reflection gets at it.
func reported(program compute.Executable) (m Memory, ok bool) {
	v := reflect.ValueOf(program)
	for _, field := range []string{"exec", "OnDeviceMemoryUsageStats"} {
		if v = reflect.Indirect(v); v.Kind() != reflect.Struct {
			return m, false
		}
		v = v.FieldByName(field)
	}
	if v.Kind() != reflect.Struct {
		return m, false
	}
	for name, n := range map[string]*int64{"Outputs": &m.Results, "Temporary": &m.Temporary, "GeneratedCode": &m.Code} {
		x := v.FieldByName(name)
		if !x.CanInt() {
			return m, false
		}
		*n = x.Int()
	}
	return m, true
}

// Copy makes a copy of a tensor on another device of the backend.
func Copy(backend compute.Backend, t *tensors.Tensor, to int) (out *tensors.Tensor, err error) {
	err = guard(func() error {
		from, err := t.Buffer(backend, 0)
		if err != nil {
			return err
		}
		buffer, err := from.CopyToDevice(compute.DeviceNum(to))
		if err == nil {
			out, err = tensors.FromBuffer(buffer)
		}
		return err
	})
	return out, err
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
