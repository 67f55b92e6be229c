package serve

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/docent-ml/docent/openai"
)

// What is read and thrown away of a body that is too large or not wanted, so that a client that sends before it reads sees
// the error.
const (
	drainTime     = time.Second
	drainBytes    = 4 << 20
	unwantedBytes = 256 << 10
)

// checkMediaType wants JSON. Text is refused on purpose: a browser sends it across origins without asking first.
func (x *exchange) checkMediaType() error {
	r := x.r
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	isJSON := media == "application/json" || strings.HasPrefix(media, "application/") && strings.HasSuffix(media, "+json")
	switch charset := params["charset"]; {
	case err != nil || !isJSON:
		return openai.NewError(openai.CodeUnsupportedMediaType, "the Content-Type must be application/json")
	case charset != "" && !strings.EqualFold(charset, "utf-8") && !strings.EqualFold(charset, "utf8"):
		return openai.NewError(openai.CodeUnsupportedMediaType, "the charset must be utf-8")
	}
	if enc := r.Header.Get("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") && !isGzip(r) {
		x.w.Header().Set("Accept-Encoding", "gzip")
		return openai.NewError(openai.CodeUnsupportedMediaType, "the Content-Encoding must be gzip, or none")
	}
	return nil
}

func isGzip(r *http.Request) bool {
	enc := r.Header.Get("Content-Encoding")
	return strings.EqualFold(enc, "gzip") || strings.EqualFold(enc, "x-gzip")
}

// readBody reads the body to its end, which is also what lets net/http notice a client that leaves.
func (x *exchange) readBody() ([]byte, error) {
	x.bodied = true
	limit := x.h.bodyLimit()
	if x.r.ContentLength > limit {
		return nil, x.tooLarge(limit, true)
	}
	_ = x.rc.SetReadDeadline(time.Now().Add(x.h.o.BodyTimeout)) // not every writer can
	var body bytes.Buffer
	body.Grow(int(min(max(x.r.ContentLength, 0), 64<<10)) + bytes.MinRead) // announcing a lot must not cost us a lot
	err := x.unpack(&body, limit+1)
	if err == nil {
		// At once, since net/http now reads on in the background, and takes a deadline for a client that has gone.
		_ = x.rc.SetReadDeadline(time.Time{})
	}
	_, hostLimit := errors.AsType[*http.MaxBytesError](err)
	switch {
	case hostLimit || int64(body.Len()) > limit:
		return nil, x.tooLarge(limit, !hostLimit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, openai.NewError(openai.CodeRequestTimeout, fmt.Sprintf("the body did not arrive within %v", x.h.o.BodyTimeout))
	case err != nil && isGzip(x.r):
		return nil, openai.NewError(openai.CodeInvalidJSON, "the body is not what its Content-Encoding says: gzip")
	case err != nil:
		return nil, openai.NewError(openai.CodeInvalidJSON, "the body could not be read to its end")
	case body.Len() == 0:
		return nil, openai.NewError(openai.CodeInvalidJSON, "the body is empty")
	}
	return body.Bytes(), nil
}

// parse reads the body as a request. Long ones take turns on half of the processors, so that short ones do not wait for them.
func parse[T any](x *exchange, as func([]byte, openai.Limits) (T, error)) (req T, err error) {
	body, err := x.readBody()
	if err != nil {
		return req, err
	}
	if len(body) > longBody {
		if err := x.h.parsing.Acquire(x.ctx, 1); err != nil {
			return req, x.ended()
		}
		defer x.h.parsing.Release(1)
	}
	return as(body, x.h.o.limits())
}

const longBody = 64 << 10 // bytes, which take a few milliseconds

// unpack reads at most so many bytes of the body as it was before it was compressed.
func (x *exchange) unpack(body *bytes.Buffer, most int64) error {
	var r io.Reader = x.r.Body
	if isGzip(x.r) {
		z, err := gzip.NewReader(r)
		if err != nil {
			return err
		}
		r = z
	}
	_, err := body.ReadFrom(io.LimitReader(r, most))
	return err
}

// What a body may have when nobody has set a limit: room for the longest context that is served, so that a conversation that
// is too long is told by the context's own error.
const (
	leastBodyLimit = 1 << 20
	mostBodyLimit  = 64 << 20
	bytesPerToken  = 32      // in JSON, which may write a character in six or twelve
	unknownContext = 1 << 17 // tokens, of a model that is not loaded and says nothing
)

// bodyLimit is how many bytes a body may have.
func (h *Handler) bodyLimit() int64 {
	if h.o.MaxBodyBytes > 0 {
		return h.o.MaxBodyBytes
	}
	longest := 0
	for _, m := range h.pool.states(h.pool.catalog.now()) {
		tokens := cmp.Or(m.info.ContextLength, m.ContextLength)
		if tokens == 0 && m.state != "warm" {
			tokens = unknownContext
		}
		longest = max(longest, tokens)
	}
	return min(max(leastBodyLimit, int64(longest)*bytesPerToken), mostBodyLimit)
}

// tooLarge is the 413.
func (x *exchange) tooLarge(limit int64, drain bool) error {
	if drain {
		x.drain(drainBytes)
	}
	return openai.NewError(openai.CodeRequestTooLarge, fmt.Sprintf("the body is larger than %d bytes", limit))
}

// drain reads the body on for a while, unless the client waits for permission to send at all, and reports whether it came to
// the end. Its buffer is small, since strangers can have many of them. The deadline stays, as it does after a body that is
// late: net/http would wait for the rest before it closes the connection.
func (x *exchange) drain(most int64) (ended bool) {
	x.bodied = true
	_ = x.rc.SetReadDeadline(time.Now().Add(min(drainTime, x.h.o.BodyTimeout)))
	if x.r.Header.Get("Expect") != "" {
		return false
	}
	var buf [1024]byte
	for most > 0 {
		n, err := x.r.Body.Read(buf[:])
		if err != nil {
			return errors.Is(err, io.EOF)
		}
		most -= int64(n)
	}
	return false
}
