package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"

	"github.com/docent-ml/docent/examples/internal/report"
	"github.com/docent-ml/docent/registry"
)

// verify tells that all is as it was logged, or what is not: the files of a version by their digests, what the report of its run
// says of them, and that the promotions which the report and the registry tell of are the same.
func verify(ctx context.Context, t *tool) error {
	v, files, err := t.version(ctx)
	if err != nil {
		return err
	}
	if err := t.registry.Verify(ctx, v); err != nil {
		return err
	}
	size, unknown, digests := int64(0), 0, map[string]string{}
	for _, f := range files {
		size += f.Size
		digests[f.Path] = f.SHA256
		if f.SHA256 == "" {
			unknown++
		}
	}
	text := fmt.Sprintf("%s: %d files, %d bytes, are as they were logged", title(v), len(files), size)
	if unknown > 0 {
		text += fmt.Sprintf(", of %d by their size alone: the registry has no SHA-256", unknown)
	}
	if v.Number > 0 && t.refs[0].Path == "" {
		said, err := t.verifyReport(ctx, v, digests)
		if err != nil {
			return err
		}
		text += said
	}
	_, err = fmt.Fprintln(t.out, text)
	return err
}

// verifyReport holds report.json of the run that made a version, if it is there, against the registry: the digests of the files,
// and the promotion. It says what it found, and by whom the version was promoted.
func (t *tool) verifyReport(ctx context.Context, v registry.Version, digests map[string]string) (said string, err error) {
	inProduction := false
	for p, err := range t.registry.History(ctx, v.Name) {
		if err != nil {
			return "", err
		}
		if p.Version == v.Number {
			inProduction = inProduction || p.Stage == registry.Production
			said = "\npromoted " + promotion(p) + said
		}
	}
	dir, err := os.MkdirTemp("", "docent-report-")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	dir = filepath.Join(dir, "report")
	err = t.registry.Download(ctx, registry.Version{RunID: v.RunID, Path: report.LineageFile}, dir)
	if errors.Is(err, registry.ErrNotFound) { // of a run that docent's trainer did not make
		return said, nil
	} else if err != nil {
		return "", err
	}
	var l report.Lineage
	text, err := os.ReadFile(filepath.Join(dir, report.LineageFile))
	if err == nil {
		err = json.Unmarshal(text, &l)
	}
	fault := ""
	switch {
	case err != nil:
		fault = err.Error()
	case l.Model.Name != v.Name || l.Model.Version != v.Number: // the run's model was registered once more, by hand
		return said, nil
	case !maps.Equal(l.Model.Files, digests):
		fault = "its digests of the files are not those of the registry"
	case l.Model.Promoted && !inProduction:
		fault = "it says that the version was promoted, and the history of the model does not"
	}
	if fault != "" {
		return "", fmt.Errorf("verify: %s: %w: %s of run %s: %s", title(v), registry.ErrCorrupt, report.LineageFile, v.RunID, fault)
	}
	return ", and as the report of the run says" + said, nil
}

func promotion(p registry.Promotion) string {
	text := fmt.Sprintf("%s to %s by %s", when(p.At), p.Stage, cmp.Or(p.By, "somebody"))
	if p.Why != "" {
		text += ": " + p.Why
	}
	if p.Verdict != "" {
		text += "; gate: " + p.Verdict
	}
	return text
}
