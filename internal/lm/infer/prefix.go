package infer

import "slices"

// leastPrefix is the shortest common beginning that is worth taking over.
const leastPrefix = 16

// Prefixes keeps what was computed of prompts, so that a prompt that begins like one of them, with the same system message
// or the conversation so far, computes only what is new. The least recently used go when they take more than limit bytes.
type Prefixes[T any] struct {
	// Alike tells whether what was computed of a prompt of a tokens is right for one of b tokens that begins alike; nil = always.
	Alike func(a, b int) bool

	limit, bytes int64
	size         func(T) int64
	release      func(T)
	prompts      []remembered[T] // the last one was used last
}

type remembered[T any] struct {
	adapter Adapter
	ids     []int32
	value   T
}

// NewPrefixes makes an empty one. size is in bytes; release, if not nil, is told of what goes.
func NewPrefixes[T any](limit int64, size func(T) int64, release func(T)) Prefixes[T] {
	return Prefixes[T]{limit: limit, size: size, release: release}
}

// Longest returns the prompt of an adapter that has most of the beginning of ids in common, and how much.
func (p *Prefixes[T]) Longest(a Adapter, ids []int32) (best T, n int) {
	at := -1
	for i, r := range p.prompts {
		if m := alike(r.ids, ids); m > n && p.comparable(r, a, ids) {
			at, n = i, m
		}
	}
	if n < leastPrefix {
		return best, 0
	}
	r := p.prompts[at]
	p.prompts = append(slices.Delete(p.prompts, at, at+1), r)
	return r.value, n
}

// Add remembers a prompt of an adapter in place of those that it contains, and tells whether it did.
func (p *Prefixes[T]) Add(a Adapter, ids []int32, value T) bool {
	size := p.size(value)
	if size > p.limit {
		return false
	}
	for i := 0; i < len(p.prompts); {
		old := p.prompts[i]
		n := alike(old.ids, ids)
		switch {
		case !p.comparable(old, a, ids):
			i++
		case n == len(ids): // it is contained itself
			return false
		case n == len(old.ids):
			p.drop(i)
		default:
			i++
		}
	}
	for p.bytes+size > p.limit {
		p.drop(0)
	}
	p.prompts, p.bytes = append(p.prompts, remembered[T]{a, ids, value}), p.bytes+size
	return true
}

// comparable tells whether what was computed of a prompt is what would be computed of another one that begins alike.
func (p *Prefixes[T]) comparable(r remembered[T], a Adapter, ids []int32) bool {
	return r.adapter == a && (p.Alike == nil || p.Alike(len(r.ids), len(ids)))
}

func (p *Prefixes[T]) drop(i int) {
	old := p.prompts[i].value
	p.bytes -= p.size(old)
	if p.release != nil {
		p.release(old)
	}
	p.prompts = slices.Delete(p.prompts, i, i+1)
}

// Forget drops the prompts of an adapter.
func (p *Prefixes[T]) Forget(a Adapter) {
	for i := len(p.prompts) - 1; i >= 0; i-- {
		if p.prompts[i].adapter == a {
			p.drop(i)
		}
	}
}

// Clear forgets all.
func (p *Prefixes[T]) Clear() {
	for len(p.prompts) > 0 {
		p.drop(len(p.prompts) - 1)
	}
}

// alike is the length of the common beginning.
func alike(a, b []int32) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}
