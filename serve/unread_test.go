package serve

import (
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// unread are the requests that are answered without their body.
var unread = map[int]string{
	404: "POST /nothing HTTP/1.1\r\nContent-Type: application/json",
	401: "POST /v1/chat/completions HTTP/1.1\r\nContent-Type: application/json",
	405: "POST /v1/models HTTP/1.1\r\nContent-Type: application/json",
	415: "POST /v1/embeddings HTTP/1.1\r\nContent-Type: text/plain",
	200: "GET /health HTTP/1.1\r\nContent-Type: application/json",
}

// A body that drips in holds up neither the answer of a request that is refused before it is read, nor the connection.
func TestUnreadBodies(t *testing.T) {
	noLeaks(t)
	s := server(t, newHandler(t, hello(), HandlerOptions{APIKeys: map[string]string{"a": "k"}}), nil)
	var all sync.WaitGroup
	for want, head := range unread {
		for _, length := range []string{"Content-Length: 200000", "Transfer-Encoding: chunked"} {
			all.Go(func() {
				began := time.Now()
				c := raw(t, s, head+"\r\nHost: x\r\n"+length+"\r\n\r\n")
				stop := make(chan struct{})
				drip := make(chan struct{})
				go func() {
					defer close(drip)
					piece := " "
					if strings.HasPrefix(length, "T") {
						piece = "1\r\n \r\n"
					}
					for {
						select {
						case <-stop:
							return
						case <-time.After(100 * time.Millisecond):
							if _, err := io.WriteString(c, piece); err != nil {
								return
							}
						}
					}
				}()
				res, _ := response(t, c)
				assert.Equal(t, want, res.StatusCode)
				assert.Less(t, time.Since(began), 10*time.Second)
				_, err := c.Read(make([]byte, 1))
				assert.Error(t, err)
				assert.NotErrorIs(t, err, os.ErrDeadlineExceeded, "still open")
				close(stop)
				<-drip
			})
		}
	}
	all.Wait()
}

// A short body that is there is no reason to close the connection.
func TestUnreadBodyKeepsTheConnection(t *testing.T) {
	s := server(t, newHandler(t, hello(), HandlerOptions{}), nil)
	c := raw(t, s, strings.Repeat("POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", 2)+request(plain, "Connection: close\r\n"))
	text, err := io.ReadAll(c)
	require.NoError(t, err)
	assert.Equal(t, 2, strings.Count(string(text), "HTTP/1.1 404"))
	assert.Equal(t, 1, strings.Count(string(text), "HTTP/1.1 200"))
}

// A thousand of them at once stay below 32 MB, their clients in the same process.
func TestManyUnreadBodiesInLittleMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("1,000 connections; left out of -short")
	}
	noLeaks(t)
	s := server(t, newHandler(t, hello(), HandlerOptions{APIKeys: map[string]string{"a": "k"}}), nil)
	before := memory()
	conns := make([]net.Conn, 1000)
	for i := range conns {
		conns[i] = raw(t, s, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 200000\r\n\r\n{")
	}
	held := int64(memory()) - int64(before)
	t.Logf("%.1f MB", float64(held)/1e6)
	assert.Less(t, held, int64(32<<20))
	for _, c := range conns {
		res, _ := response(t, c)
		assert.Equal(t, 401, res.StatusCode)
		c.Close()
	}
}
