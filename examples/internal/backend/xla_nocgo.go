//go:build !cgo

package backend

import (
	"errors"

	"github.com/gomlx/compute"
)

const xlaLinked = false

func openXLA(candidate) (compute.Backend, error) {
	return nil, errors.New("this program was built without cgo, which XLA needs: build it with CGO_ENABLED=1 and a C compiler, or use -backend go")
}

func installed(string) string { return "" }
