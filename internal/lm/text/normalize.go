package text

import (
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/text/runes"
	"golang.org/x/text/unicode/norm"
)

// A normalizer rewrites text before it is split into words.
type normalizer func(string) string

func newNormalizer(n *node) (normalizer, error) {
	if n == nil {
		return func(s string) string { return s }, nil
	}
	switch n.Type {
	case "Sequence":
		steps := make([]normalizer, len(n.Normalizers))
		for i := range n.Normalizers {
			var err error
			if steps[i], err = newNormalizer(&n.Normalizers[i]); err != nil {
				return nil, err
			}
		}
		return func(s string) string {
			for _, step := range steps {
				s = step(s)
			}
			return s
		}, nil
	case "NFC", "NFD", "NFKC", "NFKD":
		return map[string]norm.Form{"NFC": norm.NFC, "NFD": norm.NFD, "NFKC": norm.NFKC, "NFKD": norm.NFKD}[n.Type].String, nil
	case "Precompiled":
		return newPrecompiled(n.CharsMap)
	case "StripAccents":
		return runes.Remove(runes.In(unicode.M)).String, nil
	case "Lowercase":
		return lowercase, nil
	case "Replace":
		return newReplacer("normalizer", n)
	case "Prepend":
		return func(s string) string {
			if s == "" {
				return s
			}
			return n.Prepend + s
		}, nil
	case "Strip":
		return func(s string) string {
			if n.StripLeft {
				s = strings.TrimLeftFunc(s, unicode.IsSpace)
			}
			if n.StripRight {
				s = strings.TrimRightFunc(s, unicode.IsSpace)
			}
			return s
		}, nil
	}
	return nil, fmt.Errorf("%w: normalizer %q", ErrUnsupported, n.Type)
}

// lowercase maps each character by itself; U+0130 is the only one whose lower case is two characters, which the
// standard library shortens to one.
func lowercase(s string) string {
	return strings.ToLower(strings.ReplaceAll(s, "\u0130", "i\u0307"))
}

// newReplacer is the Replace of normalizers and decoders.
func newReplacer(kind string, n *node) (func(string) string, error) {
	if n.Content == nil {
		return nil, fmt.Errorf("%w: %s Replace has no content", ErrFormat, kind)
	}
	find, err := newFinder(kind+" Replace", n.Pattern)
	if err != nil {
		return nil, err
	}
	return func(s string) string {
		var out strings.Builder
		find(s, func(part string, match bool) {
			if match {
				part = *n.Content
			}
			out.WriteString(part)
		})
		return out.String()
	}, nil
}
