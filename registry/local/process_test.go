package local

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/registry"
)

const (
	childJob   = "LOCAL_TEST_JOB"
	childStore = "LOCAL_TEST_STORE"
)

// TestMain makes this program the other processes of the tests below.
func TestMain(m *testing.M) {
	if job := os.Getenv(childJob); job != "" {
		if err := childMain(job, os.Getenv(childStore)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func childMain(job, dir string) error {
	s, err := Open(dir, Options{})
	if err != nil {
		return err
	}
	defer s.Close()
	name, arg, _ := strings.Cut(job, " ")
	switch name {
	case "work":
		return work(s, os.Stdout)
	case "promote":
		n, err := strconv.Atoi(arg)
		if err != nil {
			return err
		}
		for range 5 {
			if _, err := s.Promote(context.Background(), "handbook", n, registry.PromoteOptions{}); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("no job %q", job)
}

func child(t *testing.T, job, dir string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childJob+"="+job, childStore+"="+dir)
	cmd.Stderr = os.Stderr
	return cmd
}

// model is large enough that a kill often comes while it is copied.
func model(i int) fstest.MapFS {
	return fstest.MapFS{"config.json": {Data: []byte(strconv.Itoa(i))}, "a/weights": {Data: []byte(strings.Repeat(strconv.Itoa(i%10), 100_000))}}
}

// work does everything a trainer does, for ever, and reports each thing that is done.
func work(s *Store, done io.Writer) error {
	ctx := context.Background()
	for i := 0; ; i++ {
		run, err := s.StartRun(ctx, "crash", "", map[string]string{"i": strconv.Itoa(i)})
		if err != nil {
			return err
		}
		fmt.Fprintln(done, "run", run.ID())
		if err := run.LogParams(ctx, map[string]string{"rank": "8"}); err != nil {
			return err
		}
		fmt.Fprintln(done, "params", run.ID())
		for step := range int64(5) {
			if err := run.LogMetrics(ctx, step, map[string]float64{"loss": float64(step), "lr": 1}); err != nil {
				return err
			}
			fmt.Fprintln(done, "metrics", run.ID(), step)
		}
		if err := run.LogArtifacts(ctx, "model", model(i)); err != nil {
			return err
		}
		fmt.Fprintln(done, "artifacts", run.ID(), i)
		v, err := s.Register(ctx, "handbook", registry.Source{RunID: run.ID(), Path: "model"}, nil)
		if err != nil {
			return err
		}
		fmt.Fprintln(done, "version", v.Number, i)
		if _, err := s.Promote(ctx, "handbook", v.Number, registry.PromoteOptions{}); err != nil {
			return err
		}
		fmt.Fprintln(done, "production", v.Number)
		if err := s.SetAlias(ctx, "handbook", "newest", v.Number); err != nil {
			return err
		}
		fmt.Fprintln(done, "alias", v.Number)
		if err := run.End(ctx, registry.Finished); err != nil {
			return err
		}
		fmt.Fprintln(done, "end", run.ID())
	}
}

// TestKilledAtAnyMoment kills a working process again and again. Whatever it had reported as done must be there, and
// the store must be whole.
func TestKilledAtAnyMoment(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	rounds := 25
	if testing.Short() {
		rounds = 5
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	total := 0
	for range rounds {
		cmd := child(t, "work", dir)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		lines := bufio.NewScanner(out)
		stopAfter := rng.IntN(25) // reports
		var done []string
		for lines.Scan() {
			done = append(done, lines.Text())
			if len(done) == stopAfter+1 {
				time.Sleep(time.Duration(rng.IntN(4000)) * time.Microsecond)
				require.NoError(t, cmd.Process.Kill())
			}
		}
		_ = cmd.Wait() // it was killed
		require.NotEmpty(t, done)
		total += len(done)

		requireConsistent(t, dir)
		s := openStore(t, dir, Options{})
		for _, report := range done {
			requireDone(t, s, strings.Fields(report))
		}
		requireOneProduction(t, s, done)
		requireWhole(t, s)
	}
	t.Logf("%d reports checked in %d rounds", total, rounds)
}

// requireWhole checks every file that a manifest names, also of runs of which no report came through.
func requireWhole(t *testing.T, s *Store) {
	t.Helper()
	for info, err := range s.ListRuns(t.Context(), "crash") {
		require.NoError(t, err)
		if err := s.Verify(t.Context(), registry.Version{RunID: info.ID}); !errors.Is(err, registry.ErrNotFound) {
			require.NoError(t, err)
		}
	}
}

// requireDone checks that what a report says is there.
func requireDone(t *testing.T, s *Store, report []string) {
	t.Helper()
	ctx := t.Context()
	number := func(i int) int {
		n, err := strconv.Atoi(report[i])
		require.NoError(t, err)
		return n
	}
	switch report[0] {
	case "run", "params", "end":
		info, err := s.GetRun(ctx, report[1])
		require.NoError(t, err)
		if report[0] != "run" {
			assert.Equal(t, map[string]string{"rank": "8"}, info.Params)
		}
		if report[0] == "end" {
			assert.Equal(t, registry.Finished, info.Status)
			assert.Equal(t, 4.0, info.Metrics["loss"].Value)
		}
	case "metrics":
		found := 0
		for p, err := range s.MetricHistory(ctx, report[1], "loss") {
			require.NoError(t, err)
			if p.Step == int64(number(2)) {
				found++
			}
		}
		assert.Equal(t, 1, found, "%v", report)
	case "artifacts":
		v, err := s.Resolve(ctx, registry.URI{RunID: report[1], Path: "model"})
		require.NoError(t, err)
		requireModel(t, s, v, number(2))
	case "version":
		v, err := s.Get(ctx, "handbook", number(1))
		require.NoError(t, err)
		requireModel(t, s, v, number(2))
	}
}

func requireModel(t *testing.T, s *Store, v registry.Version, i int) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "out")
	require.NoError(t, s.Download(t.Context(), v, dir))
	for name, want := range model(i) {
		got, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Equal(t, string(want.Data), string(got))
	}
}

// requireOneProduction checks that the version in Production is the last reported, or the next one.
func requireOneProduction(t *testing.T, s *Store, done []string) {
	t.Helper()
	var last int
	for _, report := range slices.Backward(done) {
		if n, ok := strings.CutPrefix(report, "production "); ok {
			var err error
			last, err = strconv.Atoi(n)
			require.NoError(t, err)
			break
		}
	}
	if last == 0 {
		return
	}
	var holders []int
	for v, err := range s.List(t.Context(), "handbook") {
		require.NoError(t, err)
		if v.Stage == registry.Production {
			holders = append(holders, v.Number)
		}
	}
	require.Len(t, holders, 1)
	assert.Contains(t, []int{last, last + 1}, holders[0])
}

func TestPromotersInManyProcesses(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s := openStore(t, dir, Options{})
	run, err := s.StartRun(t.Context(), "race", "", nil)
	require.NoError(t, err)
	require.NoError(t, run.LogArtifacts(t.Context(), "model", model(1)))
	const promoters = 8
	for range promoters {
		_, err := s.Register(t.Context(), "handbook", registry.Source{RunID: run.ID(), Path: "model"}, nil)
		require.NoError(t, err)
	}
	var children []*exec.Cmd
	for i := range promoters {
		cmd := child(t, fmt.Sprint("promote ", i+1), dir)
		require.NoError(t, cmd.Start())
		children = append(children, cmd)
	}
	for _, cmd := range children {
		require.NoError(t, cmd.Wait())
	}
	stages := make(map[registry.Stage]int)
	for v, err := range s.List(t.Context(), "handbook") {
		require.NoError(t, err)
		stages[v.Stage]++
	}
	assert.Equal(t, map[registry.Stage]int{registry.Production: 1, registry.Archived: promoters - 1}, stages)
	requireConsistent(t, dir)
}
