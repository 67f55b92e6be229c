// Package backend opens the device that the example programs compute on.
//
//	device, err := backend.Open("auto", backend.Options{Environ: os.Environ(), Logger: log})
//	if err != nil {
//		return err
//	}
//	defer device.Close()
//	log.Info("device", "name", device.Name, "why", device.Why)
//	base, err := lora.OpenBase(ctx, ref, lora.BaseOptions{Backend: device.Backend})
//
// XLA computes on GPUs and CPUs; it needs cgo and a plugin, which is a shared library. Nothing is downloaded here. docent's own
// code for CPUs, pure Go, is always there; on x86-64 processors with AVX2 it is faster than XLA, on others slower.
//
// The package belongs to programs, not to libraries: gomlx keeps its backends, and klog its logger, in process-wide
// variables, and Open sets both.
package backend

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/gomlx/compute"
	"golang.org/x/sys/cpu"
	"k8s.io/klog/v2"

	"github.com/docent-ml/docent/examples/internal/config"
	"github.com/docent-ml/docent/lora"
)

// The names that Open takes, beside "xla:" and the path of a plugin.
const (
	Auto = "auto" // CUDA, else the faster of Go and CPU
	Go   = "go"
	CPU  = "xla:cpu"
	CUDA = "xla:cuda"
)

// Options are what the choice depends on.
type Options struct {
	Environ []string     // "NAME=value": DOCENT_XLA_CPU, DOCENT_XLA_CUDA, DOCENT_CACHE, HOME
	Logger  *slog.Logger // also receives what gomlx logs; nil = discard
}

// Device is an open backend.
type Device struct {
	Backend  compute.Backend // nil for Go
	Name     string          // "go", "xla:cpu", "xla:cuda"
	Plugin   string          // file of the XLA plugin; "" for Go
	Why      string          // the reason for the choice, for people
	Fallback string          // what better device is there but could not be used; "" = none
	Memory   int64           // bytes that were free on the GPU, the fullest of several; 0 = not known
}

// Close frees the device. What was computed on it must not be used any more.
func (d *Device) Close() {
	if d.Backend != nil {
		d.Backend.Finalize()
	}
}

// setting keeps apart several that set the logger of the process, as tests do.
var setting sync.Mutex

// Open opens the backend of that name. With Auto a device that does not open is passed over, and Why and Fallback say
// so; any other name is opened or is an error.
func Open(name string, o Options) (*Device, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	setting.Lock()
	klog.SetSlogLogger(o.Logger)
	setting.Unlock()
	choices, err := candidates(name, o)
	if err != nil {
		return nil, fmt.Errorf("backend %s: %w", name, err)
	}
	var failed []string
	for _, c := range choices {
		b, err := c.open(o.Environ)
		if err == nil {
			d := &Device{Backend: b, Name: c.name, Plugin: c.plugin, Why: strings.Join(append([]string{c.why}, failed...), "; "), Fallback: c.fallback}
			if len(failed) > 0 {
				d.Fallback = failed[0]
			}
			if d.Name == CUDA {
				d.Memory = freeMemory(o.Environ)
			}
			return d, nil
		}
		if name != Auto {
			return nil, fmt.Errorf("backend %s: %w", name, err)
		}
		failed = append(failed, fmt.Sprintf("%s did not open: %v", c.name, firstLine(err)))
		o.Logger.Warn("backend passed over", "backend", c.name, "error", err)
	}
	return nil, fmt.Errorf("backend %s: %s", name, strings.Join(failed, "; "))
}

// Precision is the setting's, of which auto is the library's choice.
func Precision(setting string) lora.Precision {
	if setting == Auto {
		return lora.Auto
	}
	return lora.Precision(setting)
}

// Hub is the settings of the Hub as the library takes them.
func Hub(c config.Hub) lora.Hub {
	return lora.Hub{CacheDir: c.Cache, Token: c.Token.Reveal(), Offline: c.Offline}
}

// candidate is one way to open a device.
type candidate struct {
	name, plugin, why, fallback string
}

func (c candidate) open(environ []string) (compute.Backend, error) {
	if c.name == Go {
		return nil, nil
	}
	if c.name == CUDA {
		keepCompiled(c.plugin, environ)
	}
	return openXLA(c)
}

// candidates are what a name may mean, the best first.
func candidates(name string, o Options) ([]candidate, error) {
	switch name {
	case Go:
		return []candidate{{name: Go, why: "asked for"}}, nil
	case CPU, CUDA:
		plugin, why := find(strings.TrimPrefix(name, "xla:"), o.Environ)
		if plugin == "" {
			return nil, errors.New(why)
		}
		return []candidate{{name: name, plugin: plugin, why: "asked for; " + why}}, nil
	case Auto:
		return automatic(o, hasNvidiaGPU()), nil
	}
	plugin, ok := strings.CutPrefix(name, "xla:")
	if !ok {
		return nil, fmt.Errorf("must be %s, %s, %s, %s or xla:/path/plugin.so", Auto, Go, CPU, CUDA)
	}
	plugin, err := filepath.Abs(plugin)
	if err != nil {
		return nil, err
	}
	if strings.Contains(plugin, ",") {
		return nil, errors.New("the path of a plugin must not contain a comma, with which go-xla's options begin")
	}
	return []candidate{{name: kindOf(plugin), plugin: plugin, why: "asked for"}}, nil
}

// vectors tells whether docent's own code is vector code on this processor.
var vectors = cpu.X86.HasAVX2 && cpu.X86.HasFMA

// automatic is a GPU, else what is faster of docent's own code and XLA on the CPU.
func automatic(o Options, gpu bool) (out []candidate) {
	var missing []string
	fallback := ""
	if gpu {
		plugin, why := find("cuda", o.Environ)
		if plugin != "" {
			out = append(out, candidate{name: CUDA, plugin: plugin, why: "an NVIDIA GPU is here, and " + why})
		} else {
			fallback = "an NVIDIA GPU is here, but " + why
			missing = append(missing, fallback)
		}
	} else {
		missing = append(missing, "no GPU is here")
	}
	if vectors {
		why := "docent's own code computes with this processor's vectors, faster than XLA"
		return append(out, candidate{name: Go, why: join(missing, why), fallback: fallback})
	}
	plugin, why := find("cpu", o.Environ)
	if plugin != "" {
		out = append(out, candidate{name: CPU, plugin: plugin, why: join(missing, why), fallback: fallback})
	} else {
		missing = append(missing, why)
	}
	return append(out, candidate{name: Go, why: join(missing, "Go needs nothing"), fallback: fallback})
}

func join(missing []string, last string) string {
	return strings.Join(append(slices.Clone(missing), last), "; ")
}

// kindOf guesses the device of a plugin from its file's name, as go-xla does.
func kindOf(plugin string) string {
	base := strings.ToLower(filepath.Base(plugin))
	for _, mark := range []string{"cuda", "nvidia", "gpu"} {
		if strings.Contains(base, mark) {
			return CUDA
		}
	}
	return CPU
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
