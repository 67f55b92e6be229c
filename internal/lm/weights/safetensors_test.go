package weights

import (
	"encoding/binary"
	"io/fs"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/lm"
)

// safetensorsFile puts a header before data.
func safetensorsFile(header string, data []byte) []byte {
	return append(append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...), data...)
}

func folder(files map[string][]byte) fstest.MapFS {
	out := fstest.MapFS{}
	for name, data := range files {
		out[name] = &fstest.MapFile{Data: data}
	}
	return out
}

func TestSafetensorsTypes(t *testing.T) {
	data := []byte{
		0, 0, 0x80, 0x3F, 0, 0, 0x20, 0xC0, // F32 1, -2.5
		0x80, 0x3F, 0x20, 0xC0, // BF16
		0, 0x3C, 0, 0xC1, // F16
		0, 0, 0, 0, 0, 0, 0xF0, 0x3F, 0, 0, 0, 0, 0, 0, 4, 0xC0, // F64
		0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 3, 0, 0, 0, 0, 0, 0, 0, // I64 -2, 3
		0xFE, 0xFF, 0xFF, 0xFF, 3, 0, 0, 0, // I32
		0xFE, 3, // U8
	}
	header := `{"__metadata__":{"format":"pt","who":"me"},"a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},
"b":{"data_offsets":[8,12],"dtype":"BF16","shape":[2]},"c":{"dtype":"F16","shape":[2,1],"data_offsets":[12,16]},
"d":{"dtype":"F64","shape":[2],"data_offsets":[16,32]},"i64":{"dtype":"I64","shape":[2],"data_offsets":[32,48]},
"i32":{"dtype":"I32","shape":[2],"data_offsets":[48,56]},"u8":{"dtype":"U8","shape":[2],"data_offsets":[56,58]},
"none":{"dtype":"F32","shape":[0,7],"data_offsets":[58,58]}}   `
	s, err := OpenSafetensors(folder(map[string][]byte{"x.safetensors": safetensorsFile(header, data)}), "x.safetensors")
	require.NoError(t, err)
	defer s.Close()
	assert.Equal(t, map[string]string{"format": "pt", "who": "me"}, s.Metadata())
	assert.Equal(t, []Tensor{{"a", []int{1, 2}, F32}, {"b", []int{2}, BF16}, {"c", []int{2, 1}, "F16"}, {"d", []int{2}, "F64"},
		{"i32", []int{2}, "I32"}, {"i64", []int{2}, "I64"}, {"none", []int{0, 7}, F32}, {"u8", []int{2}, "U8"}}, s.Tensors())

	for _, name := range []string{"a", "b", "c", "d"} {
		v := make([]float32, 2)
		require.NoError(t, s.Read(name, v))
		assert.Equal(t, []float32{1, -2.5}, v, name)
	}
	for _, name := range []string{"i64", "i32", "u8"} {
		require.ErrorIs(t, s.Read(name, make([]float32, 2)), lm.ErrUnsupported)
	}
	require.NoError(t, s.Read("none", nil))
	require.ErrorIs(t, s.Read("x", nil), ErrNotFound)
	require.NoError(t, s.Close())
	require.ErrorIs(t, s.Read("a", make([]float32, 2)), fs.ErrClosed)
}

func TestSafetensorsRefusesFaults(t *testing.T) {
	const a = `"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}`
	data := make([]byte, 8)
	for name, c := range map[string]struct {
		file []byte
		is   error
		says string
	}{
		"empty":             {nil, ErrFormat, "0 bytes are too few"},
		"short":             {[]byte{1, 2, 3}, ErrFormat, "3 bytes are too few"},
		"header too long":   {binary.LittleEndian.AppendUint64(nil, 1<<40), ErrFormat, "does not fit"},
		"header cut":        {safetensorsFile("{"+a+"}", nil)[:20], ErrFormat, "does not fit"},
		"no header":         {safetensorsFile("", nil), ErrFormat, "not a JSON object"},
		"array":             {safetensorsFile("[]", nil), ErrFormat, "not a JSON object"},
		"space before":      {safetensorsFile(" {}", nil), ErrFormat, "not a JSON object"},
		"broken JSON":       {safetensorsFile("{"+a, data), ErrFormat, "EOF"},
		"something follows": {safetensorsFile("{"+a+"}{}", data), ErrFormat, "follows"},
		"not UTF-8":         {safetensorsFile("{\"\xFF\":1}", data), ErrFormat, "UTF-8"},
		"double tensor":     {safetensorsFile("{"+a+","+a+"}", data), ErrFormat, `"a" is there twice`},
		"double key":        {safetensorsFile(`{"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, data), ErrFormat, `tensor "a": "dtype" is there twice`},
		"unknown key":       {safetensorsFile(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}}`, data), ErrFormat, `unknown key "x"`},
		"missing key":       {safetensorsFile(`{"a":{"dtype":"F32","shape":[2]}}`, data), ErrFormat, "needs dtype"},
		"null shape":        {safetensorsFile(`{"a":{"dtype":"F32","shape":null,"data_offsets":[0,8]}}`, data), ErrFormat, "needs a shape"},
		"fraction":          {safetensorsFile(`{"a":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}}`, data), ErrFormat, "2.0"},
		"three offsets":     {safetensorsFile(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,8]}}`, data), ErrFormat, "two data_offsets"},
		"metadata":          {safetensorsFile(`{"__metadata__":{"n":1},`+a+`}`, data), ErrFormat, "number"},
		"unknown type":      {safetensorsFile(`{"a":{"dtype":"F4","shape":[16],"data_offsets":[0,8]}}`, data), lm.ErrUnsupported, `"F4"`},
		"size":              {safetensorsFile(`{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}`, data), ErrFormat, "needs 12 bytes"},
		"negative":          {safetensorsFile(`{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,8]}}`, data), ErrFormat, "negative"},
		"overflow":          {safetensorsFile(`{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}}`, data), ErrFormat, "too large"},
		"outside":           {safetensorsFile("{"+a+"}", data[:7]), ErrFormat, "outside the 7 bytes"},
		"backwards":         {safetensorsFile(`{"a":{"dtype":"F32","shape":[0],"data_offsets":[8,0]}}`, data), ErrFormat, "outside"},
		"before":            {safetensorsFile(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[-8,0]}}`, data), ErrFormat, "outside"},
		"hole":              {safetensorsFile(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, data), ErrFormat, "4 bytes before"},
		"at the end":        {safetensorsFile("{"+a+"}", make([]byte, 11)), ErrFormat, "3 bytes at the end"},
		"data, no tensor":   {safetensorsFile("{}", data), ErrFormat, "8 bytes at the end"},
		"overlap":           {safetensorsFile("{"+a+`,"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, data), ErrFormat, `tensor "b": malformed checkpoint: its data overlaps that of "a"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := OpenSafetensors(folder(map[string][]byte{"x.safetensors": c.file}), "x.safetensors")
			require.ErrorIs(t, err, c.is)
			assert.ErrorContains(t, err, "open weights x.safetensors: ")
			assert.ErrorContains(t, err, c.says)
		})
	}
}

func oneTensor(name string) []byte {
	return safetensorsFile(`{"`+name+`":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, []byte{7})
}

func TestOpenFolder(t *testing.T) {
	index := func(text string) []byte { return []byte(text) }
	const name = "model.safetensors.index.json"

	s, err := OpenFolder(folder(map[string][]byte{
		name:            index(`{"metadata":{"total_size":99},"weight_map":{"b":"2.safetensors","a":"1.safetensors"}}`),
		"1.safetensors": oneTensor("a"), "2.safetensors": oneTensor("b"), "3.safetensors": oneTensor("c"),
	}))
	require.NoError(t, err)
	assert.Equal(t, []Tensor{{"a", []int{1}, "U8"}, {"b", []int{1}, "U8"}}, s.Tensors(), "files outside the index do not belong to it")
	require.NoError(t, s.Close())

	s, err = OpenFolder(folder(map[string][]byte{"model.safetensors": oneTensor("x"), name: index(`{}`)}))
	require.NoError(t, err, "the single file goes first, as in transformers")
	require.NoError(t, s.Close())

	for title, c := range map[string]struct {
		files map[string][]byte
		is    error
		says  []string
	}{
		"nothing":      {map[string][]byte{"x": nil}, fs.ErrNotExist, []string{name}},
		"pickle":       {map[string][]byte{"pytorch_model.bin": nil}, fs.ErrNotExist, []string{"pytorch_model.bin", "convert"}},
		"no map":       {map[string][]byte{name: index(`{"metadata":{}}`)}, ErrFormat, []string{"weight_map"}},
		"not JSON":     {map[string][]byte{name: index(`x`)}, ErrFormat, []string{name}},
		"double":       {map[string][]byte{name: index(`{"weight_map":{"a":"1","a":"2"}}`)}, ErrFormat, []string{`"a" is there twice`}},
		"number":       {map[string][]byte{name: index(`{"weight_map":{"a":1}}`)}, ErrFormat, []string{`"a"`}},
		"elsewhere":    {map[string][]byte{name: index(`{"weight_map":{"a":"../1.safetensors"}}`)}, ErrFormat, []string{`"../1.safetensors"`}},
		"absolute":     {map[string][]byte{name: index(`{"weight_map":{"a":"/etc/passwd"}}`)}, ErrFormat, []string{"/etc/passwd"}},
		"backslash":    {map[string][]byte{name: index(`{"weight_map":{"a":"..\\1"}}`)}, ErrFormat, []string{"beside the index"}},
		"lost shard":   {map[string][]byte{name: index(`{"weight_map":{"a":"1.safetensors"}}`)}, fs.ErrNotExist, []string{"1.safetensors"}},
		"broken shard": {map[string][]byte{name: index(`{"weight_map":{"a":"1.safetensors"}}`), "1.safetensors": nil}, ErrFormat, []string{"1.safetensors"}},
		"twice": {map[string][]byte{name: index(`{"weight_map":{"a":"1.safetensors","b":"2.safetensors"}}`),
			"1.safetensors": oneTensor("a"), "2.safetensors": oneTensor("a")}, ErrFormat, []string{"2.safetensors", "also in 1.safetensors"}},
		"disagreement": {map[string][]byte{name: index(`{"weight_map":{"a":"1.safetensors","b":"2.safetensors","d":"2.safetensors"}}`),
			"1.safetensors": oneTensor("b"), "2.safetensors": oneTensor("c")}, ErrFormat,
			[]string{`"a" is not in 1.safetensors`, `"b" is not in 2.safetensors but in 1.safetensors`, `"c" of 2.safetensors is not in the index`, `"d" is not in`}},
	} {
		t.Run(title, func(t *testing.T) {
			_, err := OpenFolder(folder(c.files))
			require.ErrorIs(t, err, c.is)
			for _, says := range c.says {
				assert.ErrorContains(t, err, says)
			}
		})
	}
}

// streamFS hands out files that can only be read from front to back.
type streamFS struct{ fs.FS }

func (s streamFS) Open(name string) (fs.File, error) {
	f, err := s.FS.Open(name)
	if err != nil {
		return nil, err
	}
	return struct{ fs.File }{f}, nil
}

func TestFilesMustBeReadableAtOffsets(t *testing.T) {
	_, err := OpenSafetensors(streamFS{folder(map[string][]byte{"x": oneTensor("a")})}, "x")
	require.ErrorContains(t, err, "os.DirFS")
	_, err = OpenSafetensors(folder(map[string][]byte{"d/x": nil}), "d")
	require.ErrorContains(t, err, "is a folder")
}

// A tensor of several pieces whose last is short arrives complete in both types.
func TestReadInPieces(t *testing.T) {
	n := 3*pieceElements + 17
	values := make([]float32, n)
	for i := range values {
		values[i] = float32(i % 251)
	}
	header := strings.ReplaceAll(`{"a":{"dtype":"F32","shape":[N],"data_offsets":[0,4N]}}`, "4N", strconv.Itoa(4*n))
	data := safetensorsFile(strings.ReplaceAll(header, "N", strconv.Itoa(n)), floatBytes(values))
	s, err := OpenSafetensors(folder(map[string][]byte{"x": data}), "x")
	require.NoError(t, err)
	defer s.Close()
	got := make([]float32, n)
	require.NoError(t, s.Read("a", got))
	assert.Equal(t, values, got)
}
