package ingest

import (
	"hash/fnv"
	"strings"
	"unicode"
)

// Duplicates finds the documents of a walk that say what an earlier one said. It
// keeps a kilobyte for each document; its zero value is ready.
//
// Texts are compared by MinHash, which estimates the share that two of them have
// in common of their runs of five words. One word in a hundred that is another
// makes that share 0.9.
type Duplicates struct {
	// Threshold is the share from which on a document counts as a duplicate.
	// 0: 0.9; 1: only the same text.
	Threshold float64

	exact    map[uint64]string // by all words
	sketches []sketch
	bands    map[band][]int // documents, by what a part of their sketch is
}

const (
	shingle     = 5 // words
	minHashes   = 128
	bandHashes  = 4  // two texts are compared if one of 32 groups of so many hashes is the same: surely from likeness 0.7 on
	minShingles = 20 // shorter texts are alike by chance, such as forms
)

type sketch struct {
	path string
	mins [minHashes]uint32
}

type band struct {
	number int
	hash   uint64
}

// Mark sets DuplicateOf and Likeness of a document that an earlier one is like.
// Give it the documents in the order of the walk: the first of several stays.
func (s *Duplicates) Mark(d *Document) {
	if !d.Outcome.HasText() {
		return
	}
	if s.exact == nil {
		s.exact, s.bands = map[uint64]string{}, map[band][]int{}
	}
	if s.Threshold == 0 {
		s.Threshold = 0.9
	}
	words := wordHashes(d)
	all := combine(words)
	if first, ok := s.exact[all]; ok {
		d.DuplicateOf, d.Likeness = first, 1
		return
	}
	s.exact[all] = d.Path
	if len(words) < minShingles+shingle-1 {
		return
	}
	own := sketch{d.Path, minHash(words)}
	tried := map[int]bool{}
	var bands [minHashes / bandHashes]band
	for i := range bands {
		bands[i] = band{i, combine(own.mins[i*bandHashes : (i+1)*bandHashes])}
		for _, other := range s.bands[bands[i]] {
			if tried[other] {
				continue
			}
			tried[other] = true
			if likeness := own.like(&s.sketches[other]); likeness >= s.Threshold && likeness > d.Likeness {
				d.DuplicateOf, d.Likeness = s.sketches[other].path, likeness
			}
		}
	}
	if d.DuplicateOf != "" {
		return // what is like this one is like that one
	}
	for _, b := range bands {
		s.bands[b] = append(s.bands[b], len(s.sketches))
	}
	s.sketches = append(s.sketches, own)
}

func (a *sketch) like(b *sketch) float64 {
	same := 0
	for i := range a.mins {
		if a.mins[i] == b.mins[i] {
			same++
		}
	}
	return float64(same) / minHashes
}

// wordHashes are the words of a document in small letters; in scripts without
// spaces, its characters.
func wordHashes(d *Document) (hashes []uint64) {
	add := func(word string) {
		h := fnv.New64a()
		h.Write([]byte(word))
		hashes = append(hashes, h.Sum64())
	}
	for _, p := range d.Pages {
		for field := range strings.FieldsFuncSeq(strings.ToLower(p.Text), func(r rune) bool {
			return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r)
		}) {
			rest := field
			for i, r := range field {
				if unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar) {
					add(string(r))
					rest = field[i+len(string(r)):]
				}
			}
			if rest != "" {
				add(rest)
			}
		}
	}
	return hashes
}

// combine makes one hash of several.
func combine[T uint32 | uint64](hashes []T) uint64 {
	sum := uint64(14695981039346656037)
	for _, h := range hashes {
		sum = mix(sum ^ uint64(h))
	}
	return sum
}

// mix spreads the bits of a number over all bits (the finaliser of SplitMix64).
func mix(x uint64) uint64 {
	x += 0x9E3779B97F4A7C15
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return x ^ x>>31
}

func minHash(words []uint64) (mins [minHashes]uint32) {
	for i := range mins {
		mins[i] = ^uint32(0)
	}
	for i := range len(words) - shingle + 1 {
		h := combine(words[i : i+shingle])
		for j := range mins {
			h = h*6364136223846793005 + 1442695040888963407 // the next of 128 hashes
			mins[j] = min(mins[j], uint32(h>>32))
		}
	}
	return mins
}
