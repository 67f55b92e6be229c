package pdf

import (
	"cmp"
	"slices"
	"unicode/utf16"
	"unicode/utf8"
)

// cmap is a character map: a ToUnicode map, or the encoding of a composite
// font. Its counts ("100 beginbfchar") are not read; the entries themselves
// are, so a map never grows beyond its own text.
type cmap struct {
	spaces []codespace
	chars  map[uint32]string
	ranges []charRange // by lo
	cids   []cidRange  // by lo
}

type codespace struct {
	lo, hi uint32
	bytes  int
}

type charRange struct {
	lo, hi uint32
	text   string   // of lo; the last character counts up
	list   []string // of each code, instead of text
}

type cidRange struct {
	lo, hi uint32
	cid    uint32
}

// maxCMapBytes is several times the largest map that fonts carry.
const maxCMapBytes = 8 << 20

// maxTargetBytes is what the format allows for the text of one code.
const maxTargetBytes = 512

func parseCMap(data []byte) *cmap {
	m := &cmap{chars: map[uint32]string{}}
	l := lexer{data: data[:min(len(data), maxCMapBytes)]}
	for {
		l.reset()
		t := l.next()
		if t.kind == eof {
			break
		}
		if t.kind != keyword {
			continue
		}
		switch string(t.text) {
		case "begincodespacerange":
			m.readSpaces(&l)
		case "beginbfchar":
			m.readChars(&l)
		case "beginbfrange":
			m.readRanges(&l)
		case "begincidchar":
			m.readCIDs(&l, false)
		case "begincidrange":
			m.readCIDs(&l, true)
		}
	}
	slices.SortStableFunc(m.ranges, func(a, b charRange) int { return cmp.Compare(a.lo, b.lo) })
	slices.SortStableFunc(m.cids, func(a, b cidRange) int { return cmp.Compare(a.lo, b.lo) })
	return m
}

// code reads a token of the given kind as a character code.
func (l *lexer) code() (code uint32, bytes int, ok bool) {
	l.reset()
	start := l.pos
	t := l.next()
	if t.kind != text {
		l.pos = start
		return 0, 0, false
	}
	for _, b := range t.text {
		code = code<<8 | uint32(b)
	}
	return code, len(t.text), true
}

func (m *cmap) readSpaces(l *lexer) {
	for {
		lo, n, ok := l.code()
		if !ok {
			return
		}
		hi, _, ok := l.code()
		if !ok {
			return
		}
		if n >= 1 && n <= 4 {
			m.spaces = append(m.spaces, codespace{lo, hi, n})
		}
	}
}

func (m *cmap) readChars(l *lexer) {
	mixed := slices.ContainsFunc(m.spaces, func(sp codespace) bool { return sp.bytes != m.spaces[0].bytes })
	for size := 0; ; {
		code, n, ok := l.code()
		if !ok {
			return
		}
		if size == 0 {
			size = n
		} else if n > size && !mixed {
			continue // a text whose code is lost: the next one is a code again
		}
		start := l.pos
		switch t := l.next(); t.kind {
		case text:
			if len(t.text) <= maxTargetBytes {
				m.chars[code] = fromUTF16(t.text)
			}
		case name: // a glyph name in place of the character: not seen with text
		default:
			l.pos = start
			return
		}
	}
}

func (m *cmap) readRanges(l *lexer) {
	for {
		lo, _, ok := l.code()
		if !ok {
			return
		}
		hi, _, ok := l.code()
		if !ok {
			return
		}
		start := l.pos
		r := charRange{lo: lo, hi: hi}
		switch t := l.next(); t.kind {
		case text:
			if len(t.text) > maxTargetBytes {
				continue
			}
			r.text = fromUTF16(t.text)
		case arrayOpen:
			for t = l.next(); t.kind == text; t = l.next() {
				r.list = append(r.list, fromUTF16(t.text[:min(len(t.text), maxTargetBytes)]))
			}
		default:
			l.pos = start
			return
		}
		if lo <= hi {
			m.ranges = append(m.ranges, r)
		}
	}
}

func (m *cmap) readCIDs(l *lexer, isRange bool) {
	for {
		lo, _, ok := l.code()
		if !ok {
			return
		}
		hi := lo
		if isRange {
			if hi, _, ok = l.code(); !ok {
				return
			}
		}
		t := l.next()
		if t.kind != number {
			return
		}
		if lo <= hi && t.num >= 0 && t.num <= 1<<16 {
			m.cids = append(m.cids, cidRange{lo, hi, uint32(t.num)})
		}
	}
}

func (m *cmap) isEmpty() bool { return m == nil || len(m.chars)+len(m.ranges) == 0 }

// lookup returns the text of a code, if the map has one a reader can use.
func (m *cmap) lookup(code uint32) (string, bool) {
	if m == nil {
		return "", false
	}
	s, ok := m.chars[code]
	if !ok {
		if s, ok = m.inRange(code); !ok {
			return "", false
		}
	}
	return s, s != "\x00" && s != "\uFFFD"
}

func (m *cmap) inRange(code uint32) (string, bool) {
	i, found := slices.BinarySearchFunc(m.ranges, code, func(r charRange, c uint32) int { return cmp.Compare(r.lo, c) })
	if !found {
		i--
	}
	if i < 0 || code > m.ranges[i].hi {
		return "", false
	}
	r := m.ranges[i]
	step := code - r.lo
	if r.list != nil {
		if int64(step) >= int64(len(r.list)) {
			return "", false
		}
		return r.list[step], true
	}
	last, size := utf8.DecodeLastRuneInString(r.text)
	if size == 0 || int64(last)+int64(step) > utf8.MaxRune {
		return r.text, size > 0
	}
	return r.text[:len(r.text)-size] + string(last+rune(step)), true
}

func (m *cmap) cid(code uint32) (uint32, bool) {
	i, found := slices.BinarySearchFunc(m.cids, code, func(r cidRange, c uint32) int { return cmp.Compare(r.lo, c) })
	if !found {
		i--
	}
	if i < 0 || code > m.cids[i].hi {
		return 0, false
	}
	return m.cids[i].cid + code - m.cids[i].lo, true
}

// split takes the next code from s by the map's code spaces.
func (m *cmap) split(s []byte) (code uint32, n int) {
	for n = 1; n <= 4 && n <= len(s); n++ {
		code = code<<8 | uint32(s[n-1])
		for _, sp := range m.spaces {
			if sp.bytes == n && sp.contains(code) {
				return code, n
			}
		}
	}
	n = min(2, len(s)) // no space fits: two bytes are the rule for composite fonts
	if len(m.spaces) > 0 {
		n = min(m.spaces[0].bytes, len(s))
	}
	return uint32(bigEndian(s[:n])), n
}

// contains compares byte by byte, as code spaces are boxes, not intervals.
func (sp codespace) contains(code uint32) bool {
	for shift := 0; shift < 8*sp.bytes; shift += 8 {
		b := byte(code >> shift)
		if b < byte(sp.lo>>shift) || b > byte(sp.hi>>shift) {
			return false
		}
	}
	return true
}

func bigEndian(s []byte) (v uint64) {
	for _, b := range s {
		v = v<<8 | uint64(b)
	}
	return v
}

func fromUTF16(b []byte) string {
	if len(b) == 1 {
		return string(rune(b[0]))
	}
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = uint16(b[2*i])<<8 | uint16(b[2*i+1])
	}
	return string(utf16.Decode(units))
}

// textString decodes a PDF text string: UTF-16 or UTF-8 with a mark, else
// PDFDocEncoding, which is Latin-1 for all that matters here.
func textString(s string) string {
	switch {
	case len(s) >= 2 && s[0] == 0xFE && s[1] == 0xFF:
		return fromUTF16([]byte(s[2:]))
	case len(s) >= 3 && s[:3] == "\xEF\xBB\xBF":
		return string([]rune(s[3:]))
	}
	r := make([]rune, len(s))
	for i := range r {
		r[i] = rune(s[i])
		if docChar, ok := pdfDocChars[s[i]]; ok {
			r[i] = docChar
		}
	}
	return string(r)
}
