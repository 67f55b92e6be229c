package ingest

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/abadojack/whatlanggo"
	icu "github.com/gogs/chardet"
	uchardet "github.com/wlynxg/chardet"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
)

// sure is the confidence from which on a guess is no fault.
const sure = 0.4

// shortest is how many bytes a guess is made from at least; of fewer it may be anything.
const shortest = 6

// guess reads data in the encoding that its statistics speak for.
//
// Two detectors are asked, each for what it is good at, as the table in
// TestGuess shows: that after Mozilla's knows the bytes of short texts in
// Cyrillic, Greek, Hebrew and East Asian scripts, and that after ICU's the
// languages written in Latin letters. The script is plain to see: between Latin
// letters the bytes above ASCII stand alone.
func guess(data []byte) decoded {
	if s, ok := mixed(data); ok {
		return s
	}
	sample := data[:min(len(data), sniffed)]
	if standAlone(sample) {
		return guessLatin(data, sample)
	}
	name, confidence := "", 0.0
	if r := uchardet.Detect(sample); r.Confidence >= 0.5 && r.Language != "" && r.Language != "Turkish" {
		name, confidence = r.Encoding, r.Confidence
	} else if r, err := icu.NewTextDetector().DetectBest(sample); err == nil {
		name, confidence = r.Charset, float64(r.Confidence)/100
	}
	name = likeliest(name, sample)
	if len(sample) < shortest {
		confidence = 0
	}
	if s, ok := decodeNamed(name, data); ok {
		return doubted(s, name, confidence)
	}
	return guessLatin(data, sample)
}

// likeliest tells the encodings of Cyrillic and those of Greek letters apart, which the detectors mistake for each other: in
// a wrong one there are capitals behind small letters, and signs in front of letters.
func likeliest(name string, sample []byte) string {
	all := []string{"windows-1251", "koi8-r", "koi8-u", "iso-8859-5", "ibm866", "x-mac-cyrillic"}
	if name = strings.ToLower(strings.Replace(name, "MacCyrillic", "x-mac-cyrillic", 1)); !slices.Contains(all, name) {
		if all = []string{"windows-1253", "iso-8859-7"}; !slices.Contains(all, name) {
			return name
		}
	}
	best, fewest := name, len(sample)
	if name == "x-mac-cyrillic" { // where it is as good as another, it is the other
		name = "windows-1251"
	}
	for _, candidate := range append([]string{name}, all...) {
		s, _ := decodeNamed(candidate, sample)
		text, bad := []rune(s), 0
		for i, r := range text[:max(len(text)-1, 0)] {
			next := text[i+1]
			if r >= utf8.RuneSelf && !unicode.IsLetter(r) && !strings.ContainsRune("«„“‘\u00A0", r) && unicode.IsLetter(next) || unicode.IsLower(r) && unicode.IsUpper(next) {
				bad++
			}
		}
		if bad < fewest {
			best, fewest = candidate, bad
		}
	}
	return best
}

func doubted(s, name string, confidence float64) decoded {
	if lost := strings.Count(s, "\uFFFD"); lost > 0 {
		return decoded{s, fmt.Sprintf("the encoding is not declared, and %s in %s, the likeliest", counted(lost, "place means nothing", "places mean nothing"), strings.ToLower(name))}
	}
	if confidence < sure {
		return decoded{s, fmt.Sprintf("the encoding is not declared, and %s only a guess (confidence %.0f %%)", strings.ToLower(name), 100*confidence)}
	}
	return decoded{text: s}
}

// decodeNamed reads data in an encoding that a detector names.
func decodeNamed(name string, data []byte) (string, bool) {
	if name == "CP949" {
		name = "euc-kr" // its extension, under the name that web pages use
	}
	e, _ := declaredEncoding(name)
	if e == nil {
		return "", false
	}
	return decodeAs(e, data), true
}

// baltic are the letters above ASCII of languages whose encodings the detectors do not know.
var baltic = map[whatlanggo.Lang]string{whatlanggo.Lit: "ąčęėįšųūž", whatlanggo.Lav: "āčēģīķļņšūž", whatlanggo.Est: "äöõüšž"}

// standAlone tells whether most bytes above ASCII have none beside them, or all of them one at most ("ü" before "ß").
func standAlone(data []byte) bool {
	alone, high, run, longest := 0, 0, 0, 0
	for i, c := range data {
		if c < utf8.RuneSelf {
			run = 0
			continue
		}
		high++
		run++
		longest = max(longest, run)
		if run == 1 && (i+1 == len(data) || data[i+1] < utf8.RuneSelf) {
			alone++
		}
	}
	return 2*alone >= high || longest == 2 && alone > 0
}

// guessLatin reads text in Latin letters. Windows-1252, which is read where
// nothing speaks against it, has signs where the encodings of DOS and of the old
// Macintosh have letters: amid words they give those away.
func guessLatin(data, sample []byte) decoded {
	if amidWords(charmap.Windows1252, sample) > 0.1 {
		for _, e := range []*charmap.Charmap{charmap.CodePage850, charmap.Macintosh} {
			if amidWords(e, sample) == 0 {
				return decoded{text: decodeAs(e, data)}
			}
		}
	}
	for _, name := range []string{"windows-1257", "iso-8859-13", "iso-8859-4"} {
		s, _ := decodeNamed(name, sample)
		lower := strings.ToLower(s)
		for lang, alphabet := range baltic {
			foreign := func(r rune) bool {
				return unicode.IsLetter(r) && r >= utf8.RuneSelf && !strings.ContainsRune(alphabet, r) || r == utf8.RuneError
			}
			if !strings.ContainsFunc(lower, foreign) && whatlanggo.DetectLang(s) == lang { // the letters first, which take less time
				s, _ = decodeNamed(name, data)
				return decoded{text: s}
			}
		}
	}
	name, confidence := "windows-1252", 0.0
	if all, err := icu.NewTextDetector().DetectAll(sample); err == nil {
		for _, r := range all {
			switch r.Charset {
			case "ISO-8859-1", "ISO-8859-2", "ISO-8859-9", "windows-1250", "windows-1252", "windows-1254":
				if c := float64(r.Confidence) / 100; c > confidence {
					name, confidence = r.Charset, c
				}
			}
		}
	}
	s, _ := decodeNamed(name, data)
	return doubted(s, name, confidence)
}

// mixed reads text that was put together of UTF-8 and Latin letters of a byte each. By chance such bytes look like UTF-8 too, but
// seldom like nothing but letters of Europe and signs of its typesetters.
func mixed(data []byte) (d decoded, ok bool) {
	var single []byte
	for rest := data; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		if size > 1 && !(r >= 0xA0 && r < 0x180 || r >= 0x2010 && r <= 0x2026 || r == '€') {
			return d, false
		}
		if size == 1 {
			single = append(single, rest[0])
		} else {
			ok = true
			single = append(single, ' ')
		}
		rest = rest[size:]
	}
	if !ok || !standAlone(single) {
		return d, false
	}
	text := []rune(guessLatin(single, single[:min(len(single), sniffed)]).text) // a character for each byte
	var b strings.Builder
	for i := 0; len(data) > 0; i++ {
		r, size := utf8.DecodeRune(data)
		if size == 1 {
			r = text[i]
		}
		b.WriteRune(r)
		data = data[size:]
	}
	return decoded{b.String(), "two encodings in one file: UTF-8, and a guess where it is not"}, true
}

// amidWords is the share of the bytes above ASCII between two letters that are
// no letters in an encoding, apostrophes and hyphens aside, or capitals between
// small ones.
func amidWords(e encoding.Encoding, data []byte) float64 {
	text := []rune(decodeAs(e, data))
	all, bad := 0, 0
	for i, r := range text {
		if r >= 0x2500 && r < 0x25A0 { // what boxes are drawn with
			all++
			bad++
		}
		if r < utf8.RuneSelf || i == 0 || i+1 == len(text) || !unicode.IsLetter(text[i-1]) || !unicode.IsLetter(text[i+1]) {
			continue
		}
		all++
		if strings.ContainsRune("ƒºª", r) || !unicode.IsLetter(r) && r != '’' && r != '‘' && r != '´' && r != softHyphen && r != '·' || unicode.IsUpper(r) && unicode.IsLower(text[i-1]) && unicode.IsLower(text[i+1]) {
			bad++
		}
	}
	if all == 0 {
		return 0
	}
	return float64(bad) / float64(all)
}
