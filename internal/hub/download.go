package hub

import (
	"cmp"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// download brings one file into the blobs of a repository.
type download struct {
	*Client
	place  place
	cache  repoCache
	root   *os.Root
	commit string
}

// run returns the name of the file's blob, which is complete and verified afterwards.
func (d *download) run(ctx context.Context, f remoteFile) (etag string, err error) {
	etag, f, err = d.head(ctx, d.place, d.commit, f)
	if err != nil {
		return "", err
	}
	unlock, err := d.lock(ctx, filepath.Join(d.cache.locks, etag+".lock"))
	if err != nil {
		return "", err
	}
	defer unlock()

	blob := "blobs/" + etag
	if info, err := os.Stat(d.cache.path(blob)); err == nil && info.Size() == f.size {
		return etag, nil // fetched for another revision, by another process, or before an interruption
	}
	// Python once used this very name to resume, and now uses unique ones; the lock covers both.
	p, err := d.openPartial(blob+".incomplete", f)
	if err != nil {
		return "", writeError(err, d.cache.dir, f.size)
	}
	defer p.file.Close()
	if err := d.complete(ctx, p, f); err != nil {
		return "", err
	}
	if err := p.file.Sync(); err != nil {
		return "", writeError(err, d.cache.dir, f.size)
	}
	if err := p.file.Close(); err != nil {
		return "", writeError(err, d.cache.dir, f.size)
	}
	if err := d.root.Rename(p.name, blob); err != nil {
		return "", writeError(err, d.cache.dir, f.size)
	}
	return etag, nil
}

// complete fetches until size and hash are right.
func (d *download) complete(ctx context.Context, p *partial, f remoteFile) error {
	for damaged := false; ; damaged = true {
		err := d.retry(ctx, attempts, func() (bool, error) {
			before := p.size
			err := d.attempt(ctx, p, f)
			return p.size > before, err
		})
		if err != nil {
			return err
		}
		got, want := p.sum(), cmp.Or(f.sha256, f.gitSHA1)
		if want == "" || got == want {
			return nil
		}
		// The bytes may stem from an interrupted run of who knows what program: once more, from the start.
		if err := p.restart(); err != nil {
			return writeError(err, d.cache.dir, f.size)
		}
		if damaged {
			return badAnswer("the content was changed on the way: check proxy and endpoint, and try again", "the hash is %s and should be %s", got, want)
		}
		d.log.Warn("hub: damaged download, starting over", "repo", d.place.repo, "file", f.name, "got", got, "want", want)
	}
}

// attempt makes one request for the bytes that are missing.
func (d *download) attempt(ctx context.Context, p *partial, f remoteFile) error {
	report := d.reporter(p, f)
	report(true)
	if p.size == f.size {
		return nil
	}
	header := http.Header{}
	if p.size > 0 {
		header.Set("Range", fmt.Sprintf("bytes=%d-", p.size))
	}
	// Always by way of the Hub, never by a remembered storage address: those expire.
	resp, err := d.do(ctx, http.MethodGet, d.fileURL(d.place.repo, d.commit, f.name), header, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusPartialContent && p.size > 0 &&
		strings.HasPrefix(resp.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", p.size)):
	case resp.StatusCode == http.StatusOK:
		// Also the answer of a server that knows no ranges.
		if err := p.restart(); err != nil {
			return writeError(err, d.cache.dir, f.size)
		}
	case resp.StatusCode == http.StatusPartialContent, resp.StatusCode == http.StatusRequestedRangeNotSatisfiable:
		if err := p.restart(); err != nil {
			return writeError(err, d.cache.dir, f.size)
		}
		return &transient{err: fmt.Errorf("the server cannot go on at the requested byte (%d, Content-Range %q)",
			resp.StatusCode, resp.Header.Get("Content-Range"))}
	default:
		if host := resp.Request.URL; !sameOrigin(host, d.endpoint) {
			// A storage host knows no accounts: its refusal is about the signed address, and the next one is new.
			return &transient{after: retryAfter(resp.Header, time.Now()), err: &Error{
				Kind: ErrUnavailable, Status: resp.StatusCode,
				Err:  fmt.Errorf("storage host %s: %s", host.Host, d.serverMessage(resp)),
				Hint: "try again, and check that a proxy lets this host pass",
			}}
		}
		return d.statusError(d.place, resp)
	}
	return d.copy(p, f, resp.Body, report)
}

// copy appends the body, telling faults of the network, which pass, from those of the disk and of the server.
func (d *download) copy(p *partial, f remoteFile, body io.Reader, report func(now bool)) error {
	buf := make([]byte, 256<<10)
	for {
		n, err := body.Read(buf)
		if p.size+int64(n) > f.size {
			if err := p.restart(); err != nil {
				return writeError(err, d.cache.dir, f.size)
			}
			return badAnswer("check proxy and endpoint", "the server sends more than the %d bytes of the file", f.size)
		}
		if n > 0 {
			if err := p.append(buf[:n]); err != nil {
				return writeError(err, d.cache.dir, f.size)
			}
			report(p.size == f.size)
		}
		switch {
		case err == io.EOF && p.size == f.size:
			return nil
		case err == io.EOF:
			return &transient{err: fmt.Errorf("the connection ended after %d of %d bytes", p.size, f.size)}
		case err != nil:
			return &transient{err: fmt.Errorf("the connection broke after %d of %d bytes: %w", p.size, f.size, err)}
		}
	}
}

// reporter limits progress to a few calls per second; now = true overrules.
func (d *download) reporter(p *partial, f remoteFile) func(now bool) {
	var last time.Time
	return func(now bool) {
		if t := time.Now(); now || t.Sub(last) >= progressEvery {
			last = t
			d.report(f.name, p.size, f.size)
		}
	}
}

// partFile is the part of *os.File that a partial download needs.
type partFile interface {
	io.ReadWriteCloser
	Truncate(size int64) error
	Seek(offset int64, whence int) (int64, error)
	Sync() error
}

func openPart(root *os.Root, name string) (partFile, error) {
	return root.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o666)
}

// partial is a file on its way: what is on disk, and the hash of it.
type partial struct {
	name string
	file partFile
	size int64
	hash hash.Hash
	init func(hash.Hash)
}

// openPartial takes up what an earlier download left.
func (d *download) openPartial(name string, f remoteFile) (*partial, error) {
	p := &partial{name: name, hash: sha256.New(), init: func(hash.Hash) {}}
	if f.sha256 == "" && f.gitSHA1 != "" {
		p.hash = sha1.New()
		p.init = func(h hash.Hash) { fmt.Fprintf(h, "blob %d\x00", f.size) } // git hashes a header first
	}
	p.init(p.hash)
	var err error
	if p.file, err = d.openPart(d.root, name); err != nil {
		return nil, err
	}
	if p.size, err = io.Copy(p.hash, p.file); err == nil && p.size > f.size {
		err = p.restart()
	}
	if err != nil {
		return nil, errors.Join(err, p.file.Close())
	}
	return p, nil
}

func (p *partial) append(data []byte) error {
	n, err := p.file.Write(data)
	p.hash.Write(data[:n])
	p.size += int64(n)
	return err
}

func (p *partial) restart() error {
	if err := p.file.Truncate(0); err != nil {
		return err
	}
	_, err := p.file.Seek(0, io.SeekStart)
	p.size = 0
	p.hash.Reset()
	p.init(p.hash)
	return err
}

func (p *partial) sum() string { return hex.EncodeToString(p.hash.Sum(nil)) }
