package config

import (
	"fmt"
	"strings"
)

// didYouMean returns `: did you mean "x"?` for the nearest of the names, or "" when none is near.
func didYouMean(name string, names []string) string {
	best := nearest(name, names)
	if best == "" {
		return ""
	}
	return fmt.Sprintf(": did you mean %q?", best)
}

// nearest returns the name with the fewest edits, unless that changes more than a third.
func nearest(name string, names []string) string {
	best, limit := "", max(1, len([]rune(name))/3)+1
	for _, candidate := range names {
		if d := distance(strings.ToLower(name), strings.ToLower(candidate)); d < limit {
			best, limit = candidate, d
		}
	}
	return best
}

// distance is the number of edits (insert, delete, replace, swap of neighbours) between two words: the optimal string
// alignment distance, since swapped letters are the commonest slip.
func distance(a, b string) int {
	s, t := []rune(a), []rune(b)
	before, last, row := make([]int, len(t)+1), make([]int, len(t)+1), make([]int, len(t)+1)
	for j := range row {
		last[j] = j
	}
	for i := 1; i <= len(s); i++ {
		row[0] = i
		for j := 1; j <= len(t); j++ {
			cost := 1
			if s[i-1] == t[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && s[i-1] == t[j-2] && s[i-2] == t[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(t)]
}
