package pdfium

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/ingest"
	"github.com/docent-ml/docent/internal/ingesttest"
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

	const timeout = 10 * time.Second
	docs := walk(t, dir, ingest.Options{
		Include: []string{"*.pdf"}, Fallback: only(open(t)), Isolated: &ingest.Isolated{}, Timeout: timeout, Workers: 2,
	})
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
