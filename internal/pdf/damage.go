package pdf

// readObject reads the object at pos and returns the lexer behind it. One damaged
// byte of a dictionary must not cost all entries behind it: if the object does not
// end as it must, what fits nowhere is taken out. That happens in data too, since
// the parser library stops at it.
func readObject(data []byte, pos int) (obj any, l lexer, whole bool) {
	l = lexer{data: data, pos: pos, repair: true}
	if obj, whole = l.object(0); whole {
		return obj, l, true
	}
	lenient := lexer{data: data, pos: pos, repair: true, lenient: true}
	again, whole := lenient.object(0)
	if !whole {
		return obj, l, false // perhaps it runs on into the next one
	}
	for _, m := range lenient.misfits {
		for i := m.start; i < m.end; i++ {
			data[i] = ' '
		}
		if m.isValue {
			data[m.end-1] = '0'
		}
	}
	return again, lenient, true
}

// misfit is a token that may not stand where it does. One in the place of a value
// counts as 0, for it was a number most likely.
type misfit struct {
	start, end int
	isValue    bool
}

// isMisfit notes a word that was just read, in the place of a value, unless it is one
// that no object goes beyond.
func (l *lexer) isMisfit(word []byte) bool {
	switch string(word) {
	case "obj", "endobj", "stream", "endstream", "xref", "trailer", "startxref":
		return false
	}
	return l.takeOut(misfit{l.pos - len(word), l.pos, true})
}

// skipMisfit notes what stands in the place of a key.
func (l *lexer) skipMisfit(depth int) bool {
	start := l.pos
	_, ok := l.object(depth + 1)
	return l.takeOut(misfit{start, l.pos, false}) && ok
}

// maxMisfits is more than damage leaves of an object that is still worth reading.
const maxMisfits = 100

func (l *lexer) takeOut(m misfit) bool {
	if !l.lenient || len(l.misfits) == maxMisfits {
		return false
	}
	l.misfits = append(l.misfits, m)
	return true
}
