package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/docent-ml/docent/serve"
)

// apiKeys are the keys by name, and what some of them may ask for in a minute.
type apiKeys struct {
	keys   map[string]string
	limits map[string]serve.RateLimits
}

// readKeys reads the file of API keys: one on a line, with a name before it or without, and limits of its own behind it or
// those of all. Names appear in the log and in metrics, keys never do.
//
//	# the library's website
//	website: sk-3f9c… rpm=60 tpm=20000
//	sk-77aa…
//
// all are the limits where a line has none.
func readKeys(name string, all serve.RateLimits) (out apiKeys, err error) {
	out = apiKeys{map[string]string{}, map[string]serve.RateLimits{}}
	if name == "" {
		return out, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return out, fmt.Errorf("API keys: %w", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for row := 1; lines.Scan(); row++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		owner, key, named := strings.Cut(line, ":")
		if !named {
			owner, key = fmt.Sprintf("line %d", row), line
		}
		owner = strings.TrimSpace(owner)
		key, more, _ := strings.Cut(strings.TrimSpace(key), " ")
		limits := all
		for _, word := range strings.Fields(more) {
			what, number, _ := strings.Cut(word, "=")
			n, err := strconv.Atoi(number)
			switch {
			case err == nil && n >= 0 && what == "rpm":
				limits.Requests = n
			case err == nil && n >= 0 && what == "tpm":
				limits.Tokens = n
			default:
				return out, fmt.Errorf("API keys: %s:%d: behind a key, which has no spaces, there may be rpm=N and tpm=N, and nothing else", name, row)
			}
		}
		switch {
		case owner == "" || key == "":
			return out, fmt.Errorf("API keys: %s:%d: a line is a key, or a name, a colon and a key", name, row)
		case out.keys[owner] != "":
			return out, fmt.Errorf("API keys: %s:%d: the name %q is there twice", name, row, owner)
		}
		out.keys[owner], out.limits[owner] = key, limits
	}
	if err := lines.Err(); err != nil {
		return out, fmt.Errorf("API keys: %s: %w", name, err)
	}
	if len(out.keys) == 0 {
		return out, errors.New("API keys: " + name + " has none: nobody could use the server")
	}
	return out, nil
}

// keyFile is a file of API keys that is read again every second, since a key that has leaked should not have to wait for a
// restart. One that cannot be used changes nothing.
type keyFile struct {
	name string
	all  serve.RateLimits // where a line has none
	now  atomic.Pointer[apiKeys]
}

func openKeys(name string, all serve.RateLimits) (*keyFile, error) {
	keys, err := readKeys(name, all)
	f := &keyFile{name: name, all: all}
	f.now.Store(&keys)
	return f, err
}

// limits are those of a key, or of all who come without one.
func (f *keyFile) limits(key string) serve.RateLimits {
	if limits, ok := f.now.Load().limits[key]; ok {
		return limits
	}
	return f.all
}

func (f *keyFile) watch(ctx context.Context, set func(map[string]string) error, log *slog.Logger) {
	fault := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second):
		}
		keys, err := readKeys(f.name, f.all)
		if before := f.now.Load(); err == nil && !(maps.Equal(keys.keys, before.keys) && maps.Equal(keys.limits, before.limits)) {
			if err = set(keys.keys); err == nil {
				f.now.Store(&keys)
				log.Info("the API keys have changed", "keys", len(keys.keys))
			}
		}
		if err == nil {
			fault = ""
		} else if err.Error() != fault {
			fault = err.Error()
			log.Error("the API keys before stay in use", "error", err)
		}
	}
}
