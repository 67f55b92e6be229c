package weights

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docent-ml/docent/internal/lm"
)

// GGUF is an opened GGUF file. It implements Source; names, the order of rows and the offset of norms are those of the
// checkpoint that the file was converted from.
type GGUF struct {
	catalog
	metadata Metadata
	ropes    []*stored // factors on the rotary wavelengths, which are part of the configuration

	described int // tensors, apart from those in the header
}

// Metadata returns the key-value pairs of the header: sizes, tokenizer, chat template.
func (g *GGUF) Metadata() Metadata { return g.metadata }

// OpenGGUF opens a GGUF file of version 2 or 3, or the first of the files that a model is split over, and then the others. An
// architecture or a quantisation that docent cannot read is refused with lm.ErrUnsupported, by name.
func OpenGGUF(path string) (*GGUF, error) {
	g := &GGUF{catalog: catalog{label: filepath.Base(path)}}
	if err := g.openAll(path); err != nil {
		return nil, errors.Join(err, g.Close())
	}
	return g, nil
}

func (g *GGUF) openAll(path string) error {
	if err := g.open(path); err != nil {
		return err
	}
	count, _ := g.metadata.Int("split.count")
	if count <= 1 {
		return nil
	}
	end := fmt.Sprintf("-00001-of-%05d.gguf", count)
	stem, ok := strings.CutSuffix(path, end)
	if no, _ := g.metadata.Int("split.no"); no != 0 || !ok || count > 99999 {
		return &Error{"open", g.label, "", malformed("it is file %d of %d of a model: open the first, whose name ends with %s", no+1, count, end)}
	}
	for i := range count - 1 {
		if err := g.open(fmt.Sprintf("%s-%05d-of-%05d.gguf", stem, i+2, count)); err != nil {
			return err
		}
	}
	if all, ok := g.metadata.Int("split.tensors.count"); ok && all != g.described {
		return &Error{"open", g.label, "", malformed("its %d files have %d tensors, not %d", count, g.described, all)}
	}
	return nil
}

// open adds the tensors of a file.
func (g *GGUF) open(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return &Error{"open", filepath.Base(path), "", err}
	}
	g.closers = append(g.closers, f)
	info, err := f.Stat()
	if err != nil {
		return &Error{"open", filepath.Base(path), "", err}
	}
	if info.IsDir() {
		return &Error{"open", filepath.Base(path), "", errors.New("is a folder")}
	}
	return g.parse(&file{filepath.Base(path), f, info.Size()})
}

// parse reads a header: magic, version, counts, key-value pairs, tensor descriptions. The first file tells of the model.
func (g *GGUF) parse(f *file) error {
	r := &ggufReader{in: bufio.NewReaderSize(io.NewSectionReader(f, 0, f.size), 1<<16), left: f.size}
	fault := func(tensor string, err error) error { return &Error{"open", f.name, tensor, err} }
	if magic := string(r.next(4)); r.err == nil && magic != "GGUF" {
		return fault("", malformed("it begins with %q, not with GGUF", magic))
	}
	version := r.uint32()
	if r.err == nil && version != 2 && version != 3 {
		if version&0xFFFF == 0 {
			return fault("", unsupported("big-endian file"))
		}
		return fault("", unsupported("GGUF version %d; docent reads 2 and 3", version))
	}
	tensors, pairs := r.uint64(), r.uint64()
	metadata, err := readMetadata(r, pairs)
	if err != nil {
		return fault("", err)
	}
	if g.metadata.values == nil {
		g.metadata = metadata
	}
	arch, err := g.arch()
	if err != nil {
		return fault("", err)
	}
	found, err := readTensors(r, f, tensors)
	if err != nil {
		return err
	}
	if err := place(f, metadata, found, f.size-r.left); err != nil {
		return err
	}
	g.described += len(found)
	for _, s := range slices.Concat(found, inHeader(f.name, metadata)) {
		if err := g.enter(s, arch); err != nil {
			return fault(s.raw, err)
		}
	}
	sortedByName(g.tensors)
	return nil
}

func readMetadata(r *ggufReader, pairs uint64) (m Metadata, err error) {
	m.values = map[string]any{}
	for i := uint64(0); i < pairs && r.err == nil; i++ {
		key := r.string()
		kind := r.uint32()
		if r.err != nil {
			break
		}
		if m.Has(key) {
			return m, malformed("key %q is there twice", key)
		}
		value := r.value(kind)
		if r.err != nil {
			return m, fmt.Errorf("key %q: %w", key, r.err)
		}
		m.values[key] = value
	}
	return m, r.err
}

// arch picks the naming rules, and refuses files that are not of a model.
func (g *GGUF) arch() (lm.GGUFNames, error) {
	name, ok := g.metadata.String("general.architecture")
	if no, _ := g.metadata.Int("split.no"); !ok && no > 0 {
		return lm.GGUFNames{}, malformed("it is file %d of a model: open the first; it has no general.architecture", no+1)
	}
	if !ok {
		return lm.GGUFNames{}, malformed("it has no general.architecture")
	}
	arch, ok := lm.NamesOfGGUF(name)
	if !ok {
		return lm.GGUFNames{}, unsupported("architecture %q; docent reads %s", name, lm.GGUFArchitectures())
	}
	if kind, _ := g.metadata.String("general.type"); kind != "" && kind != "model" {
		return lm.GGUFNames{}, unsupported("the file holds a %s, not a model", kind)
	}
	return arch, nil
}

// readTensors reads the descriptions. Offsets are still relative to the data.
func readTensors(r *ggufReader, f *file, count uint64) ([]*stored, error) {
	var found []*stored
	foreign := map[string]int{} // types that docent does not read
	names := map[string]bool{}
	for i := uint64(0); i < count; i++ {
		s, kind, err := readTensor(r, f)
		if err == nil && names[s.raw] {
			err = malformed("it is there twice")
		}
		if err != nil {
			return nil, &Error{"open", f.name, s.raw, err}
		}
		names[s.raw] = true
		found = append(found, s)
		if s.codec.block == 0 {
			foreign[cmp.Or(ggufTypeNames[kind], fmt.Sprintf("number %d", kind))]++
		}
	}
	if r.err != nil {
		return nil, &Error{"open", f.name, "", r.err}
	}
	if len(foreign) > 0 {
		var list []string
		for _, kind := range slices.Sorted(maps.Keys(foreign)) {
			list = append(list, fmt.Sprintf("%d of type %s", foreign[kind], kind))
		}
		return nil, &Error{"open", f.name, "", unsupported("of %d tensors %s; docent reads %s", count,
			strings.Join(list, ", "), "F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K to Q6_K, IQ4_NL, IQ4_XS and MXFP4")}
	}
	return found, nil
}

// readTensor reads and checks one description. A type that docent does not read leaves codec at its zero.
func readTensor(r *ggufReader, f *file) (s *stored, kind uint32, err error) {
	s = &stored{raw: r.string(), file: f}
	dims := r.uint32()
	if r.err == nil && (dims == 0 || dims > 4) {
		return s, 0, malformed("it has %d dimensions", dims)
	}
	for range dims {
		d := r.uint64()
		if r.err == nil && (d == 0 || d > uint64(f.size)*superBlock) {
			return s, 0, malformed("a dimension of %d does not fit in the file", d)
		}
		s.Shape = append(s.Shape, int(d))
	}
	slices.Reverse(s.Shape) // the file has the innermost dimension first
	kind, offset := r.uint32(), r.uint64()
	if r.err != nil {
		return s, 0, r.err
	}
	s.codec = ggufCodecs[kind]
	s.DType = s.codec.dtype
	if n := s.Shape[len(s.Shape)-1]; s.codec.block > 0 && n%s.codec.block != 0 {
		return s, 0, malformed("rows of %d elements do not divide into blocks of %d (%s)", n, s.codec.block, s.DType)
	}
	if _, err := elements(s.Shape); err != nil {
		return s, 0, err
	}
	if offset > uint64(f.size) {
		return s, 0, malformed("its offset %d lies outside the file", offset)
	}
	s.offset = int64(offset)
	return s, kind, nil
}

// place turns relative offsets into those of the file, now that the header's end is known, and checks that the data is
// where they say.
func place(f *file, metadata Metadata, tensors []*stored, headerEnd int64) error {
	align := 32
	if metadata.Has("general.alignment") {
		var ok bool
		if align, ok = metadata.Int("general.alignment"); !ok || align <= 0 || align > 1<<20 || align&(align-1) != 0 {
			return &Error{"open", f.name, "", malformed("general.alignment is not a power of two")}
		}
	}
	a := int64(align)
	start := (headerEnd + a - 1) / a * a
	for _, s := range tensors {
		if s.offset%a != 0 {
			return &Error{"open", f.name, s.raw, malformed("its offset %d is not a multiple of %d", s.offset, align)}
		}
		if need := s.bytes(s.Size()); need > f.size-start-s.offset {
			return &Error{"open", f.name, s.raw, malformed("its %d bytes at %d lie outside the file; is it cut short?", need, start+s.offset)}
		}
		s.offset += start
	}
	return checkLayout(f, tensors, start, false)
}

// inHeader are the tensors that lie in the header.
func inHeader(label string, metadata Metadata) (found []*stored) {
	for key := range metadata.values {
		values, _ := metadata.Floats(key)
		if !strings.HasPrefix(key, lm.GGUFNumbers) || len(values) == 0 {
			continue
		}
		var raw []byte
		for _, v := range values {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(float32(v)))
		}
		found = append(found, &stored{
			Tensor: Tensor{key, []int{len(values)}, F32}, raw: key, codec: codecOf(F32),
			file: &file{label, bytes.NewReader(raw), int64(len(raw))},
		})
	}
	return found
}

// enter names a tensor and notes how to undo what the converter did to its values.
func (g *GGUF) enter(s *stored, arch lm.GGUFNames) error {
	if s.raw == lm.RopeFreqs || s.raw == lm.RopeFactorsShort || s.raw == lm.RopeFactorsLong {
		g.ropes = append(g.ropes, s)
		return nil
	}
	s.Name = arch.Canonical(s.raw)
	if arch.UnitNorms && strings.HasSuffix(s.Name, "norm.weight") {
		s.shift = -1
	}
	if heads, ok := g.headsOf(s.Name); ok && arch.Permuted {
		if heads <= 0 || s.Shape[0]%(2*heads) != 0 {
			return malformed("its %d rows do not divide into %d heads of an even size", s.Shape[0], heads)
		}
		s.headDim = s.Shape[0] / heads
	}
	return g.add(s)
}

// headsOf tells how many heads the rows of a query or key projection make up.
func (g *GGUF) headsOf(name string) (heads int, ok bool) {
	arch, _ := g.metadata.String("general.architecture")
	heads, _ = g.metadata.Int(arch + ".attention.head_count")
	switch {
	case strings.Contains(name, ".q_proj."):
		return heads, true
	case strings.Contains(name, ".k_proj."):
		if kv, ok := g.metadata.Int(arch + ".attention.head_count_kv"); ok {
			heads = kv
		}
		return heads, true
	}
	return 0, false
}

// Config derives the model's configuration from the metadata and, where that says nothing, from the tensors.
func (g *GGUF) Config() (lm.Config, error) {
	shapes := make(map[string][]int, len(g.tensors))
	for _, t := range g.tensors {
		shapes[t.Name] = t.Shape
	}
	factors, err := g.ropeFactors()
	if err != nil {
		return lm.Config{}, err
	}
	c, err := lm.ConfigFromGGUF(g.metadata, shapes, factors)
	if err != nil {
		return lm.Config{}, &Error{"open", g.label, "", err}
	}
	return c, nil
}

// ropeFactors reads the factors on the rotary wavelengths, by the names of their tensors.
func (g *GGUF) ropeFactors() (map[string][]float32, error) {
	out := map[string][]float32{}
	for _, s := range g.ropes {
		if s.codec.decode == nil {
			return nil, &Error{"read", g.label, s.raw, unsupported("type %s does not hold factors", s.DType)}
		}
		factors := make([]float32, s.Size())
		if err := s.readPiece(factors, 0, new(scratch)); err != nil {
			return nil, &Error{"read", g.label, s.raw, err}
		}
		out[s.raw] = factors
	}
	return out, nil
}
