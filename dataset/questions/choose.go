package questions

import (
	"math"
	"slices"
	"unicode/utf8"
)

// choose picks n wordings that differ from those known and from each other: each time the one whose nearest is farthest. Of
// each kind of form that has a name it takes one in three, as long as there are others.
func (l *language) choose(candidates []candidate, known []string, n int) []string {
	type wording struct {
		candidate
		words   map[string]float64
		nearest float64
		late    bool // there are enough of its kind
	}
	seen := map[string]bool{}
	taken := make([]map[string]float64, 0, len(known))
	for _, q := range known {
		key, words := l.bag("", q)
		seen[key] = true
		taken = append(taken, words)
	}
	var left []wording
	for _, c := range candidates {
		key, words := l.bag(c.lead, c.text)
		if seen[key] || len(words) == 0 {
			continue
		}
		seen[key] = true
		nearest := math.Inf(1)
		for _, t := range taken {
			nearest = min(nearest, distance(words, t))
		}
		left = append(left, wording{candidate: c, words: words, nearest: nearest})
	}
	var out []string
	kinds := map[string]int{}
	for len(out) < n && len(left) > 0 {
		best := -1
		for i, w := range left {
			w.late = w.kind != "" && kinds[w.kind] > len(out)/3
			left[i] = w
			if best < 0 || left[best].late && !w.late || w.late == left[best].late && w.nearest > left[best].nearest {
				best = i
			}
		}
		chosen := left[best]
		left = slices.Delete(left, best, best+1)
		out = append(out, chosen.text)
		kinds[chosen.kind]++
		for i := range left {
			left[i].nearest = min(left[i].nearest, distance(left[i].words, chosen.words))
		}
	}
	return out
}

// bag returns the words of a wording with what they weigh, and a key that tells it from others. Words of one stem are one
// word, and the words that say something weigh four times as much as the others and as what leads to the question.
func (l *language) bag(lead, text string) (key string, words map[string]float64) {
	words = map[string]float64{}
	at := len(slices.Collect(tokenSeq(lead)))
	for w := range tokenSeq(text) {
		key += w + " "
		weight := 1.0
		if at > 0 || l.function(w) {
			weight = 0.25
		}
		words[stem(w)] = weight
		at--
	}
	return key, words
}

// stem is the beginning of a word, which its forms share.
func stem(word string) string {
	if utf8.RuneCountInString(word) > 5 {
		return string([]rune(word)[:5])
	}
	return word
}

// distance is the share of their words that two wordings do not share, by weight.
func distance(a, b map[string]float64) float64 {
	common, all := 0.0, 0.0
	for w, weight := range a {
		all += weight
		if b[w] > 0 {
			common += 2 * min(weight, b[w])
		}
	}
	for _, weight := range b {
		all += weight
	}
	return 1 - common/all
}
