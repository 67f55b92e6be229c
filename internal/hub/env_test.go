package hub

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func ExampleDefaultCacheDir() {
	env := map[string]string{"HF_HOME": "/data/hf"}
	fmt.Println(filepath.ToSlash(DefaultCacheDir(func(name string) string { return env[name] })))
	// Output: /data/hf/hub
}

// The table was checked against huggingface_hub 2.4.0 on Linux.
func TestDefaultCacheDir(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the table is written with HOME and /")
	}
	for want, env := range map[string]map[string]string{
		"/h/.cache/huggingface/hub":  {"HOME": "/h"},
		"/x/huggingface/hub":         {"HOME": "/h", "XDG_CACHE_HOME": "/x"},
		"/f/hub":                     {"HOME": "/h", "XDG_CACHE_HOME": "/x", "HF_HOME": "/f"},
		"/l":                         {"HF_HOME": "/f", "HUGGINGFACE_HUB_CACHE": "/l"},
		"/c":                         {"HF_HOME": "/f", "HUGGINGFACE_HUB_CACHE": "/l", "HF_HUB_CACHE": "/c"},
		"/h/models":                  {"HOME": "/h", "HF_HUB_CACHE": "~/models"},
		"/h/hf/hub":                  {"HOME": "/h", "HF_HOME": "~/hf"},
		"/h/xdg/huggingface/hub":     {"HOME": "/h", "XDG_CACHE_HOME": "$HOME/xdg"},
		"/big/me/hub":                {"HF_HOME": "${DISK}/$WHO", "DISK": "/big", "WHO": "me"},
		"/a/$UNKNOWN/${NEITHER}/hub": {"HF_HOME": "/a/$UNKNOWN/${NEITHER}"},
		"/a$/hub":                    {"HF_HOME": "/a$"},
		"":                           {},
	} {
		assert.Equal(t, want, DefaultCacheDir(func(name string) string { return env[name] }), env)
	}
}

func TestTokenFrom(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the table is written with HOME and /")
	}
	files := map[string]string{"/h/.cache/huggingface/token": "hf_home\n", "/f/token": "hf_f", "/t": " hf_path\r\n", "/empty": "\n"}
	readFile := func(name string) ([]byte, error) {
		if name == "/denied" {
			return nil, fs.ErrPermission
		}
		if text, ok := files[name]; ok {
			return []byte(text), nil
		}
		return nil, fs.ErrNotExist
	}
	for _, tc := range []struct {
		env  map[string]string
		want string
	}{
		{map[string]string{}, ""},
		{map[string]string{"HOME": "/nobody"}, ""},
		{map[string]string{"HOME": "/h"}, "hf_home"},
		{map[string]string{"HOME": "/h", "HF_HOME": "/f"}, "hf_f"},
		{map[string]string{"HOME": "/h", "HF_TOKEN_PATH": "/t"}, "hf_path"},
		{map[string]string{"HOME": "/h", "HF_TOKEN_PATH": "/empty"}, ""},
		{map[string]string{"HOME": "/h", "HF_TOKEN": " hf_env\n"}, "hf_env"},
		{map[string]string{"HOME": "/h", "HF_TOKEN": "\n"}, "hf_home"},
		{map[string]string{"HOME": "/h", "HUGGING_FACE_HUB_TOKEN": "hf_old"}, "hf_old"},
		{map[string]string{"HUGGING_FACE_HUB_TOKEN": "hf_old", "HF_TOKEN": "hf_env"}, "hf_env"},
		{map[string]string{"HF_TOKEN": "hf_env", "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"}, ""},
	} {
		got, err := TokenFrom(func(name string) string { return tc.env[name] }, readFile)
		require.NoError(t, err)
		assert.Equal(t, tc.want, got, tc.env)
	}
	_, err := TokenFrom(func(name string) string { return map[string]string{"HF_TOKEN_PATH": "/denied"}[name] }, readFile)
	require.ErrorIs(t, err, fs.ErrPermission)
}

func TestOfflineFrom(t *testing.T) {
	for _, tc := range []struct {
		hub, transformers string
		want              bool
	}{{"", "", false}, {"1", "", true}, {"yes", "", true}, {"0", "1", false}, {"", "TRUE", true}, {"2", "", false}} {
		env := map[string]string{"HF_HUB_OFFLINE": tc.hub, "TRANSFORMERS_OFFLINE": tc.transformers}
		assert.Equal(t, tc.want, OfflineFrom(func(name string) string { return env[name] }), tc)
	}
}
