package serve

import (
	"bytes"
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
func checkMediaType(r *http.Request) error {
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	isJSON := media == "application/json" || strings.HasPrefix(media, "application/") && strings.HasSuffix(media, "+json")
	switch charset := params["charset"]; {
	case err != nil || !isJSON:
		return openai.NewError(openai.CodeUnsupportedMediaType, "the Content-Type must be application/json")
	case charset != "" && !strings.EqualFold(charset, "utf-8"):
		return openai.NewError(openai.CodeUnsupportedMediaType, "the charset must be utf-8")
	}
	if enc := r.Header.Get("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		return openai.NewError(openai.CodeUnsupportedMediaType, "the body must not have a Content-Encoding")
	}
	return nil
}

// readBody reads the body to its end, which is also what lets net/http notice a client that leaves.
func (x *exchange) readBody() ([]byte, error) {
	x.bodied = true
	limit := x.h.o.MaxBodyBytes
	if x.r.ContentLength > limit {
		return nil, x.tooLarge(true)
	}
	_ = x.rc.SetReadDeadline(time.Now().Add(x.h.o.BodyTimeout)) // not every writer can
	var body bytes.Buffer
	body.Grow(int(min(max(x.r.ContentLength, 0), 64<<10)) + bytes.MinRead) // announcing a lot must not cost us a lot
	_, err := body.ReadFrom(io.LimitReader(x.r.Body, limit+1))
	if err == nil {
		// At once, since net/http now reads on in the background, and takes a deadline for a client that has gone.
		_ = x.rc.SetReadDeadline(time.Time{})
	}
	_, hostLimit := errors.AsType[*http.MaxBytesError](err)
	switch {
	case hostLimit || int64(body.Len()) > limit:
		return nil, x.tooLarge(!hostLimit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, openai.NewError(openai.CodeRequestTimeout, fmt.Sprintf("the body did not arrive within %v", x.h.o.BodyTimeout))
	case err != nil:
		return nil, openai.NewError(openai.CodeInvalidJSON, "the body could not be read to its end")
	case body.Len() == 0:
		return nil, openai.NewError(openai.CodeInvalidJSON, "the body is empty")
	}
	return body.Bytes(), nil
}

// tooLarge is the 413.
func (x *exchange) tooLarge(drain bool) error {
	if drain {
		x.drain(drainBytes)
	}
	return openai.NewError(openai.CodeRequestTooLarge, fmt.Sprintf("the body is larger than %d bytes", x.h.o.MaxBodyBytes))
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
