package chunk

import (
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Span is a range of bytes in a text. Both ends stand between characters.
type Span struct{ Start, End int }

// Spans returns where text is to be cut. It is pure: the same text gives the same spans.
//
// Starts and ends rise from span to span. Together the spans cover the text but for white space, and none has white space at
// its ends. Each measures at most Size, with one exception: a single character that alone measures more (possible with
// tokens) is a span of its own. A span ends at the last paragraph that ends in its second half, else at the last sentence
// or the last line there, else after its last whole word; only a word longer than Size is cut inside, and then
// not before a combining mark. A heading, and the head of a table, goes with what follows it, and where a heading begins a span
// nothing is shared. Options.Headings and the heads of tables count, as they do in a Chunk.
func (s *Splitter) Spans(text string) []Span { return s.spans(text, readStructure(text)) }

func (s *Splitter) spans(text string, lines structure) []Span {
	w := window{text: text, lines: lines, breaks: findBreaks(text, lines), o: s.o, stride: 1}
	if len(w.breaks) == 0 {
		return nil
	}
	var spans []Span
	start := len(text) - len(strings.TrimLeftFunc(text, unicode.IsSpace))
	stop := w.breaks[len(w.breaks)-1].end
	// Every turn ends a span beyond the last one, or gives up an overlap so that the next turn does.
	floor, resume, inside := start, start, false
	for {
		cut, ok := w.furthest(start, floor, start == resume || inside)
		if !ok {
			start = resume
			continue
		}
		spans = append(spans, Span{start, cut.end})
		if cut.end >= stop {
			return spans
		}
		inside = !w.isBreak(cut.end)
		floor, resume = cut.end, cut.next
		start = w.overlap(start, cut, inside)
	}
}

// window looks for the spans of one text.
type window struct {
	text   string
	lines  structure
	breaks []textBreak
	o      Options
	stride int // how many breaks the last span held: where to look first for the end of the next
}

// furthest returns the best place to end a span that begins at start and must end beyond floor. It fails when not even one word
// fits, or, where words may be cut, not even one character; but a span that shares nothing (start at or beyond floor) always
// gets its first character.
func (w *window) furthest(start, floor int, cutWords bool) (textBreak, bool) {
	front := w.lines.front(w.text, start, w.o)
	fits := func(end int) bool { return w.o.Measure(front+w.text[start:end]) <= w.o.Size }
	first := w.after(floor)
	if end, ok := w.inWord(floor, w.breaks[first].end, fits); end < w.breaks[first].end || !ok {
		return textBreak{end: end, next: w.skipSpace(end)}, cutWords && (ok || start >= floor)
	}
	last := largest(first, len(w.breaks), w.stride, func(i int) bool { return fits(w.breaks[i].end) })
	w.stride = max(last-first, 1)
	if last == len(w.breaks)-1 {
		return w.breaks[last], true
	}
	best, half := last, start+(w.breaks[last].end-start)/2
	for i := last; i >= first && w.breaks[i].end > half; i-- {
		if w.breaks[i].grade > w.breaks[best].grade {
			best = i
		}
	}
	for i := best; w.breaks[best].grade == glued && i >= first; i-- {
		if w.breaks[i].grade > glued {
			best = i
		}
	}
	if !fits(w.breaks[best].end) { // a measure that falls while text grows
		best = last
	}
	return w.breaks[best], true
}

// inWord returns the furthest place in (floor, limit] that fits, where limit is the end of the word after floor. If not even
// one character of it fits, it returns the place after that character, and false.
func (w *window) inWord(floor, limit int, fits func(int) bool) (int, bool) {
	least := w.runeEnd(w.skipSpace(floor))
	if !fits(least) {
		return least, false
	}
	// Words are short: the first step reaches the end of nearly all of them.
	end := w.runeStart(largest(least, limit+1, 64, func(i int) bool { return fits(w.runeStart(i)) }))
	// Stay with the letter that a mark belongs to, but not at the price of getting nowhere.
	whole := end
	for whole > least && whole < limit && joins(w.runeAt(whole)) {
		whole = w.runeStart(whole - 1)
	}
	if whole > least && fits(whole) {
		return whole, true
	}
	return end, true
}

// overlap returns where the span after [start, cut.end) begins: at the first sentence, else the first word, from which at most
// Overlap is shared.
func (w *window) overlap(start int, cut textBreak, inside bool) int {
	if w.o.Overlap == 0 || cut.grade == section {
		return cut.next
	}
	shareable := func(from int) bool { return w.o.Measure(w.text[from:cut.end]) <= w.o.Overlap }
	first := sort.Search(len(w.breaks), func(i int) bool { return w.breaks[i].next > start })
	limit := w.after(cut.end - 1) // breaks before this one end before cut
	k := first + sort.Search(max(limit-first, 0), func(i int) bool { return shareable(w.breaks[first+i].next) })
	if k < limit && shareable(w.breaks[k].next) {
		from := w.breaks[k].next
		latest := from + (cut.end-from)*3/4 // a sentence further on would leave too little to share
		for i := k; i < limit && w.breaks[i].next <= latest; i++ {
			if w.breaks[i].grade >= sentence && shareable(w.breaks[i].next) {
				return w.breaks[i].next
			}
		}
		return from
	}
	if inside {
		from := start + sort.Search(cut.end-start, func(i int) bool { return shareable(w.runeStart(start + i)) })
		if from = w.runeStart(from); from > start && from < cut.end && shareable(from) {
			return from
		}
	}
	return cut.next
}

// after returns the index of the first break that ends beyond offset.
func (w *window) after(offset int) int {
	return sort.Search(len(w.breaks), func(i int) bool { return w.breaks[i].end > offset })
}

func (w *window) isBreak(end int) bool { return w.breaks[w.after(end-1)].end == end }

func (w *window) skipSpace(i int) int {
	for unicode.IsSpace(w.runeAt(i)) {
		i = w.runeEnd(i)
	}
	return i
}

func (w *window) runeAt(i int) rune {
	r, _ := utf8.DecodeRuneInString(w.text[i:])
	return r
}

func (w *window) runeEnd(i int) int {
	_, size := utf8.DecodeRuneInString(w.text[i:])
	return i + size
}

// runeStart moves i back to the beginning of the character it stands in.
func (w *window) runeStart(i int) int {
	for back := 0; back < utf8.UTFMax && i-back >= 0 && i < len(w.text); back++ {
		if start := i - back; utf8.RuneStart(w.text[start]) {
			if w.runeEnd(start) > i {
				return start
			}
			break
		}
	}
	return i
}

// joins tells whether r must stay with the character before it: a combining mark, a joiner or a variation selector.
func joins(r rune) bool { return unicode.IsMark(r) || r == '\u200D' }

// largest returns the largest i in [low, high) for which ok holds, given that ok(low) does and that ok, once false, stays
// false. It tries steps of growing length from low, so that the cost depends on the distance and not on high. Whatever ok
// does, the answer is one for which it held.
func largest(low, high, step int, ok func(int) bool) int {
	good, bad := low, high
	for good < high-1 {
		probe := min(good+step, high-1)
		if !ok(probe) {
			bad = probe
			break
		}
		good, step = probe, 2*step
	}
	for bad-good > 1 {
		if middle := good + (bad-good)/2; ok(middle) {
			good = middle
		} else {
			bad = middle
		}
	}
	return good
}
