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

// endpoints are the routes that the options ask for, by path.
func (h *Handler) endpoints() map[string]route {
	all := map[string]route{
		"/health":              {probe: true, serve: h.health},
		"/health/ready":        {probe: true, serve: h.health},
		"/health/live":         {probe: true, serve: h.live},
		"/openapi.json":        {meta: true, serve: h.openAPI},
		"/v1/models":           {serve: h.models},
		"/v1/chat/completions": {post: true, serve: h.chat},
		"/v1/completions":      {post: true, serve: h.completions},
		"/v1/embeddings":       {post: true, serve: h.embeddings},
		"/v1/responses":        {post: true, serve: h.responses},
	}
	if h.o.Metrics != nil {
		all["/metrics"] = route{meta: true, serve: h.metrics}
	}
	if h.o.Adapters != nil {
		all["/v1/load_lora_adapter"] = route{post: true, serve: h.loadAdapter}
		all["/v1/unload_lora_adapter"] = route{post: true, serve: h.unloadAdapter}
	}
	for path, rt := range all {
		rt.name = path
		all[path] = rt
	}
	return all
}

// find is the route of a path as the handler sees it, and the model id in it. It is done by hand since http.ServeMux
// redirects, and a redirect would lose the prefix that the host has stripped.
func (h *Handler) find(path string) (rt route, id string) {
	path, ok := strings.CutPrefix(clean(path), h.o.Prefix)
	if !ok || !strings.HasPrefix(path, "/") {
		return route{name: "unknown"}, ""
	}
	if h.o.BareRoutes && h.routes[path].serve == nil && !strings.HasPrefix(path, "/v1/") {
		path = "/v1" + path
	}
	if rt, ok := h.routes[path]; ok {
		return rt, ""
	}
	// URL.Path is decoded already, so a slash of the id may have come plain or as %2F.
	if id, ok := strings.CutPrefix(path, "/v1/models/"); ok && id != "" {
		return route{name: "/v1/models/{id}", serve: h.model}, id
	}
	return route{name: "unknown"}, ""
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
		return openai.NewError(openai.CodeHostNotAllowed, "the server does not answer to this name in the Host header")
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
		if err := x.checkMediaType(); err != nil {
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
