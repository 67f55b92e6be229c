package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"
)

// WaitOptions are the pauses of WaitReady, which double from First to Max.
type WaitOptions struct {
	First time.Duration // 0 is 100 ms
	Max   time.Duration // 0 is 5 s
}

// Validate refuses negative pauses and a Max below First.
func (o WaitOptions) Validate() error {
	var faults []error
	if o.First < 0 || o.Max < 0 {
		faults = append(faults, errors.New("wait options: a pause is negative"))
	}
	if first, longest := o.pauses(); longest < first {
		faults = append(faults, fmt.Errorf("wait options: Max %v is below First %v", longest, first))
	}
	return errors.Join(faults...)
}

func (o WaitOptions) pauses() (first, longest time.Duration) {
	return cmp.Or(o.First, 100*time.Millisecond), cmp.Or(o.Max, 5*time.Second)
}

// WaitReady asks for a version until it is ready and returns it as it is then. A version that failed is ErrFailed
// with the registry's message. There is no time limit but the context's; when that ends the error is both ErrNotReady
// and the context's.
func WaitReady(ctx context.Context, m Models, v Version, o WaitOptions) (Version, error) {
	name := fmt.Sprintf("%s/%d", v.Name, v.Number)
	if err := o.Validate(); err != nil {
		return Version{}, &Error{Op: "wait for", Name: name, Err: fmt.Errorf("%w: %w", ErrInvalid, err)}
	}
	pause, longest := o.pauses()
	for {
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
		pause = min(2*pause, longest)
	}
}
