//go:build unix

package mlflowtest

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Server is a real MLflow server with an empty database, in a process group of its own.
type Server struct {
	URL       string
	Artifacts string // folder of the artifacts

	python, dir, address string
	flags                []string

	cmd *exec.Cmd
	log *output
}

// StartServer starts a server that ends with the test.
func StartServer(t testing.TB, flags ...string) *Server {
	t.Helper()
	python := Python(t)
	dir, err := os.MkdirTemp("", "mlflow") // its files are still written when t.TempDir would be removed
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	s := &Server{URL: "http://" + address, Artifacts: filepath.Join(dir, "artifacts"), python: python, dir: dir, address: address, flags: flags}
	t.Cleanup(func() {
		s.stop()
		if t.Failed() {
			t.Log(s.log.String())
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	s.Start(t)
	return s
}

// Start starts it again after Kill, at the same address on the same data. It waits until the server answers.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	host, port, err := net.SplitHostPort(s.address)
	if err != nil {
		t.Fatal(err)
	}
	args := append([]string{
		"-m", "mlflow", "server", "--host", host, "--port", port, "--workers", "1",
		"--backend-store-uri", "sqlite:///" + filepath.Join(s.dir, "mlflow.db"), "--artifacts-destination", s.Artifacts,
	}, s.flags...)
	s.cmd = exec.Command(s.python, args...)
	s.cmd.Dir = s.dir
	s.cmd.Env = append(os.Environ(), "MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false", "MLFLOW_DISABLE_TELEMETRY=true")
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	s.log = &output{}
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	s.cmd.WaitDelay = 10 * time.Second
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(2 * time.Minute); !s.healthy(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the MLflow server does not come up:\n%s", s.log)
		}
	}
}

func (s *Server) healthy() bool {
	resp, err := http.Get(s.URL + "/health")
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return err == nil && string(body) == "OK"
}

// Kill ends the whole group at once: a SIGKILL of the parent alone would leave its child serving.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	if err := syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = s.cmd.Wait() // it was killed
	s.cmd = nil
}

func (s *Server) stop() {
	if s.cmd == nil || s.cmd.Process == nil {
		return
	}
	group := s.cmd.Process.Pid
	_ = syscall.Kill(-group, syscall.SIGTERM)
	late := time.AfterFunc(20*time.Second, func() { _ = syscall.Kill(-group, syscall.SIGKILL) })
	defer late.Stop()
	_ = s.cmd.Wait()
	_ = syscall.Kill(-group, syscall.SIGKILL) // whoever is left of it
	s.cmd = nil
}

// output is what the server prints.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}
