package grammar

import (
	"container/list"
	"crypto/sha256"
	"sync"
)

// Cache keeps the grammars that were used last, with their masks. The zero value keeps 64.
type Cache struct {
	mu      sync.Mutex
	entries map[[sha256.Size]byte]*list.Element
	used    list.List // of *cached, the latest first
}

type cached struct {
	key [sha256.Size]byte
	g   *Grammar
}

const maxGrammars = 64

// Get returns the grammar of a key, such as the schema's text, and compiles it on first use. Errors are not kept.
// Callers that come at once for a new key may each compile it, and all get the same.
func (c *Cache) Get(key string, compile func() (*Grammar, error)) (*Grammar, error) {
	hash := sha256.Sum256([]byte(key))
	if g := c.find(hash, nil); g != nil {
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
	if c.used.Len() > maxGrammars {
		oldest := c.used.Remove(c.used.Back()).(*cached)
		delete(c.entries, oldest.key)
	}
	return g
}
