package serve

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/docent-ml/docent/openai"
)

// route is one endpoint, as it is served and as the OpenAPI document has it.
type route struct {
	path              string // also its name in the log, which is never what the client sent
	id, summary       string
	post              bool   // else GET and HEAD
	probe             bool   // open without a key, also while shutting down
	meta              bool   // open without a key, unless ProtectMeta
	request, response string // components; no response: text
	stream            bool   // or events
	serve             func(*exchange) error
}

// unknown is the route of all other paths.
var unknown = route{path: "unknown"}

const modelPath = "/v1/models/{id}"

// endpoints are the routes that the options ask for, by path.
func (h *Handler) endpoints() map[string]route {
	all := []route{
		{path: "/health", id: "health", summary: "Whether requests can be served", probe: true, response: "healthReport", serve: h.health},
		{path: "/health/ready", id: "ready", summary: "The same", probe: true, response: "healthReport", serve: h.health},
		{path: "/health/live", id: "live", summary: "Whether the process lives", probe: true, response: "liveReport", serve: h.live},
		{path: "/openapi.json", id: "openapi", summary: "This document", meta: true, response: "document", serve: h.openAPI},
		{path: "/v1/models", id: "listModels", summary: "The models", response: "ModelList", serve: h.models},
		{path: modelPath, id: "getModel", summary: "One model", response: "Model", serve: h.model},
		{path: "/v1/chat/completions", id: "createChatCompletion", summary: "Answers a conversation", post: true,
			request: "ChatCompletionRequest", response: "ChatCompletionResponse", stream: true, serve: h.chat},
		{path: "/v1/completions", id: "createCompletion", summary: "Continues texts", post: true,
			request: "CompletionRequest", response: "CompletionResponse", stream: true, serve: h.completions},
		{path: "/v1/embeddings", id: "createEmbedding", summary: "Turns texts into vectors", post: true,
			request: "EmbeddingRequest", response: "EmbeddingResponse", serve: h.embeddings},
		{path: "/v1/responses", id: "createResponse", summary: "Answers a conversation, in the form of the Responses API", post: true,
			request: "ResponseBody", response: "Response", stream: true, serve: h.responses},
	}
	if h.o.Metrics != nil {
		all = append(all, route{path: "/metrics", id: "metrics", summary: "Metrics in Prometheus' text format", meta: true, serve: h.metrics})
	}
	if h.o.Adapters != nil {
		all = append(all,
			route{path: "/v1/load_lora_adapter", id: "loadAdapter", summary: "Loads an adapter under a name", post: true, request: "AdapterRequest", serve: h.loadAdapter},
			route{path: "/v1/unload_lora_adapter", id: "unloadAdapter", summary: "Takes an adapter out again", post: true, request: "AdapterName", serve: h.unloadAdapter})
	}
	routes := map[string]route{}
	for _, rt := range all {
		routes[rt.path] = rt
	}
	return routes
}

// find is the route of a path as the handler sees it, and the model id in it. It is done by hand since http.ServeMux
// redirects, and a redirect would lose the prefix that the host has stripped.
func (h *Handler) find(path string) (rt route, id string) {
	path, ok := strings.CutPrefix(clean(path), h.o.Prefix)
	if !ok || !strings.HasPrefix(path, "/") {
		return unknown, ""
	}
	if h.o.BareRoutes && h.routes[path].serve == nil && !strings.HasPrefix(path, "/v1/") {
		path = "/v1" + path
	}
	// URL.Path is decoded already, so a slash of the id may have come plain or as %2F.
	if id, ok := strings.CutPrefix(path, "/v1/models/"); ok {
		return h.routes[modelPath], id
	}
	if rt, ok := h.routes[path]; ok {
		return rt, ""
	}
	return unknown, ""
}

// open tells whether a route needs no key.
func (h *Handler) open(rt route) bool { return rt.probe || rt.meta && !h.o.ProtectMeta }

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
	x.route = rt.path
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
	if h.open(rt) {
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
