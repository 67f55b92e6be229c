package ingest

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"unicode/utf8"
)

// anyNames is a folder of the operating system like that of os.DirFS, which
// refuses names that are not UTF-8. Old disks and archives have such names.
type anyNames string

// withAnyNames exchanges what os.DirFS made; other file systems stay as they are.
func withAnyNames(fsys fs.FS) fs.FS {
	if reflect.TypeOf(fsys) == reflect.TypeOf(os.DirFS(".")) {
		return anyNames(fmt.Sprint(fsys))
	}
	return fsys
}

func (a anyNames) Open(name string) (fs.File, error) {
	return atPath(a, "open", name, func(full string) (fs.File, error) { return os.Open(full) })
}

func (a anyNames) ReadDir(name string) ([]fs.DirEntry, error) {
	return atPath(a, "readdir", name, os.ReadDir)
}

func (a anyNames) Stat(name string) (fs.FileInfo, error) { return atPath(a, "stat", name, os.Stat) }

func atPath[T any](a anyNames, op, name string, do func(full string) (T, error)) (none T, err error) {
	if !validName(name) {
		return none, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	return do(filepath.Join(string(a), filepath.FromSlash(name)))
}

func validName(name string) bool { return fs.ValidPath(strings.ToValidUTF8(name, "?")) }

// pathAsText is a path in UTF-8: bytes that are not appear as %FF, so that two
// names never become one.
func pathAsText(p string) string {
	if utf8.ValidString(p) {
		return p
	}
	var b strings.Builder
	for i, r := range p {
		if r == utf8.RuneError && !strings.HasPrefix(p[i:], string(utf8.RuneError)) {
			fmt.Fprintf(&b, "%%%02X", p[i])
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}
