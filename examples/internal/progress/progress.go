// Package progress tells a person, or a log, how far a long run is.
//
//	p := progress.New(os.Stdout, progress.Options{})
//	p.Say("read", "8 documents, 41 pages")
//	for i := range steps {
//		p.Show("train", i+1, steps, progress.Field{"loss", "0.812"})
//	}
//	p.End()
//
// On a terminal Show draws a bar with what is left; elsewhere it prints a line every few seconds; with a Logger both
// Say and Show are log records. Log lines written through the Progress keep clear of the bar.
//
// A Progress is safe for concurrent use.
package progress

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/term"
)

// Options of a Progress.
type Options struct {
	Logger *slog.Logger     // not nil: log instead of printing
	Log    io.Writer        // where Write passes log lines on to; nil = where the bar is
	Every  time.Duration    // between lines where no bar is drawn; 0 = 5 s
	Now    func() time.Time // nil = time.Now
	Width  int              // of the terminal in columns; 0 = find out, < 0 = it is none
}

// Field is a number beside the bar.
type Field struct {
	Name  string
	Value any
}

// Progress prints to one writer.
type Progress struct {
	w     io.Writer
	o     Options
	width int // 0 = no terminal

	mu      sync.Mutex
	stage   string
	started time.Time // of the stage
	first   int64     // done at its first Show
	shown   time.Time // last time something was drawn or printed
	bar     string    // on the screen, "" = none
	done    bool      // the last Show of the stage was its end
}

// New returns a Progress that prints to w.
func New(w io.Writer, o Options) *Progress {
	if o.Every == 0 {
		o.Every = 5 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = w
	}
	p := &Progress{w: w, o: o}
	switch {
	case o.Logger != nil || o.Width < 0:
	case o.Width > 0:
		p.width = o.Width
	default:
		p.width = terminalWidth(w)
	}
	return p
}

// terminalWidth is 0 when w is no terminal.
func terminalWidth(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) || os.Getenv("TERM") == "dumb" {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width < 40 {
		return 0
	}
	return width
}

// Say prints a line about a stage: what was found, done, or decided.
func (p *Progress) Say(stage, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.end()
	if p.o.Logger != nil {
		p.o.Logger.Info(text, "stage", stage)
		return
	}
	fmt.Fprintf(p.w, "%-9s %s\n", stage, text)
}

// Print prints text as it is; a log gets nothing.
func (p *Progress) Print(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.end()
	if p.o.Logger == nil {
		_, _ = io.WriteString(p.w, text)
	}
}

// Show tells that done of total are reached in a stage. A total of 0 is not known.
func (p *Progress) Show(stage string, done, total int64, fields ...Field) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.o.Now()
	if stage != p.stage {
		p.end()
		p.stage, p.started, p.first, p.shown = stage, now, done, time.Time{}
	}
	last := total > 0 && done >= total
	every := p.o.Every
	if p.width > 0 {
		every = 100 * time.Millisecond
	}
	if p.shown.IsZero() && p.width == 0 && !last { // the first line comes when there is something to tell
		p.shown = now
		return
	}
	if !last && now.Sub(p.shown) < every || last && p.done {
		return
	}
	p.shown, p.done = now, last
	left := p.left(now, done, total)
	switch {
	case p.o.Logger != nil:
		attrs := []any{"stage", stage, "done", done, "total", total}
		for _, f := range fields {
			attrs = append(attrs, f.Name, f.Value)
		}
		if left > 0 {
			attrs = append(attrs, "left_seconds", left.Seconds())
		}
		p.o.Logger.Info("progress", attrs...)
	case p.width > 0:
		p.draw(barLine(stage, done, total, left, fields, p.width))
	default:
		fmt.Fprintf(p.w, "%-9s %s\n", stage, describe(done, total, left, fields))
	}
}

// End leaves the bar as it stands and goes to the next line.
func (p *Progress) End() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.end()
}

func (p *Progress) end() {
	if p.bar != "" {
		fmt.Fprintln(p.w)
	}
	p.bar, p.stage, p.done = "", "", false
}

// Write lets log lines pass: the bar makes room and comes back below.
func (p *Progress) Write(line []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar == "" {
		return p.o.Log.Write(line)
	}
	_, _ = io.WriteString(p.w, clearLine)
	n, err := p.o.Log.Write(line)
	_, _ = io.WriteString(p.w, p.bar)
	return n, err
}

const clearLine = "\r\x1b[2K"

func (p *Progress) draw(line string) {
	p.bar = line
	_, _ = io.WriteString(p.w, clearLine+line)
}

// left is the time that remains at the pace since the stage began; 0 = not known.
func (p *Progress) left(now time.Time, done, total int64) time.Duration {
	n := done - p.first
	if n <= 0 || total <= done {
		return 0
	}
	return time.Duration(float64(now.Sub(p.started)) / float64(n) * float64(total-done))
}

// barLine fits the width: the bar gives way first.
func barLine(stage string, done, total int64, left time.Duration, fields []Field, width int) string {
	head := fmt.Sprintf("%-9s ", stage)
	tail := describe(done, total, left, fields)
	room := min(30, width-1-utf8.RuneCountInString(head)-utf8.RuneCountInString(tail)-1)
	if total > 0 && room >= 8 {
		full := int(float64(room) * float64(min(done, total)) / float64(total))
		head += strings.Repeat("█", full) + strings.Repeat("░", room-full) + " "
	}
	line := []rune(head + tail)
	return string(line[:min(len(line), width-1)])
}

// describe is "40/160  loss 0.812  612 tok/s  2m10s left".
func describe(done, total int64, left time.Duration, fields []Field) string {
	parts := []string{count(done, total)}
	for _, f := range fields {
		parts = append(parts, fmt.Sprintf("%s %s", f.Name, number(f.Value)))
	}
	if left > 0 {
		parts = append(parts, Duration(left)+" left")
	}
	return strings.Join(parts, "  ")
}

// count writes large counts, which are bytes, in units.
func count(done, total int64) string {
	const unit = 1 << 20
	switch {
	case total >= 4*unit || total == 0 && done >= 4*unit:
		text := fmt.Sprintf("%.0f", float64(done)/unit)
		if total > 0 {
			text += fmt.Sprintf("/%.0f", float64(total)/unit)
		}
		return text + " MiB"
	case total == 0:
		return fmt.Sprint(done)
	}
	return fmt.Sprintf("%d/%d", done, total)
}

func number(v any) string {
	if f, ok := v.(float64); ok {
		switch {
		case f >= 100:
			return fmt.Sprintf("%.0f", f)
		case f >= 0.001 || f == 0:
			return fmt.Sprintf("%.3f", f)
		}
		return fmt.Sprintf("%.1e", f)
	}
	return fmt.Sprint(v)
}

// Duration writes a time as people say it: 850ms, 4.2s, 2m10s, 1h05m.
func Duration(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%.0fs", d.Seconds())
	case d < time.Hour:
		d = d.Round(time.Second)
		return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
	}
	d = d.Round(time.Minute)
	return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
}
