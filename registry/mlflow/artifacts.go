package mlflow

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/docent-ml/docent/registry"
	"github.com/docent-ml/docent/registry/internal/artifact"
)

// manifestDir holds the manifests of a tree, each named after its own SHA-256. Every LogArtifacts adds one, so that
// processes that log to a run at the same time do not overwrite each other's; together they list the tree. Those of
// versions lie there too: their files are among the tree's.
const manifestDir = "docent-manifests"

func (r *run) LogArtifacts(ctx context.Context, prefix string, fsys fs.FS) error {
	if _, err := r.running(ctx); err != nil {
		return err
	}
	src, err := r.c.scan(ctx, fsys, prefix)
	if err != nil || len(src.files) == 0 {
		return err
	}
	return r.artifacts.add(ctx, src)
}

// source is files to upload.
type source struct {
	files []registry.File // by their paths in the tree
	open  map[string]func() (io.ReadCloser, error)
}

// scan reads every file once: whether all of it can be stored is known before anything is sent.
func (c *client) scan(ctx context.Context, fsys fs.FS, prefix string) (source, error) {
	src := source{open: map[string]func() (io.ReadCloser, error){}}
	err := artifact.Walk(ctx, fsys, prefix, func(name, target string, f fs.File) error {
		if target == manifestDir || strings.HasPrefix(strings.ToLower(target), manifestDir+"/") {
			return &registry.Error{Path: name, Err: fmt.Errorf("%w: %s is where the manifests are", registry.ErrInvalid, manifestDir),
				Hint: "log it under another path"}
		}
		size, sum, err := artifact.Copy(ctx, io.Discard, f)
		if err != nil {
			return &registry.Error{Path: name, Err: err}
		}
		src.files = append(src.files, registry.File{Path: target, Size: size, SHA256: sum})
		src.open[target] = func() (io.ReadCloser, error) { return artifact.OpenRegular(fsys, name) }
		return nil
	})
	if err != nil {
		return source{}, err
	}
	return src, artifact.Check(src.files)
}

// addBytes adds a file that is made here, or puts it in the place of another.
func (s *source) addBytes(name string, data []byte) {
	s.files = slices.DeleteFunc(s.files, func(f registry.File) bool { return f.Path == name })
	sum := sha256.Sum256(data)
	s.files = append(s.files, registry.File{Path: name, Size: int64(len(data)), SHA256: hex.EncodeToString(sum[:])})
	s.open[name] = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
}

// add uploads what the tree does not have yet, and then makes it visible by a manifest.
func (t tree) add(ctx context.Context, src source) error {
	if err := t.proxied(); err != nil {
		return err
	}
	known := map[string][]registry.File{}
	have, err := t.manifests(ctx, known)
	if err != nil {
		return err
	}
	if _, err := artifact.Union(have, src.files); err != nil {
		return err
	}
	if err := t.upload(ctx, src, have); err != nil {
		return err
	}
	if _, err := t.putManifest(ctx, src.files); err != nil {
		return err
	}
	// Somebody may have logged other contents meanwhile: MLflow has no way to write a file only if it is not there.
	if have, err = t.manifests(ctx, known); err != nil {
		return err
	}
	_, err = artifact.Union(have, src.files)
	return err
}

// upload sends the files, several at a time, and compares what the server then has. Files that it has, as a manifest and
// its listing say, are not sent again.
func (t tree) upload(ctx context.Context, src source, have []registry.File) error {
	sizes, err := t.sizes(ctx, src.files)
	if err != nil {
		return err
	}
	var send []registry.File
	for _, f := range src.files {
		if size, there := sizes[f.Path]; !there || size != f.Size || !slices.Contains(have, f) {
			send = append(send, f)
		}
	}
	err = artifact.Each(ctx, len(send), t.c.o.Transfers, func(ctx context.Context, i int) error {
		f := send[i]
		if err := t.uploadFile(ctx, f, src.open[f.Path]); err != nil {
			return &registry.Error{Path: f.Path, Err: err}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return t.verifySizes(ctx, src.files)
}

func (t tree) uploadFile(ctx context.Context, f registry.File, open func() (io.ReadCloser, error)) error {
	var sum hash.Hash
	err := t.put(ctx, f.Path, f.Size, func() (io.ReadCloser, error) {
		file, err := open()
		if err != nil {
			return nil, err
		}
		sum = sha256.New()
		return struct {
			io.Reader
			io.Closer
		}{io.TeeReader(file, sum), file}, nil
	})
	if err == nil && f.Size > 0 && hex.EncodeToString(sum.Sum(nil)) != f.SHA256 {
		err = &registry.Error{Err: fmt.Errorf("%w: the file changed while it was read", registry.ErrInvalid), Hint: "log it when nobody writes to it"}
	}
	return err
}

// sizes asks for the sizes of files that the server has.
func (t tree) sizes(ctx context.Context, files []registry.File) (map[string]int64, error) {
	sizes := map[string]int64{}
	asked := map[string]bool{}
	for _, f := range files {
		dir := strings.TrimPrefix(path.Dir(f.Path), ".")
		if asked[dir] {
			continue
		}
		asked[dir] = true
		names, err := t.list(ctx, dir)
		if err != nil {
			return nil, err
		}
		for _, l := range names {
			if !l.Dir {
				sizes[path.Join(dir, l.Path)] = int64(l.Size)
			}
		}
	}
	return sizes, nil
}

// verifySizes compares the server's sizes, since it keeps no checksums and takes versions without looking at files.
func (t tree) verifySizes(ctx context.Context, files []registry.File) error {
	sizes, err := t.sizes(ctx, files)
	if err != nil {
		return err
	}
	for _, f := range files {
		size, there := sizes[f.Path]
		switch {
		case !there:
			return &registry.Error{Path: f.Path, Err: fmt.Errorf("%w: the server does not have the file", registry.ErrCorrupt), Hint: "log the artifacts again"}
		case size != f.Size:
			return &registry.Error{Path: f.Path, Err: fmt.Errorf("%w: the server has %d bytes of %d", registry.ErrCorrupt, size, f.Size), Hint: "log the artifacts again"}
		}
	}
	return nil
}

// manifests reads all manifests that are not known yet and returns the files of all. Where two name one path, the first
// counts: the bytes tell when they are read.
func (t tree) manifests(ctx context.Context, known map[string][]registry.File) ([]registry.File, error) {
	names, err := t.list(ctx, manifestDir)
	if err != nil {
		return nil, err
	}
	var all []registry.File
	seen := map[string]bool{}
	for _, l := range names {
		sum, ok := strings.CutSuffix(l.Path, ".json")
		if l.Dir || !ok || len(sum) != 2*sha256.Size {
			continue // not ours
		}
		files, ok := known[sum]
		if !ok {
			if files, err = t.manifest(ctx, sum); err != nil {
				return nil, err
			}
			known[sum] = files
		}
		for _, f := range files {
			if !seen[f.Path] {
				seen[f.Path] = true
				all = append(all, f)
			}
		}
	}
	slices.SortFunc(all, func(a, b registry.File) int { return strings.Compare(a.Path, b.Path) })
	return all, nil
}

const maxManifest = 16 << 20

// manifest reads one manifest, whose name is the sum of its bytes. Other bytes may be what a proxy said instead of the
// server, so they are damage only when they come again.
func (t tree) manifest(ctx context.Context, sum string) (files []registry.File, err error) {
	name := path.Join(manifestDir, sum+".json")
	for attempt := range 3 {
		if attempt > 0 {
			if err := sleep(ctx, t.c.backoff(attempt)); err != nil {
				return nil, err
			}
		}
		if files, err = t.readManifest(ctx, name, sum); !errors.Is(err, registry.ErrCorrupt) {
			break
		}
	}
	if err != nil {
		err = &registry.Error{Path: name, Err: err, Hint: "restore it on the MLflow server, or register the artifacts of another run"}
	}
	return files, err
}

func (t tree) readManifest(ctx context.Context, name, sum string) ([]registry.File, error) {
	r, err := t.open(ctx, name, 0, -1)
	if errors.Is(err, registry.ErrNotFound) {
		return nil, fmt.Errorf("%w: the manifest is missing", registry.ErrCorrupt)
	} else if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, maxManifest))
	if err != nil {
		return nil, err
	}
	if got := sha256.Sum256(data); hex.EncodeToString(got[:]) != sum {
		return nil, fmt.Errorf("%w: its SHA-256 is %x", registry.ErrCorrupt, got)
	}
	return artifact.Decode(data)
}

// putManifest stores a manifest and returns its name's sum.
func (t tree) putManifest(ctx context.Context, files []registry.File) (string, error) {
	data, err := artifact.Encode(files)
	if err != nil {
		return "", err
	}
	digest := sha256.Sum256(data)
	sum := hex.EncodeToString(digest[:])
	name := path.Join(manifestDir, sum+".json")
	err = t.put(ctx, name, int64(len(data)), func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil })
	if err != nil {
		return "", &registry.Error{Path: name, Err: err}
	}
	return sum, t.verifySizes(ctx, []registry.File{{Path: name, Size: int64(len(data))}})
}

// files lists the tree: by its manifests, or where others made it and it has none, by what the server lists.
func (t tree) files(ctx context.Context) ([]registry.File, error) {
	files, err := t.manifests(ctx, map[string][]registry.File{})
	if err != nil || files != nil || t.ours {
		return files, err
	}
	err = t.walk(ctx, "", func(name string, size int64) {
		files = append(files, registry.File{Path: name, Size: size})
	})
	slices.SortFunc(files, func(a, b registry.File) int { return strings.Compare(a.Path, b.Path) })
	return files, err
}
