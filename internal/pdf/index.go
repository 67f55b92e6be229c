package pdf

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
)

// The index of a file is built from the objects that stand in it. Its own
// cross-reference tables say no more than which of several objects of a number
// counts, and are believed only where all that they say is true (xref.go): most
// damage and most attacks live in them.

// definition is one "N G obj" as found in the file, in file order.
type definition struct {
	ref    ref
	offset int64   // where N stands; negative: see text
	text   []byte  // the object without "obj" and "endobj", when it must be written anew
	stream *stream // nil for objects without a stream
	dict   dict    // nil unless the object is a dictionary or a stream
}

// stream is where the raw bytes of a stream object lie.
type stream struct {
	ref   ref
	dict  dict
	start int // offsets into the file's data
	end   int
}

// scan lists every object and every trailer of the data.
//
// It repairs in place what the parser library would refuse (unknown escapes in
// strings, "stream" followed by blanks), so data must be the caller's own copy.
func scan(data []byte) (defs []definition, trailers []dict) {
	for pos := 0; ; {
		i := bytes.Index(data[pos:], []byte("obj"))
		if i < 0 {
			return defs, append(trailers, trailersIn(data[pos:])...)
		}
		at := pos + i
		r, start, ok := objectHeader(data, at)
		if !ok {
			trailers = append(trailers, trailersIn(data[pos:at])...)
			pos = at + len("obj")
			continue
		}
		trailers = append(trailers, trailersIn(data[pos:at])...)
		def, next := define(data, r, start, at+len("obj"))
		if def.stream != nil && def.dict.name("Type") == "XRef" {
			trailers = append(trailers, def.dict)
		}
		defs = append(defs, def)
		pos = next
	}
}

// objectHeader reads "N G " backwards from the word obj at data[at:].
func objectHeader(data []byte, at int) (r ref, start int, ok bool) {
	gen, at, ok := numberBefore(data, at, false)
	if !ok || gen > 65535 {
		return ref{}, 0, false
	}
	num, start, ok := numberBefore(data, at, true)
	return ref{num, gen}, start, ok && num > 0
}

func numberBefore(data []byte, at int, spaced bool) (n, start int, ok bool) {
	end := at
	for end > 0 && isSpace(data[end-1]) {
		end--
	}
	start = end
	for start > 0 && end-start < 10 && isDigit(data[start-1]) {
		start--
	}
	if start == end || spaced && end == at {
		return 0, 0, false
	}
	n, err := strconv.Atoi(string(data[start:end]))
	return n, start, err == nil
}

// define reads the object behind "obj" and tells where the scan goes on.
func define(data []byte, r ref, start, body int) (definition, int) {
	def := definition{ref: r, offset: int64(start)}
	obj, l, whole := readObject(data, body)
	d, isDict := obj.(dict)
	if isDict {
		def.dict = d
	}
	if !whole {
		return def, body
	}
	end := l.pos
	word := l.next()
	switch {
	case isDict && word.is("stream"):
		def.stream = locate(data, l.pos, r, d)
		return def, def.stream.end
	case !word.is("endobj"):
		def.text = data[body:end]
		return def, end
	}
	return def, l.pos
}

// locate finds the bytes of a stream whose keyword ends at pos.
func locate(data []byte, pos int, r ref, d dict) *stream {
	eol := pos
	for eol < len(data) && (data[eol] == ' ' || data[eol] == '\t') {
		eol++
	}
	if eol > pos && eol < len(data) && (data[eol] == '\n' || data[eol] == '\r') {
		const word = "stream"
		copy(data[pos-len(word):], bytes.Repeat([]byte{' '}, eol-pos))
		copy(data[eol-len(word):], word)
		pos = eol
	}
	if pos < len(data) && data[pos] == '\r' {
		pos++
	}
	if pos < len(data) && data[pos] == '\n' {
		pos++
	}
	s := &stream{ref: r, dict: d, start: pos}
	if n, ok := d.int("Length"); ok && n >= 0 && pos+n <= len(data) && endsAt(data, pos+n) {
		s.end = pos + n
		return s
	}
	s.end = len(data)
	for _, word := range []string{"endstream", "endobj"} {
		if i := bytes.Index(data[pos:], []byte(word)); i >= 0 {
			s.end = pos + len(trimEOL(data[pos:pos+i]))
			break
		}
	}
	return s
}

func endsAt(data []byte, pos int) bool {
	for i := 0; i < 3 && pos < len(data) && isSpace(data[pos]); i++ {
		pos++
	}
	return bytes.HasPrefix(data[pos:], []byte("endstream"))
}

func trimEOL(b []byte) []byte {
	b, _ = bytes.CutSuffix(b, []byte("\n"))
	b, _ = bytes.CutSuffix(b, []byte("\r"))
	return b
}

func trailersIn(gap []byte) (found []dict) {
	const word = "trailer"
	for {
		i := bytes.Index(gap, []byte(word))
		if i < 0 {
			return found
		}
		gap = gap[i+len(word):]
		l := lexer{data: gap}
		if obj, _ := l.object(0); obj != nil {
			if d, ok := obj.(dict); ok {
				found = append(found, d)
			}
		}
	}
}

// index maps object numbers to their last definition.
type index struct {
	data []byte
	defs map[int]definition
}

// newIndex lets later definitions win, as an incremental update means it.
// Object streams are unpacked with decode, within budget bytes altogether, but
// for what sound tables know otherwise.
func newIndex(data []byte, defs []definition, sound *tables, decode func(*stream) ([]byte, error), budget int) *index {
	// The table that the library builds is as long as the largest number, so a
	// number is believed only as far as the count of objects makes it likely.
	largest := 100_000 + 64*len(defs)
	ix := &index{data: data, defs: make(map[int]definition, len(defs))}
	for _, def := range defs {
		if def.ref.num > largest {
			continue
		}
		ix.defs[def.ref.num] = def
		if def.stream == nil || def.dict.name("Type") != "ObjStm" {
			continue
		}
		content, _ := decode(def.stream) // what could be decoded is used
		if budget -= len(content); budget < 0 {
			break
		}
		for _, packed := range unpack(content, def.dict) {
			if packed.ref.num <= largest && sound.packs(packed.ref.num, def.ref.num) {
				ix.defs[packed.ref.num] = packed
			}
		}
	}
	return ix
}

// unpack lists the objects of a decoded object stream.
func unpack(content []byte, d dict) []definition {
	n, _ := d.int("N")
	first, ok := d.int("First")
	if !ok || first < 0 || first > len(content) {
		return nil
	}
	head := lexer{data: content[:first]}
	var defs []definition
	for len(defs) < n {
		num, offset := head.next(), head.next()
		if num.kind != number || offset.kind != number {
			break
		}
		at := float64(first) + offset.num
		if num.num < 1 || num.num > 1<<31 || at < float64(first) || at > float64(len(content)) {
			continue
		}
		obj, l, ok := readObject(content, int(at))
		if !ok {
			continue
		}
		def := definition{ref: ref{num: int(num.num)}, offset: -1, text: content[int(at):l.pos]}
		def.dict, _ = obj.(dict)
		defs = append(defs, def)
	}
	return defs
}

// get reads the object that v refers to, or v itself when it is no reference.
func (ix *index) get(v any) any {
	for hops := 0; hops < 8; hops++ {
		r, ok := v.(ref)
		if !ok {
			return v
		}
		def, ok := ix.defs[r.num]
		switch {
		case !ok:
			return nil
		case def.dict != nil:
			return def.dict
		default:
			l := ix.lexerOf(def)
			v, _ = l.object(0)
		}
	}
	return nil
}

// lexerOf stands before the object of a definition.
func (ix *index) lexerOf(def definition) lexer {
	if def.text != nil {
		return lexer{data: def.text}
	}
	l := lexer{data: ix.data, pos: int(def.offset)}
	l.next()
	l.next()
	l.next() // N G obj
	return l
}

// numbers lists the objects in ascending order.
func (ix *index) numbers() []int { return slices.Sorted(maps.Keys(ix.defs)) }

// What is missing, or of another kind, is zero.

func (ix *index) dict(v any) dict {
	d, _ := ix.get(v).(dict)
	return d
}

func (ix *index) list(v any) array {
	a, _ := ix.get(v).(array)
	return a
}

func (ix *index) name(v any) string {
	n, _ := ix.get(v).(nameObj)
	return string(n)
}

func (ix *index) num(v any) float64 {
	n, _ := ix.get(v).(float64)
	return n
}

func (ix *index) nums(v any) (all []float64) {
	for _, v := range ix.list(v) {
		all = append(all, ix.num(v))
	}
	return all
}

func (ix *index) stream(v any) *stream {
	r, _ := v.(ref)
	return ix.defs[r.num].stream
}

// image is the file as the parser library sees it: an acceptable header, the
// data, and an appendix with unpacked objects, a fresh cross-reference table
// and a trailer. The data itself is not copied.
type image struct{ parts [3][]byte }

const header = "%PDF-1.7\n"

// newImage writes the appendix. The trailer carries root and, under Nodes, the
// objects of the page tree.
func newImage(ix *index, root ref, nodes []ref) *image {
	var app bytes.Buffer
	offsets := make(map[int]int64, len(ix.defs))
	largest, texts := 0, 0
	for num, def := range ix.defs {
		largest, texts = max(largest, num), texts+len(def.text)
	}
	app.Grow(texts + 40*len(ix.defs) + 20*largest + 20*len(nodes) + 256) // about what is written below
	for num, def := range ix.defs {
		if def.text == nil {
			offsets[num] = int64(len(header)) + def.offset
			continue
		}
		app.WriteByte('\n')
		offsets[num] = int64(len(header)+len(ix.data)) + int64(app.Len())
		fmt.Fprintf(&app, "%d %d obj\n%s\nendobj\n", num, def.ref.gen, def.text)
	}
	table := int64(len(header)+len(ix.data)) + int64(app.Len()) + 1
	fmt.Fprintf(&app, "\nxref\n0 %d\n0000000000 65535 f \n", largest+1)
	for num := 1; num <= largest; num++ {
		if off, ok := offsets[num]; ok {
			fmt.Fprintf(&app, "%010d %05d n \n", off, ix.defs[num].ref.gen)
		} else {
			app.WriteString("0000000000 65535 f \n")
		}
	}
	fmt.Fprintf(&app, "trailer\n<</Size %d/Root %v/Nodes[", largest+1, root)
	for _, r := range nodes {
		app.WriteString(r.String())
		app.WriteByte(' ')
	}
	fmt.Fprintf(&app, "]>>\nstartxref\n%d\n%%%%EOF\n", table)
	return &image{parts: [3][]byte{[]byte(header), ix.data, app.Bytes()}}
}

func (m *image) size() (n int64) {
	for _, p := range m.parts {
		n += int64(len(p))
	}
	return n
}

func (m *image) ReadAt(b []byte, off int64) (n int, err error) {
	for _, p := range m.parts {
		if off < int64(len(p)) && n < len(b) {
			m := copy(b[n:], p[max(off, 0):])
			n += m
			off += int64(m)
		}
		off -= int64(len(p))
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}
