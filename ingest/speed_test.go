//go:build unix

package ingest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/ingesttest"
)

// plumber reads the files named on its command line as its users do.
const plumber = `
import logging, sys, pdfplumber
logging.disable(50)
for name in sys.argv[1:]:
    try:
        with pdfplumber.open(name) as pdf:
            for page in pdf.pages:
                page.extract_text()
    except Exception:
        pass
`

// TestSpeedBesideOthers compares pages a second with pdftotext and pdfplumber,
// on the same files in the same run, by the time that cores were busy, so that
// other work on the machine matters little:
//
//	DOCENT_SPEED=folder DOCENT_PYTHON=venv/bin/python go test ./ingest -run SpeedBesideOthers -v
func TestSpeedBesideOthers(t *testing.T) {
	ingesttest.NothingLeft(t)
	dir := os.Getenv("DOCENT_SPEED")
	if dir == "" {
		t.Skip("DOCENT_SPEED names no folder of PDF files to compare on; a quiet machine and some minutes are needed")
	}
	names, err := filepath.Glob(filepath.Join(dir, "*.pdf"))
	require.NoError(t, err)
	require.NotEmpty(t, names)
	pages := 0
	own := func(workers int) func() {
		return func() {
			pages = 0
			for doc, err := range Walk(context.Background(), os.DirFS(dir), Options{Workers: workers, Include: []string{"*.pdf"}}) {
				require.NotNil(t, doc, "%v", err)
				pages += len(doc.Pages)
			}
		}
	}
	poppler := func() {
		for _, name := range names {
			_ = exec.Command("pdftotext", name, os.DevNull).Run()
		}
	}
	one, both := spent{}, spent{}
	rivals := map[string]*spent{}
	_, noPoppler := exec.LookPath("pdftotext")
	for range 3 { // interleaved, so that all meet the same machine
		runtime.GOMAXPROCS(1)
		one.add(t, own(1))
		runtime.GOMAXPROCS(2)
		both.add(t, own(2))
		if noPoppler == nil {
			rival(rivals, "pdftotext").add(t, poppler)
		}
	}
	if python := os.Getenv("DOCENT_PYTHON"); python != "" {
		rival(rivals, "pdfplumber").add(t, func() {
			out, err := exec.Command(python, append([]string{"-c", plumber}, names...)...).CombinedOutput()
			require.NoError(t, err, "%s", out)
		})
	}
	mine := one.rate(pages)
	t.Logf("one core: %.0f pages/s of core time, %.0f of the clock; two cores: %.2f times as fast by the clock",
		mine, float64(pages)/one.clock(), one.clock()/both.clock())
	assert.Greater(t, mine, 100.0)
	for name, s := range rivals {
		t.Logf("%s: %.1f pages/s; the own engine is %.1f times as fast", name, s.rate(pages), mine/s.rate(pages))
		assert.Greater(t, mine/s.rate(pages), map[string]float64{"pdftotext": 1.3, "pdfplumber": 40}[name], name)
	}
}

func rival(all map[string]*spent, name string) *spent {
	if all[name] == nil {
		all[name] = &spent{}
	}
	return all[name]
}

// spent is what several runs took.
type spent struct {
	runs       int
	busy, wall time.Duration
}

func (s *spent) add(t *testing.T, run func()) {
	before, start := coreTime(t), time.Now()
	run()
	s.runs, s.busy, s.wall = s.runs+1, s.busy+coreTime(t)-before, s.wall+time.Since(start)
}

func (s *spent) rate(pages int) float64 { return float64(pages*s.runs) / s.busy.Seconds() }
func (s *spent) clock() float64         { return s.wall.Seconds() / float64(s.runs) }

// coreTime is the time of cores that this process and its children took.
func coreTime(t *testing.T) (sum time.Duration) {
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		require.NoError(t, syscall.Getrusage(who, &u))
		sum += time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	return sum
}
