package room

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
)

// system is a root folder made from pairs of name and content.
func system(pairs ...string) fstest.MapFS {
	root := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		root[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return root
}

func TestRead(t *testing.T) {
	const (
		meminfo = "MemTotal:        1000 kB\nMemFree:          100 kB\nMemAvailable:     700 kB\nHugePages_Total:       0\n"
		inUse   = "anon 1\ninactive_file 30\nactive_file 20\n"
	)
	machine := Room{700 << 10, 1000 << 10}
	for name, tc := range map[string]struct {
		files []string
		want  Room // zero: nothing is known
	}{
		"another system":      {nil, Room{}},
		"the machine":         {[]string{"proc/meminfo", meminfo}, machine},
		"before MemAvailable": {[]string{"proc/meminfo", "MemTotal: 1000 kB\nMemFree: 100 kB\n"}, Room{}},
		"malformed meminfo":   {[]string{"proc/meminfo", "MemTotal\nMemTotal: many kB\nMemAvailable: -1 kB\n\x00"}, Room{}},
		"group without limit": {[]string{"proc/meminfo", meminfo, "proc/self/cgroup", "0::/a\n",
			"sys/fs/cgroup/a/memory.max", "max\n", "sys/fs/cgroup/a/memory.current", "400\n"}, machine},
		"container": {[]string{"proc/meminfo", meminfo, "proc/self/cgroup", "0::/\n",
			"sys/fs/cgroup/memory.max", "1000\n", "sys/fs/cgroup/memory.current", "400\n", "sys/fs/cgroup/memory.stat", inUse}, Room{650, 1000}},
		"container that sees the host's path": {[]string{"proc/self/cgroup", "0::/docker/7\n",
			"sys/fs/cgroup/memory.max", "1000\n", "sys/fs/cgroup/memory.current", "400\n"}, Room{600, 1000}},
		"path out of the container": {[]string{"proc/self/cgroup", "0::/../other\n",
			"sys/fs/cgroup/memory.max", "1000\n", "sys/fs/cgroup/memory.current", "400\n"}, Room{600, 1000}},
		"the group around it is tighter": {[]string{"proc/meminfo", meminfo, "proc/self/cgroup", "0::/pod/it\n",
			"sys/fs/cgroup/pod/it/memory.max", "1000\n", "sys/fs/cgroup/pod/it/memory.current", "100\n",
			"sys/fs/cgroup/pod/memory.max", "2000\n", "sys/fs/cgroup/pod/memory.current", "1800\n"}, Room{200, 2000}},
		"its own is tighter": {[]string{"proc/self/cgroup", "0::/pod/it\n",
			"sys/fs/cgroup/pod/it/memory.max", "1000\n", "sys/fs/cgroup/pod/it/memory.current", "900\n",
			"sys/fs/cgroup/pod/memory.max", "2000\n", "sys/fs/cgroup/pod/memory.current", "1000\n"}, Room{100, 1000}},
		"the machine is tighter": {[]string{"proc/meminfo", meminfo, "proc/self/cgroup", "0::/\n",
			"sys/fs/cgroup/memory.max", "9000000\n", "sys/fs/cgroup/memory.current", "400\n"}, machine},
		"usage above the limit": {[]string{"proc/self/cgroup", "0::/\n",
			"sys/fs/cgroup/memory.max", "1000\n", "sys/fs/cgroup/memory.current", "1100\n"}, Room{0, 1000}},
		"more files than usage": {[]string{"proc/self/cgroup", "0::/\n", "sys/fs/cgroup/memory.stat", inUse,
			"sys/fs/cgroup/memory.max", "1000\n", "sys/fs/cgroup/memory.current", "40\n"}, Room{1000, 1000}},
		"malformed group": {[]string{"proc/meminfo", meminfo, "proc/self/cgroup", "\n0:\n0::/a\n",
			"sys/fs/cgroup/a/memory.max", "1e3\n", "sys/fs/cgroup/a/memory.current", "400\n",
			"sys/fs/cgroup/memory.max", "1000\n", "sys/fs/cgroup/memory.current", "\n"}, machine},
		"malformed memory.stat": {[]string{"proc/self/cgroup", "0::/\n", "sys/fs/cgroup/memory.stat", "inactive_file\nactive_file -7\n",
			"sys/fs/cgroup/memory.max", "1000\n", "sys/fs/cgroup/memory.current", "400\n"}, Room{600, 1000}},
		"version 1": {[]string{"proc/meminfo", meminfo, "proc/self/cgroup", "5:cpu,memory:/docker/7\n4:cpuset:/x\n0::/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes", "1000\n", "sys/fs/cgroup/memory/memory.usage_in_bytes", "400\n",
			"sys/fs/cgroup/memory/memory.stat", "inactive_file 9\ntotal_inactive_file 30\ntotal_active_file 20\n"}, Room{650, 1000}},
		"version 1 without limit": {[]string{"proc/meminfo", meminfo, "proc/self/cgroup", "4:memory:/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n", "sys/fs/cgroup/memory/memory.usage_in_bytes", "400\n"}, machine},
	} {
		got, ok := Read(system(tc.files...))
		assert.Equal(t, tc.want, got, name)
		assert.Equal(t, tc.want != Room{}, ok, name)
	}
}

func TestResident(t *testing.T) {
	assert.EqualValues(t, 7<<10, Resident(system("proc/self/status", "Name:\tx\nVmRSS:\t       7 kB\n")))
	assert.Zero(t, Resident(system()))
}
