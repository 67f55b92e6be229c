package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"time"

	"github.com/docent-ml/docent/dataset"
	"github.com/docent-ml/docent/registry"
)

// state is run.json: what -resume must know beside the checkpoints. It is written when everything that training needs
// lies on disk.
type state struct {
	Run      string    `json:"run"` // its id in the registry
	Started  time.Time `json:"started"`
	Finished bool      `json:"finished"`

	Inputs  map[string]string `json:"inputs,omitempty"`  // SHA-256 of what the rows were made of, by path
	Dropped map[string]int    `json:"dropped,omitempty"` // questions that were made and not believed, by reason

	// Of the publication, so that one that was interrupted is not done twice.
	Model   *registry.Source `json:"model,omitempty"`   // logged
	Publish string           `json:"publish,omitempty"` // tag of the version
}

const stateFile = "run.json"

// openState reads the state of the run to go on with, or clears the way for a new one.
func (p *pipeline) openState() error {
	if !p.Resume {
		if err := os.Remove(p.file(stateFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("working folder: %w", err)
		}
		return p.setAside()
	}
	if _, err := os.Stat(p.file(stateFile)); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("resume: there is no run in %s to go on with: leave -resume out, or name its folder with -data", p.Data)
	}
	if err := errors.Join(readOne(p.file(stateFile), &p.state), readOne(p.file(reportFile), &p.found), readOne(p.file(suiteFile), &p.suite)); err != nil {
		return fmt.Errorf("resume: %w", err)
	}
	if p.state.Finished {
		return fmt.Errorf("resume: the run in %s is finished: leave -resume out to start another one", p.Data)
	}
	if p.state.Inputs != nil {
		p.compareInputs()
	}
	return nil
}

// setAside keeps the checkpoints of the run before, in case -resume was only forgotten.
func (p *pipeline) setAside() error {
	dir := p.CheckpointDir()
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	previous := dir + ".previous"
	if err := os.RemoveAll(previous); err != nil {
		return fmt.Errorf("working folder: %w", err)
	}
	if err := os.Rename(dir, previous); err != nil {
		return fmt.Errorf("working folder: %w", err)
	}
	p.log.Info("the checkpoints of the run before are kept until the next one", "folder", previous)
	return nil
}

func (p *pipeline) saveState() error { return writeAll(p.file(stateFile), []state{p.state}) }

// writeAll writes values as JSON lines; the file appears whole or not at all.
func writeAll[T any](name string, values []T) error {
	_, err := dataset.WriteFile(name, dataset.Values(values))
	return err
}

// readAll reads the values of a file that writeAll wrote.
func readAll[T any](name string) ([]T, error) { return collect(lines[T](name)) }

// readOne reads the only value of such a file.
func readOne[T any](name string, v *T) error {
	all, err := readAll[T](name)
	if err == nil && len(all) != 1 {
		err = fmt.Errorf("%s is damaged: leave -resume out to start again", name)
	}
	if err == nil {
		*v = all[0]
	}
	return err
}

// lines reads a file of JSON lines.
func lines[T any](name string) iter.Seq2[T, error] {
	return dataset.ReadFile[T](os.DirFS(filepath.Dir(name)), filepath.Base(name))
}

// collect gathers a sequence up to its first error.
func collect[T any](seq iter.Seq2[T, error]) ([]T, error) {
	var out []T
	for v, err := range seq {
		if err != nil {
			return out, err
		}
		out = append(out, v)
	}
	return out, nil
}

// digestOf is a SHA-256 of texts in their order.
func digestOf(texts []string) string {
	sum := sha256.New()
	for _, t := range texts {
		fmt.Fprintf(sum, "%d:%s", len(t), t)
	}
	return hex.EncodeToString(sum.Sum(nil))
}
