package main

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/testmodel"
)

// TestAdaptersAtRunTime: an adapter of the folder comes and goes while the server runs, and nothing else does.
func TestAdaptersAtRunTime(t *testing.T) {
	dir, base := t.TempDir(), testmodel.Write(t, 1)
	keys, folder := filepath.Join(dir, "keys.txt"), filepath.Join(dir, "adapters")
	require.NoError(t, os.WriteFile(keys, []byte("admin: sk-a\nuser: sk-u\n"), 0o600))
	for name, rank := range map[string]int{"adapters/team/one": 4, "adapters/two": 2, "outside": 4} {
		require.NoError(t, testmodel.Adapter("base", uint64(rank), rank).Save(t.Context(), filepath.Join(dir, name)))
	}
	require.NoError(t, os.Symlink(filepath.Join(dir, "outside"), filepath.Join(folder, "link")))
	require.NoError(t, os.Mkdir(filepath.Join(folder, "empty"), 0o755))
	require.NoError(t, os.Mkdir(filepath.Join(folder, "half"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "half", "adapter_config.json"), []byte(`{}`), 0o644))
	url, _ := start(t, "-model", base, "-model-name", "base", "-api-key-file", keys, "-adapters", folder, "-adapter-keys", "admin", "-max-models", "2")

	change := func(key, what, name, path string) (int, string) {
		r, err := http.NewRequest("POST", url+"/"+what+"_lora_adapter", strings.NewReader(`{"lora_name":"`+name+`","lora_path":"`+path+`"}`))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+key)
		res, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return res.StatusCode, string(body)
	}
	for _, c := range []struct {
		key, name, path string
		status          int
		says            string
	}{
		{"sk-a", "one", "team/one", 200, "added"},
		{"sk-a", "two", "two", 200, "added"},
		{"sk-u", "three", "two", 403, "may not load"},
		{"sk-a", "one", "two", 422, "there is a model of this name"},
		{"sk-a", "base", "two", 422, "there is a model of this name"},
		{"sk-a", "a b", "two", 422, "lora_name"},
		{"sk-a", "three", "../outside", 422, "below that of the adapters"},
		{"sk-a", "three", "link", 422, "below that of the adapters"},
		{"sk-a", "three", filepath.Join(dir, "outside"), 422, "below that of the adapters"},
		{"sk-a", "three", "none", 422, "below that of the adapters"},
		{"sk-a", "three", "empty", 422, "adapter_config.json"},
		{"sk-a", "three", "half", 422, "is no adapter of the model base"},
	} {
		status, body := change(c.key, "load", c.name, c.path)
		assert.Equal(t, c.status, status, "%v: %s", c, body)
		assert.Contains(t, body, c.says)
		assert.NotContains(t, body, dir)
	}
	seen := map[string]bool{}
	for _, id := range []string{"base", "one", "two", "one"} { // two of them fit at a time
		answer, err := ask(t.Context(), url, "sk-u", id)
		require.NoError(t, err)
		seen[*answer.Choices[0].Message.Content] = true
	}
	assert.Len(t, seen, 3)
	r, err := http.NewRequest("GET", url+"/models", nil)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer sk-u")
	res, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer res.Body.Close()
	list, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	assert.Equal(t, 2, bytes.Count(list, []byte(`"root":"base","parent":"base"`)), string(list))

	status, body := change("sk-a", "unload", "one", "")
	assert.Equal(t, 200, status, body)
	_, err = ask(t.Context(), url, "sk-u", "one")
	assert.ErrorContains(t, err, "404")
	status, _ = change("sk-a", "unload", "base", "")
	assert.Equal(t, 404, status, "it did not come this way")
	status, body = change("sk-a", "load", "one", "two")
	assert.Equal(t, 200, status, body)
}
