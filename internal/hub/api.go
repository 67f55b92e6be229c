package hub

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// maxListing bounds the listing of a repository; 100 000 files need about 25 MB.
const maxListing = 128 << 20

// remoteFile is one file of a repository at one commit.
type remoteFile struct {
	name    string
	size    int64  // bytes, -1 while unknown
	sha256  string // hex; "" when the file is not in LFS
	gitSHA1 string // hex object id of a file kept in git itself, else ""
}

type listing struct {
	commit string
	files  []remoteFile
}

// list resolves a revision to its commit and the files there.
func (c *Client) list(ctx context.Context, p place, tries int) (l listing, err error) {
	address := c.endpoint.String() + "/api/models/" + p.repo + "/revision/" + url.PathEscape(p.revision) + "?blobs=true"
	err = c.retry(ctx, tries, func() (bool, error) {
		resp, err := c.do(ctx, http.MethodGet, address, nil, nil)
		if err != nil {
			return false, err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return false, c.statusError(p, resp)
		}
		l, err = parseListing(resp.Body, maxListing)
		return false, err
	})
	return l, err
}

// parseListing reads the Hub's answer about a revision.
func parseListing(r io.Reader, limit int64) (listing, error) {
	var info struct {
		SHA      string `json:"sha"`
		Siblings []struct {
			Name   string `json:"rfilename"`
			Size   *int64 `json:"size"`
			BlobID string `json:"blobId"`
			LFS    *struct {
				SHA256 string `json:"sha256"`
				Size   int64  `json:"size"`
			} `json:"lfs"`
		} `json:"siblings"`
	}
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(data)) <= limit {
		err = json.Unmarshal(data, &info)
	}
	syntax, malformed := errors.AsType[*json.SyntaxError](err)
	_, mistyped := errors.AsType[*json.UnmarshalTypeError](err)
	switch {
	case int64(len(data)) > limit:
		return listing{}, badAnswer("choose another repository", "its listing exceeds %d bytes", limit)
	case malformed && syntax.Offset < int64(len(data)) || mistyped:
		return listing{}, badAnswer("check the endpoint and proxy", "the listing is not that of a Hub: %w", err)
	case err != nil: // it broke off
		return listing{}, &transient{err: err}
	}
	if !commitHash.MatchString(info.SHA) {
		return listing{}, badAnswer("check the endpoint", "the listing tells no commit (sha is %q)", info.SHA)
	}
	l := listing{commit: info.SHA, files: make([]remoteFile, 0, len(info.Siblings))}
	for _, s := range info.Siblings {
		if !fs.ValidPath(s.Name) || s.Name == "." {
			return listing{}, badAnswer("do not trust this repository or endpoint", "the listing holds the file name %q", s.Name)
		}
		f := remoteFile{name: s.Name, size: -1}
		if s.Size != nil && *s.Size >= 0 {
			f.size = *s.Size
		}
		switch {
		case s.LFS != nil && sha256Hex.MatchString(s.LFS.SHA256):
			f.sha256, f.size = s.LFS.SHA256, s.LFS.Size
		case s.LFS == nil && commitHash.MatchString(s.BlobID):
			f.gitSHA1 = s.BlobID
		}
		l.files = append(l.files, f)
	}
	return l, nil
}

func (c *Client) fileURL(repo, commit, name string) string {
	segments := strings.Split(name, "/")
	for i, s := range segments {
		segments[i] = url.PathEscape(s)
	}
	return c.endpoint.String() + "/" + repo + "/resolve/" + commit + "/" + strings.Join(segments, "/")
}

// head asks for the blob name of a file, and for size and hash where the listing did not tell.
func (c *Client) head(ctx context.Context, p place, commit string, f remoteFile) (etag string, _ remoteFile, err error) {
	var header http.Header
	err = c.retry(ctx, attempts, func() (bool, error) {
		// What the storage host would say about itself is not wanted: its etags are of another kind.
		resp, err := c.do(ctx, http.MethodHead, c.fileURL(p.repo, commit, f.name), nil, func(r *http.Response) bool {
			return r.Header.Get("X-Linked-Etag") != ""
		})
		if err != nil {
			return false, err
		}
		resp.Body.Close()
		if resp.StatusCode/100 > 3 {
			return false, c.statusError(p, resp)
		}
		header = resp.Header
		return false, nil
	})
	if err != nil {
		return "", f, err
	}
	if got := header.Get("X-Repo-Commit"); got != "" && got != commit {
		return "", f, badAnswer("try again", "asked for commit %s, got %s", commit, got)
	}
	linked := normalETag(header.Get("X-Linked-Etag"))
	etag = cmp.Or(linked, normalETag(header.Get("ETag")))
	if !etagName.MatchString(etag) {
		return "", f, badAnswer("check that the endpoint is a Hub", "the file has no usable ETag (%q)", etag)
	}
	if sha256Hex.MatchString(linked) {
		if f.sha256 != "" && f.sha256 != linked {
			return "", f, badAnswer("try again", "the listing tells SHA-256 %s, the file %s", f.sha256, linked)
		}
		f.sha256, f.gitSHA1 = linked, ""
	}
	if f.size < 0 {
		f.size, err = strconv.ParseInt(cmp.Or(header.Get("X-Linked-Size"), header.Get("Content-Length")), 10, 64)
		if err != nil || f.size < 0 {
			return "", f, badAnswer("check that the endpoint is a Hub", "neither listing nor server tells the size of the file")
		}
	}
	return etag, f, nil
}

func normalETag(s string) string {
	return strings.Trim(strings.TrimPrefix(strings.TrimSpace(s), "W/"), `"`)
}
