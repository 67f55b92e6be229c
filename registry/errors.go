package registry

import (
	"io/fs"
	"strconv"
	"strings"
)

// What a caller branches on, by errors.Is.
var (
	// ErrNotFound: no such run, model, version, alias, artifact, or nobody holds the stage. Also is fs.ErrNotExist.
	ErrNotFound error = sentinel{"not found", fs.ErrNotExist}
	// ErrExists: something else is there already and will not be overwritten. Also is fs.ErrExist.
	ErrExists error = sentinel{"exists already", fs.ErrExist}
	// ErrInvalid: the request itself is wrong (a name, key, path, stage, URI, a run that has ended); sending it again
	// cannot help. Also is fs.ErrInvalid.
	ErrInvalid error = sentinel{"not allowed", fs.ErrInvalid}
	// ErrNotReady: the version is still being registered.
	ErrNotReady error = sentinel{"not ready", nil}
	// ErrFailed: the version could not be registered and never will be ready.
	ErrFailed error = sentinel{"registration failed", nil}
	// ErrCorrupt: stored data is missing, altered or unreadable.
	ErrCorrupt error = sentinel{"damaged", nil}
	// ErrDenied: the registry does not let this caller in, or not do this. Also is fs.ErrPermission.
	ErrDenied error = sentinel{"access denied", fs.ErrPermission}
	// ErrUnavailable: the registry cannot be reached, now or at all.
	ErrUnavailable error = sentinel{"registry unavailable", nil}
)

type sentinel struct {
	text string
	also error
}

func (s sentinel) Error() string { return s.text }
func (s sentinel) Unwrap() error { return s.also }

// Error says what was being done, to what, and what to do next.
type Error struct {
	Op   string // the operation: "register", "download"
	Name string // the run, model, version ("handbook/3"), alias or key concerned; "" if none
	Path string // the file concerned; "" if none
	Err  error  // the cause
	Hint string // what to do next; "" if the cause says it all
}

func (e *Error) Error() string {
	var parts []string
	head := e.Op
	if e.Name != "" {
		head = strings.TrimSpace(head + " " + strconv.Quote(e.Name))
	}
	for _, p := range []string{head, e.Path, e.Err.Error()} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	s := strings.Join(parts, ": ")
	if e.Hint != "" {
		s += "; " + e.Hint
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }
