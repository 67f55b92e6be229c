package serve

import (
	_ "embed"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// schema is a JSON Schema, or another part of the document. Maps are written in the order of their keys, so a document is the
// same each time.
type schema = map[string]any

// components are the schemas of what requests and responses hold, by the names of the Go types. Null stands for an absent field,
// as everywhere in requests.
//
//go:embed components.json
var components []byte

// operation is one route in the OpenAPI document.
type operation struct {
	path, method, id, summary string
	open                      bool   // needs no key
	request, response         string // components; no response: text
	stream                    bool   // or events
	statuses                  []int  // beside 200, of errors
}

var (
	getErrors  = []int{401, 405, 500, 503}
	postErrors = []int{400, 401, 403, 404, 405, 408, 413, 415, 422, 429, 500, 503}
)

func (h *Handler) operations() []operation {
	meta := !h.o.ProtectMeta
	post := func(path, id, summary, request, response string, stream bool) operation {
		return operation{path: path, method: "post", id: id, summary: summary, request: request, response: response, stream: stream, statuses: postErrors}
	}
	ops := []operation{
		{path: "/health", method: "get", id: "health", summary: "Whether requests can be served", open: true, response: "healthReport", statuses: []int{405}},
		{path: "/health/ready", method: "get", id: "ready", summary: "The same", open: true, response: "healthReport", statuses: []int{405}},
		{path: "/health/live", method: "get", id: "live", summary: "Whether the process lives", open: true, response: "liveReport", statuses: []int{405}},
		{path: "/openapi.json", method: "get", id: "openapi", summary: "This document", open: meta, response: "document", statuses: []int{405}},
		{path: "/v1/models", method: "get", id: "listModels", summary: "The models", response: "ModelList", statuses: getErrors},
		{path: "/v1/models/{id}", method: "get", id: "getModel", summary: "One model", response: "Model", statuses: slices.Concat(getErrors, []int{403, 404})},
		post("/v1/chat/completions", "createChatCompletion", "Answers a conversation", "ChatCompletionRequest", "ChatCompletionResponse", true),
		post("/v1/completions", "createCompletion", "Continues texts", "CompletionRequest", "CompletionResponse", true),
		post("/v1/embeddings", "createEmbedding", "Turns texts into vectors", "EmbeddingRequest", "EmbeddingResponse", false),
		post("/v1/responses", "createResponse", "Answers a conversation, in the form of the Responses API", "ResponseBody", "Response", true),
	}
	if h.o.Metrics != nil {
		ops = append(ops, operation{path: "/metrics", method: "get", id: "metrics", summary: "Metrics in Prometheus' text format", open: meta, statuses: []int{405}})
	}
	if h.o.Adapters != nil {
		ops = append(ops, post("/v1/load_lora_adapter", "loadAdapter", "Loads an adapter under a name", "AdapterRequest", "", false),
			post("/v1/unload_lora_adapter", "unloadAdapter", "Takes an adapter out again", "AdapterRequest", "", false))
	}
	return ops
}

// openAPI is GET /openapi.json.
func (h *Handler) openAPI(x *exchange) error {
	base := strings.TrimSuffix(x.path(), "/openapi.json")
	if base == "" {
		base = "/"
	}
	doc, err := h.document(base)
	if err != nil {
		return err
	}
	return x.respond(http.StatusOK, doc)
}

// document describes the API as it is mounted at base.
func (h *Handler) document(base string) (schema, error) {
	var schemas schema
	if err := json.Unmarshal(components, &schemas); err != nil {
		return nil, err
	}
	field := func(component, name string) schema { // nil: the component does not have it
		f, _ := schemas[component].(schema)["properties"].(schema)[name].(schema)
		return f
	}
	field("ChatCompletionRequest", "n")["maximum"], field("CompletionRequest", "n")["maximum"] = h.o.MaxN, h.o.MaxN
	field("ChatCompletionRequest", "messages")["maxItems"] = h.o.MaxMessages
	paths := schema{}
	models := h.pool.catalog.now()
	for _, op := range h.operations() {
		paths[op.path] = schema{op.method: h.operation(op)}
		if op.request == "" || len(models) == 0 {
			continue
		}
		if model := field(op.request, "model"); model != nil {
			model["examples"] = []string{models[0].ID}
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
		"components": schema{"schemas": schemas},
	}
	if len(h.apiKeys()) > 0 {
		doc["components"].(schema)["securitySchemes"] = schema{"key": schema{"type": "http", "scheme": "bearer"}}
	}
	return doc, nil
}

func (h *Handler) operation(op operation) schema {
	body := content(op.response)
	if op.stream {
		body["text/event-stream"] = schema{} // with stream: server-sent events, each a chunk
	}
	responses := schema{"200": schema{"description": "OK", "headers": headers(200), "content": body}}
	for _, status := range op.statuses {
		if status == 422 {
			status = h.o.ValidationStatus
		}
		if (status == 401 || status == 403) && len(h.apiKeys()) == 0 && (status == 401 || h.o.AllowModel == nil) {
			continue
		}
		responses[strconv.Itoa(status)] = schema{
			"description": http.StatusText(status), "headers": headers(status), "content": content("ErrorResponse"),
		}
	}
	if op.response == "healthReport" {
		responses["503"] = schema{"description": "No request can be served", "headers": headers(200), "content": body}
	}
	o := schema{"operationId": op.id, "summary": op.summary, "responses": responses}
	if op.request != "" {
		o["requestBody"] = schema{"required": true, "content": content(op.request)}
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

// content is a component as JSON, any object, or text.
func content(component string) schema {
	switch component {
	case "":
		return schema{"text/plain": schema{"schema": schema{"type": "string"}}}
	case "document":
		return schema{"application/json": schema{"schema": schema{"type": "object"}}}
	}
	return schema{"application/json": schema{"schema": schema{"$ref": "#/components/schemas/" + component}}}
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
