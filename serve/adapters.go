package serve

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"

	"github.com/docent-ml/docent/openai"
)

// Adapters puts adapters into the list of models, and takes them out, while the server runs. Its errors are ErrModelNotFound, a
// *AdapterError, or the server's fault.
type Adapters interface {
	LoadAdapter(ctx context.Context, name, path string) error // returns once it can answer
	UnloadAdapter(ctx context.Context, name string) error
}

// AdapterError is a request for an adapter that cannot be met: 422.
type AdapterError struct {
	Field  string // lora_name or lora_path
	Reason string
}

func (e *AdapterError) Error() string { return e.Field + ": " + e.Reason }

// loadAdapter is POST /v1/load_lora_adapter, as vLLM has it.
func (h *Handler) loadAdapter(x *exchange) error {
	return h.adapter(x, true, "added", h.o.Adapters.LoadAdapter)
}

// unloadAdapter is POST /v1/unload_lora_adapter.
func (h *Handler) unloadAdapter(x *exchange) error {
	return h.adapter(x, false, "removed", func(ctx context.Context, name, _ string) error { return h.o.Adapters.UnloadAdapter(ctx, name) })
}

func (h *Handler) adapter(x *exchange, path bool, done string, do func(ctx context.Context, name, path string) error) error {
	if !slices.Contains(h.o.AdapterKeys, x.key) {
		return openai.NewError(openai.CodeModelNotAllowed, "this key may not load and unload adapters")
	}
	req, err := parse(x, func(body []byte, l openai.Limits) (*openai.AdapterRequest, error) {
		return openai.ParseAdapterRequest(body, path, l)
	})
	if err != nil {
		return err
	}
	if err := do(x.ctx, req.Name, req.Path); err != nil {
		return err
	}
	h.log.Info("adapter "+done, "request_id", x.id, "key", x.key, "model", req.Name, "path", req.Path)
	x.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	x.status = http.StatusOK
	x.settle()
	x.write(func() {
		_, x.err = io.WriteString(x.w, fmt.Sprintf("Success: LoRA adapter '%s' %s successfully.", req.Name, done))
	})
	return nil
}
