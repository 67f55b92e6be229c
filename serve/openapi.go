package serve

import (
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/docent-ml/docent/openai"
)

// operation is one route in the OpenAPI document.
type operation struct {
	path, method, id, summary string
	open                      bool // needs no key
	request                   reflect.Type
	response                  reflect.Type // nil: text
	stream                    bool         // or events
	statuses                  []int        // beside 200, of errors
}

var (
	getErrors  = []int{401, 405, 500, 503}
	postErrors = []int{400, 401, 403, 404, 405, 408, 413, 415, 422, 429, 500, 503}
)

func (h *Handler) operations() []operation {
	meta := !h.o.ProtectMeta
	health := reflect.TypeFor[healthReport]()
	ops := []operation{
		{path: "/health", method: "get", id: "health", summary: "Whether requests can be served", open: true, response: health, statuses: []int{405}},
		{path: "/health/ready", method: "get", id: "ready", summary: "The same", open: true, response: health, statuses: []int{405}},
		{path: "/health/live", method: "get", id: "live", summary: "Whether the process lives", open: true, response: reflect.TypeFor[liveReport](), statuses: []int{405}},
		{path: "/openapi.json", method: "get", id: "openapi", summary: "This document", open: meta, response: reflect.TypeFor[map[string]any](), statuses: []int{405}},
		{path: "/v1/models", method: "get", id: "listModels", summary: "The models", response: reflect.TypeFor[openai.ModelList](), statuses: getErrors},
		{path: "/v1/models/{id}", method: "get", id: "getModel", summary: "One model", response: reflect.TypeFor[openai.Model](), statuses: slices.Concat(getErrors, []int{403, 404})},
		{path: "/v1/chat/completions", method: "post", id: "createChatCompletion", summary: "Answers a conversation", stream: true,
			request: reflect.TypeFor[openai.ChatCompletionRequest](), response: reflect.TypeFor[openai.ChatCompletionResponse](), statuses: postErrors},
		{path: "/v1/completions", method: "post", id: "createCompletion", summary: "Continues texts", stream: true,
			request: reflect.TypeFor[openai.CompletionRequest](), response: reflect.TypeFor[openai.CompletionResponse](), statuses: postErrors},
		{path: "/v1/embeddings", method: "post", id: "createEmbedding", summary: "Turns texts into vectors",
			request: reflect.TypeFor[openai.EmbeddingRequest](), response: reflect.TypeFor[openai.EmbeddingResponse](), statuses: postErrors},
		{path: "/v1/responses", method: "post", id: "createResponse", summary: "Answers a conversation, in the form of the Responses API", stream: true,
			request: reflect.TypeFor[openai.ResponseBody](), response: reflect.TypeFor[openai.Response](), statuses: postErrors},
	}
	if h.o.Metrics != nil {
		ops = append(ops, operation{path: "/metrics", method: "get", id: "metrics", summary: "Metrics in Prometheus' text format", open: meta, statuses: []int{405}})
	}
	return ops
}

// openAPI is GET /openapi.json.
func (h *Handler) openAPI(x *exchange) error {
	base := strings.TrimSuffix(x.path(), "/openapi.json")
	if base == "" {
		base = "/"
	}
	return x.respond(http.StatusOK, h.document(base))
}

// document describes the API as it is mounted at base.
func (h *Handler) document(base string) schema {
	components := map[string]schema{}
	in, out := &schemaSet{components, true}, &schemaSet{components, false}
	failure := out.of(reflect.TypeFor[openai.ErrorResponse]())
	paths := schema{}
	for _, op := range h.operations() {
		paths[op.path] = schema{op.method: h.operation(op, in, out, failure)}
	}
	for _, name := range []string{"ChatCompletionRequest", "CompletionRequest"} {
		components[name]["properties"].(schema)["n"].(schema)["maximum"] = h.o.MaxN
	}
	components["CompletionRequest"]["properties"].(schema)["max_tokens"].(schema)["minimum"] = 0 // with echo
	components["ChatCompletionRequest"]["properties"].(schema)["messages"].(schema)["maxItems"] = h.o.MaxMessages
	older := components["ChatCompletionRequest"]["properties"].(schema)
	older["functions"] = schema{"type": []string{"array", "null"}, "items": in.of(reflect.TypeFor[openai.Function]()), "maxItems": 128, "deprecated": true}
	older["function_call"] = schema{"type": []string{"string", "object", "null"}, "deprecated": true}
	if models := h.pool.catalog.now(); len(models) > 0 {
		for _, name := range []string{"ChatCompletionRequest", "CompletionRequest", "EmbeddingRequest", "ResponseBody"} {
			components[name]["properties"].(schema)["model"].(schema)["examples"] = []string{models[0].ID}
		}
	}
	doc := schema{
		"openapi": "3.1.0",
		"info": schema{
			"title": "docent", "version": h.o.Version,
			"description": "An OpenAI-style API. Fields that are not listed are ignored and named in the header X-Docent-Ignored, or refused if the server is strict. Null is the same as an absent field.",
		},
		"servers":    []schema{{"url": base}},
		"paths":      paths,
		"components": schema{"schemas": components},
	}
	if len(h.apiKeys()) > 0 {
		doc["components"].(schema)["securitySchemes"] = schema{"key": schema{"type": "http", "scheme": "bearer"}}
	}
	return doc
}

func (h *Handler) operation(op operation, in, out *schemaSet, failure schema) schema {
	body := schema{}
	switch {
	case op.response == nil:
		body["text/plain"] = schema{"schema": schema{"type": "string"}}
	default:
		body["application/json"] = schema{"schema": out.of(op.response)}
	}
	if op.stream {
		body["text/event-stream"] = schema{} // with stream: server-sent events, each a chunk
	}
	responses := schema{"200": response200(body)}
	for _, status := range op.statuses {
		if status == 422 {
			status = h.o.ValidationStatus
		}
		if (status == 401 || status == 403) && len(h.apiKeys()) == 0 && (status == 401 || h.o.AllowModel == nil) {
			continue
		}
		responses[strconv.Itoa(status)] = schema{
			"description": http.StatusText(status), "headers": headers(status), "content": schema{"application/json": schema{"schema": failure}},
		}
	}
	if op.response == reflect.TypeFor[healthReport]() {
		responses["503"] = schema{"description": "No request can be served", "headers": headers(200), "content": body}
	}
	o := schema{"operationId": op.id, "summary": op.summary, "responses": responses}
	if op.request != nil {
		o["requestBody"] = schema{"required": true, "content": schema{"application/json": schema{"schema": in.of(op.request)}}}
	}
	if strings.Contains(op.path, "{id}") {
		o["parameters"] = []schema{{
			"name": "id", "in": "path", "required": true, "description": "May contain slashes, also as %2F.", "schema": schema{"type": "string", "minLength": 1},
		}}
	}
	if len(h.apiKeys()) > 0 && !op.open {
		o["security"] = []schema{{"key": []string{}}}
	}
	return o
}

func response200(body schema) schema {
	return schema{"description": "OK", "headers": headers(200), "content": body}
}

func headers(status int) schema {
	text := func(description string) schema {
		return schema{"description": description, "schema": schema{"type": "string"}}
	}
	h := schema{"X-Request-Id": text("Of the request, as in the log and in error objects.")}
	switch status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		h["Retry-After"] = schema{"description": "Seconds.", "schema": schema{"type": "integer"}}
	case http.StatusMethodNotAllowed:
		h["Allow"] = text("The methods there are.")
	case http.StatusUnauthorized:
		h["WWW-Authenticate"] = text("Bearer.")
	}
	return h
}
