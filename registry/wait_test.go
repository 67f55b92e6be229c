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
		var asked []time.Duration
		m := &models{get: func(n int) (Version, error) {
			asked = append(asked, time.Since(start))
			if n < 6 {
				return Version{Status: Pending}, nil
			}
			return Version{Status: Ready}, nil
		}}
		v, err := WaitReady(t.Context(), m, Version{Name: "a", Number: 1}, WaitOptions{First: time.Second, Max: 4 * time.Second})
		require.NoError(t, err)
		assert.Equal(t, Ready, v.Status)
		assert.Equal(t, []time.Duration{0, 1 * time.Second, 3 * time.Second, 7 * time.Second, 11 * time.Second, 15 * time.Second}, asked)
	})
}

func TestWaitReadyDefaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		m := &models{get: func(n int) (Version, error) {
			if n < 12 {
				return Version{Status: Pending}, nil
			}
			return Version{Status: Ready}, nil
		}}
		_, err := WaitReady(t.Context(), m, Version{Name: "a", Number: 1}, WaitOptions{})
		require.NoError(t, err)
		assert.Equal(t, (100+200+400+800+1600+3200+5*5000)*time.Millisecond, time.Since(start))
	})
}

func TestWaitReadyEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failed := &models{get: func(int) (Version, error) { return Version{Status: FailedRegistration, Message: "disk full"}, nil }}
		_, err := WaitReady(t.Context(), failed, Version{Name: "a", Number: 1}, WaitOptions{})
		require.ErrorIs(t, err, ErrFailed)
		assert.ErrorContains(t, err, "disk full")
		assert.ErrorContains(t, err, "a/1")

		pending := &models{get: func(int) (Version, error) { return Version{Status: Pending}, nil }}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		_, err = WaitReady(ctx, pending, Version{Name: "a", Number: 1}, WaitOptions{})
		require.ErrorIs(t, err, ErrNotReady)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, time.Minute, time.Since(start), "not a moment longer than the context")

		gone := errors.New("gone")
		_, err = WaitReady(t.Context(), &models{get: func(int) (Version, error) { return Version{}, gone }}, Version{}, WaitOptions{})
		assert.ErrorIs(t, err, gone)
	})
}

func TestWaitOptions(t *testing.T) {
	for _, o := range []WaitOptions{{First: -1}, {Max: -1}, {First: 10, Max: 5}, {First: time.Minute}} {
		require.Error(t, o.Validate(), "%+v", o)
		_, err := WaitReady(t.Context(), nil, Version{}, o)
		require.ErrorIs(t, err, ErrInvalid)
	}
	assert.NoError(t, WaitOptions{}.Validate())
}
