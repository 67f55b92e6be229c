package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
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
