package report

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func sample() Report {
	r := Report{
		Title: "course-guide", Lead: "A model, taught by 8 documents.", Started: time.Date(2026, 7, 1, 9, 30, 0, 0, time.UTC),
		Elapsed: 7*time.Minute + 20*time.Second, Version: "course-guide version 3, in Production",
		Headline:  []Number{{"0.021", "loss on held-back rows", "before: 4.2"}},
		Evals:     []Eval{{0, 4.2, 66.7}, {10, 0.5, 1.65}, {20, 0.021, 1.02}},
		Accuracy:  []Accuracy{{Way: "as written", Before: Share{0, 6}, After: Share{76, 78}}},
		Samples:   []Sample{{Way: "as written", Question: "Is <b>1 < 2</b>?", Expected: "yes", Base: "<script>alert(1)</script>", Tuned: "yes", TunedRight: true}},
		Documents: []Document{{Path: "a.pdf", Outcome: "ok", Pages: 5, Passages: 11, Rows: 1234}, {Path: "b.pdf", Outcome: "malformed", Note: "no object"}},
		Rows:      []Pair{{"rows", "1,234"}}, Stages: []Stage{{"read", 130 * time.Millisecond, ""}, {"train", 4 * time.Minute, ""}},
		Settings: []Pair{{"LoRA", "rank 16"}}, Machine: []Pair{{"backend", "xla:cpu"}},
		Next: []Command{{"go run ./examples/server", "Serve it:"}},
	}
	for n := range 20 {
		r.Steps = append(r.Steps, Step{N: n + 1, Loss: 4 / float64(n+1), LearningRate: 1e-3 * float64(20-n) / 20})
	}
	return r
}

func TestThePageIsSelfContained(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, Write(&out, sample()))
	page := out.String()
	for _, foreign := range []string{"http:", "https:", "<script", "<link", "<img", "src=", "@import", "url("} {
		assert.NotContains(t, page, foreign, "nothing is fetched and nothing runs")
	}
	for _, want := range []string{
		"1 July 2026, 09:30", "7m20s", "97 %", "76 of 78", "&lt;script&gt;", "1,234", "prefers-color-scheme: dark", "130ms", "4m00s",
		"step 20: loss 0.0210, perplexity 1.02", "aria-label=\"loss by step\"", "aria-label=\"learning rate by step\"",
	} {
		assert.Contains(t, page, want)
	}
	assert.NotContains(t, page, "ZgotmplZ", "no value was refused by the template")
	assert.NotContains(t, page, "NaN")
}

func TestEmptyPartsAreLeftOut(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, Write(&out, Report{Title: "x"}))
	for _, part := range []string{"<svg", "Answers before", "Questions answered", "Documents", "What to type"} {
		assert.NotContains(t, out.String(), part)
	}
}

// TestChartsStayInside draws hostile numbers, too.
func TestChartsStayInside(t *testing.T) {
	number := regexp.MustCompile(`-?[0-9.]+,-?[0-9.]+`)
	for name, losses := range map[string][]float64{
		"one step": {2}, "all zero": {0, 0, 0}, "diverged": {1, math.NaN(), math.Inf(1)}, "tiny": {1e-9, 2e-9}, "huge": {1e12, 1},
	} {
		t.Run(name, func(t *testing.T) {
			var steps []Step
			for i, loss := range losses {
				steps = append(steps, Step{N: i + 1, Loss: loss, LearningRate: 1e-4})
			}
			for _, c := range []*chart{lossChart(steps, []Eval{{Step: len(steps), Loss: losses[0]}}), rateChart(steps)} {
				points := number.FindAllString(c.Line, -1)
				require.Len(t, points, len(steps), c.Line)
				require.NotEmpty(t, c.YTicks)
				assert.LessOrEqual(t, len(c.YTicks), 12)
				for _, tick := range append(c.YTicks, tick{At: c.Top}) {
					assert.True(t, tick.At >= c.Top-1e-6 && tick.At <= c.Bottom+1e-6, "%v", tick)
				}
				assert.NotContains(t, c.Line+c.Faint, "NaN")
				assert.NotContains(t, c.Line+c.Faint, "Inf")
			}
		})
	}
	assert.Nil(t, lossChart(nil, nil))
}

func TestTicksAreRound(t *testing.T) {
	assert.Equal(t, []float64{0, 1, 2, 3, 4}, ticks(4.4, 5))
	assert.Equal(t, []float64{0, 50, 100, 150}, ticks(160, 5))
	for _, top := range []float64{1e-9, 0.7, 3, 99, 1e7} {
		assert.LessOrEqual(t, len(ticks(top, 5)), 7, "%g", top)
	}
}

func TestWriteFileReplacesWhole(t *testing.T) {
	name := filepath.Join(t.TempDir(), "report.html")
	require.NoError(t, os.WriteFile(name, []byte("old"), 0o644))
	require.NoError(t, WriteFile(name, sample()))
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	assert.True(t, strings.HasSuffix(string(data), "</html>\n") || strings.Contains(string(data), "</html>"))
	left, err := os.ReadDir(filepath.Dir(name))
	require.NoError(t, err)
	assert.Len(t, left, 1, "no temporary file is left")
	assert.Error(t, WriteFile(filepath.Join(t.TempDir(), "no", "report.html"), sample()))
}

func TestCount(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 162168: "162,168", 1234567: "1,234,567", -1000: "-1,000"} {
		assert.Equal(t, want, Count(n))
	}
}
