package infer

import (
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/docent-ml/docent/internal/device"
)

// cache is the keys and values of one or more sequences, K and V of each layer in turn. It is never written: what
// extends a cache makes a new one, so several prompts and the batch can hold the same.
type cache struct {
	tensors []*tensors.Tensor
	users   int
}

func newCache(ts []*tensors.Tensor) *cache { return &cache{tensors: ts, users: 1} }

func (c *cache) share() *cache {
	c.users++
	return c
}

// release frees the tensors with the last user. Nil has none.
func (c *cache) release() {
	if c == nil {
		return
	}
	if c.users--; c.users == 0 {
		device.Free(c.tensors...)
	}
}

func (c *cache) bytes() (n int64) {
	for _, t := range c.tensors {
		n += t.ByteSize()
	}
	return n
}
