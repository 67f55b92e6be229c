//go:build cgo

package golden

import _ "github.com/gomlx/go-xla/compute/xla" // backend "xla", which needs cgo to load its plugin
