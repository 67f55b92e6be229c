package backend

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// freeMemory asks NVIDIA's driver, as go-xla v0.4.1 does not tell: bytes, of the fullest GPU that this process may use; 0 = no answer.
func freeMemory(environ []string) int64 {
	ask := exec.Command("nvidia-smi", "--query-gpu=memory.free", "--format=csv,noheader,nounits")
	if ids := lookup(environ, "CUDA_VISIBLE_DEVICES"); ids != "" {
		ask.Args = append(ask.Args, "--id="+ids)
	}
	answer, err := ask.Output()
	if err != nil {
		return 0
	}
	var least int64
	for field := range strings.FieldsSeq(string(answer)) {
		if mib, err := strconv.ParseInt(field, 10, 64); err == nil && (least == 0 || mib<<20 < least) {
			least = mib << 20
		}
	}
	return least
}

// What XLA keeps from run to run, when it is told where: which kernels were fastest, since trying them out takes most of the time of
// compiling, and their machine code, for which it must compile kernels one by one. It tells graphs and devices apart by itself, but
// not its versions. JAX sets the same flags for its persistent cache.
const (
	tunedFlag   = "--xla_gpu_per_fusion_autotune_cache_dir"
	kernelsFlag = "--xla_gpu_kernel_cache_file"
	apartFlag   = "--xla_gpu_enable_llvm_module_compilation_parallelism"
)

// keepCompiled has a plugin that is not loaded yet use a folder of its own beside the plugins, if one can be made and XLA_FLAGS names none.
func keepCompiled(plugin string, environ []string) {
	flags := lookup(environ, "XLA_FLAGS")
	file, err := os.Stat(plugin)
	if err != nil || strings.Contains(flags, tunedFlag) || strings.Contains(flags, kernelsFlag) {
		return
	}
	dir := filepath.Join(CacheDir(environ), "tuned", fmt.Sprintf("%d-%d", file.Size(), file.ModTime().Unix()))
	if !strings.ContainsAny(dir, " \t\n") && os.MkdirAll(dir, 0o755) == nil {
		keep := []string{flags, tunedFlag + "=" + dir, kernelsFlag + "=" + filepath.Join(dir, "kernels"), apartFlag + "=true"}
		os.Setenv("XLA_FLAGS", strings.TrimSpace(strings.Join(keep, " ")))
	}
}
