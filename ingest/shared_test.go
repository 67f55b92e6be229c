package ingest

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// shared returns a folder beside the repository, with files that may not be
// copied into it.
func shared(t testing.TB, elem ...string) string {
	dir := filepath.Join(append([]string{"..", "..", "shared", "corpus"}, elem...)...)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("%s is not here: it holds files of other projects", dir)
	}
	return dir
}

func countWords(s string) map[string]int {
	counts := map[string]int{}
	for _, w := range strings.Fields(s) {
		counts[w]++
	}
	return counts
}

// recall is the share of the reference's words that the text has.
func recall(text, reference string) (share float64, words int) {
	got, hits := countWords(text), 0
	for w, n := range countWords(reference) {
		words += n
		hits += min(n, got[w])
	}
	return float64(hits) / float64(max(words, 1)), words
}

// peak watches the memory of this process and its children until stopped.
func peak(t *testing.T) (stop func() int64) {
	done, result := make(chan struct{}), make(chan int64)
	go func() {
		var most int64
		for {
			select {
			case <-done:
				result <- most
				return
			case <-time.After(20 * time.Millisecond):
				most = max(most, treeMemory())
			}
		}
	}()
	return func() int64 { close(done); return <-result }
}

func treeMemory() (bytes int64) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, s := range stats {
		b, err := os.ReadFile(s)
		if err != nil {
			continue
		}
		pid := strings.Split(s, "/")[2]
		_, rest, _ := strings.Cut(string(b), ") ")
		f := strings.Fields(rest)
		if self := strconv.Itoa(os.Getpid()); len(f) > 21 && (pid == self || f[1] == self) {
			pages, _ := strconv.ParseInt(f[21], 10, 64)
			bytes += pages * int64(os.Getpagesize())
		}
	}
	return bytes
}

// The folder holds the files that readers failed on, of this project and of
// others, and the text that pdftotext finds in twelve of them.
func TestHostileFolder(t *testing.T) {
	dir := shared(t, "hostile-pdfs")
	const timeout = 10 * time.Second
	stop := peak(t)
	docs, _ := collect(t, os.DirFS(dir), Options{
		Include: []string{"*.pdf"}, Timeout: timeout, Workers: 2, Isolated: &Isolated{MaxMemory: 512 << 20},
	})
	most := stop()
	files, err := filepath.Glob(filepath.Join(dir, "*.pdf"))
	require.NoError(t, err)
	assert.Len(t, docs, len(files))
	if runtime.GOOS == "linux" && !underRace {
		t.Logf("peak memory of the process tree: %d MiB", most>>20)
		assert.Less(t, most, int64(1<<30))
	}
	var sum float64
	n := 0
	for _, d := range docs {
		t.Logf("%-10s %s", d.Outcome, d.Path)
		ref, err := os.ReadFile(filepath.Join(dir, strings.TrimSuffix(d.Path, ".pdf")+".txt"))
		if err != nil {
			continue
		}
		share, words := recall(d.text(), string(ref))
		if words >= 20 {
			t.Logf("           recall %.3f of %d words", share, words)
			sum += share
			n++
		}
	}
	require.Positive(t, n)
	t.Logf("mean recall %.3f over %d files", sum/float64(n), n)
	assert.Greater(t, sum/float64(n), 0.45)
}

func TestAllCourseGuides(t *testing.T) {
	found, all := answersFound(t, shared(t, "course-guides"))
	assert.Equal(t, 78, all)
	assert.Equal(t, all, found)
}
