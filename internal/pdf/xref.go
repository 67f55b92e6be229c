package pdf

import (
	"bytes"
	"slices"
)

// tables are the cross-reference tables of a file: which of the objects that stand in it are those that viewers show.
// An object may stand there several times, left over from an earlier revision, in an attachment, or planted.
type tables struct {
	places   map[int]place
	trailers []dict // the newest last
}

// place is where an object is.
type place struct {
	offset int64
	within int // the object stream that holds it; 0: none
	free   bool
}

const (
	maxTail     = 4 << 10 // bytes at the end of the file in which viewers look for the tables
	maxSections = 1 << 10
)

// readTables reads the tables if they are sound: each object is where they say. Of damaged ones nothing is believed,
// then, as in viewers that repair a file, the last definition counts. start is where the file's header is.
func readTables(data []byte, defs []definition, start int) *tables {
	end := len(bytes.TrimRight(data, "\x00\r\n\t "))
	from := max(0, end-maxTail)
	at := bytes.LastIndex(data[from:end], []byte("startxref"))
	if at < 0 || bytes.Contains(data[from+at:end], []byte("trailer")) { // of an update that has no table
		return nil
	}
	l := lexer{data: data, pos: from + at + len("startxref")}
	where := l.next()
	r := tableReader{data: data, defs: make(map[int64]*definition, len(defs)), seen: map[int64]bool{}, t: &tables{places: map[int]place{}}}
	for i := range defs {
		r.defs[defs[i].offset] = &defs[i]
	}
	for _, shift := range []int64{0, int64(start)} { // offsets may count from the header
		r.shift = shift
		if where.kind == number && r.begins(int64(where.num)) {
			if r.section(int64(where.num)) && r.isSound() {
				return r.t
			}
			return nil
		}
	}
	return nil
}

type tableReader struct {
	data  []byte
	defs  map[int64]*definition
	shift int64
	seen  map[int64]bool
	t     *tables
}

// at stands before what is at an offset, but for white space, and returns the object that begins there. False: that is outside
// of the file.
func (r *tableReader) at(offset int64) (l lexer, def *definition, ok bool) {
	p := offset + r.shift
	if p < 0 || p >= int64(len(r.data)) {
		return l, nil, false
	}
	l = lexer{data: r.data, pos: int(p)}
	l.skipSpace()
	return l, r.defs[int64(l.pos)], true
}

func (r *tableReader) begins(offset int64) bool {
	l, def, ok := r.at(offset)
	return ok && (bytes.HasPrefix(r.data[l.pos:], []byte("xref")) || def != nil && def.dict.name("Type") == "XRef")
}

// section reads a table and those before it. What a newer one says counts.
func (r *tableReader) section(offset int64) bool {
	for range maxSections {
		if r.seen[offset] || !r.begins(offset) {
			return false
		}
		r.seen[offset] = true
		trailer, ok := r.one(offset)
		if !ok {
			return false
		}
		r.t.trailers = append([]dict{trailer}, r.t.trailers...)
		previous, more := trailer["Prev"]
		if !more {
			return true
		}
		n, ok := previous.(float64)
		if !ok {
			return false
		}
		offset = int64(n)
	}
	return false
}

func (r *tableReader) one(offset int64) (trailer dict, ok bool) {
	l, def, _ := r.at(offset)
	if def != nil {
		return def.dict, r.stream(def)
	}
	l.pos += len("xref")
	type entry struct {
		num int
		place
	}
	var entries []entry
	for {
		first := l.next()
		if first.is("trailer") {
			break
		}
		count := l.next()
		if first.kind != number || count.kind != number || first.num < 0 || count.num < 0 || count.num > float64(len(r.data)/16) {
			return nil, false
		}
		for i := range int(count.num) {
			at, gen, kind := l.next(), l.next(), l.next()
			if at.kind != number || gen.kind != number || !kind.is("n") && !kind.is("f") {
				return nil, false
			}
			entries = append(entries, entry{int(first.num) + i, place{offset: int64(at.num), free: kind.is("f") || at.num == 0}})
		}
	}
	obj, _ := l.object(0)
	trailer, ok = obj.(dict)
	if !ok {
		return nil, false
	}
	if hybrid, ok := trailer["XRefStm"].(float64); ok { // it knows objects that the table calls free
		if _, def, _ := r.at(int64(hybrid)); def == nil || !r.stream(def) {
			return nil, false
		}
	}
	for _, e := range entries {
		r.add(e.num, e.place)
	}
	return trailer, true
}

func (r *tableReader) add(num int, p place) {
	if _, known := r.t.places[num]; !known {
		r.t.places[num] = p
	}
}

// stream reads a cross-reference stream.
func (r *tableReader) stream(def *definition) bool {
	if def.stream == nil || def.dict.name("Type") != "XRef" {
		return false
	}
	ix := &index{} // these streams refer to no object
	data, err := decode(r.data[def.stream.start:def.stream.end], ix.filters(def.dict), maxKeptBytes)
	widths, ranges := ix.nums(def.dict["W"]), ix.nums(def.dict["Index"])
	if err != nil || len(widths) != 3 || slices.ContainsFunc(widths, func(w float64) bool { return w < 0 || w > 8 }) {
		return false
	}
	if ranges == nil {
		ranges = []float64{0, ix.num(def.dict["Size"])}
	}
	w := [2]int{int(widths[0]), int(widths[1])}
	size := w[0] + w[1] + int(widths[2])
	for i := 0; i+1 < len(ranges) && size > 0; i += 2 {
		first, count := ranges[i], ranges[i+1]
		if first < 0 {
			return false
		}
		for n := 0; n < int(count) && len(data) >= size; n++ {
			kind := uint64(1)
			if w[0] > 0 {
				kind = bigEndian(data[:w[0]])
			}
			second := bigEndian(data[w[0] : w[0]+w[1]])
			data = data[size:]
			switch p := (place{}); kind {
			case 1:
				p.offset, p.free = int64(second), second == 0
				r.add(int(first)+n, p)
			case 2:
				p.within = int(second)
				r.add(int(first)+n, p)
			default:
				r.add(int(first)+n, place{free: true})
			}
		}
	}
	return true
}

// isSound holds each place against the file, and turns it into that of the definition there.
func (r *tableReader) isSound() bool {
	for num, p := range r.t.places {
		if p.free || p.within > 0 {
			continue
		}
		_, def, _ := r.at(p.offset)
		if def == nil || def.ref.num != num {
			return false
		}
		p.offset = def.offset
		r.t.places[num] = p
	}
	root, ok := r.t.trailers[len(r.t.trailers)-1]["Root"].(ref)
	p, known := r.t.places[root.num]
	return ok && known && !p.free
}

// keep returns the definitions that count. Nil tables keep all.
func (t *tables) keep(defs []definition) []definition {
	if t == nil {
		return defs
	}
	kept := make([]definition, 0, len(defs))
	for _, def := range defs {
		if p, ok := t.places[def.ref.num]; ok && !p.free && p.within == 0 && p.offset == def.offset {
			kept = append(kept, def)
		}
	}
	return kept
}

// packs tells whether the object of a number is the one in an object stream.
func (t *tables) packs(num, stream int) bool {
	if t == nil {
		return true
	}
	p, ok := t.places[num]
	return ok && p.within == stream
}

// settleLengths finds the ends of streams whose length is another object, and drops what looked like objects inside.
func settleLengths(data []byte, defs []definition) []definition {
	ix := index{data: data, defs: make(map[int]definition, len(defs))}
	for _, def := range defs {
		ix.defs[def.ref.num] = def
	}
	kept, inside := defs[:0:0], 0
	for _, def := range defs {
		if def.offset < int64(inside) {
			continue
		}
		kept = append(kept, def)
		if def.stream == nil {
			continue
		}
		if r, ok := def.dict["Length"].(ref); ok {
			n, _ := ix.get(r).(float64)
			if end := def.stream.start + int(n); n > 0 && n < float64(len(data)) && end > def.stream.end && end <= len(data) && endsAt(data, end) {
				def.stream.end, inside = end, end
			}
		}
	}
	return kept
}
