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
	ranges ranges
	cids   ranges
}

type codespace struct {
	lo, hi uint32
	bytes  int
}

// codeRange is what codes in a row stand for.
type codeRange struct {
	lo, hi uint32
	text   string   // of lo; the last character counts up
	list   []string // of each code, instead of text
	cid    uint32   // of lo
}

// ranges are sorted by lo.
type ranges []codeRange

func (all ranges) sort() {
	slices.SortStableFunc(all, func(a, b codeRange) int { return cmp.Compare(a.lo, b.lo) })
}

// find returns the range of a code, and its place there.
func (all ranges) find(code uint32) (r codeRange, step uint32, ok bool) {
	i, found := slices.BinarySearchFunc(all, code, func(r codeRange, c uint32) int { return cmp.Compare(r.lo, c) })
	if !found {
		i--
	}
	if i < 0 || code > all[i].hi {
		return r, 0, false
	}
	return all[i], code - all[i].lo, true
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
			l.entries(2, func(lo, hi uint32, n int) bool {
				if n >= 1 && n <= 4 {
					m.spaces = append(m.spaces, codespace{lo, hi, n})
				}
				return true
			})
		case "beginbfchar":
			m.readChars(&l)
		case "beginbfrange":
			l.entries(2, func(lo, hi uint32, _ int) bool { return m.readRange(&l, codeRange{lo: lo, hi: hi}) })
		case "begincidchar":
			l.entries(1, func(lo, hi uint32, _ int) bool { return m.readCID(&l, lo, hi) })
		case "begincidrange":
			l.entries(2, func(lo, hi uint32, _ int) bool { return m.readCID(&l, lo, hi) })
		}
	}
	m.ranges.sort()
	m.cids.sort()
	return m
}

// entries calls read behind one code, or two, of each entry until it returns false. Of one code, both are the same.
func (l *lexer) entries(codes int, read func(lo, hi uint32, bytes int) bool) {
	for {
		lo, n, ok := l.code()
		hi := lo
		if ok && codes > 1 {
			hi, _, ok = l.code()
		}
		if !ok || !read(lo, hi, n) {
			return
		}
	}
}

// code reads a token as a character code.
func (l *lexer) code() (code uint32, bytes int, ok bool) {
	l.reset()
	start := l.pos
	t := l.next()
	if t.kind != text {
		l.pos = start
		return 0, 0, false
	}
	return uint32(bigEndian(t.text)), len(t.text), true
}

func (m *cmap) readChars(l *lexer) {
	mixed := slices.ContainsFunc(m.spaces, func(sp codespace) bool { return sp.bytes != m.spaces[0].bytes })
	size := 0
	l.entries(1, func(code, _ uint32, n int) bool {
		size = cmp.Or(size, n)
		if n > size && !mixed {
			return true // a text whose code is lost: the next one is a code again
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
			return false
		}
		return true
	})
}

func (m *cmap) readRange(l *lexer, r codeRange) bool {
	start := l.pos
	switch t := l.next(); t.kind {
	case text:
		if len(t.text) > maxTargetBytes {
			return true
		}
		r.text = fromUTF16(t.text)
	case arrayOpen:
		for t = l.next(); t.kind == text; t = l.next() {
			r.list = append(r.list, fromUTF16(t.text[:min(len(t.text), maxTargetBytes)]))
		}
	default:
		l.pos = start
		return false
	}
	if r.lo <= r.hi {
		m.ranges = append(m.ranges, r)
	}
	return true
}

func (m *cmap) readCID(l *lexer, lo, hi uint32) bool {
	t := l.next()
	if t.kind == number && lo <= hi && t.num >= 0 && t.num <= 1<<16 {
		m.cids = append(m.cids, codeRange{lo: lo, hi: hi, cid: uint32(t.num)})
	}
	return t.kind == number
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
	r, step, ok := m.ranges.find(code)
	switch {
	case !ok, r.list != nil && int64(step) >= int64(len(r.list)):
		return "", false
	case r.list != nil:
		return r.list[step], true
	}
	last, size := utf8.DecodeLastRuneInString(r.text)
	if size == 0 || int64(last)+int64(step) > utf8.MaxRune {
		return r.text, size > 0
	}
	return r.text[:len(r.text)-size] + string(last+rune(step)), true
}

func (m *cmap) cid(code uint32) (uint32, bool) {
	r, step, ok := m.cids.find(code)
	return r.cid + step, ok
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
