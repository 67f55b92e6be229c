package dataset

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"unicode/utf8"
)

// maxLine bounds the memory that one line of a foreign file may take.
const maxLine = 64 << 20

// validator is implemented by types that know what is wrong with a value.
type validator interface{ Validate() error }

// placed is implemented by types that remember where they were read.
type placed interface{ place(name string, line int) }

// Read decodes JSON lines. It is single use: r can be read once.
//
// Blank lines and a byte order mark are skipped. A line that is not JSON, not UTF-8, does not fit T, is longer than 64 MiB,
// or whose value has a Validate method that objects, gives a *LineError, and the next line follows. Fields that T does not
// have are ignored. An error of r itself is the last element.
func Read[T any](r io.Reader) iter.Seq2[T, error] {
	used := false
	return func(yield func(T, error) bool) {
		if used {
			var none T
			yield(none, errors.New("dataset: read: the sequence was read before and is single use: take ReadFile, or read into memory"))
			return
		}
		used = true
		readLines(r, "", yield)
	}
}

// ReadFile decodes the JSON lines of a file as Read does. It opens the file each time the sequence is ranged, and closes it.
func ReadFile[T any](fsys fs.FS, name string) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		file, err := fsys.Open(name)
		if err != nil {
			var none T
			yield(none, fmt.Errorf("dataset: read: %w", err))
			return
		}
		defer file.Close() // read only: nothing is lost if it fails
		readLines(file, name, yield)
	}
}

func readLines[T any](r io.Reader, name string, yield func(T, error) bool) {
	var none T
	lines := bufio.NewReaderSize(r, 64<<10)
	for n := 1; ; n++ {
		line, long, err := readLine(lines)
		if err != nil && !errors.Is(err, io.EOF) {
			yield(none, fmt.Errorf("dataset: read %s: after line %d: %w", name, n-1, err))
			return
		}
		if n == 1 {
			line = bytes.TrimPrefix(line, []byte("\ufeff"))
		}
		if long {
			if !yield(none, &LineError{name, n, fmt.Errorf("%w: longer than %d MiB", ErrRow, maxLine>>20)}) {
				return
			}
		} else if line = bytes.TrimSpace(line); len(line) > 0 {
			v, fault := decode[T](line)
			if fault != nil {
				v, fault = none, &LineError{name, n, fault}
			} else if p, ok := any(&v).(placed); ok {
				p.place(name, n)
			}
			if !yield(v, fault) {
				return
			}
		}
		if errors.Is(err, io.EOF) {
			return
		}
	}
}

// readLine returns the next line. Of one that is longer than maxLine it returns nothing but long.
func readLine(r *bufio.Reader) (line []byte, long bool, err error) {
	for {
		part, err := r.ReadSlice('\n')
		if !long {
			line = append(line, part...)
			if len(line) > maxLine {
				line, long = nil, true
			}
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, long, err
		}
	}
}

func decode[T any](line []byte) (T, error) {
	var v T
	if !utf8.Valid(line) {
		return v, fmt.Errorf("%w: not UTF-8", ErrRow)
	}
	if string(line) == "null" {
		return v, fmt.Errorf("%w: null", ErrRow)
	}
	if err := json.Unmarshal(line, &v); err != nil {
		return v, fmt.Errorf("%w: %w", ErrRow, err)
	}
	return v, validate(&v)
}

func validate[T any](v *T) error {
	if checked, ok := any(v).(validator); ok {
		return checked.Validate()
	}
	return nil
}

// Write encodes a sequence as JSON lines, one value each, and returns how many it wrote. It stops at the first error of the
// sequence, at a value whose Validate method objects, and at an error of w. What was written until then stays in w.
func Write[T any](w io.Writer, seq iter.Seq2[T, error]) (n int, err error) {
	buffer := bufio.NewWriterSize(w, 64<<10)
	encoder := json.NewEncoder(buffer)
	encoder.SetEscapeHTML(false)
	for v, err := range seq {
		if err == nil {
			err = validate(&v)
		}
		if err == nil {
			err = encoder.Encode(v)
		}
		if err != nil {
			return n, errors.Join(fmt.Errorf("dataset: write: item %d: %w", n+1, err), buffer.Flush())
		}
		n++
	}
	if err := buffer.Flush(); err != nil {
		return n, fmt.Errorf("dataset: write: %w", err)
	}
	return n, nil
}
