package text

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A preTokenizer cuts normalized text into the words that the model encodes one by one. first says that the text
// stands at the very start of the input.
type preTokenizer func(s string, first bool, yield func(word string, first bool))

// gpt2Pattern is what a ByteLevel pre-tokenizer splits by unless told not to.
const gpt2Pattern = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`

func newPreTokenizer(n *node) (preTokenizer, error) {
	if n == nil {
		return func(s string, first bool, yield func(string, bool)) { yield(s, first) }, nil
	}
	switch n.Type {
	case "Sequence":
		return newPreSequence(n.PreTokenizers)
	case "ByteLevel":
		return newByteLevel(n)
	case "Split":
		find, err := newFinder("pre-tokenizer Split", n.Pattern)
		if err != nil {
			return nil, err
		}
		join, err := newJoiner(n.Behavior)
		if err != nil {
			return nil, err
		}
		return splitter(find, n.Invert != nil && *n.Invert, join), nil
	case "Digits":
		join := contiguous
		if n.IndividualDigits {
			join = isolated
		}
		return splitter(runeFinder(unicode.IsNumber), false, join), nil
	case "Metaspace":
		return newMetaspace(n)
	case "WhitespaceSplit":
		return splitter(runeFinder(unicode.IsSpace), false, removed), nil
	case "Whitespace":
		return splitWords, nil
	case "BertPreTokenizer":
		return newPreSequence([]node{{Type: "WhitespaceSplit"}, {Type: "Punctuation"}})
	case "Punctuation":
		join, err := newJoiner(cmp.Or(n.Behavior, "Isolated"))
		if err != nil {
			return nil, err
		}
		return splitter(runeFinder(isPunctuation), false, join), nil
	case "CharDelimiterSplit":
		if utf8.RuneCountInString(n.Delimiter) != 1 {
			return nil, fmt.Errorf("%w: pre-tokenizer CharDelimiterSplit: delimiter %q is not one character", ErrFormat, n.Delimiter)
		}
		return splitter(literalFinder(n.Delimiter), false, removed), nil
	}
	return nil, fmt.Errorf("%w: pre-tokenizer %q", ErrUnsupported, n.Type)
}

func isPunctuation(r rune) bool {
	return unicode.IsPunct(r) || r < unicode.MaxASCII && unicode.IsSymbol(r)
}

// splitWords cuts text into runs of \w and runs of what is neither that nor a space: the pre-tokenizer Whitespace.
func splitWords(s string, first bool, yield func(string, bool)) {
	kind := func(r rune) int {
		switch {
		case isWord(r):
			return 1
		case unicode.IsSpace(r):
			return 0
		}
		return 2
	}
	from, now := 0, 0
	for i, r := range s + " " {
		if k := kind(r); k != now {
			if now != 0 {
				yield(s[from:i], first && from == 0)
			}
			from, now = i, k
		}
	}
}

func newPreSequence(nodes []node) (preTokenizer, error) {
	all := func(s string, first bool, yield func(string, bool)) { yield(s, first) }
	for _, n := range slices.Backward(nodes) {
		step, err := newPreTokenizer(&n)
		if err != nil {
			return nil, err
		}
		rest := all
		all = func(s string, first bool, yield func(string, bool)) {
			step(s, first, func(word string, first bool) { rest(word, first, yield) })
		}
	}
	return all, nil
}

func newByteLevel(n *node) (preTokenizer, error) {
	prefix := n.AddPrefixSpace == nil || *n.AddPrefixSpace
	find := finder(func(s string, yield func(string, bool)) { yield(s, true) })
	if n.UseRegex == nil || *n.UseRegex {
		var err error
		if find, err = regexFinder("pre-tokenizer ByteLevel", gpt2Pattern); err != nil {
			return nil, err
		}
	}
	return func(s string, first bool, yield func(string, bool)) {
		if prefix && !strings.HasPrefix(s, " ") {
			s = " " + s
		}
		find(s, func(part string, _ bool) {
			yield(toByteChars(part), first)
			first = false
		})
	}, nil
}

func newMetaspace(n *node) (preTokenizer, error) {
	mark := n.Replacement
	if utf8.RuneCountInString(mark) != 1 {
		return nil, fmt.Errorf("%w: pre-tokenizer Metaspace: replacement %q is not one character", ErrFormat, mark)
	}
	scheme, err := prependScheme(n)
	if err != nil {
		return nil, err
	}
	split := splitter(literalFinder(mark), false, mergedWithNext)
	whole := n.Split != nil && !*n.Split
	return func(s string, first bool, yield func(string, bool)) {
		s = strings.ReplaceAll(s, " ", mark)
		if (scheme == "always" || scheme == "first" && first) && !strings.HasPrefix(s, mark) {
			s = mark + s
		}
		if whole {
			yield(s, first)
			return
		}
		split(s, first, yield)
	}, nil
}

// prependScheme reads both spellings of Metaspace: prepend_scheme and the older add_prefix_space.
func prependScheme(n *node) (string, error) {
	switch n.PrependScheme {
	case "always", "first", "never":
		return n.PrependScheme, nil
	case "":
		if n.AddPrefixSpace != nil && !*n.AddPrefixSpace {
			return "never", nil
		}
		return "always", nil
	}
	return "", fmt.Errorf("%w: Metaspace prepend_scheme %q", ErrUnsupported, n.PrependScheme)
}

func runeFinder(is func(rune) bool) finder {
	return func(s string, yield func(string, bool)) {
		done := 0
		for i, r := range s {
			if !is(r) {
				continue
			}
			if done < i {
				yield(s[done:i], false)
			}
			done = i + utf8.RuneLen(r)
			yield(s[i:done], true)
		}
		if done < len(s) {
			yield(s[done:], false)
		}
	}
}

// part is the stretch of text between two byte offsets that a pattern matched, or that lies between two matches.
type part struct {
	start, end int
	match      bool
}

// A joiner decides what becomes of the matches; the parts it returns are the words.
type joiner func([]part) []part

func splitter(find finder, invert bool, join joiner) preTokenizer {
	return func(s string, first bool, yield func(string, bool)) {
		var parts []part
		at := 0
		find(s, func(text string, match bool) {
			parts = append(parts, part{at, at + len(text), match != invert})
			at += len(text)
		})
		for _, word := range join(parts) {
			if word.start < word.end {
				yield(s[word.start:word.end], first && word.start == 0)
			}
		}
	}
}

var joiners = map[string]joiner{
	"Removed": removed, "Isolated": isolated, "Contiguous": contiguous, "MergedWithPrevious": mergedWithPrevious, "MergedWithNext": mergedWithNext,
}

func newJoiner(behavior string) (joiner, error) {
	if join := joiners[behavior]; join != nil {
		return join, nil
	}
	return nil, fmt.Errorf("%w: pre-tokenizer Split behavior %q", ErrUnsupported, behavior)
}

func removed(parts []part) []part {
	return slices.DeleteFunc(parts, func(p part) bool { return p.match })
}

func isolated(parts []part) []part { return parts }

func contiguous(parts []part) []part {
	return glue(parts, func(before, p part) bool { return before.match == p.match })
}

// mergedWithPrevious glues a match to the word before it, unless that word ends with a match already.
func mergedWithPrevious(parts []part) []part {
	return glue(parts, func(before, p part) bool { return p.match && !before.match })
}

// mergedWithNext glues a match to the word after it, unless that word starts with a match already.
func mergedWithNext(parts []part) []part {
	return glue(parts, func(before, p part) bool { return before.match && !p.match })
}

// glue joins each part to the one before it where together says so.
func glue(parts []part, together func(before, p part) bool) (words []part) {
	for i, p := range parts {
		if i > 0 && together(parts[i-1], p) {
			words[len(words)-1].end = p.end
		} else {
			words = append(words, p)
		}
	}
	return words
}
