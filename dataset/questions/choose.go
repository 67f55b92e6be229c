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
		words   bag
		nearest float64
		late    bool // there are enough of its kind
	}
	seen := map[string]bool{}
	taken := make([]bag, 0, len(known))
	for _, q := range known {
		key, words := l.bag("", q)
		seen[key] = true
		taken = append(taken, words)
	}
	var left []wording
	for _, c := range candidates {
		key, words := l.bag(c.lead, c.text)
		if seen[key] || words.all == 0 {
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

// bag is the words of a wording with what they weigh, each and together.
type bag struct {
	weights map[string]float64
	all     float64
}

// bag returns the words of a wording, and a key that tells it from others. Words of one stem are one word, and the words that
// say something weigh four times as much as the others and as what leads to the question.
func (l *language) bag(lead, text string) (key string, words bag) {
	words.weights = map[string]float64{}
	at := len(slices.Collect(tokenSeq(lead)))
	for w := range tokenSeq(text) {
		key += w + " "
		weight := 1.0
		if at > 0 || l.function(w) {
			weight = 0.25
		}
		words.weights[stem(w)] = weight
		at--
	}
	for _, weight := range words.weights {
		words.all += weight
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
func distance(a, b bag) float64 {
	common := 0.0
	for w, weight := range a.weights {
		common += 2 * min(weight, b.weights[w])
	}
	return 1 - common/(a.all+b.all)
}
