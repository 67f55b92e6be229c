package ingest

import (
	"cmp"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"github.com/docent-ml/docent/ingest/internal/numerals"
	"github.com/docent-ml/docent/ingest/internal/zipxml"
)

// wordStyle is what a style says about the text of what has it.
type wordStyle struct {
	base    string
	list    string // number of its list, "" where it says none
	level   int
	leveled bool // it says the level
	hidden  *bool
	fonts   [3]string // as wordLine has them
	place   string    // as vertAlign says it
}

// maxStyles bounds the chain of styles that a style is based on.
const maxStyles = 32

func readWordStyles(root *zipxml.Node) map[string]wordStyle {
	styles := map[string]wordStyle{}
	if root == nil {
		return styles
	}
	for _, n := range root.Kids {
		if n.Name != "style" {
			continue
		}
		s := wordStyle{base: n.Kid("basedOn").Attr("val"), list: n.Kid("pPr", "numPr", "numId").Attr("val")}
		s.level, s.leveled = number(n.Kid("pPr", "numPr", "ilvl").Attr("val"))
		if n.Kid("rPr", "vanish") != nil {
			on := isOn(n.Kid("rPr"), "vanish")
			s.hidden = &on
		}
		s.fonts, s.place = readFonts(n.Kid("rPr")), n.Kid("rPr", "vertAlign").Attr("val")
		styles[n.Attr("styleId")] = s
	}
	return styles
}

// hides tells whether a run is hidden, by itself or by its styles.
func (w *wordText) hides(paragraph string, props *zipxml.Node) bool {
	if props.Kid("vanish") != nil {
		return isOn(props, "vanish")
	}
	for s := range w.stylesOf(paragraph, props) {
		if s.hidden != nil {
			return *s.hidden
		}
	}
	return false
}

// stylesOf yields the styles of a run, the nearest first.
func (w *wordText) stylesOf(paragraph string, props *zipxml.Node) iter.Seq[wordStyle] {
	return func(yield func(wordStyle) bool) {
		for _, id := range []string{props.Kid("rStyle").Attr("val"), paragraph} {
			for range maxStyles {
				s, ok := w.styles[id]
				if ok && !yield(s) {
					return
				}
				if id = s.base; !ok || id == "" {
					break
				}
			}
		}
	}
}

func readFonts(props *zipxml.Node) [3]string {
	f := props.Kid("rFonts")
	return [3]string{f.Attr("ascii"), f.Attr("hAnsi"), f.Attr("cs")}
}

// fonts are those of a run, by itself or by its styles.
func (w *wordText) fonts(paragraph string, props *zipxml.Node) [3]string {
	fonts := readFonts(props)
	for s := range w.stylesOf(paragraph, props) {
		for i, font := range s.fonts {
			fonts[i] = cmp.Or(fonts[i], font)
		}
	}
	return fonts
}

// place is above 0 for a superscript, by itself or by its styles, and below for a subscript.
func (w *wordText) place(paragraph string, props *zipxml.Node) int {
	place := props.Kid("vertAlign").Attr("val")
	for s := range w.stylesOf(paragraph, props) {
		place = cmp.Or(place, s.place)
	}
	raised, _ := number(props.Kid("position").Attr("val"))
	return cmp.Or(map[string]int{"superscript": 1, "subscript": -1}[place], raised)
}

// wordNumbers counts list items and numbered headings.
type wordNumbers struct {
	styles  map[string]wordStyle
	lists   map[string]wordList
	counts  map[*[wordLevels]wordLevel]*wordCount
	english bool // Word writes numbers in the words of the document's language
}

const wordLevels = 9

// wordList is a list as paragraphs refer to it. Lists of the same levels go on with each other's numbers.
type wordList struct {
	levels *[wordLevels]wordLevel
	own    [wordLevels]*wordLevel // what this list has otherwise
	starts map[int]int            // with what it begins anew
}

type wordLevel struct {
	start   int
	restart int // the level is counted anew after levels below this one; 0: never
	format  string
	text    string // "%1.%2"
	glue    string // between number and text
	decimal bool   // all numbers of the label are decimal
	style   string // of paragraphs that stand on this level
}

type wordCount struct {
	value   [wordLevels]int
	counted [wordLevels]bool
	begun   map[string]bool // lists that were met
}

func readWordNumbers(root *zipxml.Node, styles map[string]wordStyle) *wordNumbers {
	t := &wordNumbers{styles: styles, lists: map[string]wordList{}, counts: map[*[wordLevels]wordLevel]*wordCount{}}
	if root == nil {
		return t
	}
	abstract, linked := map[string]*[wordLevels]wordLevel{}, map[string]string{}
	var lists []*zipxml.Node
	for _, n := range root.Kids {
		switch n.Name {
		case "abstractNum":
			levels := new([wordLevels]wordLevel)
			for i := range levels {
				levels[i] = wordLevel{start: 1, restart: i, glue: " "}
			}
			for _, l := range n.Kids {
				if i, ok := number(l.Attr("ilvl")); l.Name == "lvl" && ok && i < wordLevels {
					levels[i] = readWordLevel(l, i)
				}
			}
			abstract[n.Attr("abstractNumId")] = levels
			if link := n.Kid("numStyleLink"); link != nil {
				linked[n.Attr("abstractNumId")] = link.Attr("val")
			}
		case "num":
			lists = append(lists, n)
		}
	}
	ids := map[string]string{} // of the levels of each list
	for _, n := range lists {
		ids[n.Attr("numId")] = n.Kid("abstractNumId").Attr("val")
	}
	for _, n := range lists {
		id := ids[n.Attr("numId")]
		if style, ok := linked[id]; ok {
			id = ids[styles[style].list]
		}
		list := wordList{levels: abstract[id], starts: map[int]int{}}
		if list.levels == nil {
			continue
		}
		for _, o := range n.Kids {
			i, ok := number(o.Attr("ilvl"))
			if o.Name != "lvlOverride" || !ok || i >= wordLevels {
				continue
			}
			if start, ok := number(o.Kid("startOverride").Attr("val")); ok {
				list.starts[i] = start
			}
			if l := o.Kid("lvl"); l != nil {
				own := readWordLevel(l, i)
				list.own[i] = &own
			}
		}
		t.lists[n.Attr("numId")] = list
	}
	return t
}

func readWordLevel(n *zipxml.Node, i int) wordLevel {
	l := wordLevel{
		restart: i, format: cmp.Or(n.Kid("numFmt").Attr("val"), "decimal"), text: n.Kid("lvlText").Attr("val"), glue: " ",
		decimal: isOn(n, "isLgl"), style: n.Kid("pStyle").Attr("val"),
	}
	l.start, _ = number(n.Kid("start").Attr("val"))
	if r, ok := number(n.Kid("lvlRestart").Attr("val")); ok {
		l.restart = r
	}
	if n.Kid("suff").Attr("val") == "nothing" {
		l.glue = ""
	}
	return l
}

func number(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= 0
}

func (l wordList) level(i int) wordLevel {
	if l.own[i] != nil {
		return *l.own[i]
	}
	return l.levels[i]
}

// find returns the list and level of a paragraph, by itself or by its style.
func (t *wordNumbers) find(props *zipxml.Node) (id string, level int) {
	own, style := props.Kid("numPr"), props.Kid("pStyle").Attr("val")
	id = own.Kid("numId").Attr("val")
	level, leveled := number(own.Kid("ilvl").Attr("val"))
	var chain []string // a style has the list of its base on a level of its own
	for range maxStyles {
		s, ok := t.styles[style]
		if id != "" || !ok {
			break
		}
		chain = append(chain, style)
		if id = s.list; id != "" && !leveled {
			level = t.levelOf(id, chain)
		}
		style = s.base
	}
	return id, min(level, wordLevels-1)
}

// levelOf is the level on which a style has a list: the one that names it, or that it names, else that of its base.
func (t *wordNumbers) levelOf(id string, styles []string) int {
	list, ok := t.lists[id]
	for _, style := range styles {
		for i := range wordLevels {
			if ok && list.level(i).style == style {
				return i
			}
		}
		if s := t.styles[style]; s.leveled {
			return s.level
		}
	}
	return 0
}

// label counts a paragraph and returns what Word writes in front of it.
func (t *wordNumbers) label(props *zipxml.Node) string {
	id, at := t.find(props)
	list, ok := t.lists[id]
	if !ok {
		return ""
	}
	c := t.counts[list.levels]
	if c == nil {
		c = &wordCount{begun: map[string]bool{}}
		t.counts[list.levels] = c
	}
	fresh := !c.begun[id]
	c.begun[id] = true
	for i := 0; i <= at; i++ {
		start, overridden := list.starts[i]
		if !overridden {
			start = list.level(i).start
		}
		switch {
		case !c.counted[i], overridden && fresh:
			c.value[i], c.counted[i] = start, true
		case i == at:
			c.value[i]++
		}
	}
	for i := at + 1; i < wordLevels; i++ {
		if at < list.level(i).restart {
			c.counted[i] = false
		}
	}
	l := list.level(at)
	if l.format == "bullet" {
		return "- "
	}
	label := l.text
	for i := wordLevels - 1; i >= 0; i-- {
		if mark := fmt.Sprintf("%%%d", i+1); strings.Contains(label, mark) {
			format := list.level(i).format
			if l.decimal {
				format = "decimal"
			}
			label = strings.ReplaceAll(label, mark, t.format(c.value[i], format))
		}
	}
	if strings.TrimSpace(label) == "" {
		return ""
	}
	return strings.TrimSpace(label) + l.glue
}

// format writes n in one of Word's formats; those that are not here are rare, and decimal.
func (t *wordNumbers) format(n int, format string) string {
	if alphabet, ok := wordAlphabets[format]; ok {
		return letter(n, []rune(alphabet))
	}
	if first, ok := wordDigits[format]; ok && n >= 0 {
		return strings.Map(func(d rune) rune { return first + d - '0' }, strconv.Itoa(n))
	}
	if first, ok := wordEnclosed[format]; ok && n >= 1 && n <= 20 {
		return string(first + rune(n-1))
	}
	switch format {
	case "none", "bullet":
		return ""
	case "decimalZero":
		return fmt.Sprintf("%02d", n)
	case "hex":
		return fmt.Sprintf("%X", n)
	case "numberInDash":
		return fmt.Sprintf("- %d -", n)
	case "upperRoman":
		return numerals.Format(n, "I")
	case "lowerRoman":
		return numerals.Format(n, "i")
	case "ordinal":
		return strconv.Itoa(n) + ordinalEnd(n)
	case "cardinalText", "ordinalText":
		if t.english && n >= 1 && n <= 99 {
			return inWords(n, format == "ordinalText")
		}
	case "japaneseCounting", "chineseCounting", "chineseCountingThousand", "taiwaneseCounting", "taiwaneseCountingThousand", "ideographDigital":
		if n >= 1 && n <= 99 {
			return hanNumber(n)
		}
	}
	return strconv.Itoa(n)
}

var (
	// What counts a, b, …, z, aa, bb.
	wordAlphabets = map[string]string{
		"upperLetter": "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "lowerLetter": "abcdefghijklmnopqrstuvwxyz",
		"russianUpper": "АБВГДЕЖЗИКЛМНОПРСТУФХЦЧШЩЫЭЮЯ", "russianLower": "абвгдежзиклмнопрстуфхцчшщыэюя",
		"hebrew1": "אבגדהוזחטי", "hebrew2": "אבגדהוזחטיכלמנסעפצקרשת",
		"arabicAlpha": "أبتثجحخدذرزسشصضطظعغفقكلمنهوي", "arabicAbjad": "أبجدهوزحطيكلمنسعفصقرشتثخذضظغ",
		"aiueo": "ｱｲｳｴｵｶｷｸｹｺｻｼｽｾｿﾀﾁﾂﾃﾄﾅﾆﾇﾈﾉﾊﾋﾌﾍﾎﾏﾐﾑﾒﾓﾔﾕﾖﾗﾘﾙﾚﾛﾜｦﾝ", "aiueoFullWidth": "アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワヲン",
		"irohaFullWidth": "イロハニホヘトチリヌルヲワカヨタレソツネナラムウヰノオクヤマケフコエテアサキユメミシヱヒモセス",
		"ganada":         "가나다라마바사아자차카타파하", "chosung": "ㄱㄴㄷㄹㅁㅂㅅㅇㅈㅊㅋㅌㅍㅎ",
		"ideographTraditional": "甲乙丙丁戊己庚辛壬癸", "ideographZodiac": "子丑寅卯辰巳午未申酉戌亥",
		"thaiLetters": "กขคงจฉชซฌญฎฏฐฑฒณดตถทธนบปผฝพฟภมยรลวศษสหฬอฮ", "chicago": "*†‡§",
	}
	wordDigits   = map[string]rune{"decimalFullWidth": '０', "decimalFullWidth2": '０', "hindiNumbers": '०', "thaiNumbers": '๐'}
	wordEnclosed = map[string]rune{"decimalEnclosedCircle": '①', "decimalEnclosedCircleChinese": '①', "decimalEnclosedParen": '⑴', "decimalEnclosedFullstop": '⒈'}
)

// inWords writes 1 to 99 in English.
func inWords(n int, ordinal bool) string {
	ones := strings.Fields("- One Two Three Four Five Six Seven Eight Nine Ten Eleven Twelve Thirteen Fourteen Fifteen Sixteen Seventeen Eighteen Nineteen")
	tens := strings.Fields("- - Twenty Thirty Forty Fifty Sixty Seventy Eighty Ninety")
	var s string
	switch {
	case n < 20:
		s = ones[n]
	case n%10 == 0:
		s = tens[n/10]
	default:
		s = tens[n/10] + "-" + strings.ToLower(ones[n%10])
	}
	if !ordinal {
		return s
	}
	for _, irregular := range [][2]string{{"one", "first"}, {"two", "second"}, {"three", "third"}, {"five", "fifth"}, {"eight", "eighth"}, {"nine", "ninth"}, {"twelve", "twelfth"}, {"y", "ieth"}} {
		if end := len(s) - len(irregular[0]); end >= 0 && strings.EqualFold(s[end:], irregular[0]) {
			s = s[:end] + irregular[1]
			return strings.ToUpper(s[:1]) + s[1:]
		}
	}
	return s + "th"
}

// letter counts a, b, …, z, aa, bb, as Word does.
func letter(n int, letters []rune) string {
	if n < 1 || n > 30*len(letters) {
		return strconv.Itoa(n)
	}
	return strings.Repeat(string(letters[(n-1)%len(letters)]), (n-1)/len(letters)+1)
}

func ordinalEnd(n int) string {
	if n%100 < 11 || n%100 > 13 {
		switch n % 10 {
		case 1:
			return "st"
		case 2:
			return "nd"
		case 3:
			return "rd"
		}
	}
	return "th"
}

func hanNumber(n int) string {
	digits := []rune(" 一二三四五六七八九")
	var s string
	if n >= 20 {
		s = string(digits[n/10])
	}
	if n >= 10 {
		s += "十"
	}
	if n%10 > 0 {
		s += string(digits[n%10])
	}
	return s
}
