package artifact

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/registry"
)

func file(path, content string) registry.File {
	sum := sha256.Sum256([]byte(content))
	return registry.File{Path: path, Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:])}
}

func TestManifestRoundTrip(t *testing.T) {
	for _, list := range [][]registry.File{{}, {file("b", "1"), file("a/c", "")}} {
		data, err := Encode(list)
		require.NoError(t, err)
		got, err := Decode(data)
		require.NoError(t, err)
		assert.ElementsMatch(t, list, got)
		again, err := Encode(got)
		require.NoError(t, err)
		assert.Equal(t, string(data), string(again))
	}
}

func TestDecodeFaults(t *testing.T) {
	sum := strings.Repeat("0", 64)
	one := func(path, size, sum string) string {
		return fmt.Sprintf(`{"files":[{"path":%q,"size":%s,"sha256":%q}]}`, path, size, sum)
	}
	_, err := Decode([]byte(one("a", "1", sum)))
	require.NoError(t, err)
	for what, data := range map[string]string{
		"nothing":       "",
		"cut":           `{"files":[`,
		"two values":    `{"files":[]} {}`,
		"unknown field": `{"files":[],"more":1}`,
		"leaves":        one("../a", "1", sum),
		"absolute":      one("/a", "1", sum),
		"backslash":     one(`a\b`, "1", sum),
		"negative":      one("a", "-1", sum),
		"fraction":      one("a", "1.5", sum),
		"too large":     one("a", "1e30", sum),
		"short sum":     one("a", "1", "00"),
		"no hex":        one("a", "1", strings.Repeat("x", 64)),
		"upper case":    one("a", "1", strings.Repeat("A", 64)),
		"twice":         fmt.Sprintf(`{"files":[{"path":"a","size":1,"sha256":%q},{"path":"a","size":1,"sha256":%q}]}`, sum, sum),
		"case only":     fmt.Sprintf(`{"files":[{"path":"A","size":1,"sha256":%q},{"path":"a","size":1,"sha256":%q}]}`, sum, sum),
		"unsorted":      fmt.Sprintf(`{"files":[{"path":"b","size":1,"sha256":%q},{"path":"a","size":1,"sha256":%q}]}`, sum, sum),
		"file and dir":  fmt.Sprintf(`{"files":[{"path":"a","size":1,"sha256":%q},{"path":"a/b/c","size":1,"sha256":%q}]}`, sum, sum),
	} {
		_, err := Decode([]byte(data))
		assert.ErrorIs(t, err, registry.ErrCorrupt, what)
	}
}

func TestSelect(t *testing.T) {
	list := []registry.File{file("m/a", "1"), file("m/d/b", "2"), file("mm", "3")}
	for path, want := range map[string]string{"": ":m/a m/d/b mm", "m": "m:a d/b", "m/a": "m:a", "m/d": "m/d:b", "mm": ":mm", "m/": "m/:", "x": "x:", "m/a/b": "m/a/b:"} {
		base, selected := Select(list, path)
		var names []string
		for _, f := range selected {
			names = append(names, f.Path)
		}
		assert.Equal(t, want, base+":"+strings.Join(names, " "), path)
	}
	assert.Equal(t, "m/a", list[0].Path, "the list is not changed")
}

func TestVerify(t *testing.T) {
	want := file("f", "hello")
	require.NoError(t, Verify(t.Context(), want, strings.NewReader("hello")))
	for content, mention := range map[string]string{"hell": "4 bytes of the 5", "": "0 bytes of the 5", "hello!": "longer", "jello": "SHA-256"} {
		err := Verify(t.Context(), want, strings.NewReader(content))
		require.ErrorIs(t, err, registry.ErrCorrupt)
		assert.ErrorContains(t, err, mention)
		assert.ErrorContains(t, err, "f: ")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.ErrorIs(t, Verify(ctx, want, strings.NewReader("hello")), context.Canceled)
	assert.ErrorIs(t, Verify(t.Context(), want, io.MultiReader(strings.NewReader("he"), badReader{})), io.ErrUnexpectedEOF)
}

type badReader struct{}

func (badReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func FuzzDecode(f *testing.F) {
	data, err := Encode([]registry.File{file("config.json", "{}"), file("größe/手册", "")})
	require.NoError(f, err)
	f.Add(data)
	f.Add([]byte(`{"files":[]}`))
	f.Add([]byte(`{"files":[{"path":"../a","size":1,"sha256":""}]}`))
	f.Add([]byte(`{"FILES":[{"Path":"a"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := Decode(data)
		if err != nil {
			require.ErrorIs(t, err, registry.ErrCorrupt)
			return
		}
		for _, file := range list {
			require.NoError(t, registry.CheckPath(file.Path))
		}
		encoded, err := Encode(list)
		require.NoError(t, err)
		again, err := Decode(encoded)
		require.NoError(t, err)
		require.Equal(t, len(list), len(again))
		for i := range list {
			require.Equal(t, list[i], again[i])
		}
		require.False(t, bytes.Contains(encoded, []byte("..")) && strings.Contains(string(encoded), `"../`))
	})
}
