package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"strings"
	"time"
)

// readKeys reads the file of API keys: one on a line, with a name before it or without. Names appear in the log, keys
// never do.
//
//	# the library's website
//	website: sk-3f9c…
//	sk-77aa…
func readKeys(name string) (map[string]string, error) {
	if name == "" {
		return nil, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("API keys: %w", err)
	}
	defer f.Close()
	keys := map[string]string{}
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		owner, key, named := strings.Cut(line, ":")
		if !named {
			owner, key = fmt.Sprintf("line %d", n), line
		}
		owner, key = strings.TrimSpace(owner), strings.TrimSpace(key)
		switch {
		case owner == "" || key == "":
			return nil, fmt.Errorf("API keys: %s:%d: a line is a key, or a name, a colon and a key", name, n)
		case strings.ContainsAny(key, " \t"):
			return nil, fmt.Errorf("API keys: %s:%d: a key has no spaces", name, n)
		case keys[owner] != "":
			return nil, fmt.Errorf("API keys: %s:%d: the name %q is there twice", name, n, owner)
		}
		keys[owner] = key
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("API keys: %s: %w", name, err)
	}
	if len(keys) == 0 {
		return nil, errors.New("API keys: " + name + " has none: nobody could use the server")
	}
	return keys, nil
}

// watchKeys reads the file again every second, since a key that has leaked should not have to wait for a restart. A file that
// cannot be used changes nothing.
func watchKeys(ctx context.Context, file string, keys map[string]string, set func(map[string]string) error, log *slog.Logger) {
	fault := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second):
		}
		now, err := readKeys(file)
		if err == nil && !maps.Equal(now, keys) {
			if err = set(now); err == nil {
				keys = now
				log.Info("the API keys have changed", "keys", len(keys))
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
