package model

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"
	"strings"
	"unsafe"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"

	"github.com/docent-ml/docent/internal/device"
	"github.com/docent-ml/docent/internal/lm"
	"github.com/docent-ml/docent/internal/lm/adapter"
	"github.com/docent-ml/docent/internal/lm/weights"
)

// load puts every weight on the backend, one after the other, so that no more than one of them exists twice.
func (m *Model) load(ctx context.Context, o Options) error {
	if err := weights.Check(weights.Expected(m.Config), m.source); err != nil {
		return err
	}
	var err error
	if m.adapter, err = m.Fit(m.adapter); err != nil {
		return err
	}
	dtype := o.DType
	if dtype == dtypes.InvalidDType {
		dtype = dtypes.Float32
	}
	if o.Keep == nil {
		if err := device.Check(o.Backend, dtype); err != nil {
			return err
		}
	}
	params := m.Config.Params()
	digest := sha256.New()
	for i, p := range params {
		if err := ctx.Err(); err != nil {
			return err
		}
		at := 0
		read := func(dst []float32) error {
			err := m.read(p, at, dst, digest)
			at += len(dst)
			return err
		}
		var err error
		if o.Keep != nil {
			err = o.Keep(p, read)
		} else {
			err = m.put(o.Backend, dtype, p, read)
		}
		if err != nil {
			return fmt.Errorf("load %s: %w", p.Name, err)
		}
		if o.Progress != nil {
			o.Progress("load", int64(i+1), int64(len(params)))
		}
	}
	m.Digest = hex.EncodeToString(digest.Sum(nil))
	return nil
}

// put makes a weight on the backend.
func (m *Model) put(backend compute.Backend, dtype dtypes.DType, p lm.Param, read func(dst []float32) error) error {
	t, err := device.Fill(backend, dtype, p.Shape, m.transposes(p), read)
	if err == nil {
		m.Weights = append(m.Weights, t)
	}
	return err
}

// transposes tells whether a weight is held the other way round than in the checkpoint.
func (m *Model) transposes(p lm.Param) bool { return m.Transposed && (p.Linear || p.Head) }

// read fills dst with a weight, whole rows from element at on.
func (m *Model) read(p lm.Param, at int, dst []float32, digest hash.Hash) error {
	if err := m.readMerged(p, at, dst, m.adapter); err != nil {
		return err
	}
	digest.Write(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(dst))), 4*len(dst)))
	return nil
}

// readMerged reads a weight from element at on, whole rows, and adds the updates of the adapters to it, in float32. Nil
// adapters add nothing.
func (m *Model) readMerged(p lm.Param, at int, dst []float32, adapters ...*adapter.Adapter) error {
	if err := m.source.ReadFrom(p.Name, at, dst); err != nil {
		return err
	}
	for _, a := range adapters {
		if a == nil || !p.Linear {
			continue
		}
		if module, ok := a.Modules[strings.TrimSuffix(p.Name, ".weight")]; ok {
			if err := module.AddTo(dst, at/module.In); err != nil {
				return fmt.Errorf("%s: %w", p.Name, err)
			}
		}
	}
	return nil
}

// Fit compares every module of an adapter with the projection it updates, and gives the adapter as updates of the weights as
// they are, those merged while loading included.
func (m *Model) Fit(a *adapter.Adapter) (*adapter.Adapter, error) {
	if a == nil {
		return nil, nil
	}
	params := map[string]lm.Param{}
	for _, p := range m.Config.Params() {
		if p.Linear {
			params[strings.TrimSuffix(p.Name, ".weight")] = p
		}
	}
	var bad []string
	for _, path := range a.Paths() {
		x := a.Modules[path]
		switch p, ok := params[path]; {
		case !ok:
			bad = append(bad, path+" is not in the model")
		case !slices.Equal(p.Shape, []int{x.Out, x.In}):
			bad = append(bad, fmt.Sprintf("%s updates [%d %d], the model has %v", path, x.Out, x.In, p.Shape))
		}
	}
	if len(bad) > 0 {
		return nil, fmt.Errorf("%w: it does not fit this model: %s", adapter.ErrFormat, strings.Join(bad, "; "))
	}
	merged := m.adapter
	if a == merged { // not yet
		merged = nil
	}
	return a.Plain(func(path string, dst []float32) error { return m.readMerged(params[path], 0, dst, merged) })
}
