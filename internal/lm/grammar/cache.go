package grammar

import (
	"context"
	"crypto/sha256"
	"slices"
	"sync"

	"golang.org/x/sync/semaphore"
)

// Cache keeps the grammars that were used last, with their masks: 64 of together 64 MiB.
type Cache struct {
	// Busy bounds how many are compiled at a time; nil: nothing does.
	Busy *semaphore.Weighted

	mu   sync.Mutex
	used []cached // the latest first
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
	if i := slices.IndexFunc(c.used, func(x cached) bool { return x.key == key }); i >= 0 {
		g = c.used[i].g
		c.used = slices.Delete(c.used, i, i+1)
	}
	if g == nil {
		return nil
	}
	c.used = slices.Insert(c.used, 0, cached{key, g})
	// Those that are too many or, with what they remember of masks, too large are dropped. The latest stays.
	c.used = slices.Delete(c.used, min(len(c.used), maxGrammars), len(c.used))
	bytes := 0
	c.used = slices.DeleteFunc(c.used, func(x cached) bool {
		bytes += x.g.bytes()
		return x.g != g && bytes > maxGrammarBytes
	})
	return g
}
