package report

import (
	"fmt"
	"math"
	"strings"
)

// chart is a line chart as the template draws it: everything in the coordinates of its view box.
type chart struct {
	Width, Height            float64
	Left, Right, Top, Bottom float64 // of the plotting area
	XTicks, YTicks           []tick
	Line, Faint              string // points of polylines
	Dots                     []dot
	DotLine                  string
	XLabel, YLabel           string
}

type tick struct {
	At   float64
	Text string
}

type dot struct {
	X, Y  float64
	Title string
}

// scale maps values to coordinates.
type scale struct{ from, to, at, until float64 }

func (s scale) of(v float64) float64 {
	if s.to == s.from {
		return (s.at + s.until) / 2
	}
	return s.at + (v-s.from)/(s.to-s.from)*(s.until-s.at)
}

// newChart lays out axes for x from 0 to the last step and y from 0 to top.
func newChart(height float64, last int, top float64, xLabel, yLabel string) (c *chart, x, y scale) {
	c = &chart{Width: 760, Height: height, Left: 56, Right: 744, Top: 26, Bottom: height - 40, XLabel: xLabel, YLabel: yLabel}
	x = scale{0, float64(max(1, last)), c.Left, c.Right}
	y = scale{0, top, c.Bottom, c.Top}
	for _, v := range ticks(x.to, 8) {
		if v == math.Trunc(v) {
			c.XTicks = append(c.XTicks, tick{x.of(v), fmt.Sprint(int(v))})
		}
	}
	for _, v := range ticks(top, 5) {
		c.YTicks = append(c.YTicks, tick{y.of(v), fmt.Sprintf("%.4g", v)})
	}
	return c, x, y
}

// ticks are round values from 0 to top, about n of them.
func ticks(top float64, n int) []float64 {
	if !(top > 0) || math.IsInf(top, 0) {
		return []float64{0}
	}
	unit := math.Pow(10, math.Floor(math.Log10(top/float64(n))))
	step := unit
	for _, factor := range []float64{1, 2, 5, 10} {
		step = factor * unit
		if top/step <= float64(n) {
			break
		}
	}
	var out []float64
	for i := 0; float64(i)*step <= top*(1+1e-9); i++ {
		out = append(out, float64(i)*step)
	}
	return out
}

// lossChart shows the loss of every step faintly, its running mean as a line, and the evaluations as dots. nil without
// steps.
func lossChart(steps []Step, evals []Eval) *chart {
	if len(steps) == 0 {
		return nil
	}
	top := 0.0
	for _, s := range steps {
		top = max(top, finite(s.Loss))
	}
	for _, e := range evals {
		top = max(top, finite(e.Loss))
	}
	if top == 0 {
		top = 1
	}
	c, x, y := newChart(300, steps[len(steps)-1].N, top*1.05, "step", "loss")
	var faint, line []string
	mean := newRunningMean(len(steps))
	for _, s := range steps {
		loss := finite(s.Loss)
		faint = append(faint, point(x.of(float64(s.N)), y.of(loss)))
		line = append(line, point(x.of(float64(s.N)), y.of(mean.add(loss))))
	}
	c.Faint, c.Line = strings.Join(faint, " "), strings.Join(line, " ")
	var dots []string
	for _, e := range evals {
		d := dot{x.of(float64(e.Step)), y.of(finite(e.Loss)), fmt.Sprintf("step %d: loss %.4f, perplexity %.2f", e.Step, e.Loss, e.Perplexity)}
		c.Dots = append(c.Dots, d)
		dots = append(dots, point(d.X, d.Y))
	}
	c.DotLine = strings.Join(dots, " ")
	return c
}

// rateChart shows the learning rate. nil without steps.
func rateChart(steps []Step) *chart {
	if len(steps) == 0 {
		return nil
	}
	top := 0.0
	for _, s := range steps {
		top = max(top, s.LearningRate)
	}
	if top == 0 {
		return nil
	}
	c, x, y := newChart(150, steps[len(steps)-1].N, top*1.1, "step", "learning rate")
	var line []string
	for _, s := range steps {
		line = append(line, point(x.of(float64(s.N)), y.of(s.LearningRate)))
	}
	c.Line = strings.Join(line, " ")
	return c
}

func point(x, y float64) string { return fmt.Sprintf("%.1f,%.1f", x, y) }

// finite keeps a diverged step from spoiling the chart.
func finite(v float64) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	return v
}

// runningMean is an exponential mean over about a twentieth of the run, without a bias to where it began.
type runningMean struct{ keep, sum, weight float64 }

func newRunningMean(steps int) *runningMean {
	return &runningMean{keep: 1 - 1/math.Max(1, float64(steps)/20)}
}

func (m *runningMean) add(v float64) float64 {
	m.sum = m.sum*m.keep + v
	m.weight = m.weight*m.keep + 1
	return m.sum / m.weight
}
