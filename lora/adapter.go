package lora

import (
	"context"
	"errors"
	"io/fs"

	"github.com/docent-ml/docent/internal/lm/adapter"
	"github.com/docent-ml/docent/internal/lm/model"
)

// Adapter is a trained low-rank update in PEFT's form.
type Adapter struct {
	a     *adapter.Adapter
	model *model.Model // that it was trained on; nil = it was read from a folder
}

// AdapterInfo describes an adapter.
type AdapterInfo struct {
	Base    string // reference of the base model it was trained on
	Rank    int
	Alpha   float64
	Modules []string // paths of the projections it updates
}

// LoadAdapter reads a folder with adapter_config.json and adapter_model.safetensors, as PEFT and Save write it. Kinds of
// adapter that docent does not compute are refused with ErrFormat.
func LoadAdapter(fsys fs.FS) (*Adapter, error) {
	a, err := adapter.Load(fsys)
	if err != nil {
		return nil, err
	}
	return &Adapter{a: a}, nil
}

// Save writes the folder, which PEFT loads unchanged. Each file replaces its predecessor whole or not at all. Beside an adapter
// that was trained here, docent.json tells the digest of the weights that it belongs to: serve/engine puts it on no others.
func (a *Adapter) Save(ctx context.Context, dir string) error {
	if a.model == nil {
		return a.a.Save(ctx, dir)
	}
	return a.model.SaveAdapter(ctx, a.a, dir)
}

// Info describes the adapter.
func (a *Adapter) Info() AdapterInfo {
	c := a.a.Config
	return AdapterInfo{Base: c.Base, Rank: c.Rank, Alpha: c.Alpha, Modules: a.a.Paths()}
}

// peft is the configuration in PEFT's words.
func (c Config) peft() (adapter.Config, error) {
	out := adapter.Config{Rank: c.Rank, Alpha: c.Alpha, RSLoRA: c.RSLoRA, Dropout: c.Dropout, Targets: c.Targets,
		DoRA: c.DoRA, LoRABias: c.LoRABias, Bias: string(c.Bias), ModulesToSave: c.SaveModules, Tokens: c.Tokens}
	var errs []error
	for _, p := range c.Patterns {
		if err := out.Pattern(p.Modules, p.Rank, p.Alpha); err != nil {
			errs = append(errs, &ConfigError{"Patterns", err.Error()})
		}
	}
	return out, errors.Join(errs...)
}

func (t *Trainer) adapterConfig() adapter.Config {
	out, base := t.layout.peft, t.base.model
	out.Tied = base.Config.TieEmbeddings && len(out.ModulesToSave) > 0
	out.Base, out.Revision, out.Wrapped = base.Ref.Name(), base.Ref.Revision, base.Config.Wrapper != ""
	if len(out.Parameters) > 0 { // names of experts would be modules
		out.Targets = nil
	}
	if t.config.Start != "" {
		out = out.Doubled()
	}
	return out
}
