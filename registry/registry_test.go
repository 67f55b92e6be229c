package registry

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSentinels(t *testing.T) {
	all := []error{ErrNotFound, ErrExists, ErrInvalid, ErrNotReady, ErrFailed, ErrCorrupt, ErrDenied, ErrUnavailable}
	for i, err := range all {
		wrapped := &Error{Op: "get", Name: "handbook/3", Err: fmt.Errorf("%w: why", err)}
		for j, other := range all {
			assert.Equal(t, i == j, errors.Is(wrapped, other), "%v is %v", err, other)
		}
	}
	assert.ErrorIs(t, ErrNotFound, fs.ErrNotExist)
	assert.ErrorIs(t, ErrExists, fs.ErrExist)
	assert.ErrorIs(t, ErrInvalid, fs.ErrInvalid)
	assert.ErrorIs(t, ErrDenied, fs.ErrPermission)
	assert.NotErrorIs(t, fs.ErrNotExist, ErrNotFound)
}

func TestErrorMessage(t *testing.T) {
	cause := fmt.Errorf("%w: 3 bytes of 4", ErrCorrupt)
	for want, e := range map[string]Error{
		`download "handbook/3": model.safetensors: damaged: 3 bytes of 4; log it again`: {"download", "handbook/3", "model.safetensors", cause, "log it again"},
		`list models: damaged: 3 bytes of 4`:                                            {Op: "list models", Err: cause},
		`"a\nb": damaged: 3 bytes of 4`:                                                 {Name: "a\nb", Err: cause},
	} {
		assert.Equal(t, want, e.Error())
	}
}

func TestCheckName(t *testing.T) {
	for _, name := range []string{"a", "handbook", "Lehrgang Größe 2", "手册", "हिन्दी", "v1.2_b-3", "7", strings.Repeat("x", 200), "café"} {
		assert.NoError(t, CheckName(name), name)
	}
	for name, mention := range map[string]string{
		"": "empty", ".": "begins with .", "..": "begins with .", ".git": "begins with .", "-rf": "begins with -", "a/b": "'/'", `a\b`: `'\\'`, "a:b": "':'", "a@b": "'@'",
		"a..b": "'..'", "end.": "dot", " a": "spaces", "a ": "spaces", "a  b": "spaces", "a\x00": "U+0000", "a\nb": "U+000A", "\xff": "UTF-8",
		"a\u200bb": "U+200B", "\u202ea": "U+202E", "cafe\u0301": "U+0301", "\u093f": "begins with the mark", "a\u00a0b": "U+00A0", "🎓": "🎓",
		strings.Repeat("x", 201): "201 bytes", "a\ue000": "U+E000",
	} {
		err := CheckName(name)
		require.ErrorIs(t, err, ErrInvalid, "%q", name)
		assert.Contains(t, err.Error(), mention)
		var typed *Error
		require.ErrorAs(t, err, &typed)
		assert.NotEmpty(t, typed.Hint, "what to do about %q", name)
	}
}

func TestCheckAlias(t *testing.T) {
	for _, alias := range []string{"champion", "A_b-3", "v", "vv1", "v1a", "7", strings.Repeat("x", 255)} {
		assert.NoError(t, CheckAlias(alias), alias)
	}
	for _, alias := range []string{"", "latest", "LATEST", "v1", "V10", "production", "Staging", "none", "archived", "a b", "a.b", "é", "a/b",
		strings.Repeat("x", 256)} {
		assert.ErrorIs(t, CheckAlias(alias), ErrInvalid, alias)
	}
}

func TestCheckPath(t *testing.T) {
	for _, path := range []string{"a", "a/b.c", "model-00001-of-00002.safetensors", ".gitattributes", "größe/手册 1.txt", "console/com/com10/nul-1", "a[1]", "a&b=c+d;e"} {
		assert.NoError(t, CheckPath(path), path)
	}
	for _, path := range []string{"", ".", "..", "/a", "a/", "a//b", "a/./b", "a/../b", "../a", `a\b`, "C:", "a\x00", "\xff", "a\u202eb", "a?", "a*", `a"b`,
		"a#b", "100%", "a%2Fb", "a.", "a /b", "a/NUL", "con.txt/a", "Com1 .x", "lpt²", strings.Repeat("n", 256)} {
		assert.ErrorIs(t, CheckPath(path), ErrInvalid, "%q", path)
	}
}

func TestCheckPairsReportsAll(t *testing.T) {
	assert.NoError(t, CheckPairs(nil))
	err := CheckPairs(map[string]string{"": "x", "binary": "\xff", "good": "y", "new\nline": ""})
	require.ErrorIs(t, err, ErrInvalid)
	assert.Contains(t, err.Error(), "binary")
	assert.Contains(t, err.Error(), `new\nline`)
	assert.NotContains(t, err.Error(), "good")
}

func TestParseStage(t *testing.T) {
	for s, want := range map[string]Stage{"Production": Production, "production": Production, "NONE": None, "staging": Staging, "aRchived": Archived} {
		got, err := ParseStage(s)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	_, err := ParseStage("prod")
	assert.ErrorIs(t, err, ErrInvalid)
	assert.ErrorContains(t, err, "Production")
}

// models is a Models of which only Get works.
type models struct {
	Models
	get func(n int) (Version, error)
	n   int
}

func (m *models) Get(ctx context.Context, name string, number int) (Version, error) {
	m.n++
	v, err := m.get(m.n)
	v.Name, v.Number = name, number
	return v, err
}
