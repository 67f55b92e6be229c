package local

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"math"
	"os"
	"time"

	"github.com/docent-ml/docent/internal/atomicfile"
	"github.com/docent-ml/docent/registry"
	"github.com/docent-ml/docent/registry/internal/artifact"
	"github.com/docent-ml/docent/registry/internal/impl"
)

const metricsFile = "metrics.jsonl"

// metricLine is one line of metrics.jsonl: one LogMetrics call.
type metricLine struct {
	Step    int64            `json:"step"`
	Time    time.Time        `json:"time"`
	Metrics map[string]value `json:"metrics"`
}

// point is a metric's last value in run.json.
type point struct {
	Value value     `json:"value"`
	Step  int64     `json:"step"`
	Time  time.Time `json:"time"`
}

func (p point) metric() registry.Metric {
	return registry.Metric{Value: float64(p.Value), Step: p.Step, Time: p.Time}
}

// value is a number that JSON may have no literal for: a diverged loss is worth recording too.
type value float64

func (v value) MarshalJSON() ([]byte, error) { return impl.MarshalMetric(float64(v)) }

func (v *value) UnmarshalJSON(data []byte) error {
	switch string(data) {
	case `"NaN"`:
		*v = value(math.NaN())
	case `"Infinity"`:
		*v = value(math.Inf(1))
	case `"-Infinity"`:
		*v = value(math.Inf(-1))
	case "null":
		return errors.New("null is not a metric's value")
	default:
		return json.Unmarshal(data, (*float64)(v))
	}
	return nil
}

func (r *run) LogMetrics(ctx context.Context, step int64, metrics map[string]float64) error {
	line := metricLine{Step: step, Metrics: make(map[string]value, len(metrics))}
	for key, v := range metrics {
		line.Metrics[key] = value(v)
	}
	return r.s.locked(ctx, func() error {
		f, err := r.running()
		if err != nil || len(metrics) == 0 {
			return err
		}
		line.Time = later(r.s.stamp(), f.Started)
		return r.appendLine(line)
	})
}

// appendLine adds a line whole or not at all, not before the one in front of it. One that a crash cut short was never
// acknowledged and makes room.
func (r *run) appendLine(line metricLine) (err error) {
	f, err := r.s.root.OpenFile(r.file(metricsFile), os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	end, last, err := endOfLines(f)
	if err != nil {
		return err
	}
	if err := f.Truncate(end); err != nil {
		return err
	}
	line.Time = later(line.Time, last)
	data, err := json.Marshal(line)
	if err != nil {
		return err
	}
	data = append(data, '\n')
	if _, err := f.WriteAt(data, end); err != nil {
		return errors.Join(err, f.Truncate(end))
	}
	return nil
}

// endOfLines is the offset behind the last newline, and the time of the line before it, zero if that is damaged.
func endOfLines(f *os.File) (end int64, last time.Time, err error) {
	info, err := f.Stat()
	if err != nil {
		return 0, last, err
	}
	var tail []byte
	for begin := info.Size(); ; {
		end := bytes.LastIndexByte(tail, '\n')
		start := bytes.LastIndexByte(tail[:max(end, 0)], '\n')
		if begin == 0 || start >= 0 {
			var line metricLine
			if json.Unmarshal(tail[start+1:end+1], &line) == nil {
				last = line.Time
			}
			return begin + int64(end) + 1, last, nil
		}
		n := min(begin, 4096)
		begin -= n
		tail = append(make([]byte, n), tail...)
		if _, err := f.ReadAt(tail[:n], begin); err != nil {
			return 0, last, err
		}
	}
}

func (r *run) syncMetrics() error {
	f, err := r.s.root.OpenFile(r.file(metricsFile), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close(), atomicfile.SyncDir(r.s.root.Open, r.dir))
}

// metricLines yields the lines of metrics.jsonl; an error ends it.
func (r *run) metricLines(ctx context.Context) iter.Seq2[metricLine, error] {
	return func(yield func(metricLine, error) bool) {
		f, err := r.s.root.Open(r.file(metricsFile))
		if errors.Is(err, fs.ErrNotExist) {
			return
		} else if err != nil {
			yield(metricLine{}, err)
			return
		}
		defer f.Close()
		for line, err := range readMetricLines(ctx, f) {
			if err != nil {
				var damaged *registry.Error
				if errors.As(err, &damaged) {
					damaged.Path = r.file(metricsFile)
				}
			}
			if !yield(line, err) || err != nil {
				return
			}
		}
	}
}

// readMetricLines parses lines; a last one without newline is being written, or was when its process died.
func readMetricLines(ctx context.Context, r io.Reader) iter.Seq2[metricLine, error] {
	return func(yield func(metricLine, error) bool) {
		b := bufio.NewReaderSize(r, 64<<10)
		for n := 1; ; n++ {
			data, err := b.ReadBytes('\n')
			if err == nil {
				err = context.Cause(ctx)
			}
			if errors.Is(err, io.EOF) {
				return
			} else if err != nil {
				yield(metricLine{}, err)
				return
			}
			var line metricLine
			if err := artifact.DecodeJSON(data, &line); err != nil {
				yield(metricLine{}, &registry.Error{Err: fmt.Errorf("line %d: %w", n, err), Hint: "restore the file from a backup, or remove the line"})
				return
			}
			if !yield(line, nil) {
				return
			}
		}
	}
}

func (r *run) lastMetrics(ctx context.Context) (map[string]point, error) {
	last := make(map[string]point)
	for line, err := range r.metricLines(ctx) {
		if err != nil {
			return nil, err
		}
		for key, v := range line.Metrics {
			if old, ok := last[key]; !ok || line.Step >= old.Step {
				last[key] = point{v, line.Step, line.Time}
			}
		}
	}
	return last, nil
}

// Points reads the history of a metric.
func (s *store) Points(ctx context.Context, runID, key string) ([]registry.Metric, error) {
	r, err := s.findRun(runID)
	if err != nil {
		return nil, err
	}
	var points []registry.Metric
	for line, err := range r.metricLines(ctx) {
		if err != nil {
			return nil, err
		}
		if v, ok := line.Metrics[key]; ok {
			points = append(points, registry.Metric{Value: float64(v), Step: line.Step, Time: line.Time})
		}
	}
	return points, nil
}
