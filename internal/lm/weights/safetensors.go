package weights

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxHeader is the limit that the safetensors library puts on the JSON header.
const maxHeader = 100_000_000

// Safetensors is an opened safetensors checkpoint of one file or several shards. It implements Source.
type Safetensors struct {
	catalog
	metadata map[string]string
}

// Metadata returns the free-form strings of the header; of shards, all of them together.
func (s *Safetensors) Metadata() map[string]string { return maps.Clone(s.metadata) }

// OpenFolder opens the checkpoint of a Hugging Face model folder: model.safetensors or, failing that, the shards that
// model.safetensors.index.json lists. The files must implement io.ReaderAt, as those of os.DirFS and embed.FS do.
func OpenFolder(fsys fs.FS) (*Safetensors, error) {
	const single, index = "model.safetensors", "model.safetensors.index.json"
	if _, err := fs.Stat(fsys, single); err == nil {
		return OpenSafetensors(fsys, single)
	}
	data, err := fs.ReadFile(fsys, index)
	if errors.Is(err, fs.ErrNotExist) {
		hint := ""
		if other, _ := fs.Glob(fsys, "pytorch_model*.bin"); len(other) > 0 {
			hint = "; " + other[0] + " is in PyTorch's pickle format, convert the model to safetensors first"
		}
		return nil, &Error{"open", single, "", fmt.Errorf("neither it nor %s is in the folder%s: %w", index, hint, fs.ErrNotExist)}
	}
	if err != nil {
		return nil, &Error{"open", index, "", err}
	}
	shardOf, err := parseIndex(data)
	if err != nil {
		return nil, &Error{"open", index, "", err}
	}
	s := &Safetensors{catalog: catalog{label: index}}
	for _, name := range slices.Compact(slices.Sorted(maps.Values(shardOf))) {
		if err := s.open(fsys, name); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	if err := matchIndex(shardOf, s.byName); err != nil {
		return nil, errors.Join(&Error{"open", index, "", err}, s.Close())
	}
	s.pairMXFP4()
	return s, nil
}

// OpenSafetensors opens one safetensors file, such as a PEFT adapter's adapter_model.safetensors.
func OpenSafetensors(fsys fs.FS, name string) (*Safetensors, error) {
	s := &Safetensors{catalog: catalog{label: name}}
	if err := s.open(fsys, name); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.pairMXFP4()
	return s, nil
}

// open adds the tensors of one file.
func (s *Safetensors) open(fsys fs.FS, name string) error {
	f, err := fsys.Open(name)
	if err != nil {
		return &Error{"open", name, "", err}
	}
	s.closers = append(s.closers, f)
	info, err := f.Stat()
	if err != nil {
		return &Error{"open", name, "", err}
	}
	if info.IsDir() {
		return &Error{"open", name, "", errors.New("is a folder")}
	}
	at, ok := f.(io.ReaderAt)
	if !ok {
		return &Error{"open", name, "", fmt.Errorf("%T cannot be read at an offset; use os.DirFS", f)}
	}
	return s.parse(&file{name, at, info.Size()})
}

// parse reads the header of a file and enters its tensors. The layout is: the header's length in 8 bytes, the header
// in JSON, then the data that its offsets point into.
func (s *Safetensors) parse(f *file) error {
	fault := func(tensor string, err error) error { return &Error{"open", f.name, tensor, err} }
	var prefix [8]byte
	if n, err := f.ReadAt(prefix[:], 0); n < len(prefix) {
		if errors.Is(err, io.EOF) {
			err = malformed("%d bytes are too few for a header", f.size)
		}
		return fault("", err)
	}
	length := binary.LittleEndian.Uint64(prefix[:])
	if length > maxHeader || int64(length) > f.size-8 {
		return fault("", malformed("a header of %d bytes does not fit in a file of %d", length, f.size))
	}
	header := make([]byte, length)
	if n, err := f.ReadAt(header, 8); n < len(header) {
		return fault("", err)
	}
	entries, metadata, err := parseHeader(header)
	if err != nil {
		return fault("", err)
	}
	if s.metadata == nil {
		s.metadata = map[string]string{}
	}
	maps.Copy(s.metadata, metadata)

	start := 8 + int64(length)
	var found []*stored
	for _, e := range entries {
		t, err := e.tensor(f, start)
		if err == nil {
			err = s.add(t)
		}
		if err != nil {
			return fault(e.name, err)
		}
		found = append(found, t)
	}
	return checkLayout(f, found, start, true)
}

// headerEntry is one tensor of the JSON header.
type headerEntry struct {
	name    string
	DType   DType `json:"dtype"`
	Shape   []int `json:"shape"`
	Offsets []int `json:"data_offsets"` // first byte and the one after the last, from the end of the header
}

func (e headerEntry) tensor(f *file, start int64) (*stored, error) {
	codec, ok := plainCodecs[e.DType]
	if !ok {
		return nil, unsupported("type %q", e.DType)
	}
	if e.Shape == nil || len(e.Offsets) != 2 {
		return nil, malformed("needs a shape and two data_offsets")
	}
	n, err := elements(e.Shape)
	if err != nil {
		return nil, err
	}
	s := &stored{
		Tensor: Tensor{e.name, e.Shape, e.DType}, raw: e.name, file: f,
		offset: start + int64(e.Offsets[0]), codec: codec,
	}
	begin, end := e.Offsets[0], e.Offsets[1]
	switch {
	case begin < 0 || end < begin || int64(end) > f.size-start:
		return nil, malformed("data_offsets %v lie outside the %d bytes of data", e.Offsets, f.size-start)
	case s.bytes(n) != int64(end-begin):
		return nil, malformed("shape %v of %s needs %d bytes, data_offsets %v hold %d", e.Shape, e.DType, s.bytes(n), e.Offsets, end-begin)
	}
	return s, nil
}

// parseHeader walks the JSON itself instead of decoding into a map, which would let the last of two equal keys win.
func parseHeader(header []byte) (entries []headerEntry, metadata map[string]string, err error) {
	if len(header) == 0 || header[0] != '{' {
		return nil, nil, malformed("the header is not a JSON object")
	}
	err = eachKey(header, func(name string, value json.RawMessage) error {
		if name == "__metadata__" {
			metadata = map[string]string{}
			return eachKey(value, func(key string, value json.RawMessage) error {
				var text string
				err := json.Unmarshal(value, &text)
				metadata[key] = text
				return err
			})
		}
		e := headerEntry{name: name}
		seen := 0
		err := eachKey(value, func(key string, value json.RawMessage) error {
			seen++
			switch key {
			case "dtype":
				return json.Unmarshal(value, &e.DType)
			case "shape":
				return json.Unmarshal(value, &e.Shape)
			case "data_offsets":
				return json.Unmarshal(value, &e.Offsets)
			}
			return fmt.Errorf("unknown key %q", key)
		})
		if err == nil && seen != 3 {
			err = errors.New("needs dtype, shape and data_offsets")
		}
		if err != nil {
			return fmt.Errorf("tensor %q: %w", name, err)
		}
		entries = append(entries, e)
		return nil
	})
	if err != nil {
		return nil, nil, malformed("header: %w", err)
	}
	return entries, metadata, nil
}

// eachKey calls visit for every key of a JSON object in order; a key that comes twice is an error.
func eachKey(object []byte, visit func(key string, value json.RawMessage) error) error {
	if !utf8.Valid(object) {
		return errors.New("not UTF-8")
	}
	dec := json.NewDecoder(strings.NewReader(string(object)))
	if open, err := dec.Token(); err != nil {
		return err
	} else if open != json.Delim('{') {
		return fmt.Errorf("%v where an object should begin", open)
	}
	seen := map[string]bool{}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return err
		}
		key, ok := token.(string)
		if !ok {
			return fmt.Errorf("%v where a key should be", token)
		}
		if seen[key] {
			return fmt.Errorf("%q is there twice", key)
		}
		seen[key] = true
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return fmt.Errorf("%q: %w", key, err)
		}
		if err := visit(key, value); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("something follows the object")
	}
	return nil
}
