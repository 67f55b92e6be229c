package weights

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

// shard is one safetensors file to be written.
type shard struct {
	name    string
	tensors []Tensor
	bytes   int64 // of data
	header  []byte
}

// layOut divides tensors into files and prepares their headers.
func layOut(tensors []Tensor, o WriteOptions) ([]*shard, error) {
	if o.ShardBytes < 0 || filepath.Base(o.Name) != o.Name || o.Name == "." || o.Name == ".." {
		return nil, fmt.Errorf("options: ShardBytes must not be negative and Name %q must be a plain file name", o.Name)
	}
	var errs []error
	seen := map[string]bool{"__metadata__": true}
	for _, t := range tensors {
		_, err := elements(t.Shape)
		switch {
		case !utf8.ValidString(t.Name):
			errs = append(errs, fmt.Errorf("tensor %q: the name is not UTF-8", t.Name))
		case seen[t.Name]:
			errs = append(errs, fmt.Errorf("tensor %q: the name is taken", t.Name))
		case t.DType != F32 && t.DType != BF16:
			errs = append(errs, fmt.Errorf("tensor %q: type %q is not written, only F32 and BF16", t.Name, t.DType))
		case err != nil:
			errs = append(errs, fmt.Errorf("tensor %q: %w", t.Name, err))
		}
		seen[t.Name] = true
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}

	// Wider types first keep every tensor aligned to its element size.
	tensors = slices.SortedStableFunc(slices.Values(tensors), func(a, b Tensor) int {
		return plainCodecs[b.DType].bytes - plainCodecs[a.DType].bytes
	})
	shards := []*shard{{}}
	for _, t := range tensors {
		last := shards[len(shards)-1]
		size := int64(t.Size()) * int64(plainCodecs[t.DType].bytes)
		if len(last.tensors) > 0 && last.bytes+size > o.ShardBytes {
			last = new(shard)
			shards = append(shards, last)
		}
		last.tensors = append(last.tensors, t)
		last.bytes += size
	}
	for i, s := range shards {
		s.name = o.Name + ".safetensors"
		if len(shards) > 1 {
			s.name = fmt.Sprintf("%s-%05d-of-%05d.safetensors", o.Name, i+1, len(shards))
		}
		var err error
		if s.header, err = s.encodeHeader(o.Metadata); err != nil {
			return nil, err
		}
	}
	return shards, nil
}

// encodeHeader returns the length prefix and the JSON, padded so that the data begins at a multiple of 8.
func (s *shard) encodeHeader(metadata map[string]string) ([]byte, error) {
	all := map[string]string{"format": "pt"}
	maps.Copy(all, metadata)
	b := bytes.NewBuffer(make([]byte, 8))
	b.WriteString(`{"__metadata__":`)
	b.Write(marshal(all))
	offset := 0
	for _, t := range s.tensors {
		end := offset + t.Size()*plainCodecs[t.DType].bytes
		b.WriteByte(',')
		b.Write(marshal(t.Name))
		b.WriteByte(':')
		b.Write(marshal(headerEntry{DType: t.DType, Shape: append([]int{}, t.Shape...), Offsets: []int{offset, end}}))
		offset = end
	}
	b.WriteByte('}')
	for b.Len()%8 != 0 {
		b.WriteByte(' ')
	}
	if b.Len()-8 > maxHeader {
		return nil, fmt.Errorf("%s: a header of %d bytes is more than the format allows; use a smaller ShardBytes", s.name, b.Len()-8)
	}
	binary.LittleEndian.PutUint64(b.Bytes(), uint64(b.Len()-8))
	return b.Bytes(), nil
}

// index is the file that says which shard a tensor is in.
func index(shards []*shard) []byte {
	var doc struct {
		Metadata struct {
			Parameters int64 `json:"total_parameters"`
			Size       int64 `json:"total_size"`
		} `json:"metadata"`
		WeightMap map[string]string `json:"weight_map"`
	}
	doc.WeightMap = map[string]string{}
	for _, s := range shards {
		for _, t := range s.tensors {
			doc.Metadata.Parameters += int64(t.Size())
			doc.WeightMap[t.Name] = s.name
		}
		doc.Metadata.Size += s.bytes
	}
	data, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		panic(err) // strings and integers always marshal
	}
	return append(data, '\n')
}

func marshal(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings and integers always marshal
	}
	return data
}

// checkTarget refuses to mix the shards of two checkpoints.
func checkTarget(dir, name string, sharded bool) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		rest, ok := strings.CutPrefix(e.Name(), name)
		if !ok {
			continue
		}
		shard, _ := filepath.Match("-*-of-*.safetensors", rest)
		if shard || rest == ".safetensors.index.json" || sharded && rest == ".safetensors" {
			return fmt.Errorf("%s is there already, and a checkpoint in shards cannot be replaced in one step; "+
				"write to an empty folder", e.Name())
		}
	}
	return nil
}
