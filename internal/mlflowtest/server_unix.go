//go:build unix

package mlflowtest

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
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

	group int // of its processes
	ended chan error
	log   *printed
}

// StartServer starts a server that ends with the test. It has the test's environment.
func StartServer(t testing.TB, flags ...string) *Server {
	t.Helper()
	python := Python(t)
	dir, err := os.MkdirTemp("", "mlflow") // its files are still written when t.TempDir would be removed
	if err != nil {
		t.Fatal(err)
	}
	address := freeAddress(t)
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

// freeAddress avoids the ports that systems give to outgoing connections: the server's must be free when it comes up, and
// again when it comes back.
func freeAddress(t testing.TB) string {
	t.Helper()
	for range 100 {
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(20_000)))
		if err != nil {
			continue
		}
		defer listener.Close()
		return listener.Addr().String()
	}
	t.Fatal("no port is free")
	return ""
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
	cmd := exec.Command(s.python, args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false", "MLFLOW_DISABLE_TELEMETRY=true")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	s.log = &printed{}
	cmd.Stdout, cmd.Stderr = s.log, s.log
	cmd.WaitDelay = time.Minute // for the others of the group
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.group, s.ended = cmd.Process.Pid, make(chan error, 1)
	go func() { s.ended <- cmd.Wait() }()
	late := time.After(20 * time.Minute) // it takes seconds, and on a busy machine minutes
	for !s.healthy() {
		select {
		case err := <-s.ended:
			s.group = 0
			t.Fatalf("the MLflow server has ended: %v\n%s", err, s.log)
		case <-late:
			t.Fatalf("the MLflow server does not come up:\n%s", s.log)
		case <-time.After(200 * time.Millisecond):
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
	if err := syscall.Kill(-s.group, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-s.ended //nolint:errcheck // its output tells how it ended
	s.group = 0
}

func (s *Server) stop() {
	if s.group == 0 {
		return
	}
	_ = syscall.Kill(-s.group, syscall.SIGTERM)
	late := time.AfterFunc(20*time.Second, func() { _ = syscall.Kill(-s.group, syscall.SIGKILL) })
	<-s.ended //nolint:errcheck // its output tells how it ended
	late.Stop()
	_ = syscall.Kill(-s.group, syscall.SIGKILL) // whoever is left of it
	s.group = 0
}

// printed is what the server prints.
type printed struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (p *printed) Write(data []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.b.Write(data)
}

func (p *printed) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.b.String()
}
