// Package mlflow is the registry on an MLflow tracking server, spoken to over its REST API: no Python is needed here.
//
//	reg, err := mlflow.New(mlflow.Options{URL: "http://localhost:5000", BufferDir: "data/metrics"})
//	if err != nil {
//		return err
//	}
//	defer reg.Close()
//	if err := reg.Ping(ctx); err != nil { // wrong address, credentials or proxy, said before any work is done
//		return err
//	}
//	run, err := reg.StartRun(ctx, "course-guides", "first try", nil)
//
// A [Client] implements [registry.Registry]; what MLflow answers with an error is an [*APIError] inside the
// [*registry.Error]. It was made against MLflow 3.17 and falls back where older servers lack logged models, and where
// later ones will lack stages.
//
// # What is where in MLflow
//
// Runs, parameters, metrics, tags and inputs are MLflow's own, so its UI shows them. Artifacts go through the server's
// artifact proxy, which is how servers run by default; where it is switched off, writing is refused with a message
// that says so. Every LogArtifacts adds a manifest, docent-manifests/<SHA-256>.json, with size and sum of each file:
// MLflow keeps no checksums. Files without a manifest, such as those that Python logged, are verified by size alone,
// and their [registry.File] has no SHA256.
//
// The tags description, source, user and commit of a run are also those that MLflow's page of it shows under these heads.
//
// LogModel makes a logged model of MLflow 3, with the parameters of its run and the metrics so far, with an MLmodel file and what
// else mlflow.transformers.load_model needs when the files are a model in Hugging Face layout or a PEFT adapter. It is
// models:/m-<id>, and runs:/<run>/<name> as well.
//
// Stages are deprecated in MLflow and do not move atomically, so the version that serves is the one with the alias
// "production" (or "staging"), which does. Promote moves the alias first and then the stages after it, for readers of
// models:/name/Production that know no alias, and repairs what promotions at the same time did to the stages. Without
// the alias the highest version of the stage counts, as for MLflow's own client.
//
// # What goes wrong
//
// Calls that may be repeated are, with growing pauses, for [Options].Patience. What creates something carries a tag of
// its own, docent.publish_id, and is looked for under it before it is sent a second time, so that an answer that got
// lost never makes two of it.
//
// Metrics are written to a journal first and sent from there in batches: training goes on while the server does not.
// With Options.BufferDir the journal is a file, and what a process could not send, because it was killed or the server
// stayed away, the next one to start or resume a run sends.
//
// The package deletes nothing of its own accord but a second version that an ambiguous failure made. A Client and its Runs are safe for
// concurrent use.
package mlflow

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/docent-ml/docent/registry"
	"github.com/docent-ml/docent/registry/internal/impl"
)

// Options say how to reach a server.
type Options struct {
	URL string // tracking URI, http or https; a path in it is kept, since proxies mount MLflow below one

	// Username and Password are sent as Basic authentication, else Token as Bearer. As in MLflow's own client, a
	// username and password win over a token.
	Username, Password, Token string

	Workspace string // of a server started with --enable-workspaces; "" is none

	InsecureTLS bool   // do not check the server's certificate
	ServerCert  string // PEM file of certificates to trust, or a folder of such; "" is the system's
	ClientCert  string // PEM file with a certificate and its key; "" is none

	// HTTP replaces the client made from the three fields above, which must then be zero. Its Timeout must be zero:
	// transfers have no limit but their context's. Redirects are never followed.
	HTTP *http.Client

	// BufferDir is a folder for metrics that the server has not taken yet. It may be shared by processes. "" keeps them
	// in memory: what was not sent is lost with the process.
	BufferDir string

	// Patience is how long a call is repeated while the server is away or overloaded; 0 is 2 minutes. A server that has
	// not answered once is not waited for.
	Patience time.Duration

	// Timeout bounds the silence of a connection: the answer to a call, and each pause inside a transfer. 0 is 2
	// minutes.
	Timeout time.Duration

	Transfers int // files moved at the same time; 0 is 4

	Now    func() time.Time // nil is time.Now
	Logger *slog.Logger     // nil discards
}

// Validate joins all faults of the options.
func (o Options) Validate() error {
	var faults []error
	if _, err := parseURL(o.URL); err != nil {
		faults = append(faults, err)
	}
	if (o.Username == "") != (o.Password == "") {
		faults = append(faults, errors.New("Username and Password: give both or neither"))
	}
	if o.InsecureTLS && o.ServerCert != "" {
		faults = append(faults, errors.New("InsecureTLS and ServerCert: give one, since without a check no certificate counts"))
	}
	if o.HTTP != nil && (o.InsecureTLS || o.ServerCert != "" || o.ClientCert != "") {
		faults = append(faults, errors.New("HTTP: set up TLS in it, instead of InsecureTLS, ServerCert and ClientCert"))
	}
	if o.HTTP != nil && o.HTTP.Timeout != 0 {
		faults = append(faults, errors.New("HTTP: its Timeout would cut transfers short, use Options.Timeout"))
	}
	for name, n := range map[string]int64{"Patience": int64(o.Patience), "Timeout": int64(o.Timeout), "Transfers": int64(o.Transfers)} {
		if n < 0 {
			faults = append(faults, fmt.Errorf("%s: must not be negative", name))
		}
	}
	for name, text := range map[string]string{"Username": o.Username, "Password": o.Password, "Token": o.Token, "Workspace": o.Workspace} {
		if strings.ContainsAny(text, "\r\n") {
			faults = append(faults, fmt.Errorf("%s: holds a line break", name)) // a secret is not shown
		}
	}
	return errors.Join(faults...)
}

func parseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil: // its text may quote a password
		return nil, errors.New("URL: not a valid URL; write http://host:5000")
	case u.User != nil:
		return nil, errors.New("URL: must not hold a user or password; use Username and Password")
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return nil, errors.New("URL: must be that of an MLflow server, such as http://localhost:5000")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("URL: must not have a query or a fragment")
	}
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), strings.TrimRight(u.RawPath, "/")
	return u, nil
}

// Client is a registry on an MLflow server. Its Register takes a tag docent.publish_id: then the version that has it already
// is returned, so that who does not know whether an earlier call succeeded can repeat it.
type Client struct {
	registry.Registry
	s *client
}

type client struct {
	o       Options
	base    *url.URL
	http    *http.Client
	log     *slog.Logger
	now     func() time.Time
	secrets *strings.Replacer
	reached atomic.Bool // the server has answered: from now on it is worth waiting for

	workspaces atomic.Bool // the server has said that it has them

	// The first pause before a call is repeated, and the longest; how long metrics are gathered before they are sent,
	// and how long Close tries to. Tests set them.
	pause, longestPause, gather, farewell time.Duration

	ctx    context.Context // of what runs in the background
	cancel context.CancelFunc

	mu       sync.Mutex
	closed   bool
	journals map[*journal]struct{}
	told     map[string]bool // disagreements of alias and stage that the log has
	noStages bool            // the server has dropped stages
	latest   time.Time       // that was written or read
}

// New makes a client. It reads the certificates and does not talk to the server: see [Client.Ping].
func New(o Options) (*Client, error) {
	fail := func(err error, hint string) (*Client, error) {
		return nil, &registry.Error{Op: "open MLflow registry", Err: err, Hint: hint}
	}
	if err := o.Validate(); err != nil {
		return fail(fmt.Errorf("%w: %w", registry.ErrInvalid, err), "")
	}
	base, err := parseURL(o.URL)
	if err != nil {
		return fail(err, "")
	}
	c := &client{o: o, base: base, log: o.Logger, now: o.Now, journals: map[*journal]struct{}{}, told: map[string]bool{},
		pause: 250 * time.Millisecond, longestPause: 10 * time.Second, gather: time.Second, farewell: 10 * time.Second}
	if c.http, err = httpClient(o); err != nil {
		return fail(err, "give PEM files: certificates in ServerCert, a certificate and its key in ClientCert")
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.now == nil {
		c.now = time.Now
	}
	c.o.Patience, c.o.Timeout, c.o.Transfers = cmp.Or(o.Patience, 2*time.Minute), cmp.Or(o.Timeout, 2*time.Minute), cmp.Or(o.Transfers, 4)
	c.secrets = hide(o)
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return &Client{impl.New(c, c.o.Transfers, c.log), c}, nil
}

// stamp is the time, to the millisecond, and never before one that this client has given or seen: a clock that is put
// back would make a run end before it began, and the values of a metric change places.
func (c *client) stamp() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now().UTC().Truncate(time.Millisecond); now.After(c.latest) {
		c.latest = now
	}
	return c.latest
}

// seen is a time that the server has.
func (c *client) seen(at integer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t := fromMillis(at); t.After(c.latest) {
		c.latest = t
	}
}

// hide replaces secrets wherever a server, or a proxy before it, writes them back.
func hide(o Options) *strings.Replacer {
	var pairs []string
	add := func(secret string) {
		if secret != "" {
			pairs = append(pairs, secret, "[hidden]")
		}
	}
	add(base64.StdEncoding.EncodeToString([]byte(o.Username + ":" + o.Password)))
	add(o.Token)
	add(o.Password)
	return strings.NewReplacer(pairs...)
}

// Ping asks the server for something that needs credentials, and tells what is wrong: an address where nobody answers,
// or somebody who is not MLflow, a name that the server does not accept as its own, missing permission.
func (client *Client) Ping(ctx context.Context) error {
	c := client.s
	err := c.get(ctx, "experiments/get", query("experiment_id", "0"), nil)
	if errors.Is(err, registry.ErrNotFound) && !isNoRoute(err) { // another workspace has no default experiment; or there is no such workspace
		err = c.post(ctx, "experiments/search", struct {
			Max int `json:"max_results"`
		}{1}, nil)
	}
	var api *APIError
	if c.o.Workspace != "" && errors.As(err, &api) && (api.Code == codeNotFound || api.Code == codeInvalid) {
		err = &registry.Error{Err: err, Hint: "make the workspace on the MLflow server, or name another (MLFLOW_WORKSPACE)"}
	}
	return impl.Wrap("reach MLflow at", c.base.String(), err)
}

// Close stops what runs in the background. Metrics that are not sent yet get one more attempt; what the server does not
// take then is told in the error and stays in BufferDir. Calls after it fail with fs.ErrClosed; closing again does
// nothing.
func (client *Client) Close() error {
	c := client.s
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	var open []*journal
	for j := range c.journals {
		open = append(open, j)
	}
	c.mu.Unlock()
	c.cancel()
	var faults []error
	for _, j := range open {
		ctx, cancel := context.WithTimeout(context.Background(), min(c.farewell, c.o.Timeout))
		faults = append(faults, impl.Wrap("send metrics of run", j.run, j.finish(ctx)))
		cancel()
	}
	c.http.CloseIdleConnections()
	return errors.Join(faults...)
}
