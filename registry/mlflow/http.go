package mlflow

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/docent-ml/docent/registry"
)

const (
	apiPath      = "/api/2.0/mlflow/"
	maxAnswer    = 64 << 20 // bytes of a JSON answer; pages are asked for small enough
	maxErrorBody = 64 << 10

	workspaceHeader = "X-MLFLOW-WORKSPACE"
)

// httpClient makes the client that the options describe.
func httpClient(o Options) (*http.Client, error) {
	client := &http.Client{}
	if o.HTTP != nil {
		*client = *o.HTTP
	} else {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		// The server closes idle connections after 5 s; a call that meets the closing fails without need.
		transport.IdleConnTimeout = 3 * time.Second
		transport.MaxIdleConnsPerHost = 16
		var err error
		if transport.TLSClientConfig, err = tlsConfig(o); err != nil {
			return nil, err
		}
		client.Transport = transport
	}
	// A redirected POST would arrive as a GET, and credentials at a host that nobody named.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return client, nil
}

func tlsConfig(o Options) (*tls.Config, error) {
	config := &tls.Config{InsecureSkipVerify: o.InsecureTLS, MinVersion: tls.VersionTLS12} //nolint:gosec // when asked for
	if o.ServerCert != "" {
		var err error
		if config.RootCAs, err = trusted(o.ServerCert); err != nil {
			return nil, err
		}
	}
	if o.ClientCert != "" {
		pair, err := tls.LoadX509KeyPair(o.ClientCert, o.ClientCert)
		if err != nil {
			return nil, &registry.Error{Path: o.ClientCert, Err: fmt.Errorf("%w: %w", registry.ErrInvalid, err)}
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// trusted reads a PEM file, or all files of a folder as OpenSSL keeps them.
func trusted(name string) (*x509.CertPool, error) {
	names := []string{name}
	if entries, err := os.ReadDir(name); err == nil {
		names = nil
		for _, e := range entries {
			names = append(names, filepath.Join(name, e.Name()))
		}
	}
	pool, found := x509.NewCertPool(), false
	for _, file := range names {
		pem, err := os.ReadFile(file)
		if err != nil && file == name {
			return nil, err
		}
		found = pool.AppendCertsFromPEM(pem) || found
	}
	if !found {
		return nil, &registry.Error{Path: name, Err: fmt.Errorf("%w: no certificate in it", registry.ErrInvalid)}
	}
	return pool, nil
}

// prepare adds what every request has.
func (c *client) prepare(req *http.Request) {
	switch {
	case c.o.Username != "":
		req.SetBasicAuth(c.o.Username, c.o.Password)
	case c.o.Token != "":
		req.Header.Set("Authorization", "Bearer "+c.o.Token)
	}
	if c.o.Workspace != "" {
		req.Header.Set(workspaceHeader, c.o.Workspace)
	}
}

// check refuses what comes after Close.
func (c *client) check() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return fmt.Errorf("MLflow client: %w", fs.ErrClosed)
	}
	return nil
}

// checkWorkspace asks before anything else whether the server has workspaces: an older one ignores the setting,
// and everything would land among what others have.
func (c *client) checkWorkspace(ctx context.Context) error {
	if c.o.Workspace == "" || c.workspaces.Load() {
		return nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base.String()+"/api/3.0/mlflow/server-info", nil)
	if err != nil {
		return err
	}
	c.prepare(req)
	req.Header.Del(workspaceHeader) // whether there is this one is another question
	resp, err := c.http.Do(req)
	if err != nil {
		return c.connectionError(ctx, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	if err != nil {
		return c.connectionError(ctx, err)
	}
	var info struct {
		Enabled bool `json:"workspaces_enabled"`
	}
	if resp.StatusCode >= 300 {
		if err := c.apiError(resp, body); !err.noRoute() {
			return err
		}
	} else if json.Unmarshal(body, &info) != nil {
		return c.notMLflow(resp.Header, body)
	}
	if !info.Enabled {
		return &registry.Error{Name: c.o.Workspace, Err: fmt.Errorf("%w: this MLflow server has no workspaces, and would ignore the name", registry.ErrInvalid),
			Hint: "start a server that has with --enable-workspaces, or leave the workspace out (MLFLOW_WORKSPACE)"}
	}
	c.workspaces.Store(true)
	return nil
}

// send does one request. An answer other than 2xx is an *APIError.
func (c *client) send(req *http.Request) (*http.Response, error) {
	if err := c.check(); err != nil && !closing(req.Context()) {
		return nil, err
	}
	if err := c.checkWorkspace(req.Context()); err != nil {
		return nil, err
	}
	c.prepare(req)
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.connectionError(req.Context(), err)
	}
	if resp.StatusCode < 300 {
		return resp, nil
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	if err != nil && len(body) == 0 && resp.StatusCode >= 500 {
		return nil, c.connectionError(req.Context(), err)
	}
	return nil, c.apiError(resp, body)
}

// connectionError tells the end of the caller's context from a fault of the connection. *url.Error would repeat the
// whole address.
func (c *client) connectionError(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, errSilent) {
		return cause
	} else if cause != nil {
		err = cause
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return broken(err)
}

// errSilent ends an attempt, not the call.
var errSilent = errors.New("no answer in time")

// request is one call of the API.
type request struct {
	method string
	path   string // below the base
	query  url.Values
	body   any // becomes JSON; nil is none
}

// do calls the API once and decodes the answer, a JSON object, into out (nil to drop it).
func (c *client) do(ctx context.Context, r request, out any) error {
	u := *c.base
	u.Path, u.RawPath, u.RawQuery = u.Path+r.path, "", r.query.Encode()
	return c.doURL(ctx, r.method, u.String(), r.body, out)
}

func (c *client) doURL(ctx context.Context, method, address string, in, out any) error {
	header, data, err := c.exchange(ctx, method, address, in)
	if err != nil {
		return err
	}
	if out == nil {
		out = &struct{}{}
	}
	if len(data) == 0 || data[0] != '{' || !json.Valid(data) {
		return c.notMLflow(header, data)
	}
	if err := decode(data, out); err != nil {
		return err
	}
	c.reached.Store(true)
	return nil
}

// exchange sends JSON, nil for none, once and reads the answer, whatever it is, without white space around it.
func (c *client) exchange(ctx context.Context, method, address string, in any) (http.Header, []byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.o.Timeout, errSilent)
	defer cancel()
	var body bytes.Buffer
	if in != nil {
		if err := json.NewEncoder(&body).Encode(in); err != nil {
			return nil, nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, address, &body)
	if err != nil {
		return nil, nil, err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", "application/json")
	resp, err := c.send(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, nil, c.connectionError(ctx, err)
	}
	return resp.Header, bytes.TrimSpace(data), nil
}

const wrongServer = "check that the URL is that of an MLflow server, and what a proxy before it answers"

// notMLflow is the error of a success that cannot be MLflow's: its API answers with a JSON object, always.
func (c *client) notMLflow(header http.Header, data []byte) error {
	what := "nothing"
	switch {
	case isHTML(header, data):
		what = "an HTML page"
	case len(data) > 0 && data[0] == '{':
		what = "half of an answer"
	case len(data) > 0:
		what = fmt.Sprintf("%q", c.shown(string(data[:min(len(data), 100)])))
	}
	return &brokenError{err: fmt.Errorf("the answer is %s instead of MLflow's", what), hint: wrongServer, sent: true}
}

// retry repeats an attempt while its failure may pass.
func (c *client) retry(ctx context.Context, attempt func() error) error {
	var began time.Time
	for n := 0; ; n++ {
		err := context.Cause(ctx)
		if err == nil {
			err = attempt()
		}
		if err == nil || !retryable(err) {
			return c.explain(err)
		}
		if n == 0 {
			began = time.Now()
		}
		pause := c.backoff(n)
		var api *APIError
		if errors.As(err, &api) {
			pause = max(pause, api.retryAfter)
		}
		if !c.worthWaiting(err, n+1) || time.Since(began)+pause > c.o.Patience {
			return c.explain(err)
		}
		c.log.Debug("MLflow: trying again", "pause", pause, "error", err)
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// databaseAttempts bounds how often a request is sent that the server's database refuses. Mostly somebody else wrote the
// same row between MLflow's look and its write (a parameter, an alias), and the next attempt finds it there; or many
// requests at once had used up its connections. What is refused each time is wrong in itself.
const databaseAttempts = 6

// worthWaiting: an address where MLflow never answered is rather wrong than busy.
func (c *client) worthWaiting(err error, attempts int) bool {
	var api *APIError
	if errors.As(err, &api) {
		return api.Code != codeDatabase || attempts < databaseAttempts
	}
	return c.reached.Load() || attempts == 1
}

// backoff is the pause after attempt n: doubled each time, with up to a quarter more so that clients that failed together
// do not come back together.
func (c *client) backoff(n int) time.Duration {
	d := min(c.pause<<min(n, 20), c.longestPause)
	return d + rand.N(d/4+1)
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// explain adds what to do.
func (c *client) explain(err error) error {
	if err == nil {
		return nil
	}
	if h := hint(err); h != "" {
		return &registry.Error{Err: err, Hint: h}
	}
	return err
}

// get, post and delete call what may be repeated.
func (c *client) get(ctx context.Context, endpoint string, q url.Values, out any) error {
	return c.call(ctx, request{method: http.MethodGet, path: apiPath + endpoint, query: q}, out)
}

func (c *client) post(ctx context.Context, endpoint string, body, out any) error {
	return c.call(ctx, request{method: http.MethodPost, path: apiPath + endpoint, body: body}, out)
}

func (c *client) delete(ctx context.Context, endpoint string, body any) error {
	return c.call(ctx, request{method: http.MethodDelete, path: apiPath + endpoint, body: body}, nil)
}

func (c *client) call(ctx context.Context, r request, out any) error {
	return c.retry(ctx, func() error { return c.do(ctx, r, out) })
}

// fetch gets what stands under one name of an answer.
func fetch[T any](ctx context.Context, c *client, endpoint, name string, q url.Values) (found T, err error) {
	err = c.retry(ctx, func() error {
		return c.named(ctx, request{method: http.MethodGet, path: apiPath + endpoint, query: q}, name, &found)
	})
	return found, err
}

// named makes a call and reads what stands under one name of its answer.
func (c *client) named(ctx context.Context, r request, name string, into any) error {
	out := map[string]json.RawMessage{}
	if err := c.do(ctx, r, &out); err != nil || out[name] == nil {
		return err
	}
	return decode(out[name], into)
}

func decode(data []byte, into any) error {
	if err := json.Unmarshal(data, into); err != nil {
		return &brokenError{err: fmt.Errorf("an answer that MLflow does not give: %w", err), hint: wrongServer, sent: true}
	}
	return nil
}

// pages yields a list that the server gives in pages. What asks for one is tried until it succeeds.
func pages[T any](ctx context.Context, c *client, ask func(token string) ([]T, string, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for token, more := "", true; more; more = token != "" {
			var page []T
			var next string
			err := c.retry(ctx, func() (err error) {
				page, next, err = ask(token)
				return err
			})
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, v := range page {
				if !yield(v, nil) {
					return
				}
			}
			token = next
		}
	}
}

// create sends what would make a second one if it were repeated, and returns what stands under name in the answer. Where it may
// have been done before, and after a failure that leaves open whether the server did it, search looks for the result first.
// It reports whether there was such a doubt.
func create[T any](ctx context.Context, c *client, endpoint, name string, body any, before bool, search func() ([]T, error)) (made T, doubt bool, err error) {
	doubt = before
	err = c.retry(ctx, func() error {
		if doubt {
			if found, err := search(); err != nil {
				return err
			} else if len(found) > 0 {
				made = found[len(found)-1] // the first that was made
				return nil
			}
		}
		err := c.named(ctx, request{method: http.MethodPost, path: apiPath + endpoint, body: body}, name, &made)
		doubt = doubt || ambiguous(err)
		return err
	})
	return made, doubt, err
}

// query makes arguments from names and values; those that are empty are left out.
func query(pairs ...string) url.Values {
	q := make(url.Values, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return q
}

type closingKey struct{}

// whileClosing marks the context of Close, whose calls may still be sent.
func whileClosing(ctx context.Context) context.Context {
	return context.WithValue(ctx, closingKey{}, true)
}

func closing(ctx context.Context) bool { return ctx.Value(closingKey{}) != nil }
