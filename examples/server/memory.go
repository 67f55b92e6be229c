package main

import (
	"context"
	"fmt"
	"io/fs"
	"sync/atomic"
	"time"

	"github.com/docent-ml/docent/internal/room"
	"github.com/docent-ml/docent/serve"
)

const memoryInterval = 2 * time.Second

// memory watches how much memory this process may still take. It looks by itself, since /health must not wait for files
// that a machine without memory is slow to give.
type memory struct {
	root fs.FS                             // "/"
	low  atomic.Pointer[serve.Degradation] // nil: there is enough, or the system does not tell
}

func (m *memory) watch(ctx context.Context) {
	tick := time.NewTicker(memoryInterval)
	defer tick.Stop()
	for {
		m.look(time.Now())
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// look raises low_memory while less than a twentieth of all memory is left. Monitoring often warns at a tenth, which a
// server whose model fills the machine may never leave though all is well; below a twentieth the next long prompt may
// be the one for which the kernel ends the process. It is over at half as much again, so that it does not come and go
// with each request.
func (m *memory) look(now time.Time) {
	r, ok := room.Read(m.root)
	was := m.low.Load()
	enough, since := r.Total/20, now.Unix()
	if was != nil {
		enough, since = r.Total/40*3, was.Since
	}
	if !ok || r.Left >= enough {
		m.low.Store(nil)
		return
	}
	m.low.Store(&serve.Degradation{
		Code: "low_memory", Component: "engine", Since: since,
		Message: fmt.Sprintf("%d MiB of %d MiB of memory are left: give the server more, or start it with fewer -slots, a smaller -max-context, "+
			"-max-models or -max-model-bytes, or -precision int8", r.Left>>20, r.Total>>20),
	})
}
