package hub

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// DefaultCacheDir tells where Python's huggingface_hub keeps its cache: HF_HUB_CACHE, else HUGGINGFACE_HUB_CACHE, else
// hub in HF_HOME, else huggingface/hub in XDG_CACHE_HOME, else ~/.cache/huggingface/hub. A leading ~ and $VAR are
// expanded as Python does (~user is not). An empty variable counts as unset. The result is empty when it would need a
// home folder and the environment names none.
func DefaultCacheDir(getenv func(string) string) string {
	if dir := firstOf(getenv("HF_HUB_CACHE"), getenv("HUGGINGFACE_HUB_CACHE")); dir != "" {
		return expand(dir, getenv)
	}
	return under(hfHome(getenv), "hub")
}

// TokenFrom finds the token of the logged-in user as Python does: HF_TOKEN, else HUGGING_FACE_HUB_TOKEN, else the file
// named by HF_TOKEN_PATH, else token in HF_HOME (~/.cache/huggingface by default). Spaces and line breaks around it
// are removed. No token, or HF_HUB_DISABLE_IMPLICIT_TOKEN set to true, is "" and no error.
func TokenFrom(getenv func(string) string, readFile func(name string) ([]byte, error)) (string, error) {
	if isTrue(getenv("HF_HUB_DISABLE_IMPLICIT_TOKEN")) {
		return "", nil
	}
	if token := cleanToken(firstOf(getenv("HF_TOKEN"), getenv("HUGGING_FACE_HUB_TOKEN"))); token != "" {
		return token, nil
	}
	name := under(hfHome(getenv), "token")
	if set := getenv("HF_TOKEN_PATH"); set != "" {
		name = expand(set, getenv)
	}
	if name == "" {
		return "", nil
	}
	data, err := readFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("hub: read token file: %w", err)
	}
	return cleanToken(string(data)), nil
}

// OfflineFrom tells whether HF_HUB_OFFLINE, else TRANSFORMERS_OFFLINE, asks to stay off the network.
func OfflineFrom(getenv func(string) string) bool {
	return isTrue(firstOf(getenv("HF_HUB_OFFLINE"), getenv("TRANSFORMERS_OFFLINE")))
}

// hfHome is the folder of all Hugging Face files, "" when no home folder is known.
func hfHome(getenv func(string) string) string {
	if dir := getenv("HF_HOME"); dir != "" {
		return expand(dir, getenv)
	}
	if dir := getenv("XDG_CACHE_HOME"); dir != "" {
		return under(expand(dir, getenv), "huggingface")
	}
	return under(home(getenv), ".cache", "huggingface")
}

func home(getenv func(string) string) string {
	if runtime.GOOS != "windows" {
		return getenv("HOME")
	}
	return firstOf(getenv("USERPROFILE"), getenv("HOMEDRIVE")+getenv("HOMEPATH"))
}

// under joins names to dir; nothing lies under an unknown folder.
func under(dir string, names ...string) string {
	if dir == "" {
		return ""
	}
	return filepath.Join(append([]string{dir}, names...)...)
}

func expand(path string, getenv func(string) string) string {
	if path == "~" || strings.HasPrefix(path, "~/") || strings.HasPrefix(path, "~"+string(filepath.Separator)) {
		if h := home(getenv); h != "" {
			path = h + path[1:]
		}
	}
	return variable.ReplaceAllStringFunc(path, func(ref string) string {
		if value := getenv(strings.Trim(ref, "${}")); value != "" {
			return value
		}
		return ref // unknown variables stay, as in Python
	})
}

var variable = regexp.MustCompile(`\$(\w+|\{[^}]*\})`)

func cleanToken(s string) string {
	return strings.TrimSpace(strings.NewReplacer("\r", "", "\n", "").Replace(s))
}

func isTrue(s string) bool {
	return slices.Contains([]string{"1", "ON", "YES", "TRUE"}, strings.ToUpper(s))
}
