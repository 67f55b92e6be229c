package model

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"hash/crc32"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/tensors"

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
	m.grow(m.adapter)
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
	if o.Begin != nil {
		if err := o.Begin(params); err != nil {
			return err
		}
	}
	digest, sums := sha256.New(), &blockSums{}
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
		var t *tensors.Tensor
		taken := false
		if b, ok := m.blocks(p); ok && o.KeepBlocks != nil {
			taken, err = o.KeepBlocks(p, sums.of(b, i))
		}
		switch {
		case err != nil || taken:
		case o.Keep != nil:
			err = o.Keep(p, read)
		case p.Linear && !p.Router && weights.Packed(o.Packed) > 0 && p.Shape[1]%32 == 0:
			t, err = pack(o.Packed, p, read)
		default:
			transposed := m.Transposed && (p.Linear && p.Experts == 0 || p.Head) // held the other way round than in the checkpoint
			t, err = device.Fill(o.Backend, dtype, p.Shape, transposed, read)
		}
		if err != nil {
			return fmt.Errorf("load %s: %w", p.Name, err)
		}
		if t != nil {
			m.Weights = append(m.Weights, t)
		}
		if o.Progress != nil {
			o.Progress("load", int64(i+1), int64(len(params)))
		}
	}
	m.Mark = hex.EncodeToString(digest.Sum(nil))
	m.digest = func() (string, error) { return m.Mark, nil }
	if sums.any {
		m.Mark += fmt.Sprintf("%x", sums.sum.Load())
		m.digest = sync.OnceValues(m.hash)
	}
	return nil
}

// Digest is the SHA-256 over all values, in the order of Params.
func (m *Model) Digest() (string, error) { return m.digest() }

// hash reads all weights again.
func (m *Model) hash() (string, error) {
	digest := sha256.New()
	var buffer []float32
	for _, p := range m.Config.Params() {
		size, row := p.Size(), 1
		if len(p.Shape) > 1 {
			row = size / p.Shape[0]
		}
		part := max(1, (1<<20)/row) * row
		buffer = slices.Grow(buffer[:0], part)
		for at := 0; at < size; at += part {
			if err := m.read(p, at, buffer[:min(part, size-at)], digest); err != nil {
				return "", fmt.Errorf("digest of %s: %w", p.Name, err)
			}
		}
	}
	return hex.EncodeToString(digest.Sum(nil)), nil
}

// blocks is how a matrix lies in a file, where it does in blocks and nothing is merged into it.
func (m *Model) blocks(p lm.Param) (b weights.Blocks, ok bool) {
	src, isGGUF := m.source.(*weights.GGUF)
	if !isGGUF || len(p.Shape) != 2 || m.adapter != nil && m.adapter.Changes(p.Name) {
		return b, false
	}
	return src.Blocks(p.Name)
}

// blockSums is a sum over all that is read of blocks, in any order. Altered weights have another one, but for one in 2³² of them.
type blockSums struct {
	any bool
	sum atomic.Uint64
}

// of is b, weight number i, whose bytes are added when they are read.
func (s *blockSums) of(b weights.Blocks, i int) weights.Blocks {
	s.any = true
	table, read := crc32.MakeTable(crc32.Castagnoli), b.Read
	b.Read = func(first int, dst []byte) error {
		err := read(first, dst)
		x := (uint64(i)<<32 | uint64(first)) * 0x9e3779b97f4a7c15
		s.sum.Add((x ^ uint64(crc32.Checksum(dst, table))) * 0xbf58476d1ce4e5b9)
		return err
	}
	return b
}

// read fills dst with a weight, whole rows from element at on.
func (m *Model) read(p lm.Param, at int, dst []float32, digest hash.Hash) error {
	if err := m.readMerged(p, at, dst, m.adapter); err != nil {
		return err
	}
	digest.Write(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(dst))), 4*len(dst)))
	return nil
}

// readMerged reads a weight from element at on, whole rows, and applies the adapters to it, in float32. Nil adapters change
// nothing.
func (m *Model) readMerged(p lm.Param, at int, dst []float32, adapters ...*adapter.Adapter) error {
	adapters = slices.DeleteFunc(slices.Clone(adapters), func(a *adapter.Adapter) bool { return a == nil })
	if !slices.ContainsFunc(adapters, func(a *adapter.Adapter) bool { return a.Weights[p.Name].Values != nil }) {
		name := p.Name
		if name == lm.LMHead && m.untied {
			name = lm.EmbedTokens
		}
		if err := m.source.ReadFrom(name, at, dst); err != nil {
			return err
		}
	}
	for _, a := range adapters {
		if err := a.Apply(p.Name, at, dst); err != nil {
			return err
		}
	}
	return nil
}

// Read fills dst with a whole weight, a matrix as [out, in], as the model computes with it.
func (m *Model) Read(p lm.Param, dst []float32) error { return m.readMerged(p, 0, dst, m.adapter) }

// grow makes the configuration that of the model with the adapter merged, which may have more tokens, or a head of its own.
func (m *Model) grow(a *adapter.Adapter) {
	if a == nil {
		return
	}
	if w := a.Weights[lm.EmbedTokens]; len(w.Shape) == 2 {
		m.Config.VocabSize = w.Shape[0]
	}
	m.untied = m.Config.TieEmbeddings && !a.Ties()
	m.Config.TieEmbeddings = m.Config.TieEmbeddings && !m.untied
}

// Fit compares all of an adapter with the parameters that it updates, and gives the adapter as updates of the weights as they
// are, those merged while loading included.
func (m *Model) Fit(a *adapter.Adapter) (*adapter.Adapter, error) {
	if a == nil {
		return nil, nil
	}
	merged := m.adapter
	if a == merged { // not yet
		merged = nil
	}
	var bad []string
	if m.Config.TieEmbeddings {
		if !a.Ties() {
			bad = append(bad, "the model's head is its embedding, and the adapter changes one of them alone (ensure_weight_tying is not set): "+
				"only the adapter's own folder can be opened as a model")
		}
		a = a.Tied()
	}
	params, matrices := map[string]lm.Param{}, map[string]lm.Param{}
	for _, p := range m.Config.Params() {
		params[p.Name] = p
		if len(p.Shape) == 2 {
			matrices[strings.TrimSuffix(p.Name, ".weight")] = p
		}
	}
	for _, path := range a.Paths() {
		x := a.Modules[path]
		switch p, ok := matrices[path]; {
		case ok && !m.Config.Target(p) && m.Config.Experts.Fused:
			bad = append(bad, "target_parameters: PEFT's update of "+path+" is one of the matrix as "+m.Config.Family+
				" has it, turned, with gate and up in turn, which docent does not compute: train the projections of attention, as \"all-linear\" does")
		case !ok:
			bad = append(bad, path+" is not in the model")
		case x.Experts != p.Experts || !slices.Equal(p.Shape, []int{max(1, x.Experts) * x.Out, x.In}):
			bad = append(bad, fmt.Sprintf("%s updates [%d %d], the model has %v", path, max(1, x.Experts)*x.Out, x.In, p.Shape))
		case x.Bias != nil && params[path+".bias"].Shape == nil:
			bad = append(bad, "lora_bias: "+path+" has no bias to which it could be added")
		}
	}
	for name, w := range a.Weights {
		if p, ok := params[name]; !ok || !slices.Equal(p.Shape, w.Shape) {
			bad = append(bad, fmt.Sprintf("%s is %v, the model has %v", name, w.Shape, p.Shape))
		}
	}
	for name, rows := range a.Rows {
		if p := params[name]; len(p.Shape) != 2 || len(rows.Values) != len(rows.Tokens)*p.Shape[1] || slices.Max(rows.Tokens) >= p.Shape[0] || slices.Min(rows.Tokens) < 0 {
			bad = append(bad, fmt.Sprintf("trainable_token_indices %v: %s is %v", rows.Tokens, name, p.Shape))
		}
	}
	if len(bad) > 0 {
		slices.Sort(bad)
		return nil, fmt.Errorf("%w: it does not fit this model: %s", adapter.ErrFormat, strings.Join(bad, "; "))
	}
	return a.Plain(func(path string, dst []float32) error { return m.readMerged(matrices[path], 0, dst, merged) })
}
