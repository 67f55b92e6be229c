package grammar

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"
)

// language is a set of strings: a deterministic automaton over characters that starts in state 0. Missing edges lead
// nowhere. The edges of a state are in order and do not overlap.
type language struct {
	edges [][]span
	final []bool
}

type span struct {
	lo, hi rune
	to     int32
}

// explore builds the language that a description of its states gives: the spans of a state lead to further ones by
// their place in the list of targets. nil if there are more than limit.
func explore[S comparable](start S, next func(S) ([]span, []S), final func(S) bool, limit int) *language {
	l := &language{}
	known := map[S]int32{start: 0}
	queue := []S{start}
	for i := 0; i < len(queue); i++ {
		spans, targets := next(queue[i])
		for j := range spans {
			to := targets[spans[j].to]
			id, ok := known[to]
			if !ok {
				id = int32(len(queue))
				known[to] = id
				queue = append(queue, to)
			}
			spans[j].to = id
		}
		l.edges = append(l.edges, spans)
		l.final = append(l.final, final(queue[i]))
		if len(queue) > limit {
			return nil
		}
	}
	return l.trim()
}

// productive tells for each state whether some string leads from it to a final one.
func (l *language) productive() []bool {
	before := make([][]int32, len(l.edges))
	good := make([]bool, len(l.edges))
	var todo []int32
	for s, spans := range l.edges {
		for _, e := range spans {
			before[e.to] = append(before[e.to], int32(s))
		}
		if l.final[s] {
			todo = append(todo, int32(s))
		}
	}
	for len(todo) > 0 {
		s := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if !good[s] {
			good[s] = true
			todo = append(todo, before[s]...)
		}
	}
	return good
}

// trim drops the states that are good for nothing, but not the start.
func (l *language) trim() *language {
	good := l.productive()
	number := make([]int32, len(good))
	n := int32(1)
	for s := 1; s < len(good); s++ {
		if good[s] {
			number[s] = n
			n++
		}
	}
	t := &language{edges: make([][]span, n), final: make([]bool, n)}
	for s, spans := range l.edges {
		if s > 0 && !good[s] {
			continue
		}
		to := number[s]
		for _, e := range spans {
			if good[e.to] {
				t.edges[to] = append(t.edges[to], span{e.lo, e.hi, number[e.to]})
			}
		}
		t.final[to] = l.final[s]
	}
	return t
}

// intersect returns the strings of both, nil if that takes more states.
func intersect(a, b *language, limit int) *language {
	type pair [2]int32
	return explore(pair{}, func(p pair) (spans []span, targets []pair) {
		x, y := a.edges[p[0]], b.edges[p[1]]
		for len(x) > 0 && len(y) > 0 {
			lo, hi := max(x[0].lo, y[0].lo), min(x[0].hi, y[0].hi)
			if lo <= hi {
				spans = append(spans, span{lo, hi, int32(len(targets))})
				targets = append(targets, pair{x[0].to, y[0].to})
			}
			if x[0].hi < y[0].hi {
				x = x[1:]
			} else {
				y = y[1:]
			}
		}
		return spans, targets
	}, func(p pair) bool { return a.final[p[0]] && b.final[p[1]] }, limit)
}

// complement returns the strings that are not in l.
func complement(l *language) *language {
	c := &language{edges: make([][]span, len(l.edges)+1), final: make([]bool, len(l.final)+1)}
	other := int32(len(l.edges))
	for s := range l.edges {
		var at rune
		for _, e := range l.edges[s] {
			if at < e.lo {
				c.edges[s] = append(c.edges[s], span{at, e.lo - 1, other})
			}
			c.edges[s] = append(c.edges[s], e)
			at = e.hi + 1
		}
		if at <= utf8.MaxRune {
			c.edges[s] = append(c.edges[s], span{at, utf8.MaxRune, other})
		}
		c.final[s] = !l.final[s]
	}
	c.edges[other] = []span{{0, utf8.MaxRune, other}}
	c.final[other] = true
	return c
}

// words returns the language of just these strings.
func words(list []string) *language {
	l := &language{edges: make([][]span, 1), final: make([]bool, 1)}
	for _, w := range list {
		at := int32(0)
		for _, r := range w {
			i, ok := slices.BinarySearchFunc(l.edges[at], r, func(e span, r rune) int { return cmp.Compare(e.lo, r) })
			if !ok {
				l.edges[at] = slices.Insert(l.edges[at], i, span{r, r, int32(len(l.edges))})
				l.edges, l.final = append(l.edges, nil), append(l.final, false)
			}
			at = l.edges[at][i].to
		}
		l.final[at] = true
	}
	return l
}

// lengths returns the strings of lo to hi characters; hi < 0: of any number.
func lengths(lo, hi int) *language {
	last := hi
	if hi < 0 {
		last = lo
	}
	l := &language{edges: make([][]span, last+1), final: make([]bool, last+1)}
	for i := range l.edges {
		l.final[i] = i >= lo
		if i < last {
			l.edges[i] = []span{{0, utf8.MaxRune, int32(i + 1)}}
		} else if hi < 0 {
			l.edges[i] = []span{{0, utf8.MaxRune, int32(i)}}
		}
	}
	return l
}

func (l *language) has(s string) bool {
	at := int32(0)
	for _, r := range s {
		i := slices.IndexFunc(l.edges[at], func(e span) bool { return e.lo <= r && r <= e.hi })
		if i < 0 {
			return false
		}
		at = l.edges[at][i].to
	}
	return l.final[at]
}

// empty reports whether no string is in l.
func (l *language) empty() bool { return !l.productive()[0] }

// quoted reads a string of l as JSON, with its quotes. Of the ways to spell a character only the usual one is allowed:
// itself, or where JSON wants an escape the shortest one.
func (b *builder) quoted(from, to int32, l *language) {
	open := b.state()
	b.bytes(from, '"', '"', open)
	b.spelled(open, l, true, func(_ int, end int32) { b.bytes(end, '"', '"', to) })
}

// raw reads a string of l as it is.
func (b *builder) raw(from, to int32, l *language) {
	b.spelled(from, l, false, func(_ int, end int32) { b.eps(end, to) })
}

func (b *builder) spelled(from int32, l *language, escape bool, accept func(state int, end int32)) {
	at := make([]int32, len(l.edges))
	for s := range at {
		at[s] = b.state()
	}
	if b.full {
		return
	}
	b.eps(from, at[0])
	shared, backslash := tails{}, map[span]int32{}
	for s, spans := range l.edges {
		if l.final[s] {
			accept(s, at[s])
		}
		for _, e := range spans {
			if !escape {
				b.utf8(at[s], at[e.to], e.lo, e.hi, shared)
				continue
			}
			b.escapes(at[s], at[e.to], e.lo, min(e.hi, '\\'), backslash)
			b.utf8(at[s], at[e.to], max(e.lo, ' '), min(e.hi, '"'-1), shared)
			b.utf8(at[s], at[e.to], max(e.lo, '"'+1), min(e.hi, '\\'-1), shared)
			b.utf8(at[s], at[e.to], max(e.lo, '\\'+1), e.hi, shared)
		}
	}
}

// escapes reads those characters between lo and hi that need an escape. known has the states behind a backslash, which
// are the same for many states.
func (b *builder) escapes(from, to int32, lo, hi rune, known map[span]int32) {
	behind, ok := known[span{lo, hi, to}]
	if !ok {
		behind = -1
		for r := lo; r <= hi; r++ {
			if r >= ' ' && r != '"' && r != '\\' {
				continue
			}
			if behind < 0 {
				behind = b.state()
			}
			text := escaped(r)
			end := b.literal(behind, text[:len(text)-1])
			b.bytes(end, text[len(text)-1], text[len(text)-1], to)
		}
		known[span{lo, hi, to}] = behind
	}
	if behind >= 0 {
		b.bytes(from, '\\', '\\', behind)
	}
}

// escaped is how JSON spells a character that cannot stand for itself, without the backslash.
func escaped(r rune) string {
	if i := strings.IndexRune("\"\\\b\f\n\r\t", r); i >= 0 {
		return `"\bfnrt`[i : i+1]
	}
	const hex = "0123456789abcdef"
	return "u00" + string(hex[r>>4]) + string(hex[r&15])
}
