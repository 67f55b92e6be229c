package config

import (
	"fmt"
	"slices"
	"strings"
)

// Explain tells where every value came from. Secrets are masked in all of it.
type Explain struct {
	Requested bool     // -explain was given: print it and stop
	Notes     []string // what a user should know, such as a host that was replaced; log these
	Entries   []Entry  // in the order of the help page

	header string
}

// Entry is one setting as it stands.
type Entry struct {
	Group, Key string
	Value      string // the secret's mask, if it is one; quoted unless it is one word
	Origin     string // "default", "base.json:3", ".env.local:4 (HF_HOME)", "environment (HF_HOME)", "-rank"
}

func (l *loader) explain() *Explain {
	e := &Explain{Requested: l.boot.Explain, Notes: slices.Clone(l.notes)}
	for _, g := range l.groups {
		for _, s := range g.settings {
			e.Entries = append(e.Entries, Entry{g.title, s.key, s.shown(), s.origin()})
		}
	}
	var files []string
	for _, name := range []string{"base.json", l.common.Env + ".json", ".env." + l.boot.Profile} {
		if l.files[name] {
			files = append(files, name)
		}
	}
	if files == nil {
		files = []string{"no files"}
	}
	e.header = fmt.Sprintf("%s: environment %s, %s from %s", l.program, l.common.Env, strings.Join(files, ", "), l.boot.Folder)
	return e
}

// String lists every value with its origin, and the notes.
func (e *Explain) String() string {
	const widest = 48 // longer values push their origin to the right
	key, value := 0, 0
	for _, entry := range e.Entries {
		key = max(key, len(entry.Key))
		value = max(value, min(len(entry.Value), widest))
	}
	var b strings.Builder
	b.WriteString(e.header + "\n")
	group := ""
	for _, entry := range e.Entries {
		if entry.Group != group {
			group = entry.Group
			fmt.Fprintf(&b, "\n%s\n", group)
		}
		fmt.Fprintf(&b, "  %-*s  %-*s  %s\n", key, entry.Key, value, entry.Value, entry.Origin)
	}
	for i, note := range e.Notes {
		if i == 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "note: %s\n", note)
	}
	return b.String()
}
