package ingest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/ingesttest"
	"github.com/docent-ml/docent/internal/race"
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

// What becomes of each file of the folder by the own engine alone: its outcome,
// and the share of words found of those that pdftotext finds, where it finds twenty.
var hostile = map[string]struct {
	outcome Outcome
	recall  float64
}{
	"GHOSTSCRIPT-698804-1-fuzzed":            {Empty, 0},
	"PDFBOX-4352-0":                          {Malformed, 0},
	"Pages-tree-refs":                        {OK, 0},
	"TAMReview":                              {Partial, 0.09}, // the reference is in cipher too: two pages of 23 say what their codes mean
	"Test-plusminus":                         {OK, 1},
	"ascii-hex-filter":                       {OK, 1},
	"bomb-operators-1gb":                     {Malformed, 0},
	"bomb-string-3gb":                        {Malformed, 0},
	"bug1019475_1":                           {OK, 0.99},
	"header-junk-before":                     {OK, 1},
	"header-only":                            {Malformed, 0},
	"header-version-2.0":                     {OK, 1},
	"helloworld-bad":                         {OK, 0},
	"html-not-pdf":                           {NotPDF, 0},
	"issue11656":                             {OK, 0.52}, // the reference has marks of direction among its words
	"issue13211":                             {Partial, 0.80},
	"issue9418":                              {OK, 0},
	"javauninstall-7r":                       {OK, 0},
	"nics-background-checks-2015-11-rotated": {OK, 0.99},
	"operator_list_cycle":                    {Empty, 0},
	"pagetree-loop":                          {OK, 1},
	"pdflatex-outline":                       {OK, 1},
	"pr-138-example":                         {OK, 0.99},
	"quote-operators":                        {OK, 0},
	"r4-user-password":                       {Encrypted, 0},
	"r6-empty-password":                      {OK, 0},
	"text-in-form-xobject":                   {OK, 1},
	"tounicode-huge-count":                   {OK, 0},
	"trailing-nul-bytes":                     {OK, 1},
	"truncated-half":                         {Partial, 0},
	"xobject-loop":                           {OK, 1},
	"xref-offsets-wrong":                     {OK, 1},
	"xref-prev-self":                         {OK, 1},
	"xref-start-huge":                        {OK, 1},
	"zero-byte":                              {NotPDF, 0},
}

// The folder holds the files that readers failed on, of this project and of
// others, and the text that pdftotext finds in twelve of them.
func TestHostileFolder(t *testing.T) {
	ingesttest.NothingLeft(t)
	dir := shared(t, "hostile-pdfs")
	const timeout = time.Minute
	log, longest := ingesttest.Longest()
	stop := ingesttest.Peak()
	docs, _ := collect(t, os.DirFS(dir), Options{
		Include: []string{"*.pdf"}, Timeout: timeout, Workers: 2, Isolated: &Isolated{MaxMemory: 512 << 20}, Logger: log,
	})
	most := stop()
	files, err := filepath.Glob(filepath.Join(dir, "*.pdf"))
	require.NoError(t, err)
	assert.Len(t, docs, len(files))
	t.Logf("longest document: %v", longest().Round(time.Millisecond))
	assert.Less(t, longest(), timeout+time.Second)
	if !race.Enabled {
		t.Logf("peak memory of the process tree: %d MiB", most>>20)
		assert.Less(t, most, int64(1<<30))
	}
	same, err := os.ReadFile(filepath.Join(dir, "ascii-hex-filter.txt")) // several files say the same
	require.NoError(t, err)
	var sum float64
	n := 0
	for _, d := range docs {
		name := strings.TrimSuffix(d.Path, ".pdf")
		want, known := hostile[name]
		require.True(t, known, "%s is a new file: what must become of it?", name)
		assert.Equal(t, want.outcome, d.Outcome, "%s: %v", name, d.Faults)
		reference, err := os.ReadFile(filepath.Join(dir, name+".txt"))
		if err != nil {
			reference = same
		}
		if share, words := ingesttest.Recall(d.text(), string(reference)); want.recall > 0 && words >= 20 {
			assert.GreaterOrEqual(t, share, want.recall, name)
			sum += share
			n++
		}
	}
	assert.Equal(t, 18, n)
	t.Logf("mean recall %.3f over %d files", sum/float64(n), n)
	assert.Greater(t, sum/float64(n), 0.45)
}

func TestAllCourseGuides(t *testing.T) {
	ingesttest.NothingLeft(t)
	found, all := answersFound(t, shared(t, "course-guides"))
	assert.Equal(t, 78, all)
	assert.Equal(t, all, found)
}

// What pdftotext finds is the measure, as in the contract.
func TestCourseGuidesBesidePdftotext(t *testing.T) {
	ingesttest.NothingLeft(t)
	dir := shared(t, "course-guides")
	if _, err := exec.LookPath("pdftotext"); err != nil {
		t.Skip("pdftotext is not installed")
	}
	var recall, pairs float64
	docs, _ := collect(t, os.DirFS(dir), Options{})
	for _, d := range docs {
		reference, err := exec.Command("pdftotext", "-enc", "UTF-8", filepath.Join(dir, d.Path), "-").Output()
		require.NoError(t, err)
		share, words := ingesttest.Recall(flat(d.text()), flat(string(reference)))
		assert.Greater(t, words, 500, d.Path)
		recall += share / float64(len(docs))
		pairs += ingesttest.Pairs(flat(d.text()), flat(string(reference))) / float64(len(docs))
	}
	t.Logf("recall %.4f, pairs %.4f over %d guides", recall, pairs, len(docs))
	assert.GreaterOrEqual(t, recall, 0.99)
	assert.GreaterOrEqual(t, pairs, 0.96)
}
