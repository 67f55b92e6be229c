package text

import "strings"

// byteChars maps each byte to the printable character that byte-level BPE writes for it (GPT-2's table): printable
// Latin-1 characters stand for themselves, the others follow from U+0100.
var byteChars, charBytes = byteTables()

func byteTables() (chars [256]rune, bytes map[rune]byte) {
	bytes = make(map[rune]byte, 256)
	next := rune(256)
	for b := range chars {
		switch r := rune(b); {
		case r >= '!' && r <= '~', r >= '¡' && r <= '¬', r >= '®' && r <= 'ÿ':
			chars[b] = r
		default:
			chars[b] = next
			next++
		}
		bytes[chars[b]] = byte(b)
	}
	return chars, bytes
}

func toByteChars(s string) string {
	var out strings.Builder
	out.Grow(len(s) + len(s)/4)
	for i := range len(s) {
		out.WriteRune(byteChars[s[i]])
	}
	return out.String()
}

// fromByteChars appends the bytes that a byte-level token stands for. A token with any other character is text of
// its own (an added token) and is taken as it is.
func fromByteChars(out []byte, token string) []byte {
	start := len(out)
	for _, r := range token {
		b, ok := charBytes[r]
		if !ok {
			return append(out[:start], token...)
		}
		out = append(out, b)
	}
	return out
}
