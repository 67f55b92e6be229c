package office

import (
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	"golang.org/x/text/encoding/unicode"
)

// destination is where the text of a group goes.
type destination int

const (
	toText    destination = iota
	toNowhere             // also all groups inside
	toData                // nowhere, but a group inside may be text
	toInfo                // as toData; it may hold the title
	toTitle
	toFonts
	toCode // of a field
	toName // of a shape's property
	toChoice
)

var rtfSigns = map[string]string{"emdash": "—", "endash": "–", "bullet": "•", "lquote": "‘", "rquote": "’", "ldblquote": "“", "rdblquote": "”",
	"emspace": " ", "enspace": " ", "qmspace": " ", "zwj": "\u200D", "zwnj": "\u200C"}

// rtfGroups are the destinations that readers know.
var rtfGroups = func() map[string]destination {
	groups := map[string]destination{"info": toInfo, "fonttbl": toFonts, "fldinst": toCode, "pict": toData, "picprop": toData, "sp": toData, "sn": toName, "formfield": toData, "ffl": toChoice}
	for dest, words := range map[destination]string{
		toText: "shppict shpinst do fldrslt listtext pntext nesttableprops moMathPara", // their text counts though a star may say otherwise
		// what no page shows, and what shprslt and others say again for older readers
		toNowhere: "colortbl stylesheet header headerl headerr headerf footer footerl footerr footerf annotation atnid atnauthor listtable " +
			"listoverridetable revtbl rsidtbl generator nonshppict xe tc objdata themedata datastore filetbl mmathPict nonesttables " +
			"ftnsep ftnsepc aftnsep aftnsepc pgdsctbl latentstyles private shprslt",
	} {
		for word := range strings.FieldsSeq(words) {
			groups[word] = dest
		}
	}
	return groups
}()

// codePages are encodings by the number that Windows gives them.
var codePages = map[int]encoding.Encoding{
	437: charmap.CodePage437, 850: charmap.CodePage850, 852: charmap.CodePage852, 855: charmap.CodePage855, 858: charmap.CodePage858, 860: charmap.CodePage860,
	862: charmap.CodePage862, 863: charmap.CodePage863, 865: charmap.CodePage865, 866: charmap.CodePage866, 874: charmap.Windows874,
	932: japanese.ShiftJIS, 936: simplifiedchinese.GBK, 949: korean.EUCKR, 950: traditionalchinese.Big5, 54936: simplifiedchinese.GB18030,
	1250: charmap.Windows1250, 1251: charmap.Windows1251, 1252: charmap.Windows1252, 1253: charmap.Windows1253, 1254: charmap.Windows1254,
	1255: charmap.Windows1255, 1256: charmap.Windows1256, 1257: charmap.Windows1257, 1258: charmap.Windows1258,
	10000: charmap.Macintosh, 10007: charmap.MacintoshCyrillic, 20866: charmap.KOI8R, 21866: charmap.KOI8U, 65001: unicode.UTF8,
}

// charset is the code page of a font; nil is one of symbols.
func charset(n int, ansi encoding.Encoding) (encoding.Encoding, bool) {
	pages := map[int]int{0: 1252, 77: 10000, 78: 932, 79: 949, 80: 936, 81: 950, 89: 10007, 128: 932, 129: 949, 134: 936, 136: 950, 161: 1253, 162: 1254,
		163: 1258, 177: 1255, 178: 1256, 186: 1257, 204: 1251, 222: 874, 238: 1250, 254: 437, 255: 850}
	if n == 2 {
		return nil, true
	}
	if n == 0 && ansi != nil {
		return ansi, true
	}
	page, ok := codePages[pages[n]]
	return page, ok
}
