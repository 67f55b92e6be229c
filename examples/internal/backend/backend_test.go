package backend

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/klog/v2"
)

// none is an environment in which no plugin is found but those that go-xla has installed.
func none(t *testing.T) []string {
	return []string{"DOCENT_CACHE=" + t.TempDir(), "HOME=" + t.TempDir()}
}

func TestGoIsAlwaysThere(t *testing.T) {
	d, err := Open(Go, Options{})
	require.NoError(t, err)
	defer d.Close()
	assert.Equal(t, Go, d.Name)
	assert.Equal(t, "asked for", d.Why)
	assert.Empty(t, d.Fallback)
}

func TestAutoEndsWithGo(t *testing.T) {
	choices, err := candidates(Auto, Options{Environ: none(t)})
	require.NoError(t, err)
	last := choices[len(choices)-1]
	assert.Equal(t, Go, last.name)
	assert.NotEmpty(t, last.why)
}

// TestAutoTakesTheFaster of docent's own code and XLA on the CPU.
func TestAutoTakesTheFaster(t *testing.T) {
	if !xlaLinked {
		t.Skip("built without cgo")
	}
	plugin := filepath.Join(t.TempDir(), "libpjrt_cpu.so")
	require.NoError(t, os.WriteFile(plugin, nil, 0o644))
	o := Options{Environ: append(none(t), "DOCENT_XLA_CPU="+plugin)}
	want := CPU
	if vectors {
		want = Go
	}
	assert.Equal(t, want, automatic(o, false)[0].name)
}

func TestABrokenPluginIsPassedOverByAutoOnly(t *testing.T) {
	if !xlaLinked {
		t.Skip("built without cgo")
	}
	broken := filepath.Join(t.TempDir(), "pjrt_c_api_cpu_plugin.so")
	require.NoError(t, os.WriteFile(broken, []byte("not a library"), 0o644))
	environ := append(none(t), "DOCENT_XLA_CPU="+broken)
	_, err := Open(CPU, Options{Environ: environ})
	require.ErrorContains(t, err, "backend xla:cpu")
	_, err = Open("xla:"+broken, Options{Environ: environ})
	require.Error(t, err)

	if hasNvidiaGPU() {
		t.Skip("auto takes the GPU of this machine")
	}
	d, err := Open(Auto, Options{Environ: environ})
	require.NoError(t, err)
	defer d.Close()
	assert.Equal(t, Go, d.Name)
	if !vectors {
		assert.Contains(t, d.Fallback, "xla:cpu did not open")
	}
}

func TestFindOrder(t *testing.T) {
	if !xlaLinked {
		t.Skip("built without cgo")
	}
	cache := t.TempDir()
	environ := []string{"DOCENT_CACHE=" + cache}
	place := func(elements ...string) string {
		name := filepath.Join(append([]string{cache}, elements...)...)
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, nil, 0o644))
		return name
	}
	below := place("xla-cpu-2026.6.23", "libpjrt_cpu.so")
	found, why := find("cpu", environ)
	assert.Equal(t, below, found)
	assert.Contains(t, why, cache)
	assert.NotContains(t, find1("cuda", environ), cache, "a plugin for another device is none")
	here := place("libpjrt_cpu.so")
	assert.Equal(t, here, find1("cpu", environ))
	named := place("elsewhere", "x.so")
	assert.Equal(t, named, find1("cpu", append(environ, "DOCENT_XLA_CPU="+named)))
	_, why = find("cpu", append(environ, "DOCENT_XLA_CPU="+named+"x"))
	assert.Contains(t, why, "DOCENT_XLA_CPU")
}

func find1(kind string, environ []string) string {
	plugin, _ := find(kind, environ)
	return plugin
}

func TestCacheDir(t *testing.T) {
	assert.Equal(t, "/c", CacheDir([]string{"DOCENT_CACHE=/c", "HOME=/h"}))
	assert.Equal(t, filepath.Join("/x", "docent"), CacheDir([]string{"XDG_CACHE_HOME=/x", "HOME=/h"}))
	assert.Equal(t, filepath.Join("/h", ".cache", "docent"), CacheDir([]string{"HOME=/h"}))
}

func TestNames(t *testing.T) {
	for _, name := range []string{"", "cpu", "gpu", "xla", "cuda"} {
		_, err := Open(name, Options{})
		assert.ErrorContains(t, err, "must be auto", name)
	}
	_, err := Open("xla:/a,b.so", Options{})
	assert.ErrorContains(t, err, "comma")
	assert.Equal(t, CUDA, kindOf("/x/pjrt_c_api_cuda_plugin.so"))
	assert.Equal(t, CPU, kindOf("/cuda/libpjrt_cpu.so"))
}

func TestGomlxLogsThroughTheLogger(t *testing.T) {
	var out bytes.Buffer
	d, err := Open(Go, Options{Logger: slog.New(slog.NewTextHandler(&out, nil))})
	require.NoError(t, err)
	defer d.Close()
	klog.Warning("from a library below")
	klog.Flush()
	assert.Contains(t, out.String(), "from a library below")
}

// TestKernelsAreKept beside the plugins, for each plugin apart, where nothing else was said.
func TestKernelsAreKept(t *testing.T) {
	cache := t.TempDir()
	plugin := filepath.Join(cache, "plugin.so")
	kept := func(environ ...string) string {
		t.Setenv("XLA_FLAGS", "as it was")
		keepCompiled(plugin, append(environ, "DOCENT_CACHE="+cache))
		return os.Getenv("XLA_FLAGS")
	}
	assert.Equal(t, "as it was", kept(), "there is no plugin")
	require.NoError(t, os.WriteFile(plugin, nil, 0o644))
	first := kept("XLA_FLAGS=--xla_dump_to=/x")
	flags := strings.Fields(first)
	require.Len(t, flags, 4)
	assert.Equal(t, "--xla_dump_to=/x", flags[0])
	dir, ok := strings.CutPrefix(flags[1], tunedFlag+"="+cache)
	require.True(t, ok, first)
	assert.DirExists(t, cache+dir)
	assert.Equal(t, kernelsFlag+"="+filepath.Join(cache+dir, "kernels"), flags[2])
	assert.Equal(t, strings.Join(flags[1:], " "), kept(), "the next run finds what this one kept")
	assert.Equal(t, "as it was", kept("XLA_FLAGS="+tunedFlag+"=/mine"))
	assert.Equal(t, "as it was", kept("XLA_FLAGS="+kernelsFlag+"=/mine"))
	require.NoError(t, os.WriteFile(plugin, []byte("another version"), 0o644))
	assert.NotContains(t, kept(), dir)
}

// TestFreeMemory is that of the fullest card, of those that may be used.
func TestFreeMemory(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the program that answers here is a script")
	}
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	assert.Zero(t, freeMemory(nil), "there is no driver")
	script := "#!/bin/sh\ncase \"$*\" in *--id=1,2*) echo 300; echo 200;; *) echo 100; echo '[N/A]'; echo 400;; esac\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "nvidia-smi"), []byte(script), 0o755))
	assert.EqualValues(t, 100<<20, freeMemory(nil))
	assert.EqualValues(t, 200<<20, freeMemory([]string{"CUDA_VISIBLE_DEVICES=1,2"}))
}

func TestKeepPagesLeavesOthersAlone(t *testing.T) {
	assert.NoError(t, KeepPages(Go, Options{Environ: none(t)}, []string{"x"}))
	assert.NoError(t, KeepPages(CPU, Options{Environ: append(none(t), "GLIBC_TUNABLES=")}, []string{"x"}), "switched off")
	assert.NoError(t, KeepPages("nonsense", Options{Environ: none(t)}, []string{"x"}), "Open will tell")
}
