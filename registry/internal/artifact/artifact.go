// Package artifact is what implementations of the registry share about files: the manifest that lists them, the check
// of stored bytes against it, and the download that verifies, resumes and appears at once.
package artifact

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/docent-ml/docent/registry"
)

type manifest struct {
	Files []registry.File `json:"files"`
}

// Encode writes a manifest as JSON, in the order of the paths.
func Encode(files []registry.File) ([]byte, error) {
	sorted := slices.Clone(files)
	slices.SortFunc(sorted, func(a, b registry.File) int { return cmp.Compare(a.Path, b.Path) })
	if err := Check(sorted); err != nil {
		return nil, err
	}
	if sorted == nil {
		sorted = []registry.File{}
	}
	data, err := json.MarshalIndent(manifest{sorted}, "", "  ")
	return append(data, '\n'), err
}

// Decode reads what Encode wrote. Anything else is ErrCorrupt: a manifest is the word that files are held against.
func Decode(data []byte) ([]registry.File, error) {
	var m manifest
	if err := DecodeJSON(data, &m); err != nil {
		return nil, err
	}
	if !slices.IsSortedFunc(m.Files, func(a, b registry.File) int { return cmp.Compare(a.Path, b.Path) }) {
		return nil, fmt.Errorf("%w: the files are not in the order of their paths", registry.ErrCorrupt)
	}
	if err := Check(m.Files); err != nil {
		return nil, fmt.Errorf("%w: %w", registry.ErrCorrupt, err)
	}
	return m.Files, nil
}

// DecodeJSON reads one JSON value and nothing else. Unknown fields are refused, since writing the value back would
// lose them.
func DecodeJSON(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("%w: %w", registry.ErrCorrupt, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("%w: data behind the JSON value", registry.ErrCorrupt)
	}
	return nil
}

// Check refuses lists that no directory could hold on every system: illegal paths, two paths that differ in case
// only, a file that is also a directory; and sizes and sums that cannot be right.
func Check(files []registry.File) error {
	for _, f := range files {
		if sum, err := hex.DecodeString(f.SHA256); err != nil || len(sum) != sha256.Size || f.Size < 0 ||
			f.SHA256 != strings.ToLower(f.SHA256) {
			return &registry.Error{Path: f.Path, Err: fmt.Errorf("%w: size %d, SHA-256 %q", registry.ErrInvalid, f.Size, f.SHA256)}
		}
	}
	return checkPaths(files)
}

func checkPaths(files []registry.File) error {
	seen := make(map[string]string, len(files)) // lower case -> path
	for _, f := range files {
		if err := registry.CheckPath(f.Path); err != nil {
			return err
		}
		folded := strings.ToLower(f.Path)
		if other, ok := seen[folded]; ok {
			return &registry.Error{Path: f.Path, Err: fmt.Errorf("%w: the same file as %s on some systems", registry.ErrInvalid, other),
				Hint: "rename one of them"}
		}
		seen[folded] = f.Path
	}
	for _, f := range files {
		for dir := path.Dir(strings.ToLower(f.Path)); dir != "."; dir = path.Dir(dir) {
			if other, ok := seen[dir]; ok {
				return &registry.Error{Path: f.Path, Err: fmt.Errorf("%w: %s is a file", registry.ErrInvalid, other),
					Hint: "rename one of them"}
			}
		}
	}
	return nil
}

// Union adds files to a manifest; a path with another content is ErrExists.
func Union(have, add []registry.File) ([]registry.File, error) {
	known := make(map[string]registry.File, len(have))
	for _, f := range have {
		known[f.Path] = f
	}
	all := slices.Clone(have)
	var faults []error
	for _, f := range add {
		old, ok := known[f.Path]
		switch {
		case !ok:
			all = append(all, f)
		case old != f:
			faults = append(faults, &registry.Error{Path: f.Path, Err: fmt.Errorf("%w with other contents", registry.ErrExists),
				Hint: "artifacts do not change: log it under another path"})
		}
	}
	if faults != nil {
		return nil, errors.Join(faults...)
	}
	return all, Check(all)
}

// Select returns the files at p (one file, a directory, or everything for ""), their paths relative to base: p, or
// its parent where p is a file.
func Select(files []registry.File, p string) (base string, selected []registry.File) {
	if p == "" {
		return "", slices.Clone(files)
	}
	for _, f := range files {
		if f.Path == p {
			f.Path = path.Base(p)
			return strings.TrimPrefix(path.Dir(p), "."), []registry.File{f}
		}
		if rest, ok := strings.CutPrefix(f.Path, p+"/"); ok {
			f.Path = rest
			selected = append(selected, f)
		}
	}
	return p, selected
}

// Copy copies r to w until r ends or ctx does, and returns the size and SHA-256 of what passed.
func Copy(ctx context.Context, w io.Writer, r io.Reader) (size int64, sum string, err error) {
	h := sha256.New()
	size, err = copyHashing(ctx, w, r, h)
	return size, hex.EncodeToString(h.Sum(nil)), err
}

// copyHashing goes on with a hash that has seen the bytes before these.
func copyHashing(ctx context.Context, w io.Writer, r io.Reader, h hash.Hash) (n int64, err error) {
	return io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(w, h)}, contextReader{ctx, r}, make([]byte, 256<<10))
}

type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if err := context.Cause(r.ctx); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

// Verify holds the bytes of r against want. What differs is ErrCorrupt with the file's name.
func Verify(ctx context.Context, want registry.File, r io.Reader) error {
	// One byte more than expected is enough to know that it is another file.
	size, sum, err := Copy(ctx, io.Discard, io.LimitReader(r, want.Size+1))
	if err != nil {
		return &registry.Error{Path: want.Path, Err: err}
	}
	return want.Check(size, sum)
}

// VerifyAll reads files, several at a time, and verifies them. Damage is told of all of them; any other error ends it.
func VerifyAll(ctx context.Context, files []registry.File, atATime int, open Open) error {
	damage := make([]error, len(files))
	err := Each(ctx, len(files), atATime, func(ctx context.Context, i int) error {
		r, err := open(ctx, files[i].Path, 0)
		if err == nil {
			err = Verify(ctx, files[i], r)
			err = cmp.Or(err, r.Close())
		}
		if errors.Is(err, registry.ErrCorrupt) {
			damage[i] = err
			return nil
		}
		return err
	})
	faults := slices.DeleteFunc(append(damage, err), func(err error) bool { return err == nil })
	if len(faults) == 1 {
		return faults[0] // which names its file
	}
	return errors.Join(faults...)
}
