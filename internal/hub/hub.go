// Package hub downloads model repositories from the Hugging Face Hub into the cache that Python's huggingface_hub
// uses, so that a model fetched by one is found by the other.
//
//	c, err := hub.New(hub.Options{
//		CacheDir: cache, // ~/.cache/huggingface/hub is Python's
//		Token:    token,
//	})
//	if err != nil { … }
//	dir, err := c.Snapshot(ctx, "HuggingFaceTB/SmolLM2-135M-Instruct", "main", nil)
//	// dir holds config.json, the tokenizer files and *.safetensors
//
// What it promises:
//
//   - A folder that Snapshot returns is complete. The pointers of a snapshot, and the branch that names it, appear
//     after the last byte of the last file was verified (size, and SHA-256 or git hash), so neither a crash nor a
//     cancelled context leaves a snapshot with holes.
//   - A broken download goes on where it stopped, in this process or the next.
//   - Two processes, also one of them Python, do not download the same file at the same time: both take the same
//     lock files.
//   - The token goes to the endpoint and nowhere else: not to the storage host that the Hub redirects to, not into
//     errors, not into logs.
//   - Every failure is an *Error that wraps one of the Err… sentinels and says what to do.
//
// It reads no environment, prints nothing, and does not upload, list or search. It reads model repositories only, over plain HTTP rather than the Xet protocol.
//
// Why not github.com/gomlx/go-huggingface/hub (v0.4.0): it takes no http.Client, reads HF_ENDPOINT and the cache
// variables itself, prints progress, and lists repositories without a context. It starts a broken file from zero,
// checks neither size nor hash, and does not retry. It writes no refs and takes its HEAD data after the redirect to
// the storage host, so blob names differ from Python's and nothing is found offline.
//
// A Client may be used by several goroutines at once.
package hub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// DefaultEndpoint is the public Hub.
const DefaultEndpoint = "https://huggingface.co"

const (
	defaultRevision = "main"
	parallelFiles   = 4
	attempts        = 5                // of one request, or of one file without a new byte
	stallTimeout    = time.Minute      // longest silence of a server
	longestWait     = 5 * time.Minute  // a server that asks for more patience than this is reported instead
	progressEvery   = time.Second / 10 // per file
)

// Options say where models come from and where they are kept.
type Options struct {
	Endpoint string // "" = DefaultEndpoint; a mirror's address may have a path
	Token    string // "" = anonymous
	CacheDir string // required: the folder that holds models--owner--name, Python's HF_HUB_CACHE
	Offline  bool   // answer from CacheDir alone; no request is made

	// HTTP makes the requests; nil = a client on http.DefaultTransport. Its CheckRedirect is not
	// used, and a Timeout would bound whole downloads: silent servers are given up after a minute anyway.
	HTTP   *http.Client
	Logger *slog.Logger // nil = discard

	// Progress reports the bytes of one file that are on disk, beginning with those of an earlier attempt. Calls are
	// synchronous and never overlap, so it should return fast. Cached files are not reported.
	Progress func(file string, done, total int64)
}

// Validate reports all faults at once. The text never contains the token.
func (o Options) Validate() error {
	var errs []error
	if o.CacheDir == "" {
		errs = append(errs, errors.New("hub: Options.CacheDir is empty: name a folder, or set HF_HUB_CACHE, HF_HOME or HOME"))
	}
	if strings.ContainsFunc(o.Token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		errs = append(errs, errors.New("hub: Options.Token holds a space, a line break or another character that tokens do not have: copy it again"))
	}
	if o.Endpoint != "" {
		u, err := url.Parse(o.Endpoint)
		switch {
		case err != nil:
			errs = append(errs, errors.New("hub: Options.Endpoint is not a URL: write it as https://host"))
		case u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
			errs = append(errs, fmt.Errorf("hub: Options.Endpoint %q: write it as https://host", u.Redacted()))
		case u.User != nil || u.RawQuery != "" || u.Fragment != "":
			errs = append(errs, fmt.Errorf("hub: Options.Endpoint %q: no user, query or fragment is allowed; use Options.Token", u.Redacted()))
		}
	}
	return errors.Join(errs...)
}

// Client downloads snapshots. Create it with New.
type Client struct {
	endpoint *url.URL // without a trailing slash
	token    string
	cacheDir string // absolute
	offline  bool
	http     *http.Client
	log      *slog.Logger

	progressMu sync.Mutex
	progress   func(file string, done, total int64)

	// Effects that tests replace.
	sleep    func(context.Context, time.Duration) error
	openPart func(root *os.Root, name string) (partFile, error)
	symlink  func(root *os.Root, target, name string) error
	hardlink func(root *os.Root, old, name string) error
	stall    time.Duration
}

// New checks the options. It touches neither disk nor network.
func New(o Options) (*Client, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	endpoint, err := url.Parse(strings.TrimRight(cmp.Or(o.Endpoint, DefaultEndpoint), "/"))
	if err != nil {
		return nil, err
	}
	cacheDir, err := filepath.Abs(o.CacheDir)
	if err != nil {
		return nil, fmt.Errorf("hub: cache folder: %w", err)
	}
	client := http.Client{}
	if o.HTTP != nil {
		client = *o.HTTP
	}
	// Redirects are followed in do, which decides per hop who sees the token.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	log := o.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Client{
		endpoint: endpoint, token: o.Token, cacheDir: cacheDir, offline: o.Offline,
		http: &client, log: log, progress: o.Progress,
		sleep: sleep, openPart: openPart, symlink: (*os.Root).Symlink, hardlink: (*os.Root).Link, stall: stallTimeout,
	}, nil
}

// Snapshot returns the folder with the files of repo ("owner/name") at revision, a branch, tag or commit ("" =
// "main"), after downloading those that are not cached.
//
// Only files for which use reports true are fetched; names are slash-separated paths in the repository. A nil use
// means CausalLM, and then the repository must also hold config.json and safetensors weights.
//
// When the Hub cannot be reached or denies access while a complete snapshot of that revision is cached, that snapshot
// is returned and the reason logged. The files are shared with other programs and must not be changed.
func (c *Client) Snapshot(ctx context.Context, repo, revision string, use func(name string) bool) (dir string, err error) {
	revision = cmp.Or(revision, defaultRevision)
	if err := errors.Join(ValidateRepo(repo), ValidateRevision(revision)); err != nil {
		return "", err
	}
	want := selection{use: use}
	if use == nil {
		want = selection{use: CausalLM, complete: completeLM}
	}
	p := place{repo: repo, revision: revision}
	cache := c.cacheOf(repo)

	cached, notCached := cache.find(revision, want)
	if c.offline {
		if notCached != nil {
			return "", p.wrap("find in the cache", notCached)
		}
		return cached, nil
	}
	tries := attempts
	if notCached == nil {
		tries = 1 // with an answer at hand there is no point in waiting for a network that is down
	}
	list, err := c.list(ctx, p, tries)
	if err != nil {
		passing := []error{ErrUnavailable, ErrUnauthorized, ErrGated, ErrForbidden}
		if notCached == nil && slices.ContainsFunc(passing, func(target error) bool { return errors.Is(err, target) }) {
			c.log.Warn("hub: using the cached snapshot", "repo", repo, "revision", revision, "reason", err)
			return cached, nil
		}
		return "", p.wrap("list", err)
	}
	files, err := want.of(list.files)
	if err != nil {
		return "", p.wrap("select files", err)
	}
	if err := c.fill(ctx, p, cache, list.commit, files); err != nil {
		return "", err
	}
	return cache.snapshot(list.commit), nil
}

// fill completes the snapshot of one commit: first all blobs, then all pointers, then the branch.
func (c *Client) fill(ctx context.Context, p place, cache repoCache, commit string, files []remoteFile) error {
	var missing []remoteFile
	var bytes int64
	for _, f := range files {
		if !cache.has(commit, f) {
			missing = append(missing, f)
			bytes += max(f.size, 0)
		}
	}
	if len(missing) == 0 {
		if err := cache.writeRef(p.revision, commit); err != nil {
			// All is there; a cache mounted read-only must stay usable.
			c.log.Warn("hub: branch not recorded for offline use", "repo", p.repo, "revision", p.revision, "reason", err)
		}
		return nil
	}
	c.log.Info("hub: downloading", "repo", p.repo, "revision", p.revision, "commit", commit, "files", len(missing), "bytes", bytes)
	root, err := cache.open()
	if err != nil {
		return p.wrap("open the cache", &Error{Err: err, Hint: "check that the folder is writable, or choose another cache folder"})
	}
	defer root.Close()

	etags := make([]string, len(missing))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelFiles)
	for i, f := range missing {
		g.Go(func() error {
			d := download{Client: c, place: p.file(f.name), cache: cache, root: root, commit: commit}
			etag, err := d.run(gctx, f)
			etags[i] = etag
			return d.place.wrap("download", err)
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i, f := range missing {
		if err := c.point(root, commit, f.name, etags[i]); err != nil {
			return p.file(f.name).wrap("link", writeError(err, cache.dir, f.size))
		}
	}
	if err := cache.writeRef(p.revision, commit); err != nil {
		return p.wrap("record the branch", writeError(err, cache.dir, 0))
	}
	return nil
}

// report passes progress on, one call at a time.
func (c *Client) report(file string, done, total int64) {
	if c.progress == nil {
		return
	}
	c.progressMu.Lock()
	defer c.progressMu.Unlock()
	c.progress(file, done, total)
}
