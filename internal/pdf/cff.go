package pdf

// The names that every CFF font knows are numbered: first the characters of the
// standard encoding in its order, then these. Numbers from 391 on are the font's own.
const (
	moreStandardNames = "¹¬µ™Ð½±Þ¼÷¦°þ¾²®−ð×³©ÁÂÄÀÅÃÇÉÊËÈÍÎÏÌÑÓÔÖÒÕŠÚÛÜÙÝŸŽáâäàåãçéêëèíîïìñóôöòõšúûüùýÿž"
	ownNames          = 391
)

func standardNames() []string {
	names := []string{""} // .notdef
	for _, r := range standardChars {
		if r != 0 {
			names = append(names, string(r))
		}
	}
	for _, r := range moreStandardNames {
		names = append(names, string(r))
	}
	return names
}

// readCFF reads the built-in encoding and the names of the glyphs. Fonts that
// number their glyphs for a character collection have no names.
func (p *program) readCFF(t bytesOf) {
	_, at := cffIndex(t, t.u8(2)) // names of fonts
	tops, at := cffIndex(t, at)
	strings, _ := cffIndex(t, at)
	if len(tops) == 0 {
		return
	}
	top := cffDict(tops[0])
	if _, collection := top[cffROS]; collection {
		return
	}
	charStrings, _ := cffIndex(t, top[cffCharStrings])
	standard, own := standardNames(), map[uint32]string{}
	sids := cffNames(t, top[cffCharset], len(charStrings))
	for glyph, sid := range sids {
		switch {
		case sid < len(standard):
			p.texts[uint32(glyph)] = standard[sid]
		case sid >= ownNames && sid-ownNames < len(strings):
			own[uint32(glyph)] = string(strings[sid-ownNames])
		}
	}
	p.name(own)
	p.readCFFEncoding(t, top[cffEncoding], len(sids))
}

// Operators of a top dictionary; those of two bytes count from 1200.
const (
	cffCharset     = 15
	cffEncoding    = 16
	cffCharStrings = 17
	cffROS         = 1230
)

// cffIndex returns the elements of an index, and where it ends.
func cffIndex(t bytesOf, at int) (elements []bytesOf, end int) {
	n, size := t.u16(at), t.u8(at+2)
	if n == 0 || size < 1 || size > 4 || at+3+(n+1)*size > len(t) {
		return nil, at + 2
	}
	offset := func(i int) (v int) {
		for j := range size {
			v = v<<8 | t.u8(at+3+i*size+j)
		}
		return at + 2 + (n+1)*size + v
	}
	for i := range n {
		from, to := offset(i), offset(i+1)
		if from > to || to > len(t) {
			return nil, len(t)
		}
		elements = append(elements, t[from:to])
	}
	return elements, offset(n)
}

// cffDict maps operators to their last operand. Real numbers are skipped: no
// operator that matters here has one.
func cffDict(d bytesOf) map[int]int {
	values, last := map[int]int{}, 0
	for i := 0; i < len(d); i++ {
		switch b := d.u8(i); {
		case b == 12:
			i++
			values[1200+d.u8(i)] = last
		case b <= 21:
			values[b] = last
		case b == 28:
			last, i = int(int16(d.u16(i+1))), i+2
		case b == 29:
			last, i = int(int32(d.u32(i+1))), i+4
		case b == 30:
			for i++; i < len(d) && d[i]&0xF != 0xF; i++ {
			}
		case b >= 32 && b <= 246:
			last = b - 139
		case b >= 247 && b <= 250:
			last, i = (b-247)*256+d.u8(i+1)+108, i+1
		case b >= 251 && b <= 254:
			last, i = -(b-251)*256-d.u8(i+1)-108, i+1
		}
	}
	return values
}

// cffNames returns the number of the name of each glyph.
func cffNames(t bytesOf, at, glyphs int) []int {
	sids := make([]int, 1, max(glyphs, 1))
	if at <= 2 { // predefined; the two expert sets are nothing but small capitals and figures
		for sid := 1; at == 0 && sid <= 228 && sid < glyphs; sid++ {
			sids = append(sids, sid)
		}
		return sids
	}
	format := t.u8(at)
	at++
	for len(sids) < glyphs && at < len(t) {
		first, left := t.u16(at), 0
		at += 2
		switch format {
		case 1:
			left = t.u8(at)
			at++
		case 2:
			left = t.u16(at)
			at += 2
		}
		for i := 0; i <= left && len(sids) < glyphs; i++ {
			sids = append(sids, first+i)
		}
	}
	return sids
}

// readCFFEncoding reads an encoding of the font's own. The standard one needs no
// reading: it is what a font without any is taken to have.
func (p *program) readCFFEncoding(t bytesOf, at, glyphs int) {
	if at <= 1 {
		return
	}
	format, n := t.u8(at), t.u8(at+1)
	glyph := uint32(1)
	for i := range n {
		first, left := t.u8(at+2+i), 0
		if format&0x7F == 1 {
			first, left = t.u8(at+2+2*i), t.u8(at+3+2*i)
		}
		for code := first; code <= first+left && int(glyph) < glyphs; code++ {
			p.glyphs[uint32(code)] = glyph
			glyph++
		}
	}
}
