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
	"strings"

	"github.com/docent-ml/docent/registry"
)

const proxyPath = "/api/2.0/mlflow-artifacts/artifacts"

// tree is a directory of artifacts on the server, known by the URI that the server gave for it.
type tree struct {
	c     *client
	uri   string
	base  string // URL of the artifact proxy
	root  string // path of the tree below it; "" where the server does not proxy these artifacts
	run   string // whose artifacts they are
	model string // the logged model whose artifacts they are
	ours  bool   // docent made it: what no manifest lists was not logged to its end
}

func (c *client) runTree(w wireRun) tree {
	t := c.tree(w.Info.ArtifactURI)
	t.run, t.ours = w.Info.ID, mapOf(w.Data.Tags)[publishID] != ""
	return t
}

// tree reads mlflow-artifacts:/path and mlflow-artifacts://host:port/path, of which the host replaces that of the
// tracking server.
func (c *client) tree(uri string) tree {
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

// readable refuses what this client cannot read: the server also shows what it does not proxy, by run and by logged model.
func (t tree) readable() error {
	if t.run != "" || t.model != "" {
		return nil
	}
	return t.proxied()
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
			_ = resp.Body.Close()
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
	if err := t.readable(); err != nil {
		return nil, err
	}
	if t.root != "" {
		err := t.c.retry(ctx, func() error {
			return t.c.doURL(ctx, http.MethodGet, t.base+"?"+query("path", path.Join(t.root, dir)).Encode(), nil, &out)
		})
		return out.Files, err
	}
	endpoint, argument, q := "artifacts/list", "path", query("run_id", t.run)
	if t.model != "" {
		endpoint, argument, q = "logged-models/"+t.model+"/artifacts/directories", "artifact_directory_path", query()
	}
	if dir != "" {
		q.Set(argument, dir)
	}
	if err := t.c.get(ctx, endpoint, q, &out); err != nil {
		return nil, err
	}
	for i, f := range out.Files { // these are relative to the tree, and not to dir
		out.Files[i].Path = path.Base(f.Path)
	}
	return out.Files, nil
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

// missing turns the absence of what a manifest lists into the damage that it is.
func missing(name string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return &registry.Error{Path: name, Err: fmt.Errorf("%w: the stored file is missing", registry.ErrCorrupt),
		Hint: "restore it on the MLflow server, or log the artifacts again and register a new version"}
}
