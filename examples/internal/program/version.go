package program

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// release is set by the linker where programs are built outside of a repository: -ldflags "-X …/program.release=v1.2.3".
var release string

// Commit is the commit that this program was built from; "" is unknown.
func Commit() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				return s.Value
			}
		}
	}
	return ""
}

// Version is the release or the commit that this program was built from, with what it was built by and for:
// "v1.2.3 (go1.26.0, linux/amd64)". A "+dirty" at its end tells that files had been changed.
func Version() string {
	version := release
	if info, ok := debug.ReadBuildInfo(); ok && version == "" {
		version = info.Main.Version
	}
	return fmt.Sprintf("%s (%s, %s/%s)", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
