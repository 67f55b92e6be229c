// Package engine generates text with language models, many requests at a time, as a [serve.Model].
//
//	e, err := engine.Load(ctx, "HuggingFaceTB/SmolLM2-135M-Instruct", engine.Options{Hub: lora.Hub{CacheDir: cache}})
//	…
//	h, err := serve.NewHandler(serve.Single("smollm2", e), serve.HandlerOptions{})
//
// Requests that come together are computed together, and what a prompt has in common with an earlier one is not computed
// again. Answers can be kept to JSON Schemas and to calls of functions.
package engine
