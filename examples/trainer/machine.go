package main

import (
	"bufio"
	"cmp"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/docent-ml/docent/examples/internal/report"
	"github.com/docent-ml/docent/internal/room"
)

// machineName is the processor with its cores, as far as the system tells.
func machineName() string {
	return fmt.Sprintf("%s, %d cores", cmp.Or(procValue("/proc/cpuinfo", "model name"), runtime.GOARCH), runtime.NumCPU())
}

// machine describes where the run took place.
func (p *pipeline) machine() []report.Pair {
	pairs := []report.Pair{
		{Name: "processor", Value: machineName()},
		{Name: "system", Value: runtime.GOOS + "/" + runtime.GOARCH + ", " + runtime.Version()},
	}
	memory, _ := room.Read(os.DirFS("/"))
	for _, m := range []struct {
		name  string
		bytes int64
	}{{"memory", memory.Total}, {"most memory used", room.Peak(os.DirFS("/"))}} {
		if m.bytes > 0 {
			pairs = append(pairs, report.Pair{Name: m.name, Value: fmt.Sprintf("%.1f GiB", float64(m.bytes)/(1<<30))})
		}
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		pairs = append(pairs, report.Pair{Name: "docent", Value: info.Main.Version})
	}
	return append(pairs,
		report.Pair{Name: "backend", Value: p.device.Name},
		report.Pair{Name: "why", Value: p.device.Why},
		report.Pair{Name: "precision", Value: string(p.info.Precision) + map[bool]string{true: ", which suits the device", false: ", asked for"}[p.Precision == "auto"]},
	)
}

// procValue is the value of a key in one of Linux's files; "" elsewhere.
func procValue(file, key string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == key {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
