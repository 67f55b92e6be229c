package ingesttest

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Peak watches the memory of this process and its children until stop is called, which returns the most there was. It is
// 0 where there is no /proc.
func Peak() (stop func() (bytes int64)) {
	done, result := make(chan struct{}), make(chan int64)
	go func() {
		var most int64
		for {
			select {
			case <-done:
				result <- most
				return
			case <-time.After(20 * time.Millisecond):
				now := int64(0)
				for _, resident := range family() {
					now += resident
				}
				most = max(most, now)
			}
		}
	}()
	return func() int64 { close(done); return <-result }
}

// family is the resident memory of this process and of its children, zombies included, by process ID.
func family() map[string]int64 {
	const parent, resident = 1, 21 // fields of stat(5), counted from behind the name
	all, self := map[string]int64{}, strconv.Itoa(os.Getpid())
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		stat, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		pid := filepath.Base(filepath.Dir(name))
		_, rest, _ := strings.Cut(string(stat), ") ")
		if f := strings.Fields(rest); len(f) > resident && (pid == self || f[parent] == self) {
			pages, _ := strconv.ParseInt(f[resident], 10, 64)
			all[pid] = pages * int64(os.Getpagesize())
		}
	}
	return all
}
