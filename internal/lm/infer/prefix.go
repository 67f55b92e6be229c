package infer

import "slices"

// leastPrefix is the shortest common beginning that is worth taking over.
const leastPrefix = 16

// prefixes keeps the caches of prompts that were computed, so that a prompt that begins like one of them, with the same
// system message or the conversation so far, computes only what is new. The least recently used go when they take more
// than limit bytes.
type prefixes struct {
	limit, bytes int64
	prompts      []remembered // the last one was used last
}

type remembered struct {
	ids      []int32
	cache    *cache
	capacity int
}

// longest returns the prompt that has most of the beginning of ids in common, and how much.
func (p *prefixes) longest(ids []int32) (best remembered, n int) {
	at := -1
	for i, r := range p.prompts {
		if m := alike(r.ids, ids); m > n {
			at, n = i, m
		}
	}
	if n < leastPrefix {
		return remembered{}, 0
	}
	best = p.prompts[at]
	p.prompts = append(slices.Delete(p.prompts, at, at+1), best)
	return best, n
}

// add remembers a prompt in place of those that it contains.
func (p *prefixes) add(r remembered) {
	size := r.cache.bytes()
	if size > p.limit {
		return
	}
	for i := 0; i < len(p.prompts); {
		old := p.prompts[i]
		n := alike(old.ids, r.ids)
		switch {
		case n == len(r.ids): // it is contained itself
			return
		case n == len(old.ids):
			p.drop(i)
		default:
			i++
		}
	}
	for p.bytes+size > p.limit {
		p.drop(0)
	}
	r.cache.share()
	p.prompts, p.bytes = append(p.prompts, r), p.bytes+size
}

func (p *prefixes) drop(i int) {
	p.bytes -= p.prompts[i].cache.bytes()
	p.prompts[i].cache.release()
	p.prompts = slices.Delete(p.prompts, i, i+1)
}

func (p *prefixes) clear() {
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
