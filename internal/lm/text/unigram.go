package text

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"sort"
	"unicode/utf8"
)

// unknownPenalty is how much worse than the worst token an unknown character scores.
const unknownPenalty = 10

// unigram cuts a word into the tokens with the best sum of scores, the model of T5. Source: Kudo 2018, "Subword
// regularization", in the optimised form of sentencepiece and tokenizers.
type unigram struct {
	tokens   []scoredToken // sorted by text
	unk      int32
	unkScore float64
	fallback *[256]int32
}

type scoredToken struct {
	text  string
	id    int32
	score float64
}

// scoreList is the vocabulary of a unigram: [token, score] by id.
type scoreList []scoredToken

func (l *scoreList) UnmarshalJSON(data []byte) error {
	var pairs [][2]json.RawMessage
	if err := json.Unmarshal(data, &pairs); err != nil {
		return err
	}
	for id, pair := range pairs {
		token := scoredToken{id: int32(id)}
		if err := cmp.Or(json.Unmarshal(pair[0], &token.text), json.Unmarshal(pair[1], &token.score)); err != nil {
			return fmt.Errorf("%w: vocab[%d]: %w", ErrFormat, id, err)
		}
		*l = append(*l, token)
	}
	return nil
}

func newUnigram(m *modelNode) (*unigram, error) {
	if m.UnkID == nil || *m.UnkID < 0 || int(*m.UnkID) >= len(m.scores) {
		return nil, fmt.Errorf("%w: Unigram model without the id of an unknown token", ErrUnsupported)
	}
	u := &unigram{unk: *m.UnkID, unkScore: math.Inf(1), fallback: m.byteIDs()}
	for _, token := range m.scores {
		u.unkScore = min(u.unkScore, token.score-unknownPenalty)
		if token.text != "" && m.Vocab[token.text] == token.id { // of tokens that are there twice the last one counts
			u.tokens = append(u.tokens, token)
		}
	}
	slices.SortFunc(u.tokens, func(a, b scoredToken) int { return cmp.Compare(a.text, b.text) })
	return u, nil
}

// step is the best way to some place in a word: its last token, and where that begins.
type step struct {
	score float64
	from  int
	id    int32
}

func (u *unigram) append(ids []int32, word string, s *scratch) []int32 {
	best := slices.Grow(s.steps[:0], len(word)+1)[:len(word)+1]
	s.steps = best
	for i := range best {
		best[i] = step{from: -1}
	}
	reach := func(from, to int, id int32, score float64) {
		if score += best[from].score; best[to].from < 0 || score > best[to].score {
			best[to] = step{score, from, id}
		}
	}
	for from := 0; from < len(word); {
		_, size := utf8.DecodeRuneInString(word[from:])
		single := false
		u.prefixes(word[from:], func(token scoredToken) {
			single = single || len(token.text) == size
			reach(from, from+len(token.text), token.id, token.score)
		})
		if !single {
			reach(from, from+size, u.unk, u.unkScore)
		}
		from += size
	}
	start := len(ids)
	for to := len(word); to > 0; {
		at := best[to]
		if at.id == u.unk {
			for at.from > 0 && best[at.from].id == u.unk { // unknown characters side by side are one token
				at.from = best[at.from].from
			}
			ids = u.unknown(ids, word[at.from:to])
		} else {
			ids = append(ids, at.id)
		}
		to = at.from
	}
	slices.Reverse(ids[start:])
	return ids
}

// prefixes calls found with the tokens that s begins with, the shortest first.
func (u *unigram) prefixes(s string, found func(scoredToken)) {
	left := u.tokens
	for n := range len(s) {
		from := sort.Search(len(left), func(i int) bool { return left[i].text[n] >= s[n] })
		left = left[from:]
		left = left[:sort.Search(len(left), func(i int) bool { return left[i].text[n] > s[n] })]
		if len(left) == 0 {
			return
		}
		if len(left[0].text) == n+1 {
			found(left[0])
			left = left[1:]
		}
	}
}

// unknown appends, last one first, the ids of what no token stands for.
func (u *unigram) unknown(ids []int32, text string) []int32 {
	at := sort.Search(len(u.tokens), func(i int) bool { return u.tokens[i].text >= text })
	if at < len(u.tokens) && u.tokens[at].text == text { // unknown characters that are a token together
		return append(ids, u.tokens[at].id)
	}
	start := len(ids)
	for i := len(text) - 1; i >= 0; i-- {
		if u.fallback == nil || u.fallback[text[i]] < 0 {
			return append(ids[:start], u.unk)
		}
		ids = append(ids, u.fallback[text[i]])
	}
	return ids
}
