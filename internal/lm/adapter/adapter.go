// Package adapter reads, writes and applies LoRA adapters in PEFT's format: a folder with adapter_config.json and
// adapter_model.safetensors, matrices A [rank, in] and B [out, rank] per module, scaled by alpha/rank.
//
// An Adapter is plain data; reading it from several goroutines is safe.
package adapter

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docent-ml/docent/internal/lm/weights"
)

// ErrFormat is wrapped by every refusal of an adapter folder.
var ErrFormat = errors.New("not a usable PEFT adapter")

// Names of the two files of an adapter folder.
const (
	ConfigFile  = "adapter_config.json"
	WeightsFile = "adapter_model.safetensors"
)

// prefix is what PEFT puts before a module path.
const prefix = "base_model.model."

// wrapped is where the modules of text are in a model of text and more.
const wrapped = "model.language_model."

// Module is the low-rank update of one projection: W + Scale·B·A.
type Module struct {
	Rank, In, Out int
	A             []float32 // [rank, in]
	B             []float32 // [out, rank]
	Scale         float64   // alpha/rank, or alpha/√rank with rsLoRA
}

// Adapter is a set of updates by module path, such as "model.layers.0.self_attn.q_proj".
type Adapter struct {
	Config  Config
	Modules map[string]Module
}

// Paths lists the modules in order.
func (a *Adapter) Paths() []string { return slices.Sorted(maps.Keys(a.Modules)) }

// Load reads an adapter folder. Kinds of adapter that docent does not compute (DoRA, trained biases, saved modules)
// are refused by name, as is any tensor without its partner. Those that begin with a changed base need [Adapter.Plain].
func Load(fsys fs.FS) (*Adapter, error) {
	data, err := fs.ReadFile(fsys, ConfigFile)
	if err != nil {
		return nil, fmt.Errorf("load adapter: %w", err)
	}
	c, err := parseConfig(data)
	if err != nil {
		return nil, fmt.Errorf("load adapter: %s: %w", ConfigFile, err)
	}
	src, err := weights.OpenSafetensors(fsys, WeightsFile)
	if _, pickled := fs.Stat(fsys, "adapter_model.bin"); err != nil && pickled == nil {
		err = fmt.Errorf("%w: adapter_model.bin is a Python pickle, which can run programs: load it with PEFT and save it again, as %s", ErrFormat, WeightsFile)
	}
	if err != nil {
		return nil, fmt.Errorf("load adapter: %w", err)
	}
	defer src.Close()
	a := &Adapter{Config: c, Modules: map[string]Module{}}
	if err := a.read(src); err != nil {
		return nil, fmt.Errorf("load adapter: %s: %w", WeightsFile, err)
	}
	return a, nil
}

func (a *Adapter) read(src weights.Source) error {
	var unknown []string
	shapes := map[string]*Module{}
	for _, t := range src.Tensors() {
		path, isB, ok := modulePath(t.Name)
		if !ok || len(t.Shape) != 2 {
			unknown = append(unknown, t.Name)
			continue
		}
		m := shapes[path]
		if m == nil {
			m = &Module{}
			shapes[path] = m
		}
		values := make([]float32, t.Size())
		if err := src.Read(t.Name, values); err != nil {
			return err
		}
		if isB {
			m.Out, m.B = t.Shape[0], values
			m.Rank = max(m.Rank, t.Shape[1])
		} else {
			m.In, m.A = t.Shape[1], values
			m.Rank = max(m.Rank, t.Shape[0])
		}
	}
	if len(unknown) > 0 {
		return fmt.Errorf("%w: tensors that are not lora_A or lora_B matrices: %s", ErrFormat, strings.Join(unknown, ", "))
	}
	if len(shapes) == 0 {
		return fmt.Errorf("%w: it has no tensors", ErrFormat)
	}
	for path, m := range shapes {
		rank, err := a.Config.rank(path)
		if err != nil {
			return err
		}
		if len(m.A) != rank*m.In || len(m.B) != m.Out*rank || len(m.A) == 0 || len(m.B) == 0 {
			return fmt.Errorf("%w: module %s: A and B must both be there with rank %d", ErrFormat, path, rank)
		}
		m.Rank = rank
		if m.Scale, err = a.Config.scale(path, rank); err != nil {
			return err
		}
		a.Modules[path] = *m
	}
	return nil
}

// modulePath takes a tensor name of PEFT apart.
func modulePath(name string) (path string, isB, ok bool) {
	name = strings.TrimPrefix(name, prefix)
	for _, text := range []string{wrapped, "language_model.model."} { // of transformers 5 and 4
		if rest, ok := strings.CutPrefix(name, text); ok {
			name = "model." + rest
		}
	}
	// The adapter's own name stands before ".weight" in files saved by some trainers.
	name = strings.Replace(name, ".default.weight", ".weight", 1)
	if path, ok = strings.CutSuffix(name, ".lora_A.weight"); ok {
		return path, false, true
	}
	path, ok = strings.CutSuffix(name, ".lora_B.weight")
	return path, true, ok
}

// Save writes the folder that PEFT loads unchanged. Each file appears whole or not at all.
func (a *Adapter) Save(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("save adapter: %w", err)
	}
	var tensors []weights.Tensor
	values := map[string][]float32{}
	add := func(name string, data []float32, shape ...int) {
		tensors = append(tensors, weights.Tensor{Name: name, Shape: shape, DType: weights.F32})
		values[name] = data
	}
	for _, path := range a.Paths() {
		m := a.Modules[path]
		if a.Config.Wrapped {
			path = wrapped + strings.TrimPrefix(path, "model.")
		}
		add(prefix+path+".lora_A.weight", m.A, m.Rank, m.In)
		add(prefix+path+".lora_B.weight", m.B, m.Out, m.Rank)
	}
	fill := func(name string, dst []float32) error {
		copy(dst, values[name])
		return nil
	}
	o := weights.WriteOptions{Name: strings.TrimSuffix(WeightsFile, ".safetensors"), ShardBytes: math.MaxInt64}
	if err := weights.Write(ctx, dir, tensors, fill, o); err != nil {
		return fmt.Errorf("save adapter: %w", err)
	}
	if err := a.Config.save(filepath.Join(dir, ConfigFile), a.Paths()); err != nil {
		return fmt.Errorf("save adapter: %w", err)
	}
	return nil
}

// AddTo adds the rows of Scale·B·A from first on to w, which holds those rows of a matrix [out, in], row-major, in float32. A
// result that is not finite is an error: merging would spread it over the model.
func (m Module) AddTo(w []float32, first int) error {
	scale := float32(m.Scale)
	for i := range len(w) / m.In {
		row, o := w[i*m.In:(i+1)*m.In], first+i
		for r := range m.Rank {
			b := m.B[o*m.Rank+r] * scale
			a := m.A[r*m.In : (r+1)*m.In]
			for i := range row {
				row[i] += b * a[i]
			}
		}
		for i, v := range row {
			if v-v != 0 { // NaN and both infinities
				return fmt.Errorf("merged weight [%d, %d] is %v", o, i, v)
			}
		}
	}
	return nil
}
