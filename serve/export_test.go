package serve

// What the tests that need an engine, and so stand outside of this package, take from those inside.
var (
	NewTestHandler = newHandler
	NewTestServer  = server
	NoLeaks        = noLeaks
	Eventually     = eventually
	Memory         = memory
	With           = with
)

// Stats is what goes on.
func (h *Handler) Stats() Stats { return h.stats() }

// FakeEmbedder is a model that costs nothing, and how many of its answers run.
func FakeEmbedder() (m Embedder, inside func() int32) {
	e := &embedder{fakeModel: *hello()}
	e.info.Constrained = true
	return e, e.inside.Load
}
