// Package room tells how much memory a process may still take, on Linux.
package room

import (
	"cmp"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Room is how many bytes may still be taken, and how many there are with those in use.
type Room struct{ Left, Total int64 }

// Read is the tightest bound: the machine, the control group of this process, or one of those around it. root is "/"; ok is
// false where the system tells of none.
func Read(root fs.FS) (tightest Room, ok bool) {
	rooms := groupRooms(root)
	machine := readNumbers(root, "proc/meminfo") // in KiB
	if left, known := machine["MemAvailable"]; known && machine["MemTotal"] > 0 {
		rooms = append(rooms, Room{left << 10, machine["MemTotal"] << 10})
	}
	if len(rooms) == 0 {
		return Room{}, false
	}
	return slices.MinFunc(rooms, func(a, b Room) int { return cmp.Compare(a.Left, b.Left) }), true
}

// Resident is how many bytes this process has in memory, 0 where the system does not tell.
func Resident(root fs.FS) int64 { return readNumbers(root, "proc/self/status")["VmRSS"] << 10 }

// Peak is the most that this process has had in memory, in bytes; 0 where the system does not tell.
func Peak(root fs.FS) int64 { return readNumbers(root, "proc/self/status")["VmHWM"] << 10 }

// groupFiles are where a version of control groups has its files, and what it calls them.
type groupFiles struct{ mount, limit, usage, prefix string }

var (
	groups1 = groupFiles{"sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_"}
	groups2 = groupFiles{"sys/fs/cgroup", "memory.max", "memory.current", ""}
)

// groupRooms are the bounds of the control groups that this process is in.
func groupRooms(root fs.FS) []Room {
	var rooms []Room
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
func (f groupFiles) room(root fs.FS, dir string) (r Room, ok bool) {
	limit, limited := readNumber(root, path.Join(dir, f.limit))
	usage, known := readNumber(root, path.Join(dir, f.usage))
	if !limited || !known {
		return Room{}, false
	}
	// Copies of files count as usage, and the kernel drops them before it refuses memory. Those read twice, such as a
	// model that was checked and then loaded, are in the active list; no model is mapped, so that dropping costs nothing.
	stat := readNumbers(root, path.Join(dir, "memory.stat"))
	usage = max(0, usage-stat[f.prefix+"inactive_file"]-stat[f.prefix+"active_file"])
	return Room{max(0, limit-usage), limit}, true
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
