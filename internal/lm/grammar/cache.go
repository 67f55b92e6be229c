package grammar

import (
	"container/list"
	"context"
	"crypto/sha256"
	"sync"

	"golang.org/x/sync/semaphore"
)

// Cache keeps the grammars that were used last, with their masks: 64 of together 64 MiB.
type Cache struct {
	// Busy bounds how many are compiled at a time; nil: nothing does.
	Busy *semaphore.Weighted

	mu      sync.Mutex
	entries map[[sha256.Size]byte]*list.Element
	used    list.List // of *cached, the latest first
}

type cached struct {
	key [sha256.Size]byte
	g   *Grammar
}

const (
	maxGrammars     = 64
	maxGrammarBytes = 64 << 20
)

// Get returns the grammar of a key, such as the schema's text, and compiles it on first use. Errors are not kept. It
// returns the error of ctx if that ends first.
func (c *Cache) Get(ctx context.Context, key string, compile func() (*Grammar, error)) (*Grammar, error) {
	hash := sha256.Sum256([]byte(key))
	if g := c.find(hash, nil); g != nil {
		return g, nil
	}
	if c.Busy != nil {
		if err := c.Busy.Acquire(ctx, 1); err != nil {
			return nil, err
		}
		defer c.Busy.Release(1)
	}
	if g := c.find(hash, nil); g != nil { // of somebody who was before us
		return g, nil
	}
	g, err := compile()
	if err != nil {
		return nil, err
	}
	return c.find(hash, g), nil
}

// find looks a key up, and puts g there if it is new.
func (c *Cache) find(key [sha256.Size]byte, g *Grammar) *Grammar {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.entries[key]; e != nil {
		c.used.MoveToFront(e)
		return e.Value.(*cached).g
	}
	if g == nil {
		return nil
	}
	if c.entries == nil {
		c.entries = map[[sha256.Size]byte]*list.Element{}
	}
	c.entries[key] = c.used.PushFront(&cached{key, g})
	c.trim()
	return g
}

// trim drops the grammars that are too many or, with what they remember of masks, too large. The latest stays.
func (c *Cache) trim() {
	bytes := 0
	for e := c.used.Front(); e != nil; {
		next := e.Next()
		bytes += e.Value.(*cached).g.bytes()
		if e != c.used.Front() && bytes > maxGrammarBytes {
			delete(c.entries, c.used.Remove(e).(*cached).key)
		}
		e = next
	}
	for c.used.Len() > maxGrammars {
		delete(c.entries, c.used.Remove(c.used.Back()).(*cached).key)
	}
}
