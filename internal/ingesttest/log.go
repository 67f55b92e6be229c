package ingesttest

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Longest is a handler of ingest's log records that keeps the longest time that one document took.
type Longest struct {
	mu   sync.Mutex
	took time.Duration
}

// Took is that time so far.
func (l *Longest) Took() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.took
}

func (l *Longest) Enabled(context.Context, slog.Level) bool { return true }
func (l *Longest) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *Longest) WithGroup(string) slog.Handler            { return l }

func (l *Longest) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "took" {
			l.took = max(l.took, a.Value.Duration())
		}
		return true
	})
	return nil
}
