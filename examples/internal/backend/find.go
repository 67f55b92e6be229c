package backend

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// find looks for the plugin of a device, "cpu" or "cuda", and says where it is or where it was looked for:
//
//  1. the file that DOCENT_XLA_CPU or DOCENT_XLA_CUDA names;
//  2. DOCENT_CACHE, or docent in the user's cache folder, and the folders in it;
//  3. where go-xla looks: PJRT_PLUGIN_LIBRARY_PATH, or ~/.local/lib/go-xla, /usr/local/lib/go-xla and the system's
//     library folders.
func find(kind string, environ []string) (plugin, why string) {
	if !xlaLinked {
		return "", "this program was built without cgo, which XLA needs: build it with CGO_ENABLED=1 and a C compiler"
	}
	variable := "DOCENT_XLA_" + strings.ToUpper(kind)
	if path := lookup(environ, variable); path != "" {
		abs, err := filepath.Abs(path)
		if err == nil {
			_, err = os.Stat(abs)
		}
		if err != nil {
			return "", fmt.Sprintf("%s names no plugin: %v", variable, err)
		}
		return abs, fmt.Sprintf("%s names XLA's plugin", variable)
	}
	cache := CacheDir(environ)
	if plugin := inFolder(cache, kind); plugin != "" {
		return plugin, "XLA's plugin is in " + cache
	}
	if plugin := installed(kind); plugin != "" {
		return plugin, "XLA's plugin is installed in " + filepath.Dir(plugin)
	}
	return "", fmt.Sprintf("no XLA plugin for %s was found: name it in %s, or put it in %s", strings.ToUpper(kind), variable, cache)
}

// CacheDir is the folder of XLA plugins that were fetched for docent: DOCENT_CACHE, else docent in the user's cache
// folder.
func CacheDir(environ []string) string {
	if dir := lookup(environ, "DOCENT_CACHE"); dir != "" {
		return dir
	}
	cache := lookup(environ, "XDG_CACHE_HOME")
	if cache == "" {
		cache = filepath.Join(lookup(environ, "HOME"), ".cache")
	}
	return filepath.Join(cache, "docent")
}

// inFolder finds a plugin under any of the names in use, in the folder or one below it.
func inFolder(dir, kind string) string {
	extension := map[string]string{"darwin": ".dylib", "windows": ".dll"}[runtime.GOOS]
	if extension == "" {
		extension = ".so"
	}
	for _, name := range []string{"libpjrt_" + kind + "*", "pjrt_c_api_" + kind + "*_plugin", "pjrt[-_]plugin[-_]" + kind + "*"} {
		for _, folder := range []string{dir, filepath.Join(dir, "*")} {
			found, err := filepath.Glob(filepath.Join(folder, name+extension))
			if err == nil && len(found) > 0 {
				if abs, err := filepath.Abs(found[len(found)-1]); err == nil { // the highest version
					return abs
				}
			}
		}
	}
	return ""
}

// hasNvidiaGPU tells by its device files whether the driver of an NVIDIA card is loaded, also under WSL.
func hasNvidiaGPU() bool {
	for _, pattern := range []string{"/dev/nvidia[0-9]*", "/dev/dxg"} {
		if found, err := filepath.Glob(pattern); err == nil && len(found) > 0 {
			return true
		}
	}
	return false
}

// lookup reads a variable from "NAME=value" entries; the first of equal names counts.
func lookup(environ []string, name string) string {
	value, _ := entry(environ, name)
	return value
}

func entry(environ []string, name string) (value string, set bool) {
	for _, e := range environ {
		if value, ok := strings.CutPrefix(e, name+"="); ok {
			return value, true
		}
	}
	return "", false
}
