package registry

import (
	"context"
	"fmt"
	"time"
)

// WaitReady asks for a version until it is ready, with pauses that double from 100 ms to 5 s, and returns it as it is then. A
// version that failed is ErrFailed with the registry's message. There is no time limit but the context's; when that ends the
// error is both ErrNotReady and the context's.
func WaitReady(ctx context.Context, m Models, v Version) (Version, error) {
	name := fmt.Sprintf("%s/%d", v.Name, v.Number)
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		now, err := m.Get(ctx, v.Name, v.Number)
		if err != nil {
			return Version{}, err
		}
		switch now.Status {
		case Ready:
			return now, nil
		case FailedRegistration:
			return now, &Error{Op: "wait for", Name: name, Err: fmt.Errorf("%w: %s", ErrFailed, now.Message),
				Hint: "register the artifacts again"}
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return now, &Error{Op: "wait for", Name: name, Err: fmt.Errorf("%w: %w", ErrNotReady, context.Cause(ctx))}
		}
	}
}
