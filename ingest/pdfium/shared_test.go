package pdfium

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/ingest"
	"github.com/docent-ml/docent/internal/ingesttest"
	"github.com/docent-ml/docent/internal/race"
)

// The folder holds the files that readers failed on, of this project and of
// others, and the text that pdftotext finds in twelve of them. Those others of
// 45 words say the same as one of the twelve.
func TestHostileFolderWithFallback(t *testing.T) {
	ingesttest.NothingLeft(t)
	dir := filepath.Join("..", "..", "..", "shared", "corpus", "hostile-pdfs")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("%s is not here: it holds files of other projects", dir)
	}
	expectations, err := os.ReadFile(filepath.Join(dir, "expectations.tsv"))
	require.NoError(t, err)
	same, err := os.ReadFile(filepath.Join(dir, "ascii-hex-filter.txt"))
	require.NoError(t, err)

	const timeout = time.Minute
	log, longest := ingesttest.Longest()
	debug.FreeOSMemory() // what other tests have left is not this one's
	stop := ingesttest.Peak()
	docs := walk(t, dir, ingest.Options{
		Include: []string{"*.pdf"}, Fallback: only(open(t)), Isolated: &ingest.Isolated{MaxMemory: 512 << 20}, Timeout: timeout,
		Logger: log,
	})
	most := stop()
	t.Logf("longest document: %v; peak memory of the process tree: %d MiB", longest().Round(time.Millisecond), most>>20)
	assert.Less(t, longest(), timeout+time.Second)
	if !race.Enabled {
		assert.Less(t, most, int64(1<<30))
	}
	var sum float64
	n := 0
	for _, line := range strings.Split(strings.TrimSpace(string(expectations)), "\n")[1:] {
		f := strings.Split(line, "\t")
		require.Contains(t, docs, f[0])
		doc := docs[f[0]]
		delete(docs, f[0])
		assert.NotEmpty(t, doc.Outcome)
		want, err := os.ReadFile(filepath.Join(dir, strings.TrimSuffix(f[0], ".pdf")+".txt"))
		if err != nil && f[2] == "45" {
			want = same
		} else if err != nil {
			continue
		}
		share, _ := ingesttest.Recall(doc.Text(), string(want))
		t.Logf("%.3f %s %s", share, doc.Outcome, f[0])
		sum += share
		n++
	}
	assert.Empty(t, docs, "each file has one outcome")
	t.Logf("mean recall %.3f over %d files", sum/float64(n), n)
	assert.Equal(t, 18, n)
	assert.GreaterOrEqual(t, sum/float64(n), 0.90)
}

// TestRecallBesidePdftotext scores a folder of real files as the contract does: at most 40 pages of each, those in which
// pdftotext finds twenty words or more, a file that fails as 0.
//
//	DOCENT_RECALL=folder go test ./ingest/pdfium -run RecallBesidePdftotext -v
func TestRecallBesidePdftotext(t *testing.T) {
	ingesttest.NothingLeft(t)
	dir := os.Getenv("DOCENT_RECALL")
	if dir == "" {
		t.Skip("DOCENT_RECALL names no folder of PDF files to compare on")
	}
	const pages = 40
	engine := open(t)
	engine.MaxPages = pages
	own := map[string]ingest.Reader{".pdf": ingest.PDF{MaxPages: pages}}
	o := ingest.Options{Include: []string{"*.pdf"}, Readers: own, Isolated: &ingest.Isolated{}, Timeout: 30 * time.Second}
	alone := walk(t, dir, o)
	o.Fallback = only(engine)
	both := walk(t, dir, o)
	var first, second, pairs float64
	n := 0
	for path, d := range both {
		reference := pdftotext(t, filepath.Join(dir, path), pages)
		share, words := ingesttest.Recall(d.Text(), reference)
		if words < 20 {
			continue
		}
		n++
		second += share
		pairs += ingesttest.Pairs(d.Text(), reference)
		share, _ = ingesttest.Recall(alone[path].Text(), reference)
		first += share
	}
	require.Positive(t, n)
	of := float64(n)
	t.Logf("%d of %d files: recall %.4f by the own engine, %.4f with the fallback, pairs %.4f", n, len(both), first/of, second/of, pairs/of)
	assert.GreaterOrEqual(t, second/of, 0.92)
}

// pdftotext is what it finds in twenty seconds and two gigabytes.
func pdftotext(t *testing.T, name string, pages int) string {
	command := `ulimit -v 2097152; exec timeout 20 pdftotext -l "$1" -enc UTF-8 "$2" -`
	out, _ := exec.CommandContext(t.Context(), "sh", "-c", command, "sh", strconv.Itoa(pages), name).Output() // a file that it cannot read has no words
	return string(out)
}
