package pdf

// settleGenerations corrects the second number of "N G obj". The parser library
// finds an object only under both of its numbers, where viewers look at the first
// alone. One whose generation no reference names, while some name generation 0,
// gets that one, in place.
func (ix *index) settleGenerations() {
	named := map[ref]bool{}
	for num, def := range ix.defs {
		if def.ref.gen != 0 {
			named[def.ref], named[ref{num: num}] = false, false
		}
	}
	if len(named) == 0 { // nearly all files
		return
	}
	for _, def := range ix.defs {
		l := ix.lexerOf(def)
		l.named = named
		l.object(0)
	}
	for num, def := range ix.defs {
		if def.ref.gen == 0 || named[def.ref] || !named[ref{num: num}] {
			continue
		}
		l := lexer{data: ix.data, pos: int(def.offset)}
		l.next() // N
		l.skipSpace()
		for ; l.pos < len(l.data) && isDigit(l.data[l.pos]); l.pos++ {
			l.data[l.pos] = '0'
		}
		def.ref.gen = 0
		if def.stream != nil {
			def.stream.ref.gen = 0
		}
		ix.defs[num] = def
	}
}
