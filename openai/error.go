package openai

import (
	"bytes"
	"encoding/json"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Code is the machine-readable name of a fault, what a client branches on.
type Code string

// The codes and, in classes below, the status and type that go with each.
const (
	CodeInvalidJSON           Code = "invalid_json"
	CodeValidation            Code = "validation_error"
	CodeUnsupportedParameter  Code = "unsupported_parameter"
	CodeUnknownParameter      Code = "unknown_parameter"
	CodeUnsupportedContent    Code = "unsupported_content"
	CodeUnsupportedSchema     Code = "unsupported_schema"
	CodeUnsupportedOperation  Code = "unsupported_operation"
	CodeContextLengthExceeded Code = "context_length_exceeded"
	CodeTemplate              Code = "template_error"
	CodeInvalidAPIKey         Code = "invalid_api_key"
	CodeModelNotAllowed       Code = "model_not_allowed"
	CodeHostNotAllowed        Code = "host_not_allowed"
	CodeModelNotFound         Code = "model_not_found"
	CodeRouteNotFound         Code = "route_not_found"
	CodeMethodNotAllowed      Code = "method_not_allowed"
	CodeRequestTimeout        Code = "request_timeout"
	CodeRequestTooLarge       Code = "request_too_large"
	CodeUnsupportedMediaType  Code = "unsupported_media_type"
	CodeRateLimitExceeded     Code = "rate_limit_exceeded"
	CodeQueueFull             Code = "queue_full"
	CodeInternal              Code = "internal_error"
	CodeGenerationFailed      Code = "generation_failed"
	CodeModelUnavailable      Code = "model_unavailable"
	CodeShuttingDown          Code = "shutting_down"
	CodeQueueTimeout          Code = "queue_timeout"
)

// classes are the status and type of codes: the table of the API's errors. All others are internal ones.
var classes = []struct {
	status int
	typ    string
	codes  []Code
}{
	{http.StatusBadRequest, "invalid_request_error", []Code{CodeInvalidJSON, CodeContextLengthExceeded, CodeTemplate}},
	{http.StatusUnprocessableEntity, "invalid_request_error", []Code{
		CodeValidation, CodeUnsupportedParameter, CodeUnknownParameter, CodeUnsupportedContent, CodeUnsupportedSchema, CodeUnsupportedOperation,
	}},
	{http.StatusUnauthorized, "authentication_error", []Code{CodeInvalidAPIKey}},
	{http.StatusForbidden, "permission_error", []Code{CodeModelNotAllowed, CodeHostNotAllowed}},
	{http.StatusNotFound, "invalid_request_error", []Code{CodeModelNotFound}},
	{http.StatusNotFound, "not_found_error", []Code{CodeRouteNotFound}},
	{http.StatusMethodNotAllowed, "invalid_request_error", []Code{CodeMethodNotAllowed}},
	{http.StatusRequestTimeout, "timeout_error", []Code{CodeRequestTimeout}},
	{http.StatusRequestEntityTooLarge, "invalid_request_error", []Code{CodeRequestTooLarge}},
	{http.StatusUnsupportedMediaType, "invalid_request_error", []Code{CodeUnsupportedMediaType}},
	{http.StatusTooManyRequests, "rate_limit_error", []Code{CodeRateLimitExceeded, CodeQueueFull}},
	{http.StatusServiceUnavailable, "server_error", []Code{CodeModelUnavailable, CodeShuttingDown, CodeQueueTimeout}},
}

// Error is the error object of every failed request: OpenAI's message, type, param and code, and the status, path,
// request id and details beside them. Client and server use the same type.
type Error struct {
	Message   string   `json:"message"`
	Type      string   `json:"type"`
	Param     *string  `json:"param"` // the first detail's field, or null
	Code      Code     `json:"code"`
	Status    int      `json:"status"` // the HTTP status
	Path      string   `json:"path"`   // what the client asked for, prefix included
	RequestID string   `json:"request_id"`
	Details   []Detail `json:"details"` // every invalid field, at most 32; [] outside validation

	RetryAfter time.Duration `json:"-"` // > 0: the Retry-After header, in whole seconds, at least 1
	NoRetry    bool          `json:"-"` // sends x-should-retry: false, since clients retry 5xx on their own
}

// Detail is one invalid field.
type Detail struct {
	Field   string `json:"field"` // messages[0].role
	Loc     []any  `json:"loc"`   // ["body","messages",0,"role"]
	Message string `json:"message"`
	Type    string `json:"type"` // missing, type, range, enum, too_short, too_long, unsupported, format, conflict
}

// ErrorResponse is the body of a failed request, and the last event of a stream that failed half-way.
type ErrorResponse struct {
	Error *Error `json:"error"`
}

// NewError returns an error with the status and type that belong to code.
func NewError(code Code, message string) *Error {
	e := &Error{Message: message, Type: "server_error", Code: code, Status: http.StatusInternalServerError, Details: []Detail{}}
	for _, c := range classes {
		if slices.Contains(c.codes, code) {
			e.Type, e.Status = c.typ, c.status
		}
	}
	return e
}

// Unsupported returns the error of one field that cannot be had, in the form that validation gives it. loc is the way to
// the field: names and indices.
func Unsupported(code Code, message string, loc ...any) *Error {
	return fieldError(code, unsupported, message, loc)
}

// Invalid is the same for a value that can be judged only where the model is known.
func Invalid(message string, loc ...any) *Error {
	return fieldError(CodeValidation, outOfRange, message, loc)
}

func fieldError(code Code, typ, message string, loc []any) *Error {
	field := fieldName(loc)
	e := NewError(code, field+": "+message)
	e.Details = []Detail{{Field: field, Loc: append([]any{"body"}, loc...), Message: message, Type: typ}}
	return e.WithParam(field)
}

// WithParam names the request field that is at fault and returns e.
func (e *Error) WithParam(field string) *Error {
	e.Param = &field
	return e
}

// Error returns the message and the code.
func (e *Error) Error() string { return e.Message + " (" + string(e.Code) + ")" }

// WriteError writes e as the response: status, headers and body. Nothing may have been written before.
func WriteError(w http.ResponseWriter, e *Error) {
	h := w.Header()
	if e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(e.RetryAfter.Seconds()))))
	}
	if e.NoRetry {
		h.Set("X-Should-Retry", "false")
	}
	if e.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
	body, _ := Encode(h, ErrorResponse{Error: e}) // only strings and integers in there
	w.WriteHeader(e.Status)
	_, _ = w.Write(body) // a client that has gone cannot be told
}

// Encode is v as the body of a response, whose headers it sets.
func Encode(h http.Header, v any) ([]byte, error) {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(body.Len()))
	return body.Bytes(), nil
}
