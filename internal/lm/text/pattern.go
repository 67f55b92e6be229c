package text

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dlclark/regexp2"
)

// A finder cuts text into matches, which may be empty, and the stretches between them, in order and without gaps.
type finder func(s string, yield func(part string, match bool))

func newFinder(place string, p *pattern) (finder, error) {
	switch {
	case p != nil && p.String != nil && *p.String != "":
		return literalFinder(*p.String), nil
	case p != nil && p.Regex != nil:
		return regexFinder(place, *p.Regex)
	}
	return nil, fmt.Errorf("%w: %s has neither a String nor a Regex pattern", ErrFormat, place)
}

func literalFinder(literal string) finder {
	return func(s string, yield func(string, bool)) {
		for {
			at := strings.Index(s, literal)
			if at < 0 {
				break
			}
			if at > 0 {
				yield(s[:at], false)
			}
			yield(literal, true)
			s = s[at+len(literal):]
		}
		if s != "" {
			yield(s, false)
		}
	}
}

// regexFinder uses a backtracking engine because the patterns of GPT-2, Llama 3 and Qwen look ahead ("\s+(?!\S)"),
// which the standard library's engine cannot.
func regexFinder(place, source string) (finder, error) {
	translated, err := oniguruma(source)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", place, err)
	}
	re, err := regexp2.Compile(translated, regexp2.None)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrUnsupported, place, err)
	}
	if err := probe(re); err != nil {
		return nil, fmt.Errorf("%w: %s: pattern %q backtracks without end: %w", ErrUnsupported, place, source, err)
	}
	return func(s string, yield func(string, bool)) {
		runes := []rune(s)
		done, offset := 0, 0 // the same place, counted in runes and in bytes
		advance := func(to int) string {
			size := 0
			for _, r := range runes[done:to] {
				size += utf8.RuneLen(r)
			}
			part := s[offset : offset+size]
			done, offset = to, offset+size
			return part
		}
		// Without a match timeout, finding cannot fail.
		for m, _ := re.FindRunesMatch(runes); m != nil; m, _ = re.FindNextMatch(m) {
			if m.Length == 0 && m.Index == done && done > 0 {
				continue // an empty match right behind another is none
			}
			if m.Index > done {
				yield(advance(m.Index), false)
			}
			yield(advance(m.Index+m.Length), true)
		}
		if offset < len(s) {
			yield(s[offset:], false)
		}
	}, nil
}

// probe refuses patterns of exponential cost, which a hostile file could bring, while an error can still be returned.
func probe(re *regexp2.Regexp) error {
	const tries = 3 // the clock goes on while a busy machine does something else
	re.MatchTimeout = time.Second
	defer func() { re.MatchTimeout = regexp2.DefaultMatchTimeout }()
	for _, unit := range []string{"a", "A", "é", "中", " ", "\n", "\t", "1", ".", "'", "a1", "a ", " .", "aA"} {
		for _, end := range []string{"", "!", "a", "1", " x", "\u0000"} {
			runes := []rune(strings.Repeat(unit, 48) + end)
			err := matchAll(re, runes)
			for try := 1; err != nil && try < tries; try++ {
				err = matchAll(re, runes)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// matchAll finds every match of a text. The error is that of the time it may take.
func matchAll(re *regexp2.Regexp, text []rune) error {
	m, err := re.FindRunesMatch(text)
	for m != nil && err == nil {
		m, err = re.FindNextMatch(m)
	}
	return err
}
