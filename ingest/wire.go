package ingest

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"slices"
	"time"
)

// Parent and child exchange frames: four bytes of length, big-endian, and JSON.
// The child begins with a hello; then each request gets one response: the first
// only makes a reader ready, the others are followed by the bytes of a document.

const maxFrame = 1 << 30

type hello struct {
	Protocol int      `json:"protocol"`
	Readers  []string `json:"readers"`
}

const protocol = 2

type request struct {
	Reader   string          `json:"reader"`   // the Go type, such as "ingest.PDF"
	Settings json.RawMessage `json:"settings"` // the value
	Prepare  bool            `json:"prepare,omitempty"`
	Size     int64           `json:"size"`
	Timeout  time.Duration   `json:"timeout"`
	Memory   int64           `json:"memory"`
}

type response struct {
	Document *Document `json:"document"`
	Outcome  Outcome   `json:"outcome,omitempty"` // of the error
	Error    string    `json:"error,omitempty"`
}

func newRequest(r Reader) (request, error) {
	settings, err := json.Marshal(r)
	if err != nil {
		return request{}, fmt.Errorf("ingest: the settings of %T cannot be sent to a child process: %w", r, err)
	}
	return request{Reader: readerType(r).String(), Settings: settings}, nil
}

func readerType(r Reader) reflect.Type {
	t := reflect.TypeOf(r)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

// library are the readers of a child. They are kept, for some are costly to
// start.
type library struct {
	types []Reader
	made  map[string]Reader
}

func (l *library) reader(req request) (Reader, error) {
	key := req.Reader + string(req.Settings)
	if r := l.made[key]; r != nil {
		return r, nil
	}
	at := slices.IndexFunc(l.types, func(k Reader) bool { return readerType(k).String() == req.Reader })
	if at < 0 {
		return nil, fmt.Errorf("reader %s is unknown", req.Reader)
	}
	r, ok := reflect.New(readerType(l.types[at])).Interface().(Reader) // a pointer has the methods of the value too
	if err := json.Unmarshal(req.Settings, r); err != nil || !ok {
		return nil, fmt.Errorf("settings of %s: %w", req.Reader, err)
	}
	l.made[key] = r
	return r, nil
}

func writeFrame(w io.Writer, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if len(body) > maxFrame {
		return fmt.Errorf("frame of %d bytes", len(body))
	}
	// One write: with two the other process would wake up twice.
	_, err = w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...))
	return err
}

func readFrame(r *bufio.Reader, v any) error {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > maxFrame {
		return fmt.Errorf("frame of %d bytes", n)
	}
	// Decoding from the stream grows with what really comes.
	limited := io.LimitReader(r, int64(n))
	if err := json.NewDecoder(limited).Decode(v); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, limited)
	return err
}
