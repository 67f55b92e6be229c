package ingest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/japanese"
	utf16 "golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"
)

// decoded is a file as text.
type decoded struct {
	text  string
	doubt string // why it may not be what was written; "" where there is no doubt
}

// addTo tells the doubt as a fault of the document.
func (t decoded) addTo(d *Document) {
	if t.doubt != "" {
		d.AddFault(0, "%s", t.doubt)
	}
}

// decode finds out in which encoding data is written: by its byte-order mark, as
// UTF-8 if it is that, as the file itself declares ("": it does not), else by
// statistics. Line ends become "\n"; control characters other than tabs and form
// feeds are left out.
func decode(data []byte, declared string) (decoded, error) {
	t, err := decodeBytes(data, declared)
	t.text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(t.text)
	t.text = strings.Map(func(c rune) rune {
		if c == '\f' || !isControl(c) {
			return c
		}
		return -1
	}, t.text)
	return t, err
}

// Of random bytes every ninth is a control character. One that strayed into a
// text does not make it binary.
const binaryShare = 0.05

func decodeBytes(data []byte, declared string) (decoded, error) {
	if s, ok := decodeMarked(data); ok {
		return decoded{text: s}, nil
	}
	units := data
	data = bytes.TrimRight(data, "\x00") // they fill up a block
	controls := countControls(data)
	if controls > 0 && !ofBytes(data, controls) {
		if s, ok := decodeUnmarkedUnits(units); ok {
			return decoded{text: s}, nil
		}
	}
	wide, broken := countUTF8(data)
	nuls := bytes.Count(data, []byte{0})
	if share := float64(controls-1) / float64(len(data)); share > binaryShare && (broken > 0 || share > 4*binaryShare || controls > nuls && nuls > 0) {
		return decoded{}, fmt.Errorf("%w: %d of %d bytes are control characters, so this is no text", ErrMalformed, controls, len(data))
	} else if share > binaryShare { // other programs write such text out of PDF files whose fonts they cannot read
		return decoded{string(data), fmt.Sprintf("%d control characters among %d bytes were left out", controls, len(data))}, nil
	}
	said, named := declaredEncoding(declared)
	switch {
	case wide+broken == 0 && bytes.Contains(data, []byte("\x1B$")): // the only one in use that is written in ASCII
		return decoded{text: decodeAs(japanese.ISO2022JP, data)}, nil
	case broken == 0 && wide <= 3 && slices.Contains([]string{"gbk", "gb18030", "big5", "euc-kr", "euc-jp", "shift_jis"}, named): // two letters of GBK may look like one of UTF-8
		if s := decodeAs(said, data); !strings.ContainsRune(s, utf8.RuneError) {
			return decoded{text: s}, nil
		}
		return decoded{text: string(data)}, nil
	case broken == 0: // even if another encoding is declared: no other text looks like this
		return decoded{text: string(data)}, nil
	}
	repaired := decoded{strings.ToValidUTF8(string(data), "\uFFFD"), counted(broken, "byte is", "bytes are") + " not UTF-8: U+FFFD stands in the place"}
	if wide > broken {
		return repaired, nil
	}
	if said != nil {
		s := decodeAs(said, data)
		switch lost := strings.Count(s, "\uFFFD"); {
		case lost == 0:
			return decoded{text: s}, nil
		case 20*lost < wide+broken:
			return decoded{s, fmt.Sprintf("%s in %s, which the file declares: U+FFFD stands in the place", counted(lost, "place means nothing", "places mean nothing"), named)}, nil
		}
	}
	if wide > 0 && wide >= broken { // by chance bytes seldom look like that
		return repaired, nil
	}
	return guess(data), nil
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func decodeAs(e encoding.Encoding, data []byte) string {
	s, err := e.NewDecoder().Bytes(data)
	if err != nil { // decoders put U+FFFD for what they do not know, and give no error
		return string(utf8.RuneError)
	}
	return string(s)
}

// declaredEncoding is that of a label as web pages have it. It is nil for none,
// and for UTF-8 and UTF-16: what is written in them shows it.
func declaredEncoding(label string) (encoding.Encoding, string) {
	e, err := htmlindex.Get(label)
	if err != nil { // web pages know no code pages of DOS, for example
		e, _ = ianaindex.IANA.Encoding(label)
		return e, label
	}
	name, err := htmlindex.Name(e)
	if err != nil || strings.HasPrefix(name, "utf-") || name == "replacement" || name == "x-user-defined" {
		return nil, ""
	}
	return e, name
}

// decodeMarked reads what begins with a byte-order mark.
func decodeMarked(data []byte) (string, bool) {
	switch {
	case bytes.HasPrefix(data, []byte{0xEF, 0xBB, 0xBF}) && utf8.Valid(data):
		return string(data[3:]), true
	case bytes.HasPrefix(data, []byte{0xFF, 0xFE, 0, 0}), bytes.HasPrefix(data, []byte{0, 0, 0xFE, 0xFF}):
		return decodeAs(utf32.UTF32(utf32.LittleEndian, utf32.ExpectBOM), data), true
	case bytes.HasPrefix(data, []byte{0xFF, 0xFE}), bytes.HasPrefix(data, []byte{0xFE, 0xFF}):
		return decodeAs(utf16.UTF16(utf16.LittleEndian, utf16.ExpectBOM), data), true
	}
	return "", false
}

// sniffed is how much of a file is looked at to find its encoding.
const sniffed = 64 << 10

// decodeUnmarkedUnits reads UTF-16 and UTF-32 without a byte-order mark. In the right order of bytes all characters are
// assigned, and spaces, line ends and punctuation are among them; in the wrong one a space is U+2000 and a line end U+0A00.
func decodeUnmarkedUnits(data []byte) (string, bool) {
	var best encoding.Encoding
	most := 0
	for _, e := range []encoding.Encoding{
		utf16.UTF16(utf16.LittleEndian, utf16.IgnoreBOM), utf16.UTF16(utf16.BigEndian, utf16.IgnoreBOM),
		utf32.UTF32(utf32.LittleEndian, utf32.IgnoreBOM), utf32.UTF32(utf32.BigEndian, utf32.IgnoreBOM),
	} {
		if n := commonIn([]rune(strings.TrimRight(decodeAs(e, data[:min(len(data), sniffed)]), "\x00"))); n > most {
			best, most = e, n
		}
	}
	if best == nil {
		return "", false
	}
	return decodeAs(best, data), true
}

// commonIn counts characters that every text has; 0 if others are there that none has.
func commonIn(text []rune) (n int) {
	for i, r := range text {
		switch {
		case r < 0x7F && (r >= ' ' || unicode.IsSpace(r)), r >= 0x3000 && r <= 0x3002, r >= 0x3041 && r <= 0x30FE, r == 0xFF0C, strings.ContainsRune("的一是不了在有人我这中大上们", r):
			n++
		case r == utf8.RuneError && i == len(text)-1: // a pair that was cut
		case r == utf8.RuneError, !unicode.IsGraphic(r) && !unicode.In(r, unicode.Cf):
			return 0
		}
	}
	return n
}

// countControls counts bytes that no text has, whatever it is encoded in.
func countControls(data []byte) (n int) {
	for _, c := range data {
		if (c < ' ' || c == 0x7F) && !bytes.ContainsRune([]byte("\b\t\n\v\f\r\x1A\x1B"), rune(c)) {
			n++
		}
	}
	return n
}

// ofBytes tells text of single bytes or of UTF-8, with stray control characters, from UTF-16. That is seldom valid
// UTF-8, and where it is, being in Latin or Cyrillic letters, every second byte is a control character.
func ofBytes(data []byte, controls int) bool {
	var kana [2]int // at even and odd places, their upper byte, which is a digit in ASCII as their lower ones are other characters
	for i, c := range data {
		if c == 0x30 {
			kana[i%2]++
		}
	}
	if most := max(kana[0], kana[1]); 8*most > len(data) && most > 4*min(kana[0], kana[1]) {
		return false
	}
	if wide, broken := countUTF8(data); wide > 4*broken || broken == 0 && 5*controls < len(data) {
		return true
	}
	n := 0
	for _, c := range data {
		if c >= ' ' && c < 0x7F || c == '\n' {
			n++
		}
	}
	return 10*n > 9*len(data)
}

// countUTF8 counts the characters of several bytes, and the bytes that belong
// to none in UTF-8.
func countUTF8(data []byte) (wide, broken int) {
	for len(data) > 0 {
		r, size := utf8.DecodeRune(data)
		switch {
		case size > 1:
			wide++
		case r == utf8.RuneError:
			broken++
		}
		data = data[size:]
	}
	return wide, broken
}
