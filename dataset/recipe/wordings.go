package recipe

import (
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
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

// unnamed is a question without what it is about, as people ask who have one thing in mind: "What is the fee of the club?"
// becomes "What is the fee?". It is "" where the name cannot be left out: at the beginning, or without a preposition.
func (l language) unnamed(q string, names []string) string {
	end := strings.TrimRight(q, "?!.;؟？ \u00a0")
	words := strings.Fields(end)
	capital := func(w string) bool { r, _ := utf8.DecodeRuneInString(w); return unicode.IsUpper(r) }
	at := slices.IndexFunc(words, func(w string) bool { return slices.Contains(names, w) })
	if at < 1 {
		return ""
	}
	from, to := at, at+1
	for from > 0 && capital(words[from-1]) && l.code != "de" { // the rest of the name
		from--
	}
	for to < len(words) && (slices.Contains(names, words[to]) || capital(words[to]) && l.code != "de") {
		to++
	}
	for from > 0 && slices.Contains(l.articles, strings.ToLower(words[from-1])) {
		from--
	}
	if from--; from < 1 || !slices.Contains(l.prepositions, strings.ToLower(words[from])) {
		return ""
	}
	return strings.Join(slices.Concat(words[:from], words[to:]), " ") + q[len(end):]
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
