package mlflow

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/docent-ml/docent/registry"
)

// The error codes of MLflow that this package branches on.
const (
	codeExists     = "RESOURCE_ALREADY_EXISTS"
	codeNotFound   = "RESOURCE_DOES_NOT_EXIST"
	codeInvalid    = "INVALID_PARAMETER_VALUE"
	codeNoEndpoint = "ENDPOINT_NOT_FOUND"
	codeDatabase   = "BAD_REQUEST" // of MLflow's database: a row that somebody else has just written, no free connection
)

// APIError is an answer of the server, or of a proxy before it, that says no. It matches one of the sentinels of
// package registry.
type APIError struct {
	StatusCode int    // of HTTP
	Code       string // MLflow's, such as RESOURCE_DOES_NOT_EXIST; "" where the answer has none
	Message    string // of the answer, cut and without secrets

	artifact   bool          // it was asked for an artifact: elsewhere MLflow's own answers have a code
	retryAfter time.Duration // what the answer asks for; 0 is nothing
}

func (e *APIError) Error() string {
	s := fmt.Sprintf("%s (HTTP %d", e.Unwrap(), e.StatusCode)
	if e.Code != "" {
		s += ", " + e.Code
	}
	s += ")"
	if e.Message != "" {
		s += ": " + e.Message
	}
	return s
}

// Unwrap returns the sentinel of package registry that fits.
func (e *APIError) Unwrap() error {
	switch {
	case e.Code == codeNotFound:
		return registry.ErrNotFound
	case e.Code == codeExists:
		return registry.ErrExists
	case e.StatusCode == http.StatusUnauthorized, e.StatusCode == http.StatusForbidden:
		return registry.ErrDenied
	case e.StatusCode == http.StatusNotFound && e.Code == "" && e.artifact:
		return registry.ErrNotFound
	case e.StatusCode == http.StatusBadRequest, e.StatusCode == http.StatusRequestEntityTooLarge:
		return registry.ErrInvalid
	}
	return registry.ErrUnavailable
}

// noRoute says that the server does not know the call: an older one, or a newer one that has dropped it.
func (e *APIError) noRoute() bool {
	return e.Code == codeNoEndpoint || e.Code == "" && (e.StatusCode == http.StatusNotFound || e.StatusCode == http.StatusMethodNotAllowed)
}

func isNoRoute(err error) bool {
	var e *APIError
	return errors.As(err, &e) && e.noRoute()
}

// temporary says that the same call may succeed later.
func (e *APIError) temporary() bool {
	switch e.Code {
	case "NOT_IMPLEMENTED", "FEATURE_DISABLED": // they come with a 500 as well
		return false
	case codeDatabase:
		return true
	}
	switch e.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway, http.StatusGatewayTimeout:
		return true
	case http.StatusServiceUnavailable:
		return !servingOff(e)
	}
	return false
}

// servingOff: the 503 of a server without artifact proxy is for good.
func servingOff(e *APIError) bool {
	return e.StatusCode == http.StatusServiceUnavailable && strings.Contains(e.Message, "serve-artifacts")
}

// brokenError is a connection that failed, or an answer that is not MLflow's.
type brokenError struct {
	err  error
	hint string
	sent bool // the server may have done what was asked
}

func (e *brokenError) Error() string {
	return fmt.Sprintf("%s: %s", registry.ErrUnavailable, e.err)
}

func (e *brokenError) Unwrap() []error { return []error{registry.ErrUnavailable, e.err} }

// retryable says whether a failure may pass.
func retryable(err error) bool {
	var api *APIError
	if errors.As(err, &api) {
		return api.temporary()
	}
	var broken *brokenError
	return errors.As(err, &broken)
}

// refused says whether the server has answered that it will not do this, ever.
func refused(err error) bool {
	var api *APIError
	return errors.As(err, &api) && !api.temporary()
}

// ambiguous says whether the server may have done what failed here.
func ambiguous(err error) bool {
	var api *APIError
	if errors.As(err, &api) {
		return api.StatusCode >= 500 || api.StatusCode == http.StatusRequestTimeout || api.Code == codeDatabase
	}
	var broken *brokenError
	return errors.As(err, &broken) && broken.sent
}

// broken makes the error of a connection. Errors while dialling come before anything was sent.
func broken(err error) *brokenError {
	var op *net.OpError
	var dns *net.DNSError
	e := &brokenError{err: err, sent: true}
	switch {
	case errors.As(err, &dns):
		e.sent, e.hint = false, "correct the host's name; a container's name resolves only inside its network"
	case errors.As(err, &op) && op.Op == "dial":
		e.sent, e.hint = false, "start the MLflow server, or correct the address"
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		e.sent, e.hint = false, "write http:// instead of https://"
	case strings.Contains(err.Error(), "remote error: tls:"):
		e.sent, e.hint = false, "name a certificate that the server takes, and its key, in ClientCert (MLFLOW_TRACKING_CLIENT_CERT_PATH)"
	case strings.Contains(err.Error(), "x509:"), strings.Contains(err.Error(), "tls:"):
		e.sent, e.hint = false, "name the certificates to trust in ServerCert (MLFLOW_TRACKING_SERVER_CERT_PATH)"
	}
	return e
}

// hint says what to do about an answer.
func hint(err error) string {
	var b *brokenError
	if errors.As(err, &b) {
		return b.hint
	}
	var e *APIError
	if !errors.As(err, &e) {
		return ""
	}
	switch {
	case e.StatusCode == http.StatusForbidden && strings.Contains(e.Message, "Invalid Host header"):
		return "the server does not accept this name as its own: start it with --allowed-hosts 'name:*,localhost:*,127.0.0.1:*', or use its IP address"
	case e.StatusCode == http.StatusForbidden:
		return "ask for permission on the MLflow server, or use another account"
	case e.StatusCode == http.StatusUnauthorized:
		return "give a username and password, or a token, that the server knows (MLFLOW_TRACKING_USERNAME, MLFLOW_TRACKING_PASSWORD, MLFLOW_TRACKING_TOKEN)"
	case e.Code == "FEATURE_DISABLED":
		return "start the server with --enable-workspaces, or leave the workspace out"
	case servingOff(e):
		return "start the server with --serve-artifacts, which is its default"
	case e.StatusCode >= 300 && e.StatusCode < 400:
		return "give the address that it leads to"
	case e.StatusCode == http.StatusRequestEntityTooLarge:
		return "raise the limit of the proxy before the server"
	case e.Code == codeDatabase:
		return "the server's database refuses it each time: look at the server's log"
	case e.StatusCode == http.StatusInsufficientStorage || strings.Contains(e.Message, "disk is full") || strings.Contains(e.Message, "No space left"):
		return "make room on the MLflow server's disk"
	case e.noRoute():
		return "check that the URL is that of an MLflow server, with the path below which a proxy mounts it"
	case e.StatusCode == http.StatusBadGateway, e.StatusCode == http.StatusServiceUnavailable, e.StatusCode == http.StatusGatewayTimeout:
		return "look whether the MLflow server runs, and raise the time-out of the proxy before it, which gave up waiting for it"
	case e.temporary() && e.StatusCode >= 500: // MLflow says no more than this when it cannot write a file
		return "try again later; if it stays so look at the server's log, and whether its disk is full"
	case e.temporary():
		return "try again later"
	}
	return ""
}

const maxMessage = 400 // bytes of an answer that an error shows

// apiError reads an answer that says no.
func (c *client) apiError(resp *http.Response, body []byte) *APIError {
	e := &APIError{StatusCode: resp.StatusCode, artifact: strings.Contains(strings.TrimPrefix(resp.Request.URL.Path, c.base.Path), "artifact")}
	var fields struct {
		Code    string          `json:"error_code"`
		Message string          `json:"message"`
		Detail  json.RawMessage `json:"detail"`
	}
	switch {
	case json.Unmarshal(body, &fields) == nil && (fields.Code != "" || fields.Message != "" || fields.Detail != nil):
		e.Code, e.Message = fields.Code, fields.Message
		if e.Message == "" {
			e.Message = strings.Trim(string(fields.Detail), `"`)
		}
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		e.Message = "redirected to " + resp.Header.Get("Location")
	case isHTML(resp.Header, body):
		e.Message = "an HTML page"
	default:
		e.Message = string(body)
	}
	e.Message = c.shown(e.Message)
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		e.retryAfter = retryAfter(resp.Header.Get("Retry-After"), c.now())
	}
	return e
}

// shown makes foreign text fit to be part of a message: without secrets, on one line, not long.
func (c *client) shown(text string) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(c.secrets.Replace(text), "\ufffd")), " ")
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "") + "…"
	}
	return text
}

// isHTML tells a page from the plain text that MLflow's server calls text/html too. Of a body that has not been read, nil, only
// the header tells.
func isHTML(header http.Header, body []byte) bool {
	if body == nil {
		return strings.Contains(header.Get("Content-Type"), "text/html")
	}
	return strings.HasPrefix(strings.TrimSpace(string(body[:min(len(body), 64)])), "<")
}

func retryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(text); err == nil {
		return max(0, min(time.Duration(seconds), 1<<20)*time.Second)
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}
