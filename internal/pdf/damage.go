package pdf

// readObject reads the object at pos and returns the lexer behind it. One damaged
// byte of a dictionary must not cost all entries behind it: if the object does not
// end as it must, what fits nowhere is left out.
func readObject(data []byte, pos int) (obj any, l lexer, whole bool) {
	l = lexer{data: data, pos: pos}
	if obj, whole = l.object(0); whole {
		return obj, l, true
	}
	lenient := lexer{data: data, pos: pos, misfits: maxMisfits}
	if again, whole := lenient.object(0); whole {
		return again, lenient, true
	}
	return obj, l, false // perhaps it runs on into the next one
}

// maxMisfits is more than damage leaves of an object that is still worth reading.
const maxMisfits = 100

// isMisfit tells whether to go on behind a word that was just read in the place of a value: a number most likely, and
// counted as 0. There are words that no object goes beyond.
func (l *lexer) isMisfit(word []byte) bool {
	switch string(word) {
	case "obj", "endobj", "stream", "endstream", "xref", "trailer", "startxref":
		return false
	}
	l.misfits--
	return l.misfits >= 0
}

// skipMisfit goes on behind what stands in the place of a key.
func (l *lexer) skipMisfit(depth int) bool {
	if l.misfits--; l.misfits < 0 {
		return false
	}
	_, ok := l.object(depth + 1)
	return ok
}
