package main

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

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
	r, ok := readRoom(m.root)
	was := m.low.Load()
	enough, since := r.total/20, now.Unix()
	if was != nil {
		enough, since = r.total/40*3, was.Since
	}
	if !ok || r.left >= enough {
		m.low.Store(nil)
		return
	}
	m.low.Store(&serve.Degradation{
		Code: "low_memory", Component: "engine", Since: since,
		Message: fmt.Sprintf("%d MiB of %d MiB of memory are left: give the server more, or start it with fewer -slots, a smaller -max-context, "+
			"-max-models or -max-model-bytes, or -precision int8", r.left>>20, r.total>>20),
	})
}

// room is how many bytes may still be taken, and how many there are with those in use.
type room struct{ left, total int64 }

// readRoom is the tightest bound: the machine, the control group of this process, or one of those around it. ok is
// false where the system tells of none.
func readRoom(root fs.FS) (tightest room, ok bool) {
	rooms := groupRooms(root)
	machine := readNumbers(root, "proc/meminfo") // in KiB
	if left, known := machine["MemAvailable"]; known && machine["MemTotal"] > 0 {
		rooms = append(rooms, room{left << 10, machine["MemTotal"] << 10})
	}
	if len(rooms) == 0 {
		return room{}, false
	}
	return slices.MinFunc(rooms, func(a, b room) int { return cmp.Compare(a.left, b.left) }), true
}

// groupFiles are where a version of control groups has its files, and what it calls them.
type groupFiles struct{ mount, limit, usage, prefix string }

var (
	groups1 = groupFiles{"sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_"}
	groups2 = groupFiles{"sys/fs/cgroup", "memory.max", "memory.current", ""}
)

// groupRooms are the bounds of the control groups that this process is in.
func groupRooms(root fs.FS) []room {
	var rooms []room
	own, _ := fs.ReadFile(root, "proc/self/cgroup") // absent: there are none
	for line := range strings.Lines(string(own)) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3) // number, controllers, path
		if len(fields) < 3 {
			continue
		}
		files := groups1
		switch {
		case fields[0] == "0" && fields[1] == "":
			files = groups2
		case !slices.Contains(strings.Split(fields[1], ","), "memory"):
			continue
		}
		// In a container the path may be the host's, which does not exist here. The last step, the top of what is
		// mounted, is then the container's group.
		for dir := path.Clean("/" + fields[2]); ; dir = path.Dir(dir) {
			if r, ok := files.room(root, path.Join(files.mount, dir)); ok {
				rooms = append(rooms, r)
			}
			if dir == "/" {
				break
			}
		}
	}
	return rooms
}

// room reads one group; ok is false where it has no limit. Version 1 writes an enormous one for none, which is never
// the tightest.
func (f groupFiles) room(root fs.FS, dir string) (r room, ok bool) {
	limit, limited := readNumber(root, path.Join(dir, f.limit))
	usage, known := readNumber(root, path.Join(dir, f.usage))
	if !limited || !known {
		return room{}, false
	}
	// Copies of files count as usage, and the kernel drops them before it refuses memory. Those read twice, such as a
	// model that was checked and then loaded, are in the active list; no model is mapped, so that dropping costs nothing.
	stat := readNumbers(root, path.Join(dir, "memory.stat"))
	usage = max(0, usage-stat[f.prefix+"inactive_file"]-stat[f.prefix+"active_file"])
	return room{max(0, limit-usage), limit}, true
}

// readNumber reads a file that is one number. What is not, such as "max", counts as absent.
func readNumber(root fs.FS, name string) (int64, bool) {
	data, err := fs.ReadFile(root, name)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
	return n, err == nil && n >= 0
}

// readNumbers reads a file with a name and a number on each line, and leaves out what is not.
func readNumbers(root fs.FS, name string) map[string]int64 {
	data, _ := fs.ReadFile(root, name)
	out := map[string]int64{}
	for line := range strings.Lines(string(data)) {
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		if n, err := strconv.ParseInt(words[1], 10, 64); err == nil && n >= 0 {
			out[strings.TrimSuffix(words[0], ":")] = n
		}
	}
	return out
}
