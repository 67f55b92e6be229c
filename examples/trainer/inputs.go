package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docent-ml/docent/ingest"
	"github.com/docent-ml/docent/ingest/formats"
	"github.com/docent-ml/docent/lora/evaluate"
)

// inputs are the digests of the files that the rows are made of, by path: the documents, the facts, the
// questions beside them, the general prompts and the caller's own rows.
func (p *pipeline) inputs() (map[string]string, error) {
	files := []string{p.Facts, p.General}
	for _, name := range []string{evaluate.RewordedFile, evaluate.SwappedFile, evaluate.UnanswerableFile, evaluate.GeneralFile} {
		files = append(files, filepath.Join(filepath.Dir(p.Facts), name))
	}
	for path, err := range ingest.List(os.DirFS(p.Docs), ingest.Options{Readers: formats.Readers(), Include: p.Include, Exclude: p.Exclude}) {
		if err != nil {
			return nil, err
		}
		files = append(files, filepath.Join(p.Docs, filepath.FromSlash(path)))
	}
	if p.Rows != "" {
		err := filepath.WalkDir(p.Rows, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				files = append(files, path)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	digests := map[string]string{}
	for _, file := range files {
		digest, err := fileDigest(file)
		switch {
		case errors.Is(err, fs.ErrNotExist): // such as facts, which need not be there
		case err != nil:
			digests[file] = err.Error()
		default:
			digests[file] = digest
		}
	}
	return digests, nil
}

// compareInputs says what has changed since the run began: a run that is resumed goes on with the rows of then.
func (p *pipeline) compareInputs() {
	now, err := p.inputs()
	if err != nil {
		p.log.Warn("resume: it is not known whether the documents have changed since the run began", "error", err)
		return
	}
	paths := maps.Clone(now)
	maps.Copy(paths, p.state.Inputs)
	var changed []string
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		then, was := p.state.Inputs[path]
		digest, is := now[path]
		switch {
		case !was:
			changed = append(changed, path+" is new")
		case !is:
			changed = append(changed, path+" is gone")
		case digest != then:
			changed = append(changed, path+" has changed")
		}
	}
	if len(changed) == 0 {
		return
	}
	const shown = 5
	if more := len(changed) - shown; more > 0 {
		changed = append(changed[:shown], fmt.Sprintf("%d more", more))
	}
	p.staleInputs = strings.Join(changed, ", ")
	p.log.Warn("resume: the data has changed since the run began, which goes on with the rows made then: leave -resume out to make them anew",
		"changed", p.staleInputs)
}
