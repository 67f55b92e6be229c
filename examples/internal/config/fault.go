package config

import (
	"fmt"
	"strconv"
	"strings"
)

// Fault is one thing that is wrong with the configuration.
type Fault struct {
	Key    string // the setting; "" = the fault is not about a known one
	Value  string // what was given; "" for secrets and where there is none
	Origin string // the layer, with file:line or the flag; "" = not set anywhere
	Reason string // what is wrong and what to do
}

// Error returns "learning_rate: -1 from production.json:12: must be > 0", less the parts that are empty.
func (f *Fault) Error() string {
	var head []string
	if f.Key != "" {
		head = append(head, f.Key)
	}
	switch {
	case f.Value != "" && f.Origin != "":
		head = append(head, f.Value+" from "+f.Origin)
	case f.Origin != "":
		head = append(head, f.Origin)
	}
	return strings.Join(append(head, f.Reason), ": ")
}

// faults is the error of a load: everything that is wrong: flags, then files, then what concerns several settings.
type faults []error

func (f faults) Error() string {
	if len(f) == 1 {
		return "configuration: " + f[0].Error()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "configuration: %d faults", len(f))
	for _, fault := range f {
		b.WriteString("\n  " + fault.Error())
	}
	return b.String()
}

func (f faults) Unwrap() []error { return f }

// quoted shows a given value in a message: as plain does, and cut when it is long.
func quoted(text string) string { return plain(cut(text)) }

// cut shortens what is too long for a message.
func cut(text string) string {
	const limit = 80
	if r := []rune(text); len(r) > limit {
		return string(r[:limit]) + "…"
	}
	return text
}

// plain shows a value as it is when it is one word, else in quotes.
func plain(text string) string {
	if text == "" || strings.ContainsAny(text, " \"\\") || strconv.Quote(text) != `"`+text+`"` {
		return strconv.Quote(text)
	}
	return text
}
