// Package ingesttest measures what tests of ingest, its engines and programs have in common: how much of a text was
// found, what memory it took, and what was left behind.
package ingesttest

import "strings"

// Recall is the share of the words of reference that text has, each as often as it stands there. It returns the number of
// those words too.
func Recall(text, reference string) (share float64, words int) {
	want := strings.Fields(reference)
	return shareOf(strings.Fields(text), want), len(want)
}

// Pairs is the share of pairs of adjacent words of reference that are adjacent in text.
func Pairs(text, reference string) float64 { return shareOf(pairs(text), pairs(reference)) }

func pairs(s string) (all []string) {
	words := strings.Fields(s)
	for i := 1; i < len(words); i++ {
		all = append(all, words[i-1]+" "+words[i])
	}
	return all
}

func shareOf(got, want []string) float64 {
	left, hits := map[string]int{}, 0
	for _, s := range got {
		left[s]++
	}
	for _, s := range want {
		if left[s] > 0 {
			left[s]--
			hits++
		}
	}
	return float64(hits) / float64(max(len(want), 1))
}
