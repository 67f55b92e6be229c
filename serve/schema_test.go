package serve

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// The published response schemas are read in place, beside the repository. Without them only this check is left out.
var schemas = sync.OnceValues(func() (map[string]any, error) {
	data, err := os.ReadFile(filepath.Join("..", "..", "shared", "contracts", "openai_schemas.json"))
	if err != nil {
		return nil, err
	}
	var doc struct {
		Defs map[string]any `json:"$defs"`
	}
	return doc.Defs, json.Unmarshal(data, &doc)
})

// TestSchemas says out loud when responses are not checked against the published schemas.
func TestSchemas(t *testing.T) {
	defs, err := schemas()
	if err != nil {
		t.Skipf("NOT CHECKED against the published response schemas: %v", err)
	}
	require.Contains(t, defs, "CreateChatCompletionResponse")
	faults := schemaFaults(defs, defs["CreateChatCompletionResponse"], map[string]any{"object": 1.0, "choices": []any{map[string]any{}}}, "")
	require.Len(t, faults, 8, "the checker must see faults: %v", faults)
}

// validate checks a response against one of the schemas.
func validate(t testing.TB, name string, data []byte) {
	t.Helper()
	defs, err := schemas()
	if err != nil {
		return // TestSchemas tells
	}
	require.Contains(t, defs, name)
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	require.NoError(t, d.Decode(&v))
	require.Empty(t, schemaFaults(defs, defs[name], v, name))
}

// schemaFaults knows what those schemas use: $ref, anyOf, oneOf, type, enum, properties, required, items,
// additionalProperties.
func schemaFaults(defs map[string]any, schema, v any, at string) (faults []string) {
	s, ok := schema.(map[string]any)
	if !ok {
		return nil
	}
	if ref, ok := s["$ref"].(string); ok {
		return schemaFaults(defs, defs[strings.TrimPrefix(ref, "#/$defs/")], v, at)
	}
	for _, key := range []string{"anyOf", "oneOf"} {
		options, ok := s[key].([]any)
		if ok && !slices.ContainsFunc(options, func(o any) bool { return len(schemaFaults(defs, o, v, at)) == 0 }) {
			faults = append(faults, fmt.Sprintf("%s: matches nothing of %s: %v", at, key, v))
		}
	}
	if typ, ok := s["type"].(string); ok && !hasType(v, typ) {
		return append(faults, fmt.Sprintf("%s: is %T, not %s", at, v, typ))
	}
	if list, ok := s["enum"].([]any); ok && !slices.Contains(list, v) {
		faults = append(faults, fmt.Sprintf("%s: %v is not one of %v", at, v, list))
	}
	if items, ok := v.([]any); ok {
		for i, item := range items {
			faults = append(faults, schemaFaults(defs, s["items"], item, fmt.Sprintf("%s[%d]", at, i))...)
		}
	}
	fields, ok := v.(map[string]any)
	if !ok {
		return faults
	}
	required, _ := s["required"].([]any)
	for _, name := range required {
		if _, ok := fields[name.(string)]; !ok {
			faults = append(faults, fmt.Sprintf("%s.%s: is missing", at, name))
		}
	}
	properties, _ := s["properties"].(map[string]any)
	for name, field := range fields {
		p, known := properties[name]
		if !known {
			p = s["additionalProperties"]
		}
		faults = append(faults, schemaFaults(defs, p, field, at+"."+name)...)
	}
	return faults
}

func hasType(v any, typ string) bool {
	switch v := v.(type) {
	case nil:
		return typ == "null"
	case bool:
		return typ == "boolean"
	case string:
		return typ == "string"
	case json.Number:
		return typ == "number" || typ == "integer" && !strings.ContainsAny(v.String(), ".eE")
	case []any:
		return typ == "array"
	case map[string]any:
		return typ == "object"
	default:
		return false
	}
}
