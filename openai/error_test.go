package openai

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// The table of the API: what clients branch on must not move.
func TestErrorTable(t *testing.T) {
	for _, c := range []struct {
		code   Code
		status int
		typ    string
	}{
		{CodeInvalidJSON, 400, "invalid_request_error"},
		{CodeValidation, 422, "invalid_request_error"},
		{CodeUnsupportedParameter, 422, "invalid_request_error"},
		{CodeUnknownParameter, 422, "invalid_request_error"},
		{CodeUnsupportedContent, 422, "invalid_request_error"},
		{CodeUnsupportedSchema, 422, "invalid_request_error"},
		{CodeUnsupportedOperation, 422, "invalid_request_error"},
		{CodeRateLimitExceeded, 429, "rate_limit_error"},
		{CodeContextLengthExceeded, 400, "invalid_request_error"},
		{CodeTemplate, 400, "invalid_request_error"},
		{CodeInvalidAPIKey, 401, "authentication_error"},
		{CodeModelNotAllowed, 403, "permission_error"},
		{CodeHostNotAllowed, 403, "permission_error"},
		{CodeModelNotFound, 404, "invalid_request_error"},
		{CodeRouteNotFound, 404, "not_found_error"},
		{CodeMethodNotAllowed, 405, "invalid_request_error"},
		{CodeRequestTimeout, 408, "timeout_error"},
		{CodeRequestTooLarge, 413, "invalid_request_error"},
		{CodeUnsupportedMediaType, 415, "invalid_request_error"},
		{CodeQueueFull, 429, "rate_limit_error"},
		{CodeInternal, 500, "server_error"},
		{CodeGenerationFailed, 500, "server_error"},
		{CodeModelUnavailable, 503, "server_error"},
		{CodeShuttingDown, 503, "server_error"},
		{CodeQueueTimeout, 503, "server_error"},
	} {
		e := NewError(c.code, "m")
		assert.Equal(t, c.status, e.Status, c.code)
		assert.Equal(t, c.typ, e.Type, c.code)
	}
}

func TestWriteError(t *testing.T) {
	e := NewError(CodeQueueFull, "a <b> & c").WithParam("model")
	e.RetryAfter, e.NoRetry, e.Path, e.RequestID = 1100*time.Millisecond, true, "/ai/v1/x", "r1"
	w := httptest.NewRecorder()
	WriteError(w, e)
	assert.Equal(t, 429, w.Code)
	assert.Equal(t, "2", w.Header().Get("Retry-After"))
	assert.Equal(t, "false", w.Header().Get("X-Should-Retry"))
	assert.Equal(t, "application/json", w.Header().Get("Content-Type"))
	assert.Equal(t, `{"error":{"message":"a <b> & c","type":"rate_limit_error","param":"model","code":"queue_full","status":429,`+
		`"path":"/ai/v1/x","request_id":"r1","details":[]}}`+"\n", w.Body.String())

	w = httptest.NewRecorder()
	WriteError(w, NewError(CodeInvalidAPIKey, "no"))
	assert.Equal(t, "Bearer", w.Header().Get("WWW-Authenticate"))
	assert.Contains(t, w.Body.String(), `"param":null`)
	assert.Empty(t, w.Header().Get("Retry-After"))
}
