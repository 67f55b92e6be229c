package text

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// matcher finds added tokens in text, leftmost first and the longest of those that start together.
type matcher struct {
	root   trie
	begins [256]bool // whether a token begins with the byte, which most do not
	tokens []addedToken
}

type trie struct {
	next  map[byte]*trie
	token int // index into matcher.tokens plus one; 0: no token ends here
}

func (m *matcher) add(content string, token addedToken) {
	m.tokens = append(m.tokens, token)
	at := &m.root
	if content != "" {
		m.begins[content[0]] = true
	}
	for i := range len(content) {
		if at.next == nil {
			at.next = map[byte]*trie{}
		}
		child := at.next[content[i]]
		if child == nil {
			child = &trie{}
			at.next[content[i]] = child
		}
		at = child
	}
	at.token = len(m.tokens)
}

// longest returns the longest token that starts the text, and its length in bytes.
func (m *matcher) longest(text string) (token *addedToken, size int) {
	if text == "" || !m.begins[text[0]] {
		return nil, 0
	}
	at := &m.root
	for i := range len(text) {
		if at = at.next[text[i]]; at == nil {
			break
		}
		if at.token > 0 {
			token, size = &m.tokens[at.token-1], i+1
		}
	}
	return token, size
}

// split calls yield for the stretches between tokens (token nil, never empty) and for the tokens themselves.
// With plainSpecial the special tokens are left in the text. start is the offset of the stretch in text.
func (m *matcher) split(text string, plainSpecial bool, yield func(stretch string, start int, token *addedToken)) {
	done := 0
	for i := 0; i < len(text) && len(m.tokens) > 0; {
		token, size := m.longest(text[i:])
		if token == nil {
			i++
			continue
		}
		start, end := i, i+size
		i = end
		if plainSpecial && token.Special {
			continue
		}
		before, _ := utf8.DecodeLastRuneInString(text[:start])
		after, _ := utf8.DecodeRuneInString(text[end:])
		if token.SingleWord && (isWord(before) || isWord(after)) {
			continue
		}
		if token.LStrip {
			start = max(done, len(strings.TrimRightFunc(text[:start], unicode.IsSpace)))
		}
		if token.RStrip {
			end = len(text) - len(strings.TrimLeftFunc(text[end:], unicode.IsSpace))
			i = max(i, end)
		}
		if done < start {
			yield(text[done:start], done, nil)
		}
		yield(text[start:end], start, token)
		done = end
	}
	if done < len(text) {
		yield(text[done:], done, nil)
	}
}

// isWord is \w of Unicode regular expressions.
func isWord(r rune) bool {
	return unicode.In(r, unicode.L, unicode.M, unicode.Nd, unicode.Nl, unicode.Pc, unicode.Other_Alphabetic) ||
		r == '\u200c' || r == '\u200d'
}
