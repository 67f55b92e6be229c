package weights

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/lm"
)

// checkOpened holds whatever the bytes were: a source either fails to open with one of the declared errors, or every
// tensor it lists can be read in full, or says why not.
func checkOpened(t *testing.T, src Source, err error) {
	if err != nil {
		var typed *Error
		if !errors.As(err, &typed) || !errors.Is(err, ErrFormat) && !errors.Is(err, lm.ErrUnsupported) {
			t.Fatalf("undeclared error: %v", err)
		}
		return
	}
	last := ""
	for i, x := range src.Tensors() {
		if i > 0 && x.Name <= last {
			t.Fatalf("%q after %q", x.Name, last)
		}
		last = x.Name
		if err := src.Read(x.Name, make([]float32, x.Size())); err != nil && !errors.Is(err, lm.ErrUnsupported) {
			t.Fatal(err)
		}
	}
}

func FuzzSafetensors(f *testing.F) {
	f.Add([]byte(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`), 8)
	f.Add([]byte(`{"__metadata__":{"format":"pt"},"a":{"dtype":"BF16","shape":[],"data_offsets":[0,2]},"b":{"dtype":"I8","shape":[0],"data_offsets":[2,2]}}  `), 2)
	f.Add([]byte(`{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}`), 0)
	f.Add([]byte(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{}}`), 8)
	f.Add([]byte(`{}`), 0)
	f.Fuzz(func(t *testing.T, header []byte, size int) {
		data := safetensorsFile(string(header), make([]byte, size&0xFFFF))
		s := &Safetensors{catalog: catalog{label: "x"}}
		err := s.parse(&file{"x", bytes.NewReader(data), int64(len(data))})
		sortedByName(s.tensors)
		checkOpened(t, s, err)
		if err == nil { // without gaps, the tensors are the file
			total := 8 + len(header)
			for _, x := range s.Tensors() {
				total += x.Size() * plainCodecs[x.DType].bytes
			}
			if total != len(data) {
				t.Fatalf("tensors make up %d of %d bytes", total, len(data))
			}
		}
	})
}

func FuzzSafetensorsFile(f *testing.F) {
	f.Add(oneTensor("a"))
	f.Add(binary.LittleEndian.AppendUint64(nil, 1<<63))
	f.Add([]byte{2, 0, 0, 0, 0, 0, 0, 0, '{', '}'})
	f.Fuzz(func(t *testing.T, data []byte) {
		s := &Safetensors{catalog: catalog{label: "x"}}
		err := s.parse(&file{"x", bytes.NewReader(data), int64(len(data))})
		sortedByName(s.tensors)
		checkOpened(t, s, err)
	})
}

func FuzzIndex(f *testing.F) {
	f.Add([]byte(`{"metadata":{"total_size":1},"weight_map":{"a":"model-00001-of-00001.safetensors"}}`))
	f.Add([]byte(`{"weight_map":{"a":"../x"}}`))
	f.Add([]byte(`{"weight_map":{},"weight_map":{}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		shardOf, err := parseIndex(data)
		if err != nil {
			require.ErrorIs(t, err, ErrFormat)
			return
		}
		for tensor, name := range shardOf {
			if filepath.Base(name) != name || name == ".." || name == "." {
				t.Fatalf("%q: %q leads out of the folder", tensor, name)
			}
		}
	})
}

func FuzzGGUF(f *testing.F) {
	for _, name := range []string{"llama", "gemma3", "phi3", "llama3"} {
		c := tinyConfig(f, tinyConfigs[name])
		c.Layers, c.VocabSize, c.Windows = 1, 3, c.Windows[:1]
		g := toGGUF(c, randomModel(c))
		f.Add(g.bytes())
		for i := range g.tensors { // the header alone, which is what the fuzzer should change
			g.tensors[i].data = nil
		}
		f.Add(g.bytes())
	}
	small := &ggufFile{version: 3, align: 32}
	small.set("general.architecture", "llama")
	small.set("general.alignment", uint32(32))
	small.set("llama.attention.head_count", uint32(1))
	for kind := range ggufCodecs {
		small.tensors = append(small.tensors, ggufTensor{"t" + string(rune('A'+kind)), []int{1, 256}, kind, make([]byte, 2048)})
	}
	f.Add(small.bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		g := &GGUF{}
		err := g.parse(&file{"x", bytes.NewReader(data), int64(len(data))})
		if err != nil {
			checkOpened(t, nil, err)
			return
		}
		checkOpened(t, g, nil)
		_, _ = g.Config() // must not panic, whatever it says
	})
}

func FuzzWriteName(f *testing.F) {
	f.Add("model.norm.weight", "value")
	f.Add("\"\\\n", "<&>\u2028")
	f.Fuzz(func(t *testing.T, name, value string) {
		dir := t.TempDir()
		err := Write(t.Context(), dir, []Tensor{{name, []int{1}, F32}}, fillFrom(map[string][]float32{name: {3}}),
			WriteOptions{Metadata: map[string]string{"key": value}})
		if err != nil {
			return
		}
		s, err := OpenFolder(os.DirFS(dir))
		require.NoError(t, err)
		defer s.Close()
		require.Equal(t, map[string][]float32{name: {3}}, readAll(t, s))
	})
}
