package mlflow

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/docent-ml/docent/registry"
)

const proxyPath = "/api/2.0/mlflow-artifacts/artifacts"

// tree is a directory of artifacts on the server, known by the URI that the server gave for it.
type tree struct {
	c    *Client
	uri  string
	base string // URL of the artifact proxy
	root string // path of the tree below it; "" where the server does not proxy these artifacts
	run  string // whose artifacts they are, "" when they are a logged model's
	ours bool   // docent made it: what no manifest lists was not logged to its end
}

func (c *Client) runTree(w wireRun) tree {
	t := c.tree(w.Info.ArtifactURI)
	t.run, t.ours = w.Info.ID, mapOf(w.Data.Tags)[publishID] != ""
	return t
}

// tree reads mlflow-artifacts:/path and mlflow-artifacts://host:port/path, of which the host replaces that of the
// tracking server.
func (c *Client) tree(uri string) tree {
	t := tree{c: c, uri: uri}
	rest, ok := strings.CutPrefix(uri, "mlflow-artifacts:")
	if !ok {
		return t
	}
	base := *c.base
	if authority, ok := strings.CutPrefix(rest, "//"); ok {
		if base.Host, rest, _ = strings.Cut(authority, "/"); base.Host == "" {
			base.Host = c.base.Host
		} else {
			base.Path = ""
		}
	}
	base.Path += proxyPath
	t.base, t.root = base.String(), strings.Trim(rest, "/")
	return t
}

// proxied refuses what this client cannot write.
func (t tree) proxied() error {
	if t.root != "" {
		return nil
	}
	scheme, _, _ := strings.Cut(t.uri, ":")
	if strings.HasPrefix(t.uri, "/") || scheme == "file" {
		return &registry.Error{Err: fmt.Errorf("%w: the server keeps artifacts in a folder of its own, %s, and does not serve them", registry.ErrUnavailable, t.uri),
			Hint: "start the server with --serve-artifacts and --artifacts-destination, and use a new experiment"}
	}
	return &registry.Error{Err: fmt.Errorf("%w: the artifacts are in an object store, %s, for which this client has no credentials", registry.ErrUnavailable, t.uri),
		Hint: "start the server with --serve-artifacts and --artifacts-destination, which then uses its own, and use a new experiment"}
}

// url is the address of a file.
func (t tree) url(name string) string {
	var escaped []string
	for elem := range strings.SplitSeq(path.Join(t.root, name), "/") {
		escaped = append(escaped, url.PathEscape(elem))
	}
	return t.base + "/" + strings.Join(escaped, "/")
}

// put uploads one file, again from its beginning where the connection breaks: the server shows a file when it has all of
// it, and not before.
func (t tree) put(ctx context.Context, name string, size int64, open func() (io.ReadCloser, error)) error {
	if err := t.proxied(); err != nil {
		return err
	}
	return t.c.retry(ctx, func() error { return t.putOnce(ctx, name, size, open) })
}

func (t tree) putOnce(ctx context.Context, name string, size int64, open func() (io.ReadCloser, error)) error {
	ctx, watch := watchSilence(ctx, t.c.o.Timeout)
	defer watch.stop()
	var body io.ReadCloser = http.NoBody
	if size > 0 {
		source, err := open()
		if err != nil {
			return err
		}
		defer source.Close()
		watch.r = source
		body = io.NopCloser(watch)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, t.url(name), body)
	if err != nil {
		return err
	}
	req.ContentLength = size
	req.Header.Set("Content-Type", "application/octet-stream")
	resp, err := t.c.send(req)
	if watch.err != nil { // of the source, not of the connection
		if err == nil {
			err = resp.Body.Close()
		}
		return errors.Join(watch.err, context.Cause(ctx))
	}
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	if err != nil {
		return t.c.connectionError(ctx, err)
	}
	if isHTML(resp.Header, answer) && len(answer) > 0 {
		return t.c.notMLflow(resp.Header, answer)
	}
	return nil
}

// entry of a listing.
type listed struct {
	Path string  `json:"path"`
	Dir  bool    `json:"is_dir"`
	Size integer `json:"file_size"` // left out when 0
}

// list returns the names in one directory; none where it does not exist.
func (t tree) list(ctx context.Context, dir string) ([]listed, error) {
	var out struct {
		Files []listed `json:"files"`
	}
	if t.root == "" && t.run == "" {
		return nil, t.proxied()
	}
	if t.root == "" {
		q := query("run_id", t.run)
		if dir != "" {
			q.Set("path", dir)
		}
		if err := t.c.get(ctx, "artifacts/list", q, &out); err != nil {
			return nil, err
		}
		for i, f := range out.Files { // these are relative to the run
			out.Files[i].Path = path.Base(f.Path)
		}
		return out.Files, nil
	}
	err := t.c.retry(ctx, func() error {
		return t.c.doURL(ctx, http.MethodGet, t.base+"?"+query("path", path.Join(t.root, dir)).Encode(), nil, &out)
	})
	return out.Files, err
}

// walk lists all files below dir with their sizes, by paths relative to the tree. Names are the server's: those that no
// file may have are ErrInvalid.
func (t tree) walk(ctx context.Context, dir string, visit func(name string, size int64)) error {
	names, err := t.list(ctx, dir)
	if err != nil {
		return err
	}
	for _, f := range names {
		name := path.Join(dir, f.Path)
		if strings.Contains(f.Path, "/") || registry.CheckPath(name) != nil {
			return &registry.Error{Path: name, Err: fmt.Errorf("%w: the server lists a file of this name", registry.ErrInvalid), Hint: "rename it there"}
		}
		if !f.Dir {
			visit(name, int64(f.Size))
		} else if err := t.walk(ctx, name, visit); err != nil {
			return err
		}
	}
	return nil
}

// open reads a file from offset on. When the connection breaks it goes on where it was. size is what the file should
// have, by which an error page is told from it; -1 is unknown.
func (t tree) open(ctx context.Context, name string, offset, size int64) (io.ReadCloser, error) {
	d := &download{t: t, ctx: ctx, name: name, at: offset, size: size}
	if err := t.c.retry(ctx, d.connect); err != nil {
		return nil, err
	}
	return d, nil
}

// download is a body that outlives its connection.
type download struct {
	t        tree
	ctx      context.Context //nolint:containedctx // of the one transfer that this is
	name     string
	at, size int64
	doubted  bool // an answer of another length has come once
	etag     string

	body  io.ReadCloser
	watch *silence

	broke   int64 // where it broke off last,
	again   int   // how often in a row there,
	noticed time.Time
}

func (d *download) address() string {
	if d.t.root != "" {
		return d.t.url(d.name)
	}
	u := *d.t.c.base
	u.Path += "/get-artifact"
	u.RawQuery = query("run_id", d.t.run, "path", d.name).Encode()
	return u.String()
}

func (d *download) connect() error {
	if d.t.root == "" && d.t.run == "" {
		return d.t.proxied()
	}
	ctx, watch := watchSilence(d.ctx, d.t.c.o.Timeout)
	err := d.request(ctx, watch)
	if err != nil {
		watch.stop()
	}
	return err
}

func (d *download) request(ctx context.Context, watch *silence) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.address(), nil)
	if err != nil {
		return err
	}
	if d.at > 0 {
		req.Header.Set("Range", "bytes="+strconv.FormatInt(d.at, 10)+"-")
		if d.etag != "" {
			req.Header.Set("If-Range", d.etag)
		}
	}
	req.Header.Set("Accept-Encoding", "identity") // a range of what is stored, not of what a proxy makes of it
	resp, err := d.t.c.send(req)
	var api *APIError
	if errors.As(err, &api) && api.StatusCode == http.StatusRequestedRangeNotSatisfiable {
		d.body, d.watch = http.NoBody, watch // the file ends here: whoever reads will find it too short
		watch.r = http.NoBody
		return nil
	}
	if err != nil {
		return err
	}
	length := resp.ContentLength
	if length >= 0 && resp.StatusCode == http.StatusPartialContent {
		length += d.at
	}
	if d.size >= 0 && length >= 0 && length != d.size && !d.doubted { // damage, or what a proxy says instead: the second answer counts
		d.doubted = true
		return errors.Join(&brokenError{err: fmt.Errorf("%d bytes instead of %d", length, d.size), hint: wrongServer}, resp.Body.Close())
	}
	if d.size >= 0 && length != d.size && strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") && !strings.Contains(path.Ext(d.name), "htm") {
		return errors.Join(d.t.c.notMLflow(resp.Header, nil), resp.Body.Close())
	}
	if d.at > 0 {
		switch {
		case resp.StatusCode != http.StatusPartialContent: // the server began at the beginning
			if _, err := io.CopyN(io.Discard, resp.Body, d.at); err != nil {
				return errors.Join(d.t.c.connectionError(ctx, err), resp.Body.Close())
			}
		case !strings.HasPrefix(resp.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", d.at)):
			return errors.Join(&brokenError{err: fmt.Errorf("another range than the one asked for: %q", d.t.c.shown(resp.Header.Get("Content-Range"))), hint: wrongServer}, resp.Body.Close())
		}
	}
	d.etag = resp.Header.Get("ETag")
	watch.r = resp.Body
	d.body, d.watch = resp.Body, watch
	return nil
}

func (d *download) Read(p []byte) (int, error) {
	for {
		n, err := d.watch.Read(p)
		d.at += int64(n)
		if err == nil || err == io.EOF || n > 0 { //nolint:errorlint // readers return it bare
			if err != nil && err != io.EOF { //nolint:errorlint // as above
				err = nil // the next call meets it again, with nothing read
			}
			return n, err
		}
		if cause := context.Cause(d.ctx); cause != nil {
			return 0, cause
		}
		d.Close()
		if err := d.pause(err); err != nil {
			return 0, err
		}
		if err := d.t.c.retry(d.ctx, d.connect); err != nil {
			return 0, err
		}
	}
}

// pause comes before a new connection. One that always breaks at the same place is given up at last.
func (d *download) pause(err error) error {
	d.t.c.log.Debug("MLflow: a download broke off", "file", d.name, "at", d.at, "error", err)
	if d.again == 0 || d.at != d.broke {
		d.broke, d.again, d.noticed = d.at, 1, time.Now()
		return nil
	}
	pause := d.t.c.backoff(d.again)
	if d.again++; time.Since(d.noticed)+pause > d.t.c.o.Patience {
		return &registry.Error{Path: d.name, Err: broken(fmt.Errorf("the transfer breaks off after %d bytes each time: %w", d.at, err)),
			Hint: "look at the server's log, and at the proxy before it"}
	}
	return sleep(d.ctx, pause)
}

func (d *download) Close() error {
	d.watch.stop()
	return d.body.Close()
}

// silence is a reader that cancels a context when nothing has been read for a while.
type silence struct {
	r       io.Reader
	err     error // of r, other than its end
	timer   *time.Timer
	timeout time.Duration
	cancel  context.CancelCauseFunc
}

func watchSilence(ctx context.Context, timeout time.Duration) (context.Context, *silence) {
	ctx, cancel := context.WithCancelCause(ctx)
	return ctx, &silence{cancel: cancel, timeout: timeout, timer: time.AfterFunc(timeout, func() { cancel(errSilent) })}
}

func (s *silence) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.timer.Reset(s.timeout)
	if err != nil && err != io.EOF { //nolint:errorlint // readers return it bare
		s.err = err
	}
	return n, err
}

func (s *silence) stop() {
	s.timer.Stop()
	s.cancel(nil)
}

// missing turns the absence of what a manifest lists into the damage that it is.
func missing(name string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return &registry.Error{Path: name, Err: fmt.Errorf("%w: the stored file is missing", registry.ErrCorrupt),
		Hint: "restore it on the MLflow server, or log the artifacts again and register a new version"}
}
