package registry

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWaitReadyBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		m := &models{get: func(n int) (Version, error) {
			if n < 12 {
				return Version{Status: Pending}, nil
			}
			return Version{Status: Ready}, nil
		}}
		v, err := WaitReady(t.Context(), m, Version{Name: "a", Number: 1})
		require.NoError(t, err)
		assert.Equal(t, Ready, v.Status)
		assert.Equal(t, (100+200+400+800+1600+3200+5*5000)*time.Millisecond, time.Since(start))
	})
}

func TestWaitReadyEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failed := &models{get: func(int) (Version, error) { return Version{Status: FailedRegistration, Message: "disk full"}, nil }}
		_, err := WaitReady(t.Context(), failed, Version{Name: "a", Number: 1})
		require.ErrorIs(t, err, ErrFailed)
		assert.ErrorContains(t, err, "disk full")
		assert.ErrorContains(t, err, "a/1")

		pending := &models{get: func(int) (Version, error) { return Version{Status: Pending}, nil }}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		_, err = WaitReady(ctx, pending, Version{Name: "a", Number: 1})
		require.ErrorIs(t, err, ErrNotReady)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, time.Minute, time.Since(start), "not a moment longer than the context")

		gone := errors.New("gone")
		_, err = WaitReady(t.Context(), &models{get: func(int) (Version, error) { return Version{}, gone }}, Version{})
		assert.ErrorIs(t, err, gone)
	})
}
