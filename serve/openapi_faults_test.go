package serve

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// broken is the served document after a change.
func broken(t *testing.T, change func(doc schema)) (*apiDocument, error) {
	t.Helper()
	var doc schema
	require.NoError(t, json.Unmarshal(get(newHandler(t, hello(), HandlerOptions{}), "/openapi.json").Body.Bytes(), &doc))
	change(doc)
	data, err := json.Marshal(doc)
	require.NoError(t, err)
	return readOpenAPI(data)
}

// inside is what lies in a document below keys with spaces between them.
func inside(doc schema, keys string) schema {
	for _, key := range strings.Fields(keys) {
		doc = doc[key].(schema)
	}
	return doc
}

// TestOpenAPIFaultyDocument shows that the check of documents can fail.
func TestOpenAPIFaultyDocument(t *testing.T) {
	const (
		model     = "paths /v1/models/{id} get"
		responses = model + " responses"
		body      = "paths /v1/chat/completions post requestBody content application/json"
		component = "components schemas ChatCompletionRequest"
		fields    = component + " properties"
	)
	dangling := schema{"$ref": "#/components/schemas/None"}
	for name, c := range map[string]struct {
		change func(doc schema)
		fault  string
	}{
		"another version":              {func(doc schema) { doc["openapi"] = "3.0.3" }, "at '/openapi'"},
		"no title":                     {func(doc schema) { delete(inside(doc, "info"), "title") }, "'title'"},
		"no description of a response": {func(doc schema) { delete(inside(doc, responses+" 200"), "description") }, "'description'"},
		"unknown property":             {func(doc schema) { inside(doc, model)["operationID"] = "x" }, "/get/operationID'"},
		"unknown type of component":    {func(doc schema) { inside(doc, component)["type"] = "objekt" }, "at '/components/schemas/ChatCompletionRequest/type'"},
		"unknown type of field":        {func(doc schema) { inside(doc, fields+" n")["type"] = "int" }, "/properties/n/type'"},
		"negative length, inline":      {func(doc schema) { inside(doc, body)["schema"] = schema{"minLength": -1} }, "/requestBody/content/application~1json/schema/minLength'"},
		"OpenAPI's word misused":       {func(doc schema) { inside(doc, component)["discriminator"] = schema{} }, "'propertyName'"},
		"pattern that is none":         {func(doc schema) { inside(doc, body)["schema"] = schema{"pattern": "("} }, "regex"},
		"dangling reference":           {func(doc schema) { inside(doc, body)["schema"] = dangling }, "/components/schemas/None"},
		"dangling reference, deeper":   {func(doc schema) { inside(doc, fields)["n"] = schema{"anyOf": []any{dangling}} }, "/components/schemas/None"},
		"reference to a response":      {func(doc schema) { inside(doc, responses)["200"] = schema{"$ref": "#/components/responses/None"} }, "outside of schemas"},
		"operationId twice":            {func(doc schema) { inside(doc, model)["operationId"] = "listModels" }, `has the operationId "listModels"`},
		"undeclared path parameter":    {func(doc schema) { delete(inside(doc, model), "parameters") }, `declares the path parameters [], and has ["id"]`},
		"path parameter not in path":   {func(doc schema) { inside(doc, "paths /v1/models")["get"] = inside(doc, model) }, `declares the path parameters ["id"], and has []`},
		"optional path parameter":      {func(doc schema) { delete(inside(doc, model)["parameters"].([]any)[0].(schema), "required") }, "'required'"},
	} {
		_, err := broken(t, c.change)
		assert.ErrorContains(t, err, c.fault, name)
	}
}

// TestOpenAPIFaultyMessages shows that the checks of requests and responses can fail.
func TestOpenAPIFaultyMessages(t *testing.T) {
	const (
		path    = "/v1/chat/completions"
		request = "paths " + path + " post requestBody content"
		answers = "paths " + path + " post responses"
		content = answers + " 200 content"
		headers = answers + " 200 headers"
	)
	other := schema{"required": []any{"none"}}
	answer := chat(t, newHandler(t, hello(), HandlerOptions{}), plain)
	for name, c := range map[string]struct {
		change            func(doc schema)
		request, response string // the fault, if there is one
	}{
		"no change":            {func(schema) {}, "", ""},
		"no operation":         {func(doc schema) { delete(inside(doc, "paths"), path) }, "is not in the document", "is not in the document"},
		"no type of request":   {func(doc schema) { delete(inside(doc, request), "application/json") }, "has no content of type application/json", ""},
		"other request":        {func(doc schema) { inside(doc, request+" application/json")["schema"] = other }, "'none'", ""},
		"no status":            {func(doc schema) { delete(inside(doc, answers), "200") }, "", "has no status 200"},
		"no type of response":  {func(doc schema) { delete(inside(doc, content), "application/json") }, "", "has no content of type application/json"},
		"other response":       {func(doc schema) { inside(doc, content+" application/json")["schema"] = other }, "", "'none'"},
		"other header":         {func(doc schema) { inside(doc, headers+" X-Request-Id")["schema"] = schema{"maxLength": 1} }, "", "header X-Request-Id"},
		"missing header":       {func(doc schema) { inside(doc, headers)["X-None"] = schema{"required": true, "schema": true} }, "", "header X-None is missing"},
		"header that is text":  {func(doc schema) { inside(doc, headers+" X-Request-Id")["schema"] = schema{"type": "integer"} }, "", "header X-Request-Id"},
		"header with a number": {func(doc schema) { inside(doc, headers)["Content-Length"] = schema{"schema": schema{"type": "integer"}} }, "", ""},
		"too great a number": {func(doc schema) {
			inside(doc, headers)["Content-Length"] = schema{"schema": schema{"type": "integer", "maximum": 1}}
		}, "", "header Content-Length"},
	} {
		doc, err := broken(t, c.change)
		require.NoError(t, err, name)
		saw := func(err error, fault string) {
			if fault == "" {
				assert.NoError(t, err, name)
			} else {
				assert.ErrorContains(t, err, fault, name)
			}
		}
		saw(doc.request(path, post(path, plain)), c.request)
		saw(doc.response(path, "post", answer), c.response)
	}
}
