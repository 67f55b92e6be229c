package mlflow

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/docent-ml/docent/registry"
)

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
	u.Path, u.RawPath, u.RawQuery = u.Path+"/get-artifact", "", query("run_id", d.t.run, "path", d.name).Encode()
	if d.t.model != "" {
		u.Path, u.RawQuery = d.t.c.base.Path+"/ajax-api/2.0/mlflow/logged-models/"+d.t.model+"/artifacts/files", query("artifact_file_path", d.name).Encode()
	}
	return u.String()
}

func (d *download) connect() error {
	if err := d.t.readable(); err != nil {
		return err
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
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

func (s *silence) stop() {
	s.timer.Stop()
	s.cancel(nil)
}
