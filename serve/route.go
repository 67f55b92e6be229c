package serve

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/docent-ml/docent/openai"
)

// route is one endpoint.
type route struct {
	name  string // as in the log; never what the client sent
	post  bool   // else GET and HEAD
	probe bool   // open without a key, also while shutting down
	meta  bool   // open without a key, unless ProtectMeta
	serve func(*exchange) error
}

// find is the route of a path as the handler sees it, and the model id in it. It is done by hand since http.ServeMux
// redirects, and a redirect would lose the prefix that the host has stripped.
func (h *Handler) find(path string) (rt route, id string) {
	unknown := route{name: "unknown"}
	path = clean(path)
	if p := h.o.Prefix; p != "" {
		rest, ok := strings.CutPrefix(path, p)
		if !ok || rest == "" || rest[0] != '/' {
			return unknown, ""
		}
		path = rest
	}
	switch path {
	case "/health", "/health/ready":
		return route{name: path, probe: true, serve: h.health}, ""
	case "/health/live":
		return route{name: path, probe: true, serve: h.live}, ""
	case "/openapi.json":
		return route{name: path, meta: true, serve: h.openAPI}, ""
	case "/metrics":
		if h.o.Metrics != nil {
			return route{name: path, meta: true, serve: h.metrics}, ""
		}
	}
	rest, ok := strings.CutPrefix(path, "/v1/")
	if !ok {
		if !h.o.BareRoutes {
			return unknown, ""
		}
		rest = strings.TrimPrefix(path, "/")
	}
	switch rest {
	case "models":
		return route{name: "/v1/models", serve: h.models}, ""
	case "chat/completions":
		return route{name: "/v1/chat/completions", post: true, serve: h.chat}, ""
	case "completions":
		return route{name: "/v1/completions", post: true, serve: h.completions}, ""
	case "embeddings":
		return route{name: "/v1/embeddings", post: true, serve: h.embeddings}, ""
	case "responses":
		return route{name: "/v1/responses", post: true, serve: h.responses}, ""
	}
	if h.o.Adapters != nil && rest == "load_lora_adapter" {
		return route{name: "/v1/load_lora_adapter", post: true, serve: h.loadAdapter}, ""
	}
	if h.o.Adapters != nil && rest == "unload_lora_adapter" {
		return route{name: "/v1/unload_lora_adapter", post: true, serve: h.unloadAdapter}, ""
	}
	// URL.Path is decoded already, so a slash of the id may have come plain or as %2F.
	if id, ok := strings.CutPrefix(rest, "models/"); ok && id != "" {
		return route{name: "/v1/models/{id}", serve: h.model}, id
	}
	return unknown, ""
}

// clean takes out slashes that a base URL and a path have both brought, and those at the end.
func clean(path string) string {
	for strings.Contains(path, "//") {
		path = strings.ReplaceAll(path, "//", "/")
	}
	return strings.TrimSuffix(path, "/")
}

// dispatch does the checks that come before the body, in the order of the contract, and calls the route.
func (h *Handler) dispatch(x *exchange) error {
	rt, id := h.find(x.r.URL.Path)
	x.route = rt.name
	if !h.AllowsHost(x.r.Host) {
		return hostRefused()
	}
	crossSite := x.allowOrigin()
	if rt.serve == nil {
		return openai.NewError(openai.CodeRouteNotFound, "there is nothing at this path")
	}
	allow := "GET, HEAD"
	if rt.post {
		allow = "POST"
	}
	if crossSite && x.r.Method == http.MethodOptions {
		return x.preflight(allow)
	}
	if m := x.r.Method; (m == http.MethodPost) != rt.post || !rt.post && m != http.MethodGet && m != http.MethodHead {
		x.w.Header().Set("Allow", allow)
		return openai.NewError(openai.CodeMethodNotAllowed, fmt.Sprintf("the method is not allowed here, use %s", allow))
	}
	if rt.probe || rt.meta && !h.o.ProtectMeta {
		return rt.serve(x)
	}
	if err := h.enter(); err != nil {
		return err
	}
	x.entered = true
	if rt.post {
		if err := checkMediaType(x.r); err != nil {
			return err
		}
	}
	if err := h.authenticate(x); err != nil {
		return err
	}
	if rt.post {
		if err := h.rates.take(x.key, x.w.Header()); err != nil {
			return err
		}
	}
	x.model = id
	return rt.serve(x)
}

// metrics is GET /metrics.
func (h *Handler) metrics(x *exchange) error {
	x.status = http.StatusOK
	x.write(func() { h.o.Metrics.ServeHTTP(x.w, x.r) })
	return nil
}
