// Package deadline lets a reader know whether somebody else keeps its deadline.
package deadline

import "context"

type key struct{}

// Enforce marks ctx: the process is killed when it ends.
func Enforce(ctx context.Context) context.Context { return context.WithValue(ctx, key{}, true) }

// Enforced tells whether the process is killed when ctx ends, so that a reader
// need not pay for being interruptible.
func Enforced(ctx context.Context) bool {
	enforced, _ := ctx.Value(key{}).(bool)
	return enforced
}
