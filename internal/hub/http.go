package hub

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const maxRedirects = 10

var errStalled = errors.New("the server fell silent")

// transient marks a failure that may pass.
type transient struct {
	err   error
	after time.Duration // the server's wish, 0 when it has none
}

func (t *transient) Error() string { return t.err.Error() }
func (t *transient) Unwrap() error { return t.err }

// retry calls f until it succeeds, fails for good, or has failed tries times in a row without progress.
func (c *Client) retry(ctx context.Context, tries int, f func() (progress bool, err error)) error {
	for failed := 0; ; {
		progress, err := f()
		var t *transient
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case !errors.As(err, &t):
			return err
		}
		failed++
		if progress {
			failed = 1
		}
		// 1 s, 2 s, 4 s, … of which up to a quarter is taken off, so that clients do not come back together.
		backoff := min(time.Second<<(failed-1), 30*time.Second)
		wait := max(backoff-rand.N(backoff/4), t.after)
		if failed >= tries || wait > longestWait {
			return unavailable(t)
		}
		c.log.Warn("hub: trying again", "wait", wait.Round(100*time.Millisecond), "failed", failed, "reason", t.err)
		if err := c.sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// unavailable is a transient failure that did not pass.
func unavailable(t *transient) error {
	var e *Error
	if errors.As(t.err, &e) {
		return e
	}
	return &Error{Kind: ErrUnavailable, Err: t.err, Hint: "check the network and proxy, or work offline with a model that is cached"}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// do sends a request and follows redirects. net/http's own following would carry the token to subdomains and to other
// ports of the host; here it goes to the endpoint's origin only. When stop is given and returns true for a redirect
// that leaves this origin, the redirect itself is the answer.
//
// The body's reads fail when the server is silent for too long; closing it releases everything.
func (c *Client) do(ctx context.Context, method, address string, header http.Header, stop func(*http.Response) bool) (*http.Response, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(c.stall, func() { cancel(errStalled) })
	release := func() { timer.Stop(); cancel(context.Canceled) }
	for range maxRedirects {
		req, err := http.NewRequestWithContext(ctx, method, u.String(), nil)
		if err != nil {
			release()
			return nil, err
		}
		for key, values := range header {
			req.Header[key] = values
		}
		req.Header.Set("User-Agent", "docent-hub")
		req.Header.Set("Accept-Encoding", "identity") // sizes and ranges are those of the file, not of its gzip
		if c.token != "" && sameOrigin(u, c.endpoint) {
			req.Header.Set("Authorization", "Bearer "+c.token)
		}
		resp, err := c.http.Do(req)
		if err != nil {
			err = c.transportError(ctx, method, u, err)
			release()
			return nil, err
		}
		location := resp.Header.Get("Location")
		if resp.StatusCode/100 != 3 || location == "" {
			timer.Stop()
			resp.Request = req
			resp.Body = &guardedBody{resp.Body, ctx, timer, c.stall, release}
			return resp, nil
		}
		resp.Body.Close()
		next, err := u.Parse(location)
		switch {
		case err != nil || next.Scheme != "https" && next.Scheme != "http" || next.Host == "":
			release()
			return nil, badAnswer("check the endpoint and proxy", "%s redirects to an address that is no web page", bare(u))
		case u.Scheme == "https" && next.Scheme != "https":
			release()
			return nil, badAnswer("check the endpoint and proxy", "%s redirects from https to http on %s", bare(u), next.Host)
		case stop != nil && !sameOrigin(next, c.endpoint) && stop(resp):
			release()
			return resp, nil
		}
		u = next
	}
	release()
	return nil, badAnswer("check the endpoint and proxy", "%s: more than %d redirects", bare(u), maxRedirects)
}

// transportError drops the query of the address, which on storage hosts is a signature.
func (c *Client) transportError(ctx context.Context, method string, u *url.URL, err error) error {
	if cause := context.Cause(ctx); errors.Is(cause, errStalled) {
		err = fmt.Errorf("%w for %v", errStalled, c.stall)
	}
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	err = fmt.Errorf("%s %s: %w", method, bare(u), err)
	var cert *tls.CertificateVerificationError
	if errors.As(err, &cert) {
		return &Error{Kind: ErrUnavailable, Err: err, Hint: "if a proxy inspects traffic here, add its certificate to the system's"}
	}
	return &transient{err: err}
}

func bare(u *url.URL) string { return u.Scheme + "://" + u.Host + u.EscapedPath() }

func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	return cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
}

// guardedBody fails a read when the server was silent for too long.
type guardedBody struct {
	io.ReadCloser
	ctx     context.Context // of the request, for its cause only
	timer   *time.Timer
	stall   time.Duration
	release func()
}

func (b *guardedBody) Read(p []byte) (int, error) {
	b.timer.Reset(b.stall)
	n, err := b.ReadCloser.Read(p)
	b.timer.Stop() // what the reader does between reads is not the server's silence
	if err != nil && !errors.Is(err, io.EOF) && errors.Is(context.Cause(b.ctx), errStalled) {
		err = fmt.Errorf("%w for %v", errStalled, b.stall)
	}
	return n, err
}

func (b *guardedBody) Close() error {
	err := b.ReadCloser.Close()
	b.release()
	return err
}

// statusError explains an answer that is no success. The reading rules are those of huggingface_hub.
func (c *Client) statusError(p place, resp *http.Response) error {
	code, said := resp.Header.Get("X-Error-Code"), c.serverMessage(resp)
	e := &Error{Status: resp.StatusCode, Err: errors.New(said)}
	page := c.endpoint.String() + "/" + p.repo
	switch status := resp.StatusCode; {
	case code == "GatedRepo":
		e.Kind, e.Hint = ErrGated, fmt.Sprintf("accept the licence at %s and pass a token of that account (HF_TOKEN)", page)
		if c.token != "" {
			e.Hint = fmt.Sprintf("accept the licence at %s with the account that owns the token, and wait for approval if the page says so", page)
		}
	case status == http.StatusUnauthorized && c.token == "":
		e.Kind, e.Hint = ErrUnauthorized, fmt.Sprintf("check the spelling of %s; if it is private, pass a token that may read it (HF_TOKEN)", p.repo)
	case status == http.StatusUnauthorized:
		e.Kind, e.Hint = ErrUnauthorized, fmt.Sprintf("the token is invalid or has expired: make a new one at %s/settings/tokens, "+
			"or pass none for a public repository", c.endpoint)
	case code == "RevisionNotFound":
		e.Kind, e.Hint = ErrNotFound, fmt.Sprintf("%s has no branch, tag or commit %q: choose one at %s/tree/main", p.repo, p.revision, page)
	case code == "EntryNotFound":
		e.Kind, e.Hint = ErrNotFound, fmt.Sprintf("the listing names the file but it is gone: look at %s/tree/%s", page, p.revision)
	case code == "RepoNotFound" || status == http.StatusNotFound || status == http.StatusGone:
		e.Kind, e.Hint = ErrNotFound, fmt.Sprintf("check the spelling of %s and that the endpoint is a Hub; "+
			"if the repository is private, pass a token that may read it", p.repo)
		if c.token != "" {
			e.Hint = fmt.Sprintf("check the spelling of %s, and that the token's account may read it", p.repo)
		}
	case status == http.StatusForbidden:
		e.Kind, e.Hint = ErrForbidden, fmt.Sprintf("give the token read access to %s, or use another", p.repo)
		if c.token == "" {
			e.Hint = "pass a token that may read it (HF_TOKEN)"
		}
	case status == http.StatusTooManyRequests:
		e.Kind, e.Hint = ErrUnavailable, "too many requests: wait some minutes"
		if c.token == "" {
			e.Hint += ", or pass a token (HF_TOKEN), which raises the limit"
		}
		return &transient{err: e, after: retryAfter(resp.Header, time.Now())}
	case status == http.StatusRequestTimeout || status >= 500:
		e.Kind, e.Hint = ErrUnavailable, "the service has a fault: try again later"
		return &transient{err: e, after: retryAfter(resp.Header, time.Now())}
	default:
		e.Kind, e.Hint = ErrBadAnswer, "check the endpoint and proxy"
	}
	return e
}

// serverMessage is the status and the server's own words, short and without the token, should it be echoed.
func (c *Client) serverMessage(resp *http.Response) string {
	text := resp.Header.Get("X-Error-Message")
	if text == "" {
		var body struct {
			Error string `json:"error"`
		}
		if data, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10)); err == nil && json.Unmarshal(data, &body) == nil {
			text = body.Error
		}
	}
	if c.token != "" {
		text = strings.ReplaceAll(text, c.token, "…")
	}
	text = strings.ToValidUTF8(strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f }), " "), "")
	if runes := []rune(text); len(runes) > 300 {
		text = string(runes[:300]) + "…"
	}
	status := strings.TrimSpace(fmt.Sprintf("%d %s", resp.StatusCode, http.StatusText(resp.StatusCode)))
	if text == "" {
		return status
	}
	return fmt.Sprintf("%s, %q", status, text)
}

var rateLimitReset = regexp.MustCompile(`;\s*r\s*=\s*0\s*;\s*t\s*=\s*(\d{1,6})\b`)

// retryAfter reads Retry-After (seconds or a date), else the RateLimit header of an exhausted quota.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if text == "" {
		if m := rateLimitReset.FindStringSubmatch(h.Get("RateLimit")); m != nil {
			text = m[1]
		}
	}
	if seconds, err := strconv.ParseUint(text, 10, 24); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if date, err := http.ParseTime(text); err == nil {
		return max(date.Sub(now), 0)
	}
	return 0
}
