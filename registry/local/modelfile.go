package local

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"time"

	"github.com/docent-ml/docent/registry"
	"github.com/docent-ml/docent/registry/internal/impl"
)

// modelFile is model.json: all that changes together when versions are registered, promoted or given an alias lies in
// one file, so that each change is one rename.
type modelFile struct {
	Name     string                 `json:"name"`
	Created  time.Time              `json:"created"`
	Aliases  map[string]int         `json:"aliases,omitempty"`
	Promoted map[registry.Stage]int `json:"promoted,omitempty"` // the version promoted to each stage last
	Versions []versionFile          `json:"versions"`           // Versions[i].Number is i+1
	History  []registry.Promotion   `json:"history,omitempty"`  // of Staging and Production, the oldest first
}

type versionFile struct {
	Number  int                `json:"number"`
	Run     string             `json:"run"`
	Path    string             `json:"path,omitempty"`
	Stage   registry.Stage     `json:"stage"`
	Status  registry.Readiness `json:"status"`
	Message string             `json:"message,omitempty"`
	Created time.Time          `json:"created"`
	Tags    map[string]string  `json:"tags,omitempty"`
	Deleted bool               `json:"deleted,omitempty"` // its number is not given again
}

// check finds what a slip of a hand in an editor would do.
func (m *modelFile) check(name string) error {
	fault := ""
	if m.Name != name {
		fault = fmt.Sprintf("name is %q", m.Name)
	}
	for i, v := range m.Versions {
		stage, err := registry.ParseStage(string(v.Stage))
		switch {
		case v.Number != i+1:
			fault = fmt.Sprintf("version %d stands at place %d", v.Number, i+1)
		case err != nil || stage != v.Stage:
			fault = fmt.Sprintf("version %d: stage is %q", v.Number, v.Stage)
		case !slices.Contains([]registry.Readiness{registry.Pending, registry.Ready, registry.FailedRegistration}, v.Status):
			fault = fmt.Sprintf("version %d: status is %q", v.Number, v.Status)
		case registry.URI{RunID: v.Run, Path: v.Path}.Validate() != nil:
			fault = fmt.Sprintf("version %d: run is %q, path %q", v.Number, v.Run, v.Path)
		}
	}
	for alias, n := range m.Aliases {
		if err := registry.CheckAlias(alias); err != nil || n < 1 || n > len(m.Versions) {
			fault = fmt.Sprintf("alias %q of version %d", alias, n)
		}
	}
	for stage, n := range m.Promoted {
		if n < 1 || n > len(m.Versions) || m.Versions[n-1].Stage != stage {
			fault = fmt.Sprintf("promoted to %s is version %d, which is not there", stage, n)
		}
	}
	for i, p := range m.History {
		if !impl.Serves(p.Stage) || min(p.Version, p.From) < 0 || max(p.Version, p.From) > len(m.Versions) {
			fault = fmt.Sprintf("entry %d of the history: from version %d to %d in %q", i, p.From, p.Version, p.Stage)
		}
	}
	if fault == "" {
		return nil
	}
	return fmt.Errorf("%w: %s", registry.ErrCorrupt, fault)
}

// history is the whole of it, the oldest entry first.
func (m *modelFile) history(now time.Time) []registry.Promotion {
	return slices.Concat(m.History, impl.Unrecorded(m.History, m.holder, now))
}

// remember changes the model and writes into its history which versions serve then.
func (m *modelFile) remember(o registry.PromoteOptions, now time.Time, change func() error) error {
	history := m.history(now)
	now = impl.Following(history, now)
	if err := change(); err != nil {
		return err
	}
	for _, p := range impl.Unrecorded(history, m.holder, now) {
		p.By, p.Why, p.Verdict = o.By, o.Why, o.Verdict
		history = append(history, p)
	}
	m.History = history
	return nil
}

func (m *modelFile) version(n int) (*versionFile, error) {
	switch {
	case n >= 1 && n <= len(m.Versions) && m.Versions[n-1].Deleted:
		return nil, fmt.Errorf("%w: version %d has been deleted", registry.ErrNotFound, n)
	case n >= 1 && n <= len(m.Versions):
		return &m.Versions[n-1], nil
	case len(m.Versions) == 1:
		return nil, fmt.Errorf("%w: the only version is 1", registry.ErrNotFound)
	}
	return nil, fmt.Errorf("%w: the versions are 1 to %d", registry.ErrNotFound, len(m.Versions))
}

// holder is the version that a stage means: the one promoted last, or the highest if that has moved on. 0 is none.
func (m *modelFile) holder(stage registry.Stage) int {
	if n := m.Promoted[stage]; n != 0 {
		return n
	}
	for _, v := range slices.Backward(m.Versions) {
		if v.Stage == stage {
			return v.Number
		}
	}
	return 0
}

// latest is the highest version; 0 is none.
func (m *modelFile) latest() int {
	for _, v := range slices.Backward(m.Versions) {
		if !v.Deleted {
			return v.Number
		}
	}
	return 0
}

// move puts a version on a stage.
func (m *modelFile) move(n int, to registry.Stage) {
	v := &m.Versions[n-1]
	if m.Promoted[v.Stage] == n {
		delete(m.Promoted, v.Stage)
	}
	v.Stage = to
}

func (m *modelFile) export(n int) registry.Version {
	v := m.Versions[n-1]
	out := registry.Version{Name: m.Name, Number: v.Number, RunID: v.Run, Path: v.Path, Stage: v.Stage, Status: v.Status,
		Message: v.Message, Tags: maps.Clone(v.Tags), Created: v.Created}
	for _, alias := range slices.Sorted(maps.Keys(m.Aliases)) {
		if m.Aliases[alias] == n {
			out.Aliases = append(out.Aliases, alias)
		}
	}
	return out
}

func (s *store) modelPath(name string) string { return path.Join("models", name, "model.json") }

func (s *store) versionManifest(name string, n int) string {
	return path.Join("models", name, strconv.Itoa(n), manifestFile)
}

func (s *store) readModel(name string) (*modelFile, error) {
	if _, err := s.folder("models", name); err != nil {
		return nil, err
	}
	return s.readModelFile(name)
}

// parsed is a model's file as it was read last. While its bytes are the same it is not parsed again, which takes a millisecond where
// there are hundreds of versions.
type parsed struct {
	data []byte
	m    modelFile
}

func (s *store) readModelFile(name string) (*modelFile, error) {
	file := s.modelPath(name)
	data, err := s.root.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: no such model", registry.ErrNotFound)
	} else if err != nil {
		return nil, err
	}
	last := s.last.Load()
	if last == nil || last.m.Name != name || !bytes.Equal(last.data, data) {
		last = &parsed{data: data}
		if err := decodeJSON(file, data, &last.m); err != nil {
			return nil, err
		}
		if err := last.m.check(name); err != nil {
			return nil, &registry.Error{Path: file, Err: err, Hint: "correct the file, or restore it from a backup"}
		}
		s.last.Store(last)
	}
	m := last.m // to change as one likes
	m.Aliases, m.Promoted, m.Versions = maps.Clone(m.Aliases), maps.Clone(m.Promoted), slices.Clone(m.Versions)
	return &m, nil
}
