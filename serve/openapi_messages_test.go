package serve

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// operation is the one of a path, as the document writes it, and a method, with its JSON pointer.
func (d *apiDocument) operation(path, method string) (op apiOperation, at string, err error) {
	method = strings.ToLower(method)
	op, ok := d.Paths[path][method]
	if !ok {
		return op, "", fmt.Errorf("%s %s is not in the document", method, path)
	}
	return op, pointer("paths", path, method), nil
}

// request reports why the document does not describe a request.
func (d *apiDocument) request(path string, r *http.Request) error {
	op, at, err := d.operation(path, r.Method)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	return d.body(at+"/requestBody", op.RequestBody, r.Header, body)
}

// response reports why the document does not describe a response of an operation.
func (d *apiDocument) response(path, method string, w *httptest.ResponseRecorder) error {
	op, at, err := d.operation(path, method)
	if err != nil {
		return err
	}
	status := strconv.Itoa(w.Code)
	declared, ok := op.Responses[status]
	if !ok {
		return fmt.Errorf("%s: has no status %s", at, status)
	}
	at += pointer("responses", status)
	header := w.Result().Header
	return errors.Join(d.headers(at, declared, header), d.body(at, declared, header, w.Body.Bytes()))
}

// body holds JSON against its schema. Of other content the type must be declared.
func (d *apiDocument) body(at string, declared apiMessage, header http.Header, data []byte) error {
	mediaType, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil {
		return err
	}
	if _, ok := declared.Content[mediaType]; !ok {
		return fmt.Errorf("%s: has no content of type %s", at, mediaType)
	}
	if mediaType != "application/json" {
		return nil
	}
	schema, err := d.schema(at + pointer("content", mediaType, "schema"))
	if err != nil {
		return err
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return err
	}
	return schema.Validate(v)
}

// headers holds the headers that the document declares against their schemas.
func (d *apiDocument) headers(at string, declared apiMessage, header http.Header) error {
	for name, h := range declared.Headers {
		schema, err := d.schema(at + pointer("headers", name, "schema"))
		if err != nil {
			return err
		}
		values := header.Values(name)
		if len(values) == 0 && h.Required {
			return fmt.Errorf("%s: the header %s is missing", at, name)
		}
		for _, text := range values {
			fault := schema.Validate(text)
			if v, err := jsonschema.UnmarshalJSON(strings.NewReader(text)); fault != nil && err == nil {
				fault = schema.Validate(v) // all headers are text: a number is one that reads as such
			}
			if fault != nil {
				return fmt.Errorf("%s: header %s: %w", at, name, fault)
			}
		}
	}
	return nil
}
