//go:build !linux

package backend

// KeepPages does nothing where the C library is not glibc.
func KeepPages(string, Options, []string) error { return nil }
