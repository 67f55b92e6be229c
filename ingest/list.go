package ingest

import (
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// file is one path to read, or the error that listing it gave, or what is left
// out.
type file struct {
	path string
	err  error
	skip *Skipped
}

// list calls visit for each file to read, in the order of their paths as
// strings, until it returns false. It holds the entries of one branch of the
// tree at a time. The error is that of the root.
func (w *walker) list(visit func(file) bool) error {
	if w.Paths == nil {
		_, err := w.folder(".", visit)
		return err
	}
	for _, p := range slices.Sorted(slices.Values(w.Paths)) {
		f := file{path: p}
		if w.reader(p) == nil {
			f.err = fmt.Errorf("no reader for files named *%s", path.Ext(p))
		}
		if !visit(f) {
			break
		}
	}
	return nil
}

func (w *walker) folder(dir string, visit func(file) bool) (goOn bool, err error) {
	entries, err := fs.ReadDir(w.fsys, dir)
	if err != nil && dir == "." {
		return false, err
	}
	if err != nil && !visit(file{path: dir, err: err}) {
		return false, nil
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return cmp.Compare(sortKey(a), sortKey(b)) })
	for _, e := range entries {
		p := path.Join(dir, e.Name())
		switch {
		case matchesAny(w.Exclude, p):
		case !w.SystemFiles && systemKind(e.Name()) != "":
			if !visit(file{path: p, skip: &Skipped{pathAsText(p), true}}) {
				return false, nil
			}
		case e.IsDir():
			if goOn, _ := w.folder(p, visit); !goOn {
				return false, nil
			}
		case !w.wanted(p, e):
		case w.reader(p) == nil:
			if !visit(file{path: p, skip: &Skipped{pathAsText(p), false}}) {
				return false, nil
			}
		case !visit(file{path: p}):
			return false, nil
		}
	}
	return true, nil
}

// sortKey makes folder by folder the same order as path by path: all that is
// below "a" begins with "a/", which stands behind "a-b" and before "a0".
func sortKey(e fs.DirEntry) string {
	if e.IsDir() {
		return e.Name() + "/"
	}
	return e.Name()
}

// wanted tells which entries are files to read, if there is a reader. A link that leads nowhere is one
// too: opening it will say why it cannot be read.
func (w *walker) wanted(p string, e fs.DirEntry) bool {
	if len(w.Include) > 0 && !matchesAny(w.Include, p) {
		return false
	}
	if e.Type()&fs.ModeSymlink == 0 {
		return e.Type().IsRegular()
	}
	info, err := fs.Stat(w.fsys, p)
	return err != nil || info.Mode().IsRegular()
}

// matchesAny holds a pattern without a slash against the last element of a path, others against the whole of it.
func matchesAny(patterns []string, p string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		if !strings.Contains(pattern, "/") {
			return doublestar.MatchUnvalidated(pattern, path.Base(p))
		}
		return doublestar.MatchUnvalidated(pattern, p)
	})
}

func extension(p string) string { return strings.ToLower(path.Ext(p)) }

func (w *walker) reader(p string) Reader { return w.Readers[extension(p)] }
