package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/examples/internal/program"
	"github.com/docent-ml/docent/internal/testmodel"
)

// TestMain lets the test binary be the server, so that one can be killed.
func TestMain(m *testing.M) {
	if os.Getenv("DOCENT_TEST_SERVER") != "" {
		program.Main(run)
		return
	}
	os.Exit(m.Run())
}

// replica is a server in a process of its own, at the same address whenever it is started.
type replica struct {
	address string
	args    []string
	cmd     *exec.Cmd
}

// start waits until it is ready.
func (r *replica) start(t *testing.T) {
	r.cmd = exec.Command(os.Args[0], append([]string{"-profile", "none", "-backend", "go", "-listen", r.address, "-log-level", "error"}, r.args...)...)
	r.cmd.Env = append(os.Environ(), "DOCENT_TEST_SERVER=1")
	r.cmd.Stderr = os.Stderr
	out, err := r.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, r.cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, line, "ready: ")
}

// end sends a signal and waits.
func (r *replica) end(s os.Signal) error {
	if err := r.cmd.Process.Signal(s); err != nil {
		return err
	}
	return r.cmd.Wait()
}

// balancer does what a proxy before several servers has to do: a request that a server did not take, or was killed with, goes
// to the next one.
type balancer struct {
	replicas []*replica
	turn     atomic.Int64
	again    atomic.Int64 // requests that were sent again
}

func (b *balancer) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	for range 2 * len(b.replicas) {
		try := r.Clone(r.Context())
		try.URL.Host, try.Body = b.replicas[b.turn.Add(1)%int64(len(b.replicas))].address, io.NopCloser(bytes.NewReader(body))
		response, sent := http.DefaultTransport.RoundTrip(try)
		if sent == nil && response.StatusCode != http.StatusServiceUnavailable {
			return response, nil
		} else if sent == nil {
			response.Body.Close()
		}
		b.again.Add(1)
		err = errors.Join(err, sent)
	}
	return nil, errors.Join(errors.New("no server takes the request"), err)
}

// TestReplicas: three servers share a registry and a cache. While requests go, a version is promoted, a server killed, one
// stopped, and one started while the registry is away. The proxy's clients notice none of it.
func TestReplicas(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no signals are sent between processes there")
	}
	root := filepath.Join(t.TempDir(), "registry")
	publish(t, root, "guide", testmodel.Write(t, 1))
	b := new(balancer)
	for range 3 {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		r := &replica{address: listener.Addr().String(), args: []string{"-registry", "file:" + root, "-cache", filepath.Join(filepath.Dir(root), "cache"), "-name", "guide", "-models-ttl", "50ms"}}
		require.NoError(t, listener.Close())
		r.start(t)
		t.Cleanup(func() { _ = r.end(os.Kill) }) // the last one; those before have been waited for
		b.replicas = append(b.replicas, r)
	}
	proxy := httptest.NewServer(&httputil.ReverseProxy{Transport: b, Rewrite: func(r *httputil.ProxyRequest) { r.Out.URL.Scheme = "http" }})
	t.Cleanup(proxy.Close)

	var mu sync.Mutex
	seen := map[string]int{} // answers by fingerprint
	answered := func() (n int) {
		mu.Lock()
		defer mu.Unlock()
		for _, count := range seen {
			n += count
		}
		return n
	}
	stop := make(chan struct{})
	var asking sync.WaitGroup
	end := sync.OnceFunc(func() {
		close(stop)
		asking.Wait()
	})
	t.Cleanup(end)
	for range 3 {
		asking.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				answer, err := ask(t.Context(), proxy.URL+"/v1", "none", "guide")
				if assert.NoError(t, err, "no request is lost") {
					mu.Lock()
					seen[answer.SystemFingerprint]++
					mu.Unlock()
				}
			}
		})
	}
	more := func() { // requests go on
		t.Helper()
		before := answered()
		require.Eventually(t, func() bool { return answered() > before+10 }, time.Minute, 5*time.Millisecond)
	}
	more()
	first, err := ask(t.Context(), proxy.URL+"/v1", "none", "guide")
	require.NoError(t, err)

	publish(t, root, "guide", testmodel.Write(t, 2))
	for _, r := range b.replicas {
		require.Eventually(t, func() bool {
			answer, err := ask(t.Context(), "http://"+r.address+"/v1", "none", "guide")
			return err == nil && answer.SystemFingerprint != first.SystemFingerprint
		}, time.Minute, 20*time.Millisecond, "each follows the promotion")
	}
	mu.Lock()
	old := seen[first.SystemFingerprint]
	mu.Unlock()
	more()

	assert.Error(t, b.replicas[0].end(os.Kill))
	more()
	b.replicas[0].start(t)
	assert.NoError(t, b.replicas[1].end(syscall.SIGTERM))
	more()
	b.replicas[1].start(t)

	require.NoError(t, os.Rename(root, root+".away"))
	assert.Error(t, b.replicas[2].end(os.Kill))
	b.replicas[2].start(t) // from the cache
	more()
	end()
	mu.Lock()
	defer mu.Unlock()
	assert.Len(t, seen, 2, "of two versions, no others")
	assert.LessOrEqual(t, seen[first.SystemFingerprint], old+3, "when all had followed, only what was under way was still of the old one")
	assert.Positive(t, b.again.Load())
	t.Logf("%v answers, %d requests sent again", seen, b.again.Load())
}
