package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam/runners/prism"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/testing/ptest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/dataset"
	"github.com/docent-ml/docent/ingest"
	"github.com/docent-ml/docent/ingest/formats"
	"github.com/docent-ml/docent/ingest/pdfium"
)

func TestMain(m *testing.M) {
	if ingest.RunChild(os.Args, append(formats.Types(), &pdfium.PDF{})...) {
		return
	}
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	ptest.MainWithDefault(m, "prism")
}

// asProgram has the test's executable be the program, for its flags are the process's.
const asProgram = "DOCENT_TEST_BEAM_INGEST"

// program runs it in a process of its own and returns what it says.
func program(t *testing.T, args ...string) (string, error) {
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram+"=1", "TMPDIR="+t.TempDir())
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// folder holds good documents, bad ones, and one that has no text.
func folder(t *testing.T) string {
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Join("..", "..", "ingest", "testdata", "guides"))))
	require.NoError(t, os.CopyFS(filepath.Join(dir, "hostile"), os.DirFS(filepath.Join("..", "..", "ingest", "testdata", "hostile"))))
	for name, text := range map[string]string{
		"a-b.txt": "Stands before a/x.txt, for a hyphen comes before a slash.", "a/x.md": "# Below a\n\nSome words.", "a0.html": "<p>Behind it.</p>", "empty.txt": "",
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	return dir
}

// onOneMachine is ingest → chunk → dataset without Beam.
func onOneMachine(t *testing.T, s Settings) (rows []byte, documents int) {
	ctx := context.Background()
	var report ingest.Report
	read := func(yield func(*ingest.Document, error) bool) {
		for doc, err := range ingest.Walk(ctx, os.DirFS(s.Folder), ingestOptions(s)) {
			require.NotNil(t, doc, "%v", err)
			report.Add(doc)
			if !yield(doc, nil) {
				return
			}
		}
	}
	var b bytes.Buffer
	_, err := dataset.Write(&b, dataset.Build(ctx, passages(s, read), builder()))
	require.NoError(t, err)
	return b.Bytes(), len(report.Documents)
}

func joined(t *testing.T, out, kind string) (all []byte, files int) {
	names, err := filepath.Glob(filepath.Join(out, kind+"-*.jsonl"))
	require.NoError(t, err)
	for _, name := range names { // Glob sorts
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		all = append(all, data...)
	}
	return all, len(names)
}

func TestEqualsOneMachineRowForRow(t *testing.T) {
	s := Settings{Folder: folder(t), Out: filepath.Join(t.TempDir(), "rows"), Batch: 4, ChunkSize: 600, ChunkOverlap: 100, Timeout: 20 * time.Second}
	want, documents := onOneMachine(t, s)
	require.NoError(t, run(context.Background(), s))
	got, files := joined(t, s.Out, rowsKind)
	assert.Greater(t, files, 2, "one file would prove no order")
	assert.Greater(t, bytes.Count(want, []byte("\n")), 20)
	assert.Equal(t, string(want), string(got))
	outcomes, _ := joined(t, s.Out, outcomesKind)
	assert.Equal(t, documents, bytes.Count(outcomes, []byte("\n")), "every document has an outcome")
	left, err := filepath.Glob(filepath.Join(s.Out, ".*"))
	require.NoError(t, err)
	assert.Empty(t, left, "no temporary file")
	assert.ErrorContains(t, run(context.Background(), s), "earlier run")
}

// Flink's and Spark's job servers speak the protocol of Beam's own, which stands in for them here. Loopback has the workers
// in the program's process, as there is no cluster to have them.
func TestRunnersByFlag(t *testing.T) {
	s := Settings{Folder: folder(t), Batch: 5, ChunkSize: 900, ChunkOverlap: 100, Timeout: 20 * time.Second}
	want, _ := onOneMachine(t, s)
	endpoint := jobServer(t)
	for _, runner := range []string{"flink", "spark"} {
		out := filepath.Join(t.TempDir(), "rows")
		said, err := program(t, "-folder", s.Folder, "-out", out, "-batch", "5", "-chunk-size", "900", "-chunk-overlap", "100", "-timeout", "20s",
			"-runner", runner, "-endpoint", endpoint, "-environment_type", "loopback")
		require.NoError(t, err, "%s: %s", runner, said)
		got, files := joined(t, out, rowsKind)
		assert.Greater(t, files, 2, "%s: one file would prove no order", runner)
		assert.Equal(t, string(want), string(got), runner)
	}
	for runner, says := range map[string]string{"flink": "endpoint", "spark": "endpoint", "dataflow": "project", "abacus": "abacus"} {
		said, err := program(t, "-folder", s.Folder, "-out", t.TempDir(), "-runner", runner)
		assert.Error(t, err, runner)
		assert.Contains(t, said, says, "%s tells what it lacks", runner)
	}
}

// jobServer starts Prism as a server on a port of this machine.
func jobServer(t *testing.T) (endpoint string) {
	l, err := net.Listen("tcp", "localhost:0")
	require.NoError(t, err)
	port := l.Addr().(*net.TCPAddr).Port
	require.NoError(t, l.Close())
	_, err = prism.CreateJobServer(t.Context(), prism.Options{Port: port})
	require.NoError(t, err)
	return fmt.Sprintf("localhost:%d", port)
}

func TestFaultsOfTheFolder(t *testing.T) {
	s := Settings{Folder: t.TempDir(), Out: t.TempDir(), Batch: 4, ChunkSize: 600, Timeout: time.Second}
	assert.ErrorContains(t, run(context.Background(), s), "no document is in")
	s.Folder = filepath.Join(s.Folder, "missing")
	assert.ErrorContains(t, run(context.Background(), s), "missing")
	s.Folder = ""
	assert.ErrorContains(t, run(context.Background(), s), "-folder")
}
