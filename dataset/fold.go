package dataset

import (
	"slices"
	"strings"
	"sync"
	"unicode"
)

// folded is a text reduced to what is compared: its words in one case, without accents, one behind the other.
type folded struct {
	text   string
	starts []int // where each word starts in text
}

func (f folded) len() int { return len(f.starts) }

func (f folded) word(i int) string {
	if i+1 < len(f.starts) {
		return f.text[f.starts[i]:f.starts[i+1]]
	}
	return f.text[f.starts[i]:]
}

// wordAt returns the word that starts at offset; at the end of the text that is the number of words.
func (f folded) wordAt(offset int) (int, bool) {
	if offset == len(f.text) {
		return len(f.starts), true
	}
	return slices.BinarySearch(f.starts, offset)
}

// foldText finds the words of text: runs of letters and digits, with marks dropped. A stop, comma or colon between digits
// belongs to its number, so that 5 is not found in 7.5. A symbol (%, €, +) is a word, and so is each character of the scripts that
// put no spaces between words. Everything else only separates.
func foldText(text string) folded {
	var f folded
	var out strings.Builder
	runes := []rune(text)
	open := false // whether the next letter goes on with the last word
	start := func() {
		f.starts = append(f.starts, out.Len())
	}
	for i, r := range runes {
		switch {
		case unicode.Is(unicode.Mn, r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Me, r):
			// Accents that are characters of their own, soft hyphens, joiners: they neither count nor separate.
		case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar):
			start()
			out.WriteRune(r)
			open = false
		case unicode.IsLetter(r), unicode.IsNumber(r), unicode.Is(unicode.Mc, r):
			if !open {
				start()
			}
			out.WriteString(foldRune(r))
			open = true
		case unicode.In(r, unicode.Sm, unicode.Sc, unicode.So) || strings.ContainsRune("%‰#§&@", r):
			start()
			out.WriteRune(r)
			open = false
		case open && strings.ContainsRune(".,:", r) && i+1 < len(runes) && unicode.IsDigit(runes[i-1]) && unicode.IsDigit(runes[i+1]):
			out.WriteRune(r)
		default:
			open = false
		}
	}
	f.text = out.String()
	return f
}

// foldRune returns the plain lower-case form of a letter or digit.
func foldRune(r rune) string {
	if r >= '！' && r <= '～' { // full width
		r -= '！' - '!'
	}
	r = unicode.ToLower(r)
	if r < 0x80 {
		return string(r)
	}
	if plain, ok := plainLetters()[r]; ok {
		return plain
	}
	return string(r)
}

// plainLetters maps each lower-case letter with a mark to the letter alone: Latin, Greek and Cyrillic, by the canonical
// decompositions of Unicode; and ligatures and the like to the letters that they stand for.
var plainLetters = sync.OnceValue(func() map[rune]string {
	const groups = `aàáâãäåāăąǎǟǡǻȁȃȧḁạảấầẩẫậắằẳẵặ bḃḅḇ cçćĉċčḉ dďḋḍḏḑḓ eèéêëēĕėęěȅȇȩḕḗḙḛḝẹẻẽếềểễệ fḟ gĝğġģǧǵḡ hĥȟḣḥḧḩḫẖ
iìíîïĩīĭįǐȉȋḭḯỉị jĵǰ kķǩḱḳḵ lĺļľḷḹḻḽ mḿṁṃ nñńņňǹṅṇṉṋ oòóôõöōŏőơǒǫǭȍȏȫȭȯȱṍṏṑṓọỏốồổỗộớờởỡợ pṕṗ rŕŗřȑȓṙṛṝṟ sśŝşšșṡṣṥṧṩ tţťțṫṭṯṱẗ
uùúûüũūŭůűųưǔǖǘǚǜȕȗṳṵṷṹṻụủứừửữự vṽṿ wŵẁẃẅẇẉẘ xẋẍ yýÿŷȳẏẙỳỵỷỹ zźżžẑẓẕ æǣǽ øǿ ſẛ ʒǯ αάἀἁἂἃἄἅἆἇὰᾀᾁᾂᾃᾄᾅᾆᾇᾰᾱᾲᾳᾴᾶᾷ εέἐἑἒἓἔἕὲ
ηήἠἡἢἣἤἥἦἧὴᾐᾑᾒᾓᾔᾕᾖᾗῂῃῄῆῇ ιΐίϊἰἱἲἳἴἵἶἷὶῐῑῒῖῗ οόὀὁὂὃὄὅὸ ρῤῥ υΰϋύὐὑὒὓὔὕὖὗὺῠῡῢῦῧ ωώὠὡὢὣὤὥὦὧὼᾠᾡᾢᾣᾤᾥᾦᾧῲῳῴῶῷ
` +
		// Greek letters with oxia, which editors would turn into those with tonos.
		"α\u1f71 ε\u1f73 η\u1f75 ι\u1f77\u1fbe\u1fd3 ο\u1f79 υ\u1f7b\u1fe3 ω\u1f7d " + `
аӑӓ гѓ еѐёӗ жӂӝ зӟ ийѝӣӥ кќ оӧ уўӯӱӳ чӵ ыӹ эӭ ії ѵѷ әӛ өӫ`
	letters := map[rune]string{
		'ﬀ': "ff", 'ﬁ': "fi", 'ﬂ': "fl", 'ﬃ': "ffi", 'ﬄ': "ffl", 'ﬅ': "st", 'ﬆ': "st", 'ß': "ss", 'ĳ': "ij", 'ς': "σ",
		'µ': "μ", // the sign micro
		'¹': "1", '²': "2", '³': "3",
	}
	for group := range strings.FieldsSeq(groups) {
		runes := []rune(group)
		for _, r := range runes[1:] {
			letters[r] = string(runes[0])
		}
	}
	return letters
})
