package grammar

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// network is a pushdown automaton over bytes: states with byte edges, with edges that cost nothing, and with calls, which
// are passed once the called rule has been. A rule is never empty and calls nothing before its first byte, so that no
// rule can call itself without having read something.
type network struct {
	states []state
	rules  []rule // rules[0] is the document
}

type state struct {
	edges []edge
	eps   []int32
	calls []call
	final bool // of its rule
	ends  bool // final is reached without a byte
	// need is how much deeper, at least, the stack gets on the way to the end of the rule; never if there is no way.
	need int16
	// run counts the states ahead, each one character on, that differ from this one in nothing but that number.
	run int32
}

type edge struct {
	lo, hi byte
	to     int32
}

type call struct{ rule, ret int32 }

type rule struct {
	start  int32
	weight int16 // what a call adds to the depth: 1 for JSON values, 0 for parts of them
}

const never = 1 << 14

// builder makes a network. After maxStates, and the end of ctx, it makes no more and is full: the caller then gives up.
type builder struct {
	network
	ctx  context.Context
	full bool

	space, tail, char int32 // rules that all others share, -1 until needed
}

func newBuilder(ctx context.Context) *builder {
	b := &builder{ctx: ctx, space: -1, tail: -1, char: -1}
	b.newRule(1)
	return b
}

// state is a new one. When there are too many, or nobody waits any more, it is the first, which is always there.
func (b *builder) state() int32 {
	if b.full || len(b.states) == maxStates || len(b.states)%1024 == 1023 && b.ctx.Err() != nil {
		b.full = true
		return 0
	}
	b.states = append(b.states, state{})
	return int32(len(b.states) - 1)
}

func (b *builder) newRule(weight int16) int32 {
	b.rules = append(b.rules, rule{start: b.state(), weight: weight})
	return int32(len(b.rules) - 1)
}

func (b *builder) bytes(from int32, lo, hi byte, to int32) {
	b.states[from].edges = append(b.states[from].edges, edge{lo, hi, to})
}

func (b *builder) eps(from, to int32) { b.states[from].eps = append(b.states[from].eps, to) }

func (b *builder) call(from, rule, to int32) {
	b.states[from].calls = append(b.states[from].calls, call{rule, to})
}

// literal reads text and returns the state behind it.
func (b *builder) literal(from int32, text string) int32 {
	for i := range len(text) {
		to := b.state()
		b.bytes(from, text[i], text[i], to)
		from = to
	}
	return from
}

// shared returns the rule kept in slot, made by fill on first use.
func (b *builder) shared(slot *int32, fill func(start, end int32)) int32 {
	if *slot < 0 {
		*slot = b.newRule(0)
		end := b.state()
		b.states[end].final = true
		fill(b.rules[*slot].start, end)
	}
	return *slot
}

var space = constant(fmt.Sprintf(` |\n[ \t]{0,%d}`, maxIndent))

// whitespace reads the white space that may stand in one place and returns the state behind it: none, one space, or a
// new line with an indent. Models that are held to a form they did not choose drift into endless white space.
func (b *builder) whitespace(from int32) int32 {
	space := b.shared(&b.space, func(start, end int32) { b.raw(start, end, space()) })
	to := b.state()
	b.eps(from, to)
	b.call(from, space, to)
	return to
}

// text reads any string behind its opening quote, and that of the end.
func (b *builder) text(from, to int32) {
	b.call(from, b.shared(&b.tail, func(start, end int32) {
		b.raw(start, start, character())
		b.bytes(start, '"', '"', end)
	}), to)
}

// counted reads a string of lo to hi characters (hi < 0: of any number) behind its opening quote, and that of the end.
func (b *builder) counted(from, to int32, lo, hi int) {
	char := b.shared(&b.char, func(start, end int32) { b.raw(start, end, character()) })
	n := max(lo, hi) + 1
	first := int32(len(b.states))
	for range n {
		b.state()
	}
	if b.full {
		return
	}
	b.eps(from, first)
	for i := range n {
		at := first + int32(i)
		if i+1 < n {
			b.call(at, char, at+1)
		}
		switch {
		case i < lo:
			b.states[at].run = int32(lo - i)
		case hi < 0:
			b.text(at, to)
		default:
			b.states[at].run = int32(hi - i)
			b.bytes(at, '"', '"', to)
		}
	}
}

// character is one of a JSON string in any of its spellings. A lone surrogate is none.
var character = constant(`[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u(?:[0-9A-CEFa-cef][0-9a-fA-F]{3}|[Dd][0-7][0-9a-fA-F]{2}|` +
	`[Dd][89ABab][0-9a-fA-F]{2}\\u[Dd][C-Fc-f][0-9a-fA-F]{2}))`)

// constant is the language of an expression of this package.
func constant(expr string) func() *language {
	return sync.OnceValue(func() *language {
		l, err := pattern("^(?:"+expr+")$", new(int))
		if err != nil {
			panic(err)
		}
		return l
	})
}

// tails are the states that read the rest of a character, shared by all ranges with the same rest.
type tails map[tail]int32

type tail struct {
	to     int32
	lo, hi string
}

// utf8 reads one character between lo and hi as UTF-8, without the surrogates.
func (b *builder) utf8(from, to int32, lo, hi rune, shared tails) {
	if shared == nil {
		shared = tails{}
	}
	for _, limit := range []rune{0x7f, 0x7ff, 0xd7ff, 0xdfff, 0xffff, utf8.MaxRune} {
		if lo > hi {
			return
		}
		if lo > limit {
			continue
		}
		if limit != 0xdfff {
			b.sequence(from, to, []byte(string(lo)), []byte(string(min(hi, limit))), shared)
		}
		lo = limit + 1
	}
}

// sequence reads what lies between two byte strings of equal length, in order.
func (b *builder) sequence(from, to int32, lo, hi []byte, shared tails) {
	if len(lo) == 1 {
		b.bytes(from, lo[0], hi[0], to)
		return
	}
	rest := func(lo, hi string) int32 {
		at, ok := shared[tail{to, lo, hi}]
		if !ok {
			at = b.state()
			shared[tail{to, lo, hi}] = at
			b.sequence(at, to, []byte(lo), []byte(hi), shared)
		}
		return at
	}
	least, most := strings.Repeat("\x80", len(lo)-1), strings.Repeat("\xbf", len(lo)-1)
	if lo[0] == hi[0] {
		b.bytes(from, lo[0], hi[0], rest(string(lo[1:]), string(hi[1:])))
		return
	}
	first, last := lo[0], hi[0]
	if string(lo[1:]) != least {
		b.bytes(from, first, first, rest(string(lo[1:]), most))
		first++
	}
	if string(hi[1:]) != most {
		b.bytes(from, last, last, rest(least, string(hi[1:])))
		last--
	}
	if first <= last {
		b.bytes(from, first, last, rest(least, most))
	}
}

// finish computes ends and need. The network is not changed after that.
func (b *builder) finish() {
	n := &b.network
	type from struct{ state, rule int32 } // rule < 0: by an edge; else by a call of it that returns here
	preds := make([][]from, len(n.states))
	type site struct{ state, ret int32 }
	callers := make([][]site, len(n.rules))
	starts := map[int32]int32{}
	for r := range n.rules {
		starts[n.rules[r].start] = int32(r)
	}
	for s := range n.states {
		n.states[s].need = never
		for _, e := range n.states[s].edges {
			preds[e.to] = append(preds[e.to], from{int32(s), -1})
		}
		for _, to := range n.states[s].eps {
			preds[to] = append(preds[to], from{int32(s), -1})
		}
		for _, c := range n.states[s].calls {
			preds[c.ret] = append(preds[c.ret], from{int32(s), c.rule})
			callers[c.rule] = append(callers[c.rule], site{int32(s), c.ret})
		}
	}
	var endings []int32
	for s := range n.states {
		if n.states[s].final {
			n.states[s].ends = true
			endings = append(endings, int32(s))
		}
	}
	queue := append([]int32(nil), endings...)
	for len(endings) > 0 {
		s := endings[len(endings)-1]
		endings = endings[:len(endings)-1]
		for _, p := range preds[s] {
			if p.rule < 0 && !n.states[p.state].ends && slices.Contains(n.states[p.state].eps, s) {
				n.states[p.state].ends = true
				endings = append(endings, p.state)
			}
		}
	}
	// By rising depth, so that the first visit of a state has its need.
	var later []int32
	for depth := int16(0); len(queue) > 0; depth++ {
		later = later[:0]
		for len(queue) > 0 {
			s := queue[len(queue)-1]
			queue = queue[:len(queue)-1]
			if n.states[s].need <= depth {
				continue
			}
			n.states[s].need = depth
			for _, p := range preds[s] {
				if p.rule < 0 {
					queue = append(queue, p.state)
					continue
				}
				switch callee := n.rules[p.rule]; {
				case n.states[callee.start].need+callee.weight <= depth:
					queue = append(queue, p.state)
				case n.states[callee.start].need <= depth:
					later = append(later, p.state)
				}
			}
			if r, ok := starts[s]; ok {
				for _, c := range callers[r] {
					switch {
					case n.states[c.ret].need > depth: // it comes again from there
					case n.rules[r].weight == 0:
						queue = append(queue, c.state)
					default:
						later = append(later, c.state)
					}
				}
			}
		}
		queue = append(queue, later...)
	}
}
