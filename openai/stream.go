package openai

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// ErrStreamClosed is returned by a [Stream] after Close.
var ErrStreamClosed = errors.New("openai: the stream is closed")

// StreamOptions are the time limits of a [Stream].
type StreamOptions struct {
	WriteTimeout time.Duration // for each event, through http.ResponseController; 0: whatever the server has
	KeepAlive    time.Duration // a comment line after this much silence; 0: none
}

// Stream writes server-sent events. Every event goes out at once. After the first failure all calls return its error.
// Safe for concurrent use; Close must be called before the handler returns.
type Stream struct {
	mu    sync.Mutex
	w     http.ResponseWriter
	rc    *http.ResponseController
	o     StreamOptions
	buf   bytes.Buffer
	enc   *json.Encoder // into buf: a frame costs no allocation beyond what its value's encoding needs
	timer *time.Timer
	err   error
}

// NewStream sets status 200 and the headers of an event stream. The first event sends them.
func NewStream(w http.ResponseWriter, o StreamOptions) *Stream {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache, no-transform")
	h.Set("X-Accel-Buffering", "no") // else nginx collects the whole answer
	h.Del("Content-Length")
	s := &Stream{w: w, rc: http.NewResponseController(w), o: o}
	s.enc = json.NewEncoder(&s.buf)
	s.enc.SetEscapeHTML(false)
	s.mu.Lock()
	defer s.mu.Unlock()
	if o.KeepAlive > 0 {
		s.timer = time.AfterFunc(o.KeepAlive, s.keepAlive)
	}
	w.WriteHeader(http.StatusOK)
	return s
}

// Send writes v as one event. v's JSON has no line breaks of its own, so one data line holds it.
func (s *Stream) Send(v any) error { return s.SendEvent("", v) }

// SendEvent is Send for an event that has a name.
func (s *Stream) SendEvent(name string, v any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buf.Reset()
	if name != "" {
		s.buf.WriteString("event: ")
		s.buf.WriteString(name)
		s.buf.WriteByte('\n')
	}
	s.buf.WriteString("data: ")
	if err := s.enc.Encode(v); err != nil { // ends with the first of the two line feeds
		return fmt.Errorf("openai: encoding an event: %w", err)
	}
	s.buf.WriteByte('\n')
	return s.flush()
}

// Done writes the event that tells the client that the answer is complete.
func (s *Stream) Done() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buf.Reset()
	s.buf.WriteString("data: [DONE]\n\n")
	return s.flush()
}

// Close stops the keep-alive and lifts the write deadline, so that the connection can be used again. It writes nothing.
func (s *Stream) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer != nil {
		s.timer.Stop()
	}
	if s.err == nil && s.o.WriteTimeout > 0 {
		_ = s.rc.SetWriteDeadline(time.Time{})
	}
	if s.err == nil {
		s.err = ErrStreamClosed
	}
}

func (s *Stream) keepAlive() {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() { // on the timer's goroutine nobody else would stop a panic of the host's writer
		if p := recover(); p != nil && s.err == nil {
			s.err = fmt.Errorf("openai: writing a keep-alive: panic: %v", p)
		}
	}()
	s.buf.Reset()
	s.buf.WriteString(": keep-alive\n\n")
	_ = s.flush() // the next Send returns it
}

// flush writes buf; s.mu is held.
func (s *Stream) flush() error {
	if s.err != nil {
		return s.err
	}
	if s.o.WriteTimeout > 0 {
		_ = s.rc.SetWriteDeadline(time.Now().Add(s.o.WriteTimeout)) // not every writer can
	}
	if _, err := s.w.Write(s.buf.Bytes()); err != nil {
		s.err = fmt.Errorf("openai: writing an event: %w", err)
		return s.err
	}
	if err := s.rc.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		s.err = fmt.Errorf("openai: flushing an event: %w", err)
		return s.err
	}
	if s.timer != nil {
		s.timer.Reset(s.o.KeepAlive)
	}
	return nil
}
