package registrytest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/registry"
)

// badNames are names that no implementation takes for a model or an experiment.
var badNames = []string{"", ".", "..", "../up", "a/b", `a\b`, "a:b", "a@b", "a..b", ".hidden", "-flag", "dot.", " lead", "trail ", "two  spaces",
	"nul\x00", "line\nbreak", "tab\t", "\xff", "zero\u200bwidth", "\u202eright-to-left", "e\u0301", "emoji\U0001F393", "a*b", "per%cent", "a?b", "a#b",
	"longer than two hundred bytes longer than two hundred bytes longer than two hundred bytes longer than two hundred bytes longer " +
		"than two hundred bytes longer than two hundred bytes longer than two hundred bytes"}

var modelTests = map[string]func(t *testing.T, s suite){
	"register": func(t *testing.T, s suite) {
		name, before := s.name("handbook"), time.Now().Add(-time.Second)
		run := s.start(t)
		require.NoError(t, run.LogArtifacts(t.Context(), "model", files()))
		tags := map[string]string{"base": "SmolLM2", "größe": "135M"}
		v, err := s.Registry.Register(t.Context(), name, registry.Source{RunID: run.ID(), Path: "model"}, tags)
		require.NoError(t, err)
		assert.Equal(t, 1, v.Number)
		v, err = registry.WaitReady(t.Context(), s.Registry, v)
		require.NoError(t, err)
		assert.Equal(t, name, v.Name)
		assert.Equal(t, run.ID(), v.RunID)
		assert.Equal(t, registry.None, v.Stage)
		assert.Equal(t, registry.Ready, v.Status)
		assert.Empty(t, v.Aliases)
		assert.True(t, v.Created.After(before), "created %v", v.Created)
		for key, value := range tags {
			assert.Equal(t, value, v.Tags[key])
		}
		another, err := s.Another(t).Get(t.Context(), name, 1)
		require.NoError(t, err)
		assert.Equal(t, v, another)

		again, err := s.Registry.Register(t.Context(), name, registry.Source{RunID: run.ID(), Path: "model"}, nil)
		require.NoError(t, err)
		assert.Equal(t, 2, again.Number, "one source may have several versions")
		assert.Equal(t, []int{2, 1}, numbers(t, s.Registry.List(t.Context(), name)), "newest first")
	},
	"register while the run has ended": func(t *testing.T, s suite) {
		run := s.start(t)
		require.NoError(t, run.LogArtifacts(t.Context(), "model", files()))
		require.NoError(t, run.End(t.Context(), registry.Finished))
		_, err := s.Registry.Register(t.Context(), s.name("handbook"), registry.Source{RunID: run.ID(), Path: "model"}, nil)
		require.NoError(t, err)
	},
	"log a model": func(t *testing.T, s suite) {
		run := s.start(t)
		for _, name := range badNames {
			_, err := run.LogModel(t.Context(), name, files())
			requireError(t, err, registry.ErrInvalid)
		}
		src, err := run.LogModel(t.Context(), "model", files())
		require.NoError(t, err)
		require.NoError(t, run.End(t.Context(), registry.Finished))
		v, err := s.Another(t).Register(t.Context(), s.name("handbook"), src, nil)
		require.NoError(t, err)
		v, err = registry.WaitReady(t.Context(), s.Registry, v)
		require.NoError(t, err)
		assert.Equal(t, run.ID(), v.RunID)
		dir := filepath.Join(t.TempDir(), "out")
		require.NoError(t, s.Registry.Download(t.Context(), v, dir))
		for name, want := range files() { // others may have been added
			got, err := os.ReadFile(filepath.Join(dir, name))
			require.NoError(t, err)
			require.Equal(t, string(want.Data), string(got), name)
		}
	},
	"a model by the run that logged it": func(t *testing.T, s suite) {
		run, another := s.start(t), s.start(t)
		_, err := run.LogModel(t.Context(), "my.model 2", files())
		require.NoError(t, err)
		_, err = another.LogModel(t.Context(), "my.model 2", fstest.MapFS{"config.json": {Data: []byte("of another run")}})
		require.NoError(t, err)
		for _, test := range []struct{ path, got, want string }{
			{"my.model 2", "config.json", "config.json"},
			{"my.model 2/config.json", "config.json", "config.json"},
			{"my.model 2/tokenizer", "tokenizer.json", "tokenizer/tokenizer.json"},
		} {
			u := registry.URI{RunID: run.ID(), Path: test.path}
			v, err := s.Another(t).Resolve(t.Context(), u)
			require.NoError(t, err, u)
			dir := filepath.Join(t.TempDir(), "out")
			require.NoError(t, s.Registry.Download(t.Context(), v, dir), u)
			got, err := os.ReadFile(filepath.Join(dir, test.got))
			require.NoError(t, err)
			assert.Equal(t, string(files()[test.want].Data), string(got), u)
		}
		v, err := s.Registry.Register(t.Context(), s.name("handbook"), registry.Source{RunID: run.ID(), Path: "my.model 2"}, nil)
		require.NoError(t, err)
		list, err := s.Registry.Files(t.Context(), v)
		require.NoError(t, err)
		assert.GreaterOrEqual(t, len(list), len(files()))
		for _, path := range []string{"my.model", "my.model 2/none", "other"} {
			_, err := s.Registry.Resolve(t.Context(), registry.URI{RunID: run.ID(), Path: path})
			requireError(t, err, registry.ErrNotFound, path[strings.LastIndex(path, "/")+1:])
		}
	},
	"register nothing": func(t *testing.T, s suite) {
		name, run := s.name("handbook"), s.start(t)
		_, err := s.Registry.Register(t.Context(), name, registry.Source{RunID: run.ID(), Path: "model"}, nil)
		requireError(t, err, registry.ErrNotFound, "model")
		require.NoError(t, run.LogArtifacts(t.Context(), "model", files()))
		for _, path := range []string{"mode", "model/none", "model/config.json/x"} {
			_, err = s.Registry.Register(t.Context(), name, registry.Source{RunID: run.ID(), Path: path}, nil)
			requireError(t, err, registry.ErrNotFound, path)
		}
		_, err = s.Registry.Register(t.Context(), name, registry.Source{RunID: "no-such-run", Path: "model"}, nil)
		requireError(t, err, registry.ErrNotFound, "no such run")
		requireError(t, onlyError(t, s.Registry.List(t.Context(), name)), registry.ErrNotFound)
	},
	"bad names": func(t *testing.T, s suite) {
		run := s.start(t)
		require.NoError(t, run.LogArtifacts(t.Context(), "model", files()))
		src := registry.Source{RunID: run.ID(), Path: "model"}
		for _, name := range badNames {
			_, err := s.Registry.Register(t.Context(), name, src, nil)
			requireError(t, err, registry.ErrInvalid)
			_, err = s.Registry.Get(t.Context(), name, 1)
			requireError(t, err, registry.ErrInvalid)
			_, err = s.Registry.Promote(t.Context(), name, 1, registry.PromoteOptions{})
			requireError(t, err, registry.ErrInvalid)
			requireError(t, s.Registry.SetAlias(t.Context(), name, "best", 1), registry.ErrInvalid)
			requireError(t, onlyError(t, s.Registry.List(t.Context(), name)), registry.ErrInvalid)
			_, err = s.Registry.Resolve(t.Context(), registry.URI{Name: name})
			requireError(t, err, registry.ErrInvalid)
		}
		name := s.name("handbook")
		for _, path := range []string{"..", "../x", "/abs", "a//b", `a\b`} {
			_, err := s.Registry.Register(t.Context(), name, registry.Source{RunID: run.ID(), Path: path}, nil)
			requireError(t, err, registry.ErrInvalid)
		}
		_, err := s.Registry.Register(t.Context(), name, registry.Source{ModelID: "m-0123456789abcdef0123456789abcdef", RunID: run.ID()}, nil)
		requireError(t, err, registry.ErrNotFound)
		for _, id := range []string{"", "..", "a/b"} {
			_, err := s.Registry.Register(t.Context(), name, registry.Source{RunID: id, Path: "model"}, nil)
			requireError(t, err, registry.ErrInvalid)
		}
		_, err = s.Registry.Register(t.Context(), name, src, map[string]string{"": "x"})
		requireError(t, err, registry.ErrInvalid)
		requireError(t, onlyError(t, s.Registry.List(t.Context(), name)), registry.ErrNotFound)
	},
	"unicode names": func(t *testing.T, s suite) {
		for _, name := range []string{s.name("Lehrgang Größe 2"), s.name("手册"), s.name("हिन्दी"), s.name("คู่มือ"), s.name("v1.2_b")} {
			s.register(t, name, 1)
			u, err := registry.ParseURI("models:/" + name + "/latest")
			require.NoError(t, err)
			v, err := s.Another(t).Resolve(t.Context(), u)
			require.NoError(t, err)
			assert.Equal(t, name, v.Name)
		}
	},
	"not found": func(t *testing.T, s suite) {
		name := s.name("handbook")
		s.register(t, name, 2)
		for _, number := range []int{0, -1, 3, 1 << 40} {
			_, err := s.Registry.Get(t.Context(), name, number)
			requireError(t, err, registry.ErrNotFound, name)
			_, err = s.Registry.Promote(t.Context(), name, number, registry.PromoteOptions{})
			requireError(t, err, registry.ErrNotFound, name)
			requireError(t, s.Registry.SetAlias(t.Context(), name, "best", number), registry.ErrNotFound, name)
		}
		nobody := s.name("nobody")
		_, err := s.Registry.Get(t.Context(), nobody, 1)
		requireError(t, err, registry.ErrNotFound, nobody)
		requireError(t, onlyError(t, s.Registry.List(t.Context(), nobody)), registry.ErrNotFound, nobody)
		for _, u := range []registry.URI{{Name: nobody}, {Name: name, Version: 9}, {Name: name, Stage: registry.Production}, {Name: name, Alias: "best"},
			{Name: name, Alias: "production"}, {Name: name, Version: 1, Path: "no/such/file"}, {RunID: "no-such-run"}, {ModelID: "m-0123456789abcdef0123456789abcdef"}} {
			_, err := s.Registry.Resolve(t.Context(), u)
			requireError(t, err, registry.ErrNotFound, u.String())
		}
	},
	"list": func(t *testing.T, s suite) {
		name := s.name("handbook")
		s.register(t, name, 5)
		seq := s.Registry.List(t.Context(), name)
		for range 2 {
			assert.Equal(t, []int{5, 4, 3, 2, 1}, numbers(t, seq), "newest first")
		}
		for v, err := range seq {
			require.NoError(t, err)
			assert.Equal(t, 5, v.Number)
			break
		}
	},
	"list models": func(t *testing.T, s suite) {
		names := []string{s.name("beta"), s.name("alpha"), s.name("gamma")}
		before := time.Now().Add(-time.Second)
		s.register(t, names[0], 1)
		s.register(t, names[1], 3)
		s.register(t, names[2], 2)
		_, err := s.Registry.Promote(t.Context(), names[1], 2, registry.PromoteOptions{})
		require.NoError(t, err)
		_, err = s.Registry.Promote(t.Context(), names[2], 2, registry.PromoteOptions{Stage: registry.Staging})
		require.NoError(t, err)
		var got []registry.Model
		seq := s.Another(t).ListModels(t.Context())
		for m, err := range seq {
			require.NoError(t, err)
			if slices.Contains(names, m.Name) {
				assert.True(t, m.Created.After(before), "created %v", m.Created)
				m.Created = time.Time{}
				got = append(got, m)
			}
		}
		assert.Equal(t, []registry.Model{{Name: names[1], Latest: 3, Production: 2}, {Name: names[0], Latest: 1}, {Name: names[2], Latest: 2}}, got)
		for _, err := range seq {
			require.NoError(t, err)
			break
		}
	},
	"resolve": func(t *testing.T, s suite) {
		name := s.name("handbook")
		versions := s.register(t, name, 3)
		_, err := s.Registry.Promote(t.Context(), name, 1, registry.PromoteOptions{Stage: registry.Staging})
		require.NoError(t, err)
		_, err = s.Registry.Promote(t.Context(), name, 2, registry.PromoteOptions{})
		require.NoError(t, err)
		require.NoError(t, s.Registry.SetAlias(t.Context(), name, "Best-1", 1))
		for uri, number := range map[string]int{"/1": 1, "/3": 3, "/latest": 3, "/LATEST": 3, "/Production": 2, "/production": 2, "/Staging": 1,
			"/None": 3, "@Best-1": 1, "@production": 2, "@staging": 1} {
			u, err := registry.ParseURI("models:/" + name + uri)
			require.NoError(t, err)
			v, err := s.Registry.Resolve(t.Context(), u)
			require.NoError(t, err, uri)
			assert.Equal(t, s.get(t, name, number), v, uri)
		}
		u, err := registry.ParseURI("models:/" + name + "@best-1")
		require.NoError(t, err)
		_, err = s.Registry.Resolve(t.Context(), u)
		requireError(t, err, registry.ErrNotFound) // aliases are case-sensitive

		v, err := s.Registry.Resolve(t.Context(), registry.URI{RunID: versions[0].RunID, Path: "model/tokenizer"})
		require.NoError(t, err)
		assert.Equal(t, registry.Version{RunID: versions[0].RunID, Path: "model/tokenizer", Stage: registry.None, Status: registry.Ready}, v)
		for _, u := range []registry.URI{{}, {Name: name, Version: 1, Alias: "x"}, {Name: name, RunID: "r"}, {Name: name, Stage: "prod"}, {RunID: "r", Path: "../x"}} {
			_, err := s.Registry.Resolve(t.Context(), u)
			requireError(t, err, registry.ErrInvalid)
		}
	},
	"aliases": func(t *testing.T, s suite) {
		name := s.name("handbook")
		s.register(t, name, 2)
		require.NoError(t, s.Registry.SetAlias(t.Context(), name, "champion", 1))
		require.NoError(t, s.Registry.SetAlias(t.Context(), name, "baseline", 1))
		require.NoError(t, s.Registry.SetAlias(t.Context(), name, "baseline", 1))
		assert.Equal(t, []string{"baseline", "champion"}, s.get(t, name, 1).Aliases)
		require.NoError(t, s.Registry.SetAlias(t.Context(), name, "champion", 2))
		assert.Equal(t, []string{"baseline"}, s.get(t, name, 1).Aliases)
		assert.Equal(t, []string{"champion"}, s.get(t, name, 2).Aliases)
		for v, err := range s.Registry.List(t.Context(), name) {
			require.NoError(t, err)
			assert.Equal(t, s.get(t, name, v.Number), v, "a list tells as much as Get, aliases too")
		}
		for _, alias := range []string{"", "latest", "Latest", "v1", "V22", "Production", "production", "STAGING", "archived", "none", "a b", "a/b", "ä", "a.b", "a@b"} {
			requireError(t, s.Registry.SetAlias(t.Context(), name, alias, 1), registry.ErrInvalid)
		}
	},
	"concurrent": func(t *testing.T, s suite) {
		name := s.name("handbook")
		run := s.start(t)
		require.NoError(t, run.LogArtifacts(t.Context(), "m", fstest.MapFS{"f": {Data: []byte("x")}}))
		other := s.Another(t)
		const workers = 12
		var mu sync.Mutex
		var got []int
		var wg sync.WaitGroup
		for i := range workers {
			reg := []registry.Registry{s.Registry, other}[i%2]
			wg.Go(func() {
				v, err := reg.Register(t.Context(), name, registry.Source{RunID: run.ID(), Path: "m"}, nil)
				assert.NoError(t, err)
				mu.Lock()
				defer mu.Unlock()
				got = append(got, v.Number)
			})
		}
		wg.Wait()
		slices.Sort(got)
		for i, number := range got {
			assert.Equal(t, i+1, number, "numbers are given once")
		}
		assert.Len(t, numbers(t, s.Registry.List(t.Context(), name)), workers)
	},
}
