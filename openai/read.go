package openai

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"iter"
)

const maxEvent = 16 << 20 // bytes of one event; a server that sends more is broken

// ReadStream reads the events of a streamed answer until [DONE]. Single use. The last element is an error if the stream
// holds one (an *[Error]), is not what the API sends, or ends without [DONE] (io.ErrUnexpectedEOF): then the answer is
// not complete.
func ReadStream[T any](r io.Reader) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		events := newEventReader(r)
		for {
			data, err := events.next()
			if err != nil {
				yield(none, fmt.Errorf("openai: reading a stream: %w", err))
				return
			}
			if string(data) == "[DONE]" {
				return
			}
			var failure struct{ Error json.RawMessage }
			if json.Unmarshal(data, &failure) == nil && len(failure.Error) > 0 && string(failure.Error) != "null" {
				yield(none, streamError(failure.Error))
				return
			}
			var v T
			if err := json.Unmarshal(data, &v); err != nil {
				yield(none, fmt.Errorf("openai: reading an event: %w", err))
				return
			}
			if !yield(v, nil) {
				return
			}
		}
	}
}

// streamError is the error of an event; other servers send a string or numbers where we send strings.
func streamError(raw json.RawMessage) error {
	var e Error
	if err := json.Unmarshal(raw, &e); err != nil {
		return fmt.Errorf("openai: the stream failed: %s", raw)
	}
	return &e
}

// eventReader finds the data of each event. Comments, and fields other than data, are passed over.
type eventReader struct {
	lines *bufio.Scanner
	data  []byte
}

func newEventReader(r io.Reader) *eventReader {
	e := &eventReader{lines: bufio.NewScanner(r)}
	e.lines.Buffer(nil, maxEvent)
	return e
}

func (e *eventReader) next() ([]byte, error) {
	e.data = e.data[:0]
	got := false
	for e.lines.Scan() {
		line := e.lines.Bytes()
		if len(line) == 0 {
			if got {
				return e.data, nil
			}
			continue
		}
		value, ok := bytes.CutPrefix(line, []byte("data"))
		if !ok || len(value) > 0 && value[0] != ':' {
			continue
		}
		if got {
			e.data = append(e.data, '\n')
		}
		got = true
		value = bytes.TrimPrefix(bytes.TrimPrefix(value, []byte(":")), []byte(" "))
		if e.data = append(e.data, value...); len(e.data) > maxEvent {
			return nil, bufio.ErrTooLong
		}
	}
	return nil, cmp.Or(e.lines.Err(), io.ErrUnexpectedEOF) // also for an event without its blank line: it was cut off
}
