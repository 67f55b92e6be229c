package recipe

import (
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"unicode"
)

func seeded(seed uint64, parts ...string) *rand.Rand {
	h := fnv.New64a()
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

// asked returns n ways to ask: first the wordings as they are, then the same again, some as people type them and some as the bare
// words, of which each time others are left out. A model that was asked so knows that it is the words that count.
func asked(wordings []string, n int, random *rand.Rand) []string {
	var out []string
	for round := 0; len(out) < n && len(wordings) > 0; round++ {
		for _, w := range wordings[:min(len(wordings), n-len(out))] {
			if round > 0 {
				switch random.IntN(3) {
				case 0:
					w = carelessly(w)
				case 1:
					w = telegram(w, random)
				}
			}
			out = append(out, w)
		}
	}
	return out
}

// carelessly is a question without capitals and marks.
func carelessly(q string) string {
	return strings.ToLower(strings.TrimRight(strings.TrimLeft(q, "¿¡ "), "?？؟;!. \u037e\u00a0"))
}

// telegram keeps most of the longer words of a question, as one types into a search box.
func telegram(q string, random *rand.Rand) string {
	var kept, all []string
	for w := range strings.FieldsFuncSeq(q, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune("?¿!¡;,:()\"„“”«»", r) }) {
		w = strings.Trim(w, ".'’‘")
		if w == "" {
			continue
		}
		all = append(all, w)
		if len([]rune(w)) > 3 || strings.ContainsFunc(w, unicode.IsDigit) || w != strings.ToLower(w) {
			if random.IntN(4) > 0 {
				kept = append(kept, w)
			}
		}
	}
	if len(kept) < 2 {
		kept = all
	}
	if random.IntN(3) == 0 {
		random.Shuffle(len(kept), func(i, j int) { kept[i], kept[j] = kept[j], kept[i] })
	}
	out := strings.Join(kept, " ")
	if random.IntN(2) == 0 {
		out += "?"
	}
	return out
}
