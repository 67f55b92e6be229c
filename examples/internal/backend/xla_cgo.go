//go:build cgo

package backend

import (
	"strings"

	"github.com/gomlx/compute"
	"github.com/gomlx/go-xla/compute/xla"
	"github.com/gomlx/go-xla/pjrt"
)

const xlaLinked = true

func openXLA(c candidate) (compute.Backend, error) {
	xla.EnableAutoInstall(false) // a program must not fetch and run libraries that nobody asked for
	config := c.plugin
	switch c.name {
	case CPU:
		config += ",shared_buffers" // go-xla sees by the file's name that a device is the CPU, which a path may not tell
	case CUDA:
		config += ",tf32=false" // go-xla would multiply float32 with 10 bits of mantissa; who wants speed takes bf16
	}
	return xla.New(config)
}

// installed finds a plugin where go-xla looks, which tries each by loading it. Versions are part of some names.
func installed(kind string) string {
	plugins := pjrt.AvailablePlugins()
	if path := plugins[kind]; path != "" {
		return path
	}
	for name, path := range plugins {
		if strings.HasPrefix(name, kind+"_v") || kind == "cuda" && strings.HasPrefix(name, "xla_cuda") {
			return path
		}
	}
	return ""
}
