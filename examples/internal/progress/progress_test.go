package progress

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// clock is a time that tests set.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func TestPlainLinesComeEveryFewSeconds(t *testing.T) {
	var out bytes.Buffer
	c := &clock{time.Unix(0, 0)}
	p := New(&out, Options{Now: c.now})
	p.Say("read", "%d documents", 8)
	for i := range int64(100) {
		c.at = c.at.Add(time.Second)
		p.Show("train", i+1, 100, Field{"loss", 0.8125}, Field{"tok/s", 612.4})
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	assert.Equal(t, "read      8 documents", lines[0])
	assert.Equal(t, "train     6/100  loss 0.812  tok/s 612  1m34s left", lines[1])
	assert.Len(t, lines, 21, "one line in five seconds, and one for the end")
	assert.Equal(t, "train     100/100  loss 0.812  tok/s 612", lines[len(lines)-1])
}

func TestTheBarFitsTheTerminal(t *testing.T) {
	for _, width := range []int{40, 60, 80, 200} {
		var out bytes.Buffer
		c := &clock{time.Unix(0, 0)}
		p := New(&out, Options{Now: c.now, Width: width})
		for i := range int64(4) {
			c.at = c.at.Add(time.Second)
			p.Show("train", i+1, 4, Field{"loss", 0.5}, Field{"tok/s", 612.0})
		}
		p.End()
		frames := strings.Split(strings.TrimSuffix(out.String(), "\n"), clearLine)[1:]
		require.Len(t, frames, 4)
		for _, f := range frames {
			assert.Less(t, len([]rune(f)), width, f)
		}
		if width >= 60 {
			assert.Contains(t, frames[3], "████")
			assert.NotContains(t, frames[3], "░")
		}
	}
}

func TestLogLinesKeepClearOfTheBar(t *testing.T) {
	var out bytes.Buffer
	c := &clock{time.Unix(0, 0)}
	p := New(&out, Options{Now: c.now, Width: 80})
	p.Show("train", 1, 4)
	bar := out.String()
	_, err := p.Write([]byte("level=WARN msg=look\n"))
	require.NoError(t, err)
	assert.Equal(t, bar+clearLine+"level=WARN msg=look\n"+strings.TrimPrefix(bar, clearLine), out.String())
}

func TestJSONRecordsHaveTheNumbers(t *testing.T) {
	var out bytes.Buffer
	c := &clock{time.Unix(0, 0)}
	p := New(nil, Options{Now: c.now, Logger: slog.New(slog.NewJSONHandler(&out, nil))})
	p.Show("train", 1, 4, Field{"loss", 0.5})
	c.at = c.at.Add(6 * time.Second)
	p.Show("train", 2, 4, Field{"loss", 0.25})
	p.Print("for people only")
	var record map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &record), "one record: %s", out.String())
	delete(record, "time")
	assert.Equal(t, map[string]any{"level": "INFO", "msg": "progress", "stage": "train", "done": 2.0, "total": 4.0, "loss": 0.25, "left_seconds": 12.0}, record)
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		850 * time.Millisecond: "850ms", 4200 * time.Millisecond: "4.2s", 59 * time.Second: "59s", 130 * time.Second: "2m10s",
		65 * time.Minute: "1h05m", 119*time.Minute + 59*time.Second: "2h00m",
	} {
		assert.Equal(t, want, Duration(d))
	}
}
