//go:build unix

package mlflow

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/mlflowtest"
	"github.com/docent-ml/docent/internal/testmodel"
	"github.com/docent-ml/docent/registry"
)

// TestServerKilled kills the server with SIGKILL in the middle of things and starts it again: nothing is lost and
// nothing is there twice.
func TestServerKilled(t *testing.T) {
	s := mlflowtest.StartServer(t)
	log, said := capture()
	c := newClient(t, Options{URL: s.URL, BufferDir: t.TempDir(), Logger: log, Patience: time.Hour}) // of a slow machine
	run, err := c.StartRun(t.Context(), "killed", "", nil)
	require.NoError(t, err)

	// In the middle of a run's metrics: training goes on meanwhile.
	const steps = 60
	for step := range int64(steps) {
		require.NoError(t, run.LogMetrics(t.Context(), step, map[string]float64{"loss": 1 / float64(step+1), "lr": 1e-3}))
		if step == steps/2 {
			s.Kill(t)
		}
		time.Sleep(50 * time.Millisecond)
	}
	require.Eventually(t, func() bool { return strings.Contains(said.String(), "metrics wait") }, time.Minute, time.Millisecond)
	s.Start(t)

	// In the middle of an upload.
	half, goOn := make(chan struct{}), make(chan struct{})
	var reads atomic.Int32
	big := sizedFS{size: 200 << 20, half: func() {
		if reads.Add(1) == 2 { // the first is for its sum
			close(half)
			<-goOn
		}
	}}
	logged := make(chan error, 1)
	go func() { logged <- run.LogArtifacts(t.Context(), "big", big) }()
	<-half
	s.Kill(t)
	close(goOn)
	s.Start(t)
	require.NoError(t, <-logged)
	assert.EqualValues(t, 3, reads.Load(), "what broke off is sent again")
	v, err := c.Resolve(t.Context(), registry.URI{RunID: run.ID(), Path: "big"})
	require.NoError(t, err)
	require.NoError(t, c.Download(t.Context(), v, filepath.Join(t.TempDir(), "big")), "and its sum is right")

	// Between register and promote.
	source, err := run.LogModel(t.Context(), "model", os.DirFS(testmodel.Write(t, 1)))
	require.NoError(t, err)
	v, err = c.Register(t.Context(), "killed", source, nil)
	require.NoError(t, err)
	s.Kill(t)
	promoted := make(chan error, 1)
	go func() {
		_, err := c.Promote(t.Context(), "killed", v.Number, registry.PromoteOptions{})
		promoted <- err
	}()
	time.Sleep(time.Second)
	s.Start(t)
	require.NoError(t, <-promoted)
	require.NoError(t, run.End(t.Context(), registry.Finished))

	points := 0
	for p, err := range c.MetricHistory(t.Context(), run.ID(), "loss") {
		require.NoError(t, err)
		require.EqualValues(t, points, p.Step, "each step once")
		require.Equal(t, 1/float64(points+1), p.Value)
		points++
	}
	assert.Equal(t, steps, points)
	versions := 0
	for v, err := range c.List(t.Context(), "killed") {
		require.NoError(t, err)
		assert.Equal(t, registry.Production, v.Stage)
		versions++
	}
	assert.Equal(t, 1, versions)
	runs := 0
	for info, err := range c.ListRuns(t.Context(), "killed") {
		require.NoError(t, err)
		assert.Equal(t, registry.Finished, info.Status)
		runs++
	}
	assert.Equal(t, 1, runs)
	assert.Contains(t, said.String(), "takes metrics again")
}

// testLargeArtifact moves 300 MB up and down. Only buffers may be held.
func testLargeArtifact(t *testing.T, s *mlflowtest.Server) {
	c := newClient(t, Options{URL: s.URL})
	run, err := c.StartRun(t.Context(), "large", "", nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, run.End(t.Context(), registry.Finished)) }()

	stop, peak := make(chan struct{}), make(chan uint64)
	go func() {
		var most uint64
		for {
			select {
			case <-stop:
				peak <- most
				return
			case <-time.After(20 * time.Millisecond):
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapAlloc)
			}
		}
	}()
	began := time.Now()
	require.NoError(t, run.LogArtifacts(t.Context(), "", sizedFS{size: 300 << 20}))
	up := time.Since(began)
	v, err := c.Resolve(t.Context(), registry.URI{RunID: run.ID()})
	require.NoError(t, err)
	dir := filepath.Join(t.TempDir(), "out")
	began = time.Now()
	require.NoError(t, c.Download(t.Context(), v, dir))
	down := time.Since(began)
	close(stop)
	most := <-peak
	info, err := os.Stat(filepath.Join(dir, "f"))
	require.NoError(t, err)
	assert.EqualValues(t, 300<<20, info.Size())
	assert.Less(t, most, uint64(32<<20), "bytes on the heap")
	t.Logf("300 MB up in %v, down in %v, at most %d MB on the heap", up.Round(time.Millisecond), down.Round(time.Millisecond), most>>20)
}

// sizedFS is a folder with one file, f, of so many bytes, which nothing holds.
type sizedFS struct {
	size int64
	half func() // called whenever half of the file has been read; may be nil
}

func (s sizedFS) Open(name string) (fs.File, error) {
	if name != "f" {
		return fstest.MapFS{"f": {}}.Open(name)
	}
	return &sizedFile{left: s.size, sizedFS: s}, nil
}

type sizedFile struct {
	sizedFS
	left int64
}

func (f *sizedFile) Read(p []byte) (int, error) {
	if f.left == 0 {
		return 0, io.EOF
	}
	n := min(len(p), int(f.left))
	for i := range p[:n] {
		at := f.size - f.left + int64(i)
		p[i] = byte(at ^ at>>11)
	}
	before := f.left
	f.left -= int64(n)
	if f.half != nil && before > f.size/2 && f.left <= f.size/2 {
		f.half()
	}
	return n, nil
}

func (f *sizedFile) Close() error               { return nil }
func (f *sizedFile) Stat() (fs.FileInfo, error) { return f, nil }
func (f *sizedFile) Name() string               { return "f" }
func (f *sizedFile) Size() int64                { return f.size }
func (f *sizedFile) Mode() fs.FileMode          { return 0o444 }
func (f *sizedFile) ModTime() time.Time         { return time.Time{} }
func (f *sizedFile) IsDir() bool                { return false }
func (f *sizedFile) Sys() any                   { return nil }
