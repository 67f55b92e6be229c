package config

import (
	"maps"
	"slices"
	"strings"
)

// noteMisspelt warns of names in the process environment that are nearly one of this program's. They are no faults, as
// they are in a file, since the environment holds the names of much other software. Nor does it matter that a name is
// wrong if its setting has a value there under a right one.
func (l *loader) noteMisspelt() {
	var missed []string
	offer := func(names []string) {
		if !slices.ContainsFunc(names, func(name string) bool { return l.environ[name] != "" }) {
			missed = append(missed, names...)
		}
	}
	for _, s := range l.settings {
		if s.foreign {
			continue
		}
		offer(s.envs)
		for _, p := range s.parts {
			offer(strings.Fields(p.env))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(l.environ)) {
		if _, known := l.envs[name]; known || l.environ[name] == "" {
			continue
		}
		var near []string
		for _, known := range missed {
			if slipOf(known, name) {
				near = append(near, known)
			}
		}
		if meant := nearest(name, near); meant != "" {
			l.note("environment variable %s is not known: did you mean %s?", plain(name), meant)
		}
	}
}

// slipOf tells whether name is a known name with a slip of the pen: its underscores are wrong, or one of its words has
// letters that changed places, or a letter too many, too few or wrong, or two such. The fewer the letters, the stricter:
// MODE is not meant for MODEL, APP_KEY_FILE not for API_KEY_FILE, and REVISION not for PRECISION.
func slipOf(known, name string) bool {
	name = strings.ToUpper(name)
	if len(known) < 6 || name == "CCACHE_DIR" { // a compiler cache's
		return false
	}
	if strings.ReplaceAll(name, "_", "") == strings.ReplaceAll(known, "_", "") {
		return name == known || len(known) > 10 // DATADIR is a name of others
	}
	given, words := strings.Split(name, "_"), strings.Split(known, "_")
	if len(given) != len(words) {
		return false
	}
	slips, long := 0, len(known) > 12
	for i, word := range words {
		if given[i] == word {
			continue
		}
		slips++
		switch distance(given[i], word) {
		case 1:
			if len(word) < 5 && !long && !sameLetters(given[i], word) {
				return false
			}
		case 2:
			if len(word) < 8 || !long {
				return false
			}
		default:
			return false
		}
	}
	return slips == 1
}

func sameLetters(a, b string) bool {
	return slices.Equal(slices.Sorted(slices.Values([]byte(a))), slices.Sorted(slices.Values([]byte(b))))
}
