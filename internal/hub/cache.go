package hub

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// repoCache is the folder of one repository in the shared cache:
//
//	models--owner--name/
//	  blobs/<etag>                     contents, named by their hash on the Hub
//	  blobs/<etag>.incomplete          a download to go on with
//	  refs/<branch or tag>             text: the commit it pointed to
//	  snapshots/<commit>/<file>        relative links to blobs
//	  trees/<commit>.json              the commit's listing, written by newer huggingface_hub only
//	.locks/models--owner--name/<etag>.lock
//
// Reads follow whatever links the user or Python made (folders moved to another disk, blobs shared between
// repositories). Writes go through an os.Root, so that no name from a server can leave the folder.
type repoCache struct {
	dir   string
	locks string
}

func (c *Client) cacheOf(repo string) repoCache {
	name := "models--" + strings.ReplaceAll(repo, "/", "--")
	return repoCache{dir: filepath.Join(c.cacheDir, name), locks: filepath.Join(c.cacheDir, ".locks", name)}
}

func (r repoCache) path(name string) string { return filepath.Join(r.dir, filepath.FromSlash(name)) }

func (r repoCache) snapshot(commit string) string { return r.path("snapshots/" + commit) }

// open creates the folder if needed.
func (r repoCache) open() (*os.Root, error) {
	if err := os.MkdirAll(r.dir, 0o777); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(r.dir)
	if err != nil {
		return nil, err
	}
	if err := root.MkdirAll("blobs", 0o777); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return root, nil
}

// has reports whether the snapshot holds the file in the size that the listing tells.
func (r repoCache) has(commit string, f remoteFile) bool {
	info, err := os.Stat(r.path(path.Join("snapshots", commit, f.name)))
	return err == nil && info.Mode().IsRegular() && (f.size < 0 || info.Size() == f.size)
}

// find returns the snapshot of revision if it holds all that is wanted.
func (r repoCache) find(revision string, want selection) (dir string, err error) {
	missing := func(hint, format string, args ...any) error {
		return &Error{Kind: ErrNotCached, Err: fmt.Errorf(format, args...), Hint: hint}
	}
	const online = "run once with network access"
	commit := revision
	if !commitHash.MatchString(revision) {
		text, err := os.ReadFile(r.path("refs/" + revision))
		commit = strings.TrimSpace(string(text))
		if err != nil || !commitHash.MatchString(commit) {
			hint := online + ", or check the name and the cache folder"
			if refs := r.refs(); len(refs) > 0 {
				hint = online + ", or use a cached revision: " + strings.Join(refs, ", ")
			}
			return "", missing(hint, "no such branch or tag in %s", r.dir)
		}
	}
	dir = r.snapshot(commit)
	all, err := r.listing(commit)
	if err != nil {
		return "", missing(online+" to complete it", "snapshot %s: %w", commit, err)
	}
	names, fault, _ := want.names(all)
	if fault != nil {
		return "", missing(online+" to complete it", "snapshot %s is incomplete: %w", commit, fault)
	}
	for _, name := range names {
		if _, err := os.Stat(filepath.Join(dir, filepath.FromSlash(name))); err != nil {
			return "", missing(online+" to complete it", "snapshot %s lacks %s", commit, name)
		}
	}
	return dir, nil
}

// listing gives the names that the snapshot of a commit should hold. Where no listing was stored it is derived from
// the files that are there, and from the shards that an index among them promises.
func (r repoCache) listing(commit string) ([]string, error) {
	var tree struct {
		Version int                        `json:"format_version"`
		Files   map[string]json.RawMessage `json:"files"`
	}
	if data, err := os.ReadFile(r.path("trees/" + commit + ".json")); err == nil && json.Unmarshal(data, &tree) == nil && tree.Version == 1 {
		names := make([]string, 0, len(tree.Files))
		for name := range tree.Files {
			if checkFileName(name) == nil {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		return names, nil
	}
	fsys := os.DirFS(r.snapshot(commit))
	var names []string
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		names = append(names, name)
		if !strings.HasSuffix(name, ".safetensors.index.json") {
			return nil
		}
		var index struct {
			WeightMap map[string]string `json:"weight_map"`
		}
		data, err := fs.ReadFile(fsys, name)
		if err == nil {
			err = json.Unmarshal(data, &index)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		for _, shard := range index.WeightMap {
			names = append(names, path.Join(path.Dir(name), shard))
		}
		return nil
	})
	slices.Sort(names)
	return slices.Compact(names), err
}

// refs lists the cached branches and tags.
func (r repoCache) refs() []string {
	var names []string
	_ = fs.WalkDir(os.DirFS(r.path("refs")), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && !strings.HasSuffix(name, ".tmp") {
			names = append(names, name)
		}
		return nil
	})
	return names
}

// writeRef records what a branch or tag points to. Nothing is written when the cache already tells.
func (r repoCache) writeRef(revision, commit string) error {
	if revision == commit {
		return nil
	}
	ref := "refs/" + revision
	if old, err := os.ReadFile(r.path(ref)); err == nil && string(old) == commit {
		return nil
	}
	root, err := r.open()
	if err != nil {
		return err
	}
	defer root.Close()
	if err := root.MkdirAll(path.Dir(ref), 0o777); err != nil {
		return err
	}
	return writeBeside(root, ref, ref, strings.NewReader(commit))
}

// point makes snapshots/<commit>/<name> lead to the blob: by a relative symbolic link, where the system refuses those
// by a hard link, and where it refuses both by a copy.
func (c *Client) point(root *os.Root, commit, name, etag string) error {
	blob, pointer := "blobs/"+etag, path.Join("snapshots", commit, name)
	target := filepath.FromSlash(strings.Repeat("../", 2+strings.Count(name, "/")) + blob)
	if err := root.MkdirAll(path.Dir(pointer), 0o777); err != nil {
		return err
	}
	if old, err := root.Readlink(pointer); err == nil && old == target {
		return nil // another process was faster
	}
	// What is there now is damaged: wrong in size, or a link to nothing.
	if err := root.Remove(pointer); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	err := c.symlink(root, target, pointer)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return nil
	}
	if c.hardlink(root, blob, pointer) == nil {
		return nil
	}
	src, err := root.Open(blob)
	if err != nil {
		return err
	}
	defer src.Close()
	return writeBeside(root, blob, pointer, src)
}

// writeBeside writes a file beside another and renames it, so that it is whole or absent.
func writeBeside(root *os.Root, beside, to string, src io.Reader) error {
	temp := beside + "." + rand.Text()[:8] + ".tmp"
	dst, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	if err == nil {
		err = dst.Sync()
	}
	if err = errors.Join(err, dst.Close()); err == nil {
		err = root.Rename(temp, to)
	}
	if err != nil {
		_ = root.Remove(temp)
	}
	return err
}
