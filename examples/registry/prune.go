package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/docent-ml/docent/examples/internal/program"
	"github.com/docent-ml/docent/registry"
)

// prune removes what is old and nobody needs, in the registry, the server's cache and the trainer's working folder.
func prune(ctx context.Context, t *tool) error {
	verb := "removed"
	if t.cfg.Dry {
		verb = "would remove"
	}
	say := func(what string) error {
		_, err := fmt.Fprintln(t.out, verb, what)
		return err
	}
	n := 0
	for p, err := range registry.Prune(ctx, t.registry, registry.PruneOptions{Keep: t.cfg.Keep, Older: t.cfg.Older, Dry: t.cfg.Dry}) {
		if err != nil {
			return err
		}
		n++
		what := fmt.Sprintf("run %s (%s, %s)", p.Run.ID, p.Run.Name, when(p.Run.Started))
		if p.Version.Number > 0 {
			what = fmt.Sprintf("%s version %d (%s)", p.Version.Name, p.Version.Number, when(p.Version.Created))
		}
		if err := say(what); err != nil {
			return err
		}
	}
	folders, err := t.oldFolders(ctx)
	if err != nil {
		return err
	}
	for _, dir := range folders {
		n++
		if !t.cfg.Dry {
			if err := os.RemoveAll(dir); err != nil {
				return err
			}
		}
		if err := say(dir); err != nil {
			return err
		}
	}
	if n == 0 {
		_, err = fmt.Fprintf(t.out, "nothing is old and not needed: -keep %d, -older %v\n", t.cfg.Keep, t.cfg.Older)
	}
	return err
}

// oldFolders are versions in the cache that serve nowhere, and checkpoints of a run that is over.
func (t *tool) oldFolders(ctx context.Context) (old []string, err error) {
	cache := program.CachedVersions(t.cfg.CacheDir, t.cfg.Registry)
	for m, err := range t.registry.ListModels(ctx) {
		if err != nil {
			return nil, err
		}
		serves, err := t.serves(ctx, m.Name)
		if err != nil {
			return nil, err
		}
		serving := map[string]bool{}
		for v, err := range t.registry.List(ctx, m.Name) {
			if err != nil {
				return nil, err
			}
			if len(v.Aliases) > 0 || serves[v.Number] != nil {
				serving[program.CachedVersion(v)] = true
			}
		}
		entries, err := os.ReadDir(filepath.Join(cache, m.Name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, e := range entries {
			if dir := filepath.Join(m.Name, e.Name()); !serving[dir] && t.isOld(filepath.Join(cache, dir)) {
				old = append(old, filepath.Join(cache, dir))
			}
		}
	}
	previous := filepath.Join(t.cfg.Data, "artifacts_tmp.previous")
	if t.isOld(previous) {
		old = append(old, previous)
	}
	last := filepath.Join(t.cfg.Data, "artifacts_tmp")
	if !t.isOld(last) {
		return old, nil
	}
	unlock, err := program.LockFolder(t.cfg.Data, nil, slog.New(slog.DiscardHandler))
	if err != nil { // a trainer works there
		return old, nil
	}
	state, err := os.ReadFile(filepath.Join(t.cfg.Data, "run.json"))
	if err == nil && finished(state) { // of one that was interrupted -resume needs them
		old = append(old, last)
	}
	return old, unlock()
}

// finished reads the trainer's run.json.
func finished(data []byte) bool {
	var state struct{ Finished bool }
	return json.Unmarshal(data, &state) == nil && state.Finished
}

func (t *tool) isOld(dir string) bool {
	info, err := os.Stat(dir)
	return err == nil && info.IsDir() && time.Since(info.ModTime()) > t.cfg.Older
}
