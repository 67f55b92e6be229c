package lora

import (
	"bytes"
	"errors"
	"log/slog"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/device"
	"github.com/docent-ml/docent/internal/lm/model"
	"github.com/docent-ml/docent/internal/testmodel"
)

// TestLesserPrecisionsTrainLikeFloat32, as far as their bits go.
func TestLesserPrecisionsTrainLikeFloat32(t *testing.T) {
	bothComputers(t, func(t *testing.T, backend compute.Backend) {
		folder := testmodel.Write(t, 1)
		run := func(p Precision) []float64 {
			b, err := OpenBase(t.Context(), folder, BaseOptions{Backend: backend, Precision: p})
			if (p == Int8 || p == Int4) && backend != nil && !model.CanPack(backend) {
				require.ErrorContains(t, err, "docent's own code")
				t.Skip(err)
			}
			if p == BF16 && backend != nil && device.Check(backend, dtypes.BFloat16) != nil {
				require.ErrorContains(t, err, "use f32")
				t.Skip(err)
			}
			require.NoError(t, err)
			defer b.Close()
			assert.Equal(t, p, b.Info().Precision)
			tr, err := NewTrainer(b, smallConfig(), Options{})
			require.NoError(t, err)
			defer tr.Close()
			return losses(t, tr, tokenized(t, tr, 6), 0)
		}
		want, got := run(F32), run(BF16)
		assert.NotEqual(t, want, got)
		assert.InEpsilonSlice(t, want, got, 0.02)
		for _, p := range []Precision{Int8, Int4} {
			got := run(p)
			assert.NotEqual(t, want, got)
			assert.InEpsilonSlice(t, want, got, 0.05, p) // weights of 4 bits are off by up to a thirtieth of their block's range
		}
	})
}

// fakeDevice is a device of either kind, for what is asked of it before anything runs there.
type fakeDevice struct {
	compute.Backend
	accelerator bool
}

func (d fakeDevice) HasSharedBuffers() bool                   { return !d.accelerator }
func (fakeDevice) DeviceDescription(compute.DeviceNum) string { return "fake device" }

func TestPrecisionFollowsTheDeviceAndSaysWhy(t *testing.T) {
	for _, c := range []struct {
		asked       Precision
		accelerator bool
		amx         string // of docent's own code: "yes", or why not; "" = there is a device instead
		want        Precision
		reason      string
	}{
		{Auto, false, "", F32, "CPUs compute float32 faster"},
		{Auto, true, "", BF16, "accelerator computes bfloat16 faster"},
		{F32, true, "", F32, "asked for"},
		{BF16, false, "", BF16, "asked for"},
		{Auto, false, "yes", BF16, "AMX computes bfloat16 faster"},
		{Auto, false, "it has no AMX", F32, "faster than bfloat16: it has no AMX"},
		{BF16, false, "yes", BF16, "multiplies in AMX"},
		{BF16, false, "it has no AMX", BF16, "multiplied as float32: it has no AMX"},
	} {
		var log bytes.Buffer
		b := &Base{backend: fakeDevice{accelerator: c.accelerator}, precision: c.asked, log: slog.New(slog.NewTextHandler(&log, nil))}
		what := "fake device"
		if c.amx != "" {
			b.backend, what = nil, "CPU"
		}
		_, err := b.choosePrecision(func() error {
			if c.amx == "yes" {
				return nil
			}
			return errors.New(c.amx)
		})
		require.NoError(t, err)
		assert.Equal(t, c.want, b.precision)
		for _, want := range []string{"precision=" + string(c.want), what, c.reason} {
			assert.Contains(t, log.String(), want)
		}
	}
	_, err := (&Base{backend: fakeDevice{}, precision: "f64", log: slog.New(slog.DiscardHandler)}).choosePrecision(nil)
	assert.ErrorContains(t, err, `"f64": must be f32, bf16, int8, int4 or stored`)
}
