package serve

import (
	_ "embed"
	"encoding/json"
	"net/http"
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

// statuses are those of a route's errors.
func (h *Handler) statuses(rt route) []int {
	switch {
	case h.open(rt):
		return []int{405}
	case rt.post:
		return []int{400, 401, 403, 404, 405, 408, 413, 415, h.o.ValidationStatus, 429, 500, 503}
	case rt.path == modelPath:
		return []int{401, 403, 404, 405, 500, 503}
	}
	return []int{401, 405, 500, 503}
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
		c, _ := schemas[component].(schema)
		properties, _ := c["properties"].(schema)
		f, _ := properties[name].(schema)
		return f
	}
	field("ChatCompletionRequest", "n")["maximum"], field("CompletionRequest", "n")["maximum"] = h.o.MaxN, h.o.MaxN
	field("ChatCompletionRequest", "messages")["maxItems"] = h.o.MaxMessages
	paths := schema{}
	models := h.pool.catalog.now()
	for _, rt := range h.routes {
		method := "get"
		if rt.post {
			method = "post"
		}
		paths[rt.path] = schema{method: h.operation(rt)}
		if model := field(rt.request, "model"); model != nil && len(models) > 0 {
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

func (h *Handler) operation(rt route) schema {
	keys := len(h.apiKeys()) > 0
	body := content(rt.response)
	if rt.stream {
		body["text/event-stream"] = schema{} // with stream: server-sent events, each a chunk
	}
	responses := schema{"200": schema{"description": "OK", "headers": headers(200), "content": body}}
	for _, status := range h.statuses(rt) {
		if keys || status != 401 && (status != 403 || h.o.AllowModel != nil) {
			responses[strconv.Itoa(status)] = schema{
				"description": http.StatusText(status), "headers": headers(status), "content": content("ErrorResponse"),
			}
		}
	}
	if rt.response == "healthReport" {
		responses["503"] = schema{"description": "No request can be served", "headers": headers(200), "content": body}
	}
	o := schema{"operationId": rt.id, "summary": rt.summary, "responses": responses}
	if rt.request != "" {
		o["requestBody"] = schema{"required": true, "content": content(rt.request)}
	}
	if rt.path == modelPath {
		o["parameters"] = []schema{{
			"name": "id", "in": "path", "required": true, "description": "May contain slashes, also as %2F.", "schema": schema{"type": "string", "minLength": 1},
		}}
	}
	if keys && !h.open(rt) {
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
