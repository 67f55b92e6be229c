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

// Module is the low-rank update of one matrix: W + Scale·B·A. With DoRA's magnitudes the rows of the sum are given those lengths.
// That of the embedding is the update of its matrix [vocab, hidden], which PEFT's file has the other way round.
// Of experts it is one update for each of as many matrices, which lie one below the other.
type Module struct {
	Rank, In, Out int
	Experts       int       // 0 = it is one matrix
	A             []float32 // [rank, in], of experts [experts, rank, in]
	B             []float32 // [out, rank], of experts [experts, out, rank]
	Magnitude     []float32 // [out]; nil = none
	Bias          []float32 // [out], times Scale on top of the projection's bias; nil = none
	Scale         float64   // alpha/rank, or alpha/√rank with rsLoRA
}

// Weight is a whole parameter.
type Weight struct {
	Shape  []int
	Values []float32
}

// Rows are some rows of an embedding.
type Rows struct {
	Tokens []int
	Values []float32 // [tokens, hidden]
}

// Adapter is a set of updates by module path, such as "model.layers.0.self_attn.q_proj", and what takes the place of parameters
// or rows of them, by their names, before that.
type Adapter struct {
	Config  Config
	Modules map[string]Module
	Weights map[string]Weight
	Rows    map[string]Rows
}

// Paths lists the modules in order.
func (a *Adapter) Paths() []string { return slices.Sorted(maps.Keys(a.Modules)) }

// Load reads an adapter folder. Kinds of adapter that docent does not compute are refused by name, as is any tensor without its
// partner. Those that begin with a changed base need [Adapter.Plain].
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
	a := &Adapter{Config: c, Modules: map[string]Module{}, Weights: map[string]Weight{}, Rows: map[string]Rows{}}
	if err := a.read(src); err != nil {
		return nil, fmt.Errorf("load adapter: %s: %w", WeightsFile, err)
	}
	return a, nil
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
	a.tensors(add)
	o := weights.WriteOptions{Name: strings.TrimSuffix(WeightsFile, ".safetensors"), ShardBytes: math.MaxInt64}
	if err := weights.Write(ctx, dir, tensors, weights.From(values), o); err != nil {
		return fmt.Errorf("save adapter: %w", err)
	}
	if err := a.Config.save(filepath.Join(dir, ConfigFile), a.Paths()); err != nil {
		return fmt.Errorf("save adapter: %w", err)
	}
	return nil
}

// Apply makes dst, which holds a parameter's values from element at on, whole rows, what the adapter makes of them.
func (a *Adapter) Apply(name string, at int, dst []float32) error {
	if w, ok := a.Weights[name]; ok {
		copy(dst, w.Values[at:])
	}
	if rows := a.Rows[name]; len(rows.Tokens) > 0 {
		width := len(rows.Values) / len(rows.Tokens)
		for i, token := range rows.Tokens {
			if from := token*width - at; from >= 0 && from < len(dst) {
				copy(dst[from:from+width], rows.Values[i*width:])
			}
		}
	}
	path, matrix := strings.CutSuffix(name, ".weight")
	m, ok := a.Modules[strings.TrimSuffix(path, ".bias")]
	switch {
	case ok && matrix:
		if err := m.AddTo(dst, at/m.In); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	case ok && m.Bias != nil:
		for i := range dst {
			dst[i] += float32(m.Scale) * m.Bias[at+i]
		}
	}
	return nil
}

// OnTop tells whether the adapter is nothing but updates of projections that can be computed beside them; what else there is
// must be merged.
func (a *Adapter) OnTop() bool {
	for path, m := range a.Modules {
		if _, inside := Layer(path); !inside || m.Magnitude != nil || m.Bias != nil {
			return false
		}
	}
	return len(a.Weights)+len(a.Rows) == 0
}

// AddTo adds the rows of Scale·B·A from first on to w, which holds those rows of a matrix [out, in], row-major, in float32, and
// gives them the lengths of the magnitudes. A result that is not finite is an error: merging would spread it over the model.
func (m Module) AddTo(w []float32, first int) error {
	scale := float32(m.Scale)
	for i := range len(w) / m.In {
		row, o := w[i*m.In:(i+1)*m.In], first+i
		for r := range m.Rank {
			b := m.B[o*m.Rank+r] * scale
			a := m.A[(o/m.Out*m.Rank+r)*m.In:][:m.In]
			for i := range row {
				row[i] += b * a[i]
			}
		}
		if m.Magnitude != nil {
			var square float64
			for _, v := range row {
				square += float64(v) * float64(v)
			}
			factor := m.Magnitude[o] / float32(math.Sqrt(square))
			for i := range row {
				row[i] *= factor
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

// Changes tells whether the adapter updates a matrix, which has the name of its weight.
func (a *Adapter) Changes(name string) bool {
	_, update := a.Modules[strings.TrimSuffix(name, ".weight")]
	_, whole := a.Weights[name]
	_, rows := a.Rows[name]
	return update || whole || rows
}
