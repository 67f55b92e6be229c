package model

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/docent-ml/docent/internal/lm"
	"github.com/docent-ml/docent/internal/lm/adapter"
)

// AdapterFolder tells whether ref names a folder with a PEFT adapter that can be computed on top of a model, and no model of its
// own: folder is "" if not. base is the model that the adapter names.
func AdapterFolder(ref string) (base, folder string, err error) {
	r, err := lm.ParseRef(ref)
	if err != nil || r.Kind != lm.Dir {
		return "", "", err
	}
	a, ok, err := adapterOnly(r.Path)
	if err != nil || !ok || !a.OnTop() {
		return "", "", err
	}
	b, err := baseOf(r, a)
	return b.String(), r.Path, err
}

// baseOf is the model that the adapter in the folder r names.
func baseOf(r lm.Ref, a *adapter.Adapter) (lm.Ref, error) {
	base, err := lm.ParseRef(a.Config.Base)
	if err != nil {
		return base, fmt.Errorf("%s: base_model_name_or_path: %w", adapter.ConfigFile, err)
	}
	if base.Kind == lm.Hub {
		base.Revision = a.Config.Revision
	}
	if base.Kind == lm.Dir && !filepath.IsAbs(base.Path) {
		if beside := filepath.Join(r.Path, base.Path); exists(beside) {
			base.Path = beside
		}
	}
	return base, nil
}

// With is the model with the adapter of a folder on top, and with the tokenizer, the template and the record that lie beside
// the adapter. It has no weights: those of m, which must be open, are the ones that OnTop updates.
func (m *Model) With(fsys fs.FS) (*Model, error) {
	a, err := adapter.Load(fsys)
	if err != nil {
		return nil, err
	}
	x := &Model{Ref: m.Ref, Config: m.Config, Generation: m.Generation, Tokenizer: m.Tokenizer, Chat: m.Chat, Mark: m.Mark, digest: m.digest}
	r, err := openRecord(fsys)
	if err != nil {
		return nil, err
	}
	if r.Digest != "" {
		digest, err := m.Digest()
		if err != nil {
			return nil, err
		}
		if r.Digest != digest {
			return nil, fmt.Errorf("%w: it was trained on weights of the digest %.12s, and those of %s have %.12s: serve it on the model that it was trained on",
				adapter.ErrFormat, r.Digest, m.Ref, digest)
		}
	}
	x.Base, x.QA = cmp.Or(r.Base, m.Ref.Name()), r.Prompt == promptQA
	if !a.OnTop() {
		return nil, fmt.Errorf("%w: only low-rank updates of projections are computed on top of a model: open its folder as a model, which merges it", adapter.ErrFormat)
	}
	if x.OnTop, err = m.Fit(a); err != nil {
		return nil, err
	}
	return x, x.openTextBeside(fsys)
}

// SaveAdapter writes an adapter of the model, in PEFT's layout, and beside it the record of what it was trained on.
func (m *Model) SaveAdapter(ctx context.Context, a *adapter.Adapter, dir string) error {
	if err := a.Save(ctx, dir); err != nil {
		return err
	}
	digest, err := m.Digest()
	if err != nil {
		return err
	}
	return m.writeRecord(dir, record{Base: m.Ref.Name(), Digest: digest})
}
