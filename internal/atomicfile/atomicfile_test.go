package atomicfile

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWholeOrNotAtAll(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "report.html")
	require.NoError(t, Write(name, []byte("old")))
	f, err := Create(name)
	require.NoError(t, err)
	_, err = f.WriteString("half of the ne")
	require.NoError(t, err)
	requireText(t, name, "old")
	require.NoError(t, f.Close())
	requireText(t, name, "old")
	require.NoError(t, f.Close(), "again")

	f, err = Create(name)
	require.NoError(t, err)
	_, err = f.WriteString("new")
	require.NoError(t, err)
	require.NoError(t, f.Commit())
	require.NoError(t, f.Close())
	requireText(t, name, "new")

	plain := filepath.Join(dir, "plain")
	require.NoError(t, os.WriteFile(plain, nil, 0o666))
	want, err := os.Stat(plain)
	require.NoError(t, err)
	got, err := os.Stat(name)
	require.NoError(t, err)
	assert.Equal(t, want.Mode(), got.Mode(), "others may read it as far as the umask lets them")
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, 2, "nothing is left beside them")
}

func TestFaults(t *testing.T) {
	require.ErrorIs(t, Write(filepath.Join(t.TempDir(), "no", "folder"), nil), os.ErrNotExist)
	dir := t.TempDir()
	name := filepath.Join(dir, "taken")
	require.NoError(t, os.MkdirAll(filepath.Join(name, "full"), 0o777))
	require.Error(t, Write(name, []byte("x")), "a folder stands there")
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, 1)
}

func requireText(t *testing.T, name, want string) {
	t.Helper()
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, want, string(data))
}
