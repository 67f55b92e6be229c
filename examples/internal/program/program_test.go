package program

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/examples/internal/config"
	"github.com/docent-ml/docent/internal/mlflowtest"
	"github.com/docent-ml/docent/registry"
)

// TestMain lets the test binary be a program that Main runs.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && (strings.HasPrefix(os.Args[1], "act-") || strings.HasSuffix(os.Args[1], "-version")) {
		Main(act)
		return
	}
	os.Exit(m.Run())
}

func act(ctx context.Context, args, environ []string, stdout io.Writer) error {
	switch args[0] {
	case "act-well":
		_, err := fmt.Fprintln(stdout, "well", len(environ) > 0)
		return err
	case "act-fail":
		return errors.New("the cause")
	}
	fmt.Fprintln(stdout, "waiting")
	<-ctx.Done()
	fmt.Fprintln(stdout, "stopping")
	if args[0] == "act-stubborn" {
		time.Sleep(time.Minute)
	}
	return fmt.Errorf("stopped, go on with -resume: %w", ctx.Err())
}

func TestMainEndsTheProcess(t *testing.T) {
	out, err := exec.Command(os.Args[0], "act-well").Output()
	require.NoError(t, err)
	assert.Equal(t, "well true\n", string(out))
	for _, flag := range []string{"-version", "--version"} {
		out, err = exec.Command(os.Args[0], flag).Output()
		require.NoError(t, err, flag)
		assert.Contains(t, string(out), runtime.Version()+", "+runtime.GOOS+"/"+runtime.GOARCH)
	}

	var failed *exec.ExitError
	_, err = exec.Command(os.Args[0], "act-fail").Output()
	require.ErrorAs(t, err, &failed)
	assert.Equal(t, 1, failed.ExitCode())
	assert.Equal(t, "error: the cause\n", string(failed.Stderr))
}

func TestTheFirstInterruptStopsAndTheSecondKills(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no signals are sent between processes there")
	}
	for mode, check := range map[string]func(*exec.ExitError, string){
		"act-wait": func(e *exec.ExitError, stderr string) {
			assert.Equal(t, 130, e.ExitCode())
			assert.Contains(t, stderr, "go on with -resume")
		},
		"act-stubborn": func(e *exec.ExitError, _ string) { assert.Equal(t, -1, e.ExitCode(), "killed by the signal") },
	} {
		cmd := exec.Command(os.Args[0], mode)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		lines := bufio.NewReader(out)
		for _, want := range []string{"waiting\n", "stopping\n"} {
			line, err := lines.ReadString('\n')
			require.NoError(t, err)
			require.Equal(t, want, line)
			if want == "waiting\n" {
				require.NoError(t, cmd.Process.Signal(os.Interrupt))
			}
		}
		ended := make(chan struct{})
		if mode == "act-stubborn" { // again and again: the program lets go of signals a moment after the first
			go func() {
				for cmd.Process.Signal(os.Interrupt) == nil {
					select {
					case <-ended:
						return
					case <-time.After(10 * time.Millisecond):
					}
				}
			}()
		}
		var failed *exec.ExitError
		err = cmd.Wait()
		close(ended)
		require.ErrorAs(t, err, &failed)
		check(failed, stderr.String())
	}
}

func TestLogger(t *testing.T) {
	var out bytes.Buffer
	settings := config.Common{LogFormat: "json", LogLevel: slog.LevelWarn, LogFile: filepath.Join(t.TempDir(), "logs", "server.log")}
	log, err := Logger(&out, settings, []string{"a note"})
	require.NoError(t, err)
	assert.Contains(t, out.String(), `"msg":"a note"`)
	out.Reset()
	log.Info("quiet")
	assert.Empty(t, out.String())
	log.Warn("loud")
	assert.True(t, strings.HasPrefix(out.String(), `{"time":`), out.String())
	kept, err := os.ReadFile(settings.LogFile)
	require.NoError(t, err)
	assert.True(t, strings.HasSuffix(string(kept), out.String()), string(kept))

	settings.LogFile = filepath.Join(settings.LogFile, "below")
	_, err = Logger(&out, settings, nil)
	assert.ErrorContains(t, err, "-log-file")
}

func TestOpenRegistry(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "registry")
	folder := config.Common{Registry: config.Registry{Dir: dir}}
	_, err := OpenRegistry(t.Context(), folder, RegistryOptions{MustExist: true})
	assert.ErrorIs(t, err, registry.ErrNotFound)
	r, err := OpenRegistry(t.Context(), folder, RegistryOptions{})
	require.NoError(t, err)
	require.NoError(t, r.Close())
}

func TestOpenRegistryOnMLflow(t *testing.T) {
	fake := mlflowtest.NewFake()
	fake.Username, fake.Password = "ada", "secret"
	server := httptest.NewServer(fake)
	common := config.Common{Registry: config.Registry{URL: server.URL}}
	_, err := OpenRegistry(t.Context(), common, RegistryOptions{})
	require.ErrorIs(t, err, registry.ErrDenied)
	assert.ErrorContains(t, err, "MLFLOW_TRACKING_PASSWORD")

	common.MLflow = config.MLflow{Username: "ada", Password: config.NewSecret("secret")}
	r, err := OpenRegistry(t.Context(), common, RegistryOptions{})
	require.NoError(t, err)
	require.NoError(t, r.Close())

	server.Close()
	_, err = OpenRegistry(t.Context(), common, RegistryOptions{})
	require.ErrorIs(t, err, registry.ErrUnavailable)
	assert.ErrorContains(t, err, "start the MLflow server")
	common.MLflow.ServerCert = filepath.Join(t.TempDir(), "none.pem")
	_, err = OpenRegistry(t.Context(), common, RegistryOptions{})
	assert.ErrorContains(t, err, "none.pem")
}
