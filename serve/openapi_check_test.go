package serve

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// apiDocument is an OpenAPI document: what the tests read of it, and its schemas.
type apiDocument struct {
	Servers []map[string]any
	Paths   map[string]map[string]apiOperation
	schemas *jsonschema.Compiler
}

type apiOperation struct {
	OperationID string
	Parameters  []struct{ Name, In string }
	RequestBody apiMessage
	Responses   map[string]apiMessage
}

type apiMessage struct {
	Headers map[string]struct{ Required bool }
	Content map[string]any
}

// openAPISchema is the official schema of OpenAPI 3.1. Alone it takes any object for a schema inside a document; #meta
// binds those to OpenAPI's dialect of JSON Schema 2020-12.
var openAPISchema = sync.OnceValues(func() (*jsonschema.Schema, error) {
	files, err := filepath.Glob("testdata/openapi-3.1/*.json")
	if err != nil {
		return nil, err
	}
	c := newCompiler()
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var published map[string]any
		if err := json.Unmarshal(data, &published); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if err := c.AddResource(published["$id"].(string), published); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	const whole = "https://docent.invalid/openapi-3.1"
	if err := c.AddResource(whole, map[string]any{
		"$ref": "https://spec.openapis.org/oas/3.1/schema/2022-10-07",
		"$defs": map[string]any{"schema": map[string]any{
			"$dynamicAnchor": "meta", "$ref": "https://spec.openapis.org/oas/3.1/dialect/base",
		}},
	}); err != nil {
		return nil, err
	}
	return c.Compile(whole)
})

// newCompiler is as strict as can be: formats and encodings are checked too.
func newCompiler() *jsonschema.Compiler {
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	c.AssertContent()
	return c
}

// readOpenAPI reads a document and reports what is wrong with it.
func readOpenAPI(data []byte) (*apiDocument, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	official, err := openAPISchema()
	if err != nil {
		return nil, err
	}
	if err := official.Validate(doc); err != nil {
		return nil, err
	}
	d := &apiDocument{schemas: newCompiler()}
	if err := json.Unmarshal(data, d); err != nil {
		return nil, err
	}
	if err := d.schemas.AddResource(apiAddress, doc); err != nil {
		return nil, err
	}
	return d, errors.Join(append(d.schemaFaults("", doc), d.operationFaults()...)...)
}

// apiAddress is where the document is to the compiler. Nothing is there.
const apiAddress = "https://docent.invalid/openapi.json"

// schema compiles the Schema Object at a JSON pointer, and so whatever it refers to.
func (d *apiDocument) schema(at string) (*jsonschema.Schema, error) {
	s, err := d.schemas.Compile(apiAddress + "#" + at)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", at, err)
	}
	return s, nil
}

// schemaFaults are those of all Schema Objects in v, the part of the document at a JSON pointer.
func (d *apiDocument) schemaFaults(at string, v any) (faults []error) {
	switch v := v.(type) {
	case []any:
		for i, item := range v {
			faults = append(faults, d.schemaFaults(at+pointer(strconv.Itoa(i)), item)...)
		}
	case map[string]any:
		for key, field := range v {
			here := at + pointer(key)
			switch {
			case key == "schema" || at == "/components/schemas":
				if _, err := d.schema(here); err != nil {
					faults = append(faults, err)
				}
			case key == "$ref":
				faults = append(faults, fmt.Errorf("%s: a reference outside of schemas, which no check here follows", here))
			default:
				faults = append(faults, d.schemaFaults(here, field)...)
			}
		}
	}
	return faults
}

var inPath = regexp.MustCompile(`\{([^{}]*)\}`)

// operationFaults are what the official schema cannot see: ids that are not unique, and parameters of a path that are not
// those of its operations.
func (d *apiDocument) operationFaults() (faults []error) {
	first := map[string]string{}
	for path, item := range d.Paths {
		var want []string
		for _, match := range inPath.FindAllStringSubmatch(path, -1) {
			want = append(want, match[1])
		}
		slices.Sort(want)
		for method, op := range item {
			here := method + " " + path
			if other, taken := first[op.OperationID]; taken {
				faults = append(faults, fmt.Errorf("%s: has the operationId %q of %s", here, op.OperationID, other))
			}
			first[op.OperationID] = here
			declared := map[string]bool{}
			for _, p := range op.Parameters {
				if p.In == "path" {
					declared[p.Name] = true
				}
			}
			if got := slices.Sorted(maps.Keys(declared)); !slices.Equal(got, want) {
				faults = append(faults, fmt.Errorf("%s: declares the path parameters %q, and has %q", here, got, want))
			}
		}
	}
	return faults
}

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

// pointer is a JSON pointer, escaped as in a URL's fragment.
func pointer(tokens ...string) string {
	var p strings.Builder
	for _, token := range tokens {
		p.WriteString("/" + url.PathEscape(pointerEscapes.Replace(token)))
	}
	return p.String()
}
