package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"github.com/docent-ml/docent/openai"
)

// exchange is one request and its response, from arrival to the log line.
type exchange struct {
	h      *Handler
	w      http.ResponseWriter
	r      *http.Request
	rc     *http.ResponseController
	ctx    context.Context // ends with the client, and with Close
	cancel context.CancelCauseFunc
	unbind func() bool
	began  time.Time
	id     string // of the request

	entered bool                // counts as running
	bodied  bool                // the body was read, or given up
	lease   *loaded             // the model, once there is one
	stream  *openai.Stream      // once streaming has begun, nothing but events can be sent
	cut     bool                // the stream broke off: abort the connection
	failing func(*openai.Error) // how a stream that has events of its own tells of a failure

	// for the log line and the metrics
	route, key, model string
	status            int
	code              openai.Code
	tokens            openai.Usage
	firstToken        time.Duration
	drafted, kept     int // tokens computed ahead: see Delta
	settled           bool
	err               error
}

func (h *Handler) newExchange(w http.ResponseWriter, r *http.Request) *exchange {
	x := &exchange{h: h, w: w, r: r, rc: http.NewResponseController(w), began: time.Now(), id: r.Header.Get("X-Request-Id")}
	if !isRequestID(x.id) {
		x.id = "req_" + h.newID()
	}
	w.Header().Set("X-Request-Id", x.id)
	x.ctx, x.cancel = context.WithCancelCause(r.Context())
	x.unbind = context.AfterFunc(h.base, func() { x.cancel(ErrClosed) })
	return x
}

// isRequestID says whether a client's id is one to repeat in headers and logs: [A-Za-z0-9._:-]{1,128}.
func isRequestID(s string) bool {
	bad := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._:-", r)
	}
	return s != "" && len(s) <= 128 && strings.IndexFunc(s, bad) < 0
}

// rescue, deferred, makes an error of a panic. http.ErrAbortHandler means something to net/http and goes on to it.
func (x *exchange) rescue() {
	switch v := recover(); v {
	case nil:
	case http.ErrAbortHandler:
		panic(v)
	default:
		x.fail(&panicError{v, debug.Stack()})
	}
}

// end frees what the exchange holds, and logs it. Nothing can be written after it.
func (x *exchange) end() {
	if x.stream != nil {
		x.stream.Close()
	}
	x.unbind()
	x.cancel(nil)
	if x.lease != nil {
		x.h.pool.release(x.lease)
	}
	x.settle()
	x.logLine()
	if x.entered {
		x.h.leave()
	}
	if x.cut {
		panic(http.ErrAbortHandler) // closes the connection: nobody takes the stream for complete
	}
}

// settle counts the request, once: before its last bytes go out, so that a client that has its answer sees it counted.
func (x *exchange) settle() {
	if x.settled {
		return
	}
	x.settled = true
	x.h.rates.charge(x.key, x.tokens.TotalTokens)
	x.observe()
}

// path is what the client asked for, with the prefix that the host may have stripped, without the query.
func (x *exchange) path() string {
	path, _, _ := strings.Cut(x.r.RequestURI, "?")
	if !strings.HasPrefix(path, "/") { // absolute form, or a request that no server has read
		if u, err := url.Parse(path); err == nil && u.Path != "" {
			return u.EscapedPath()
		}
		return x.r.URL.EscapedPath()
	}
	return path
}

// respond sends v as JSON.
func (x *exchange) respond(status int, v any) error {
	body, err := openai.Encode(x.w.Header(), v)
	if err != nil {
		return err
	}
	x.status = status
	x.settle()
	x.write(func() {
		x.w.WriteHeader(status)
		_, x.err = x.w.Write(body)
	})
	return nil
}

// write sends a whole response under a write deadline of its own, and lifts it afterwards: the connection may go on to
// another handler of the host. A body that nobody has read is read away first, since net/http would do it without a
// deadline. One that is long or late costs the connection, not the answer.
func (x *exchange) write(send func()) {
	if !x.bodied && x.r.ContentLength != 0 && !x.drain(unwantedBytes) {
		x.w.Header().Set("Connection", "close")
	}
	_ = x.rc.SetWriteDeadline(time.Now().Add(x.h.o.WriteTimeout)) // not every writer can
	send()
	_ = x.rc.Flush()
	_ = x.rc.SetWriteDeadline(time.Time{})
}

// statusClientGone is what the log says when nobody was there to receive a status.
const statusClientGone = 499

// fail answers with an error, or ends the stream with one.
func (x *exchange) fail(err error) {
	x.err = err
	if errors.Is(err, errUnsent) {
		x.status, x.cut = statusClientGone, true
		return
	}
	e := apiError(err)
	if e.Status == http.StatusUnprocessableEntity {
		e.Status = x.h.o.ValidationStatus
	}
	e.Path, e.RequestID = x.path(), x.id
	x.status, x.code = e.Status, e.Code
	if errors.Is(err, errGone) {
		x.status = statusClientGone
	}
	x.settle()
	if x.stream != nil {
		x.cut = true
		if x.failing != nil {
			x.failing(e)
		} else {
			_ = x.stream.Send(openai.ErrorResponse{Error: e}) // the log line has the error already
		}
		return
	}
	if e.Status == http.StatusRequestTimeout || e.Status == http.StatusRequestEntityTooLarge {
		x.w.Header().Set("Connection", "close")
	}
	x.write(func() { openai.WriteError(x.w, e) })
}

// ended is the error of a request whose context has ended: by Close, or from outside.
func (x *exchange) ended() error {
	cause := context.Cause(x.ctx)
	if errors.Is(cause, ErrClosed) {
		return cause
	}
	return fmt.Errorf("%w: %w", errGone, cause)
}

// logLine writes the one line that each request gets. Faults of the server are errors, those of the client are not.
func (x *exchange) logLine() {
	level := slog.LevelInfo
	if strings.HasPrefix(x.route, "/health") {
		level = slog.LevelDebug // somebody asks every second
	} else if x.status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	if !x.h.log.Enabled(context.Background(), level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("request_id", x.id), slog.String("route", x.route), slog.Int("status", x.status),
		slog.Duration("duration", time.Since(x.began)),
	}
	if x.key != "" {
		attrs = append(attrs, slog.String("key", x.key))
	}
	if x.model != "" {
		attrs = append(attrs, slog.String("model", x.model[:min(len(x.model), 128)]))
	}
	if x.firstToken > 0 {
		attrs = append(attrs, slog.Duration("first_token", x.firstToken))
	}
	if x.tokens.TotalTokens > 0 {
		attrs = append(attrs, slog.Int("prompt_tokens", x.tokens.PromptTokens), slog.Int("completion_tokens", x.tokens.CompletionTokens))
	}
	if x.err != nil {
		attrs = append(attrs, slog.String("error", x.err.Error()))
	}
	if p, ok := errors.AsType[*panicError](x.err); ok {
		attrs = append(attrs, slog.String("stack", string(p.stack)))
	}
	x.h.log.LogAttrs(context.Background(), level, "request", attrs...)
}
