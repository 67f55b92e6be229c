package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/examples/internal/backend"
	"github.com/docent-ml/docent/examples/internal/config"
	"github.com/docent-ml/docent/internal/testmodel"
	"github.com/docent-ml/docent/serve"
)

// system is a root folder made from pairs of name and content.
func system(pairs ...string) fstest.MapFS {
	root := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		root[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return root
}

// TestLowMemory goes down and up past both bounds: at 50 MiB of 1000 it begins, at 75 it is over.
func TestLowMemory(t *testing.T) {
	root, now := system(), time.Unix(1700000000, 0)
	m := &memory{root: root}
	look := func(mib int) *serve.Degradation {
		now = now.Add(memoryInterval)
		root["proc/meminfo"] = &fstest.MapFile{Data: fmt.Appendf(nil, "MemTotal: %d kB\nMemAvailable: %d kB\n", 1000<<10, mib<<10)}
		m.look(now)
		return m.low.Load()
	}
	assert.Nil(t, look(50))
	low := look(49)
	require.NotNil(t, low)
	begun := now.Unix()
	assert.Equal(t, serve.Degradation{Code: "low_memory", Component: "engine", Since: begun, Message: "49 MiB of 1000 MiB of memory are left: " +
		"give the server more, or start it with fewer -slots, a smaller -max-context, -max-models or -max-model-bytes, or -precision int8"}, *low)
	for _, flag := range regexp.MustCompile(` -[a-z-]+`).FindAllString(low.Message, -1) {
		assert.Contains(t, config.ServerHelp(), "\n "+flag+" ", "what it advises exists")
	}
	for _, mib := range []int{20, 60, 74} {
		low = look(mib)
		require.NotNil(t, low, "%d MiB", mib)
		assert.Equal(t, begun, low.Since)
		assert.Contains(t, low.Message, fmt.Sprintf("%d MiB of 1000", mib))
	}
	assert.Nil(t, look(75))
	assert.Nil(t, look(60), "it was over")
	again := look(10)
	require.NotNil(t, again)
	assert.Equal(t, now.Unix(), again.Since)

	delete(root, "proc/meminfo")
	m.look(now)
	assert.Nil(t, m.low.Load(), "the system no longer tells")
}

// counted counts how often the machine's memory is asked for.
type counted struct {
	fs.FS
	looks atomic.Int32
}

func (c *counted) Open(name string) (fs.File, error) {
	if name == "proc/meminfo" {
		c.looks.Add(1)
	}
	return c.FS.Open(name)
}

func TestMemoryIsWatchedUntilTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		root := &counted{FS: system("proc/meminfo", "MemTotal: 1000 kB\nMemAvailable: 10 kB\n")}
		m := &memory{root: root}
		ctx, stop := context.WithCancel(t.Context())
		go m.watch(ctx)
		synctest.Wait()
		begun := time.Now().Unix()
		time.Sleep(3*memoryInterval + memoryInterval/2)
		assert.EqualValues(t, 4, root.looks.Load(), "at once and with each tick")
		require.NotNil(t, m.low.Load())
		assert.Equal(t, begun, m.low.Load().Since)
		stop()
		synctest.Wait()
		time.Sleep(time.Hour)
		assert.EqualValues(t, 4, root.looks.Load())
	})
}

func TestHealthTellsOfLowMemory(t *testing.T) {
	device, log := &backend.Device{}, slog.New(slog.DiscardHandler)
	m, err := newModels(t.Context(), config.Server{Models: []config.ModelRef{{Ref: testmodel.Write(t, 1), Name: "tiny"}}}, device, log)
	require.NoError(t, err)
	pool, err := serve.NewPool(m.load, m.poolOptions())
	require.NoError(t, err)
	mem := &memory{root: system("proc/self/cgroup", "0::/\n", "sys/fs/cgroup/memory.max", "1048576000\n", "sys/fs/cgroup/memory.current", "1038090240\n")}
	handler, err := serve.NewHandler(pool, serve.HandlerOptions{Degradations: degradations(device, m, mem, time.Now())})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, handler.Close()) })
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)

	get(t, server.URL+"/v1/models") // which waits until they are listed
	now := time.Unix(1700000000, 0)
	for _, want := range []string{"ok", "degraded"} {
		status, body := get(t, server.URL+"/health")
		assert.Equal(t, http.StatusOK, status, "requests are served all the same")
		var report struct {
			Status       string
			Degradations []serve.Degradation
		}
		require.NoError(t, json.Unmarshal([]byte(body), &report))
		assert.Equal(t, want, report.Status)
		if want == "degraded" {
			require.Len(t, report.Degradations, 1)
			d := report.Degradations[0]
			assert.Equal(t, "low_memory", d.Code)
			assert.Equal(t, now.Unix(), d.Since)
			assert.Contains(t, d.Message, "10 MiB of 1000 MiB")
		}
		mem.look(now)
	}
}
