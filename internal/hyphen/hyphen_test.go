package hyphen

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestSuspends(t *testing.T) {
	for _, c := range []struct {
		text, stem, word string
		want             bool
	}{
		{"die Vor und Nachteile", "Vor", "und", true},
		{"the first and second year", "first", "and", true},
		{"the island and the isl", "isl", "and", false},
		{"the happ en", "happ", "en", false},
		{"het voor en nadeel", "voor", "en", true},
		{"the heart rates list ed", "list", "ed", false},
		{"die Stu den noch der", "Stunden", "noch", false},
	} {
		has := func(w string) bool { return slices.Contains(strings.Fields(c.text), w) }
		assert.Equal(t, c.want, Suspends(c.stem, c.word, has), c.text)
	}
}

func TestConnects(t *testing.T) {
	for _, c := range [][2]string{{"arc-en", "ciel"}, {"state-of-the", "art"}, {"up", "to-date"}, {"rez-de", "chaussée"}, {"mother", "in-law"}, {"c’est-à", "dire"}, {"Va-t", "il"}, {"self", "evident"}, {"well", "known"}, {"up‐to", "date"}} {
		assert.True(t, Connects(c[0], c[1]), "%s", c)
	}
	for _, c := range [][2]string{{"infor", "mation"}, {"well-infor", "med"}, {"in", "formed"}, {"non", "sense"}, {"the", "ory"}} {
		assert.False(t, Connects(c[0], c[1]), "%s", c)
	}
}
