package registry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// Check holds what was read of a file against what was logged. What differs is ErrCorrupt with the file's name. A
// file without SHA256 is checked by its size.
func (f File) Check(size int64, sha256 string) error {
	var reason string
	switch {
	case size > f.Size:
		reason = fmt.Sprintf("longer than the %d bytes logged", f.Size)
	case size < f.Size:
		reason = fmt.Sprintf("%d bytes of the %d logged", size, f.Size)
	case f.SHA256 != "" && sha256 != f.SHA256:
		reason = fmt.Sprintf("SHA-256 is %s, logged was %s", sha256, f.SHA256)
	default:
		return nil
	}
	return &Error{Path: f.Path, Err: fmt.Errorf("%w: %s", ErrCorrupt, reason), Hint: "restore the file, or log the artifacts again and register a new version"}
}

// VerifyFolder reads a downloaded version without its registry: fsys must hold the files that [Models].Files lists, as
// they were logged, and no others. The first that differs is ErrCorrupt.
func VerifyFolder(ctx context.Context, fsys fs.FS, files []File) error {
	listed := make(map[string]File, len(files))
	for _, f := range files {
		listed[f.Path] = f
	}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		want, ok := listed[name]
		if !ok {
			return &Error{Path: name, Err: fmt.Errorf("%w: the file does not belong to the version", ErrCorrupt), Hint: "remove it"}
		}
		delete(listed, name)
		r, err := fsys.Open(name)
		if err != nil {
			return err
		}
		h := sha256.New()
		size, err := io.Copy(h, io.LimitReader(contextReader{ctx, r}, want.Size+1)) // one more tells that it is another file
		return errors.Join(err, r.Close(), want.Check(size, hex.EncodeToString(h.Sum(nil))))
	})
	if err != nil {
		return &Error{Op: "verify", Err: err}
	}
	for name := range listed {
		return &Error{Op: "verify", Path: name, Err: fmt.Errorf("%w: the file is missing", ErrCorrupt), Hint: "download the version again"}
	}
	return nil
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
