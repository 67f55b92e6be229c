package hub

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
)

// Causes to branch on; every *Error of this package that is not about the local disk or the context wraps one.
var (
	ErrName         = errors.New("not a valid repository or revision name")
	ErrUnauthorized = errors.New("token missing or not accepted")
	ErrGated        = errors.New("the repository is gated")
	ErrForbidden    = errors.New("access denied")
	ErrNotFound     = fmt.Errorf("not found on the Hub (%w)", fs.ErrNotExist) // repository, revision or file
	ErrUnavailable  = errors.New("the Hub cannot be reached")                 // network, overload, rate limit
	ErrBadAnswer    = errors.New("the server's answer cannot be used")        // wrong size or hash, unsafe names, not a Hub
	ErrNotCached    = fmt.Errorf("not in the cache (%w)", fs.ErrNotExist)
)

// Error tells what failed, where, why, and what to do. It never holds the token.
type Error struct {
	Op                   string // "list", "download", …
	Repo, Revision, File string // File is empty when the failure concerns the whole repository
	Status               int    // HTTP status, 0 when there was none
	Kind                 error  // one of the sentinels, nil for local and context errors
	Err                  error  // underlying cause, may be nil
	Hint                 string // what to do, may be empty
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("hub: ")
	b.WriteString(e.Op)
	if e.File != "" {
		fmt.Fprintf(&b, " %s of", e.File)
	}
	b.WriteString(" " + e.Repo)
	if e.Revision != "" {
		b.WriteString("@" + e.Revision)
	}
	for _, err := range []error{e.Kind, e.Err} {
		if err != nil {
			b.WriteString(": " + err.Error())
		}
	}
	if e.Hint != "" {
		b.WriteString("; " + e.Hint)
	}
	return b.String()
}

// Unwrap gives errors.Is and errors.As the sentinel and the cause.
func (e *Error) Unwrap() []error {
	var errs []error
	for _, err := range []error{e.Kind, e.Err} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// place is what an error is about.
type place struct{ repo, revision, name string }

func (p place) file(name string) place {
	p.name = name
	return p
}

// wrap adds operation and place to err once, at the level that knows them.
func (p place) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[*Error](err)
	if !ok {
		e = &Error{Err: err}
	}
	if e.Op == "" {
		e.Op, e.Repo, e.Revision, e.File = op, p.repo, p.revision, p.name
	}
	return e
}

// badAnswer is an error about what the server sent.
func badAnswer(hint, format string, args ...any) *Error {
	return &Error{Kind: ErrBadAnswer, Err: fmt.Errorf(format, args...), Hint: hint}
}

// writeError is an error of the cache's disk.
func writeError(err error, dir string, size int64) *Error {
	e := &Error{Err: err, Hint: fmt.Sprintf("check that %s can be written", dir)}
	if errors.Is(err, syscall.ENOSPC) {
		e.Hint = fmt.Sprintf("the disk of %s is full and the file needs %d bytes; "+
			"free space and run again: the download goes on where it stopped", dir, size)
	}
	return e
}
