package ingesttest

import (
	"io"
	"log/slog"
	"sync"
	"time"
)

// Longest returns a logger for a walk, and the longest time that one of its documents took.
func Longest() (log *slog.Logger, took func() time.Duration) {
	var mu sync.Mutex
	var longest time.Duration
	note := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == "took" {
			mu.Lock()
			defer mu.Unlock()
			longest = max(longest, a.Value.Duration())
		}
		return a
	}
	h := slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: note}) //nolint:sloglint // it is asked what it would write
	return slog.New(h), func() time.Duration {
		mu.Lock()
		defer mu.Unlock()
		return longest
	}
}
