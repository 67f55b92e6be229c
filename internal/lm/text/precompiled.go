package text

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/clipperhouse/uax29/v2/graphemes"
)

// charsMap is the normalizer that sentencepiece compiles from its rules: a double-array trie of what is replaced, whose values
// are places in a list of replacements, each ended by a zero byte. Source: sentencepiece and tokenizers.
type charsMap struct {
	units        []uint32
	replacements []byte
}

func newPrecompiled(data []byte) (normalizer, error) {
	if len(data) == 0 {
		return func(s string) string { return s }, nil
	}
	if len(data) < 4 || uint64(binary.LittleEndian.Uint32(data))+4 > uint64(len(data)) {
		return nil, fmt.Errorf("%w: normalizer Precompiled: precompiled_charsmap is cut short", ErrFormat)
	}
	size := binary.LittleEndian.Uint32(data)
	m := charsMap{units: make([]uint32, size/4), replacements: data[4+size:]}
	for i := range m.units {
		m.units[i] = binary.LittleEndian.Uint32(data[4+4*i:])
	}
	return m.normalize, nil
}

// normalize replaces graphemes of a few bytes and otherwise single characters.
func (m charsMap) normalize(s string) string {
	var out strings.Builder
	for g := graphemes.FromString(s); g.Next(); {
		whole := g.Value()
		if len(whole) < 6 {
			if to, ok := m.replacement(whole); ok {
				out.Write(to)
				continue
			}
		}
		for _, r := range whole {
			if to, ok := m.replacement(string(r)); ok {
				out.Write(to)
			} else {
				out.WriteRune(r)
			}
		}
	}
	return out.String()
}

// replacement is that of the shortest beginning of s that has one.
func (m charsMap) replacement(s string) ([]byte, bool) {
	unit := func(i uint32) uint32 {
		if int(i) < len(m.units) {
			return m.units[i]
		}
		return 1 << 31 // the label of no byte
	}
	offset := func(unit uint32) uint32 { return unit >> 10 << (unit & (1 << 9) >> 6) }
	at := offset(unit(0))
	for _, c := range []byte(s) {
		at ^= uint32(c)
		u := unit(at)
		if c == 0 || u&(1<<31|0xFF) != uint32(c) {
			return nil, false
		}
		at ^= offset(u)
		if u>>8&1 == 0 {
			continue
		}
		from := unit(at) &^ (1 << 31)
		if int(from) >= len(m.replacements) {
			return nil, false
		}
		to, _, _ := bytes.Cut(m.replacements[from:], []byte{0})
		return to, true
	}
	return nil, false
}
