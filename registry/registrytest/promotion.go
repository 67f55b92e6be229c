package registrytest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/registry"
)

var serving = []registry.Stage{registry.Production, registry.Staging}

// oracle says what a registry must do with the versions of a model, in the simplest words. Version n is at n-1.
type oracle struct {
	stages   []registry.Stage // "" of a version that has been deleted
	alias    int              // the version that has one
	promoted map[registry.Stage]int
	line     map[registry.Stage][]int    // along which rollback goes back
	history  map[registry.Stage][][2]int // from a version to another, the last first
}

func (o *oracle) serves(stage registry.Stage) int {
	if n := o.promoted[stage]; n != 0 {
		return n
	}
	for i, s := range slices.Backward(o.stages) {
		if s == stage {
			return i + 1
		}
	}
	return 0
}

func (o *oracle) move(n int, to registry.Stage) {
	if from := o.stages[n-1]; o.promoted[from] == n {
		delete(o.promoted, from)
	}
	o.stages[n-1] = to
}

func (o *oracle) promote(n int, to registry.Stage, keep bool) (archived []int) {
	before := map[registry.Stage]int{}
	for _, stage := range serving {
		before[stage] = o.serves(stage)
	}
	o.move(n, to)
	if slices.Contains(serving, to) {
		o.promoted[to] = n
		for i, s := range slices.Backward(o.stages) {
			if s == to && i+1 != n && !keep {
				o.move(i+1, registry.Archived)
				archived = append(archived, i+1)
			}
		}
	}
	for _, stage := range serving {
		from, now := before[stage], o.serves(stage)
		if from == now {
			continue
		}
		o.history[stage] = slices.Insert(o.history[stage], 0, [2]int{from, now})
		line := o.line[stage]
		if now == 0 {
			line = slices.DeleteFunc(line, func(n int) bool { return n == from })
		} else if i := slices.Index(line, now); i >= 0 { // back again: what came after it is not come back to
			line = line[:i+1]
		} else {
			line = append(line, now)
		}
		o.line[stage] = line
	}
	return archived
}

// back is the version that a rollback leads to; 0 is none.
func (o *oracle) back(stage registry.Stage) int {
	line := o.line[stage]
	if n := len(line); n > 0 && line[n-1] == o.serves(stage) {
		line = line[:n-1]
	}
	if len(line) == 0 {
		return 0
	}
	return line[len(line)-1]
}

// needed says whether a version may not be deleted.
func (o *oracle) needed(n int) bool {
	named := func(step [2]int) bool { return step[0] == n || step[1] == n }
	return o.alias == n || slices.Contains(serving, o.stages[n-1]) ||
		slices.ContainsFunc(o.history[registry.Production], named) || slices.ContainsFunc(o.history[registry.Staging], named)
}

// prune deletes what is not needed, but for the newest so many, and returns it.
func (o *oracle) prune(keep int) (took []int) {
	for i, stage := range slices.Backward(o.stages) {
		if stage == "" {
			continue
		}
		if keep--; keep < 0 && !o.needed(i+1) {
			o.stages[i] = ""
			took = append(took, i+1)
		}
	}
	return took
}

// stepForm is a step of a script:
//
//	+2   version 2 is promoted to Production; +2s to Staging, +2a to Archived, +2n to None; +2k keeps the others there
//	<    a rollback in Production; <s in Staging
//	-2   version 2 is deleted
//	@2   version 2 gets the alias
//	^2   all is pruned but the newest two
var stepForm = regexp.MustCompile(`^([-+<@^])(\d*)([psan]?)(k?)$`)

var letters = map[string]registry.Stage{"": registry.Production, "p": registry.Production, "s": registry.Staging, "a": registry.Archived, "n": registry.None}

// play takes the steps of a script on a registry and in an oracle, which must come to the same after each.
func (s suite) play(t *testing.T, name string, o *oracle, script string) {
	t.Helper()
	ctx := t.Context()
	for step := range strings.FieldsSeq(script) {
		t.Log(step)
		m := stepForm.FindStringSubmatch(step)
		require.NotNil(t, m, step)
		n, _ := strconv.Atoi(m[2]) // a rollback has none
		to, keep := letters[m[3]], m[4] != ""
		if m[1] == "<" {
			n = o.back(to)
		}
		missing := m[1] != "^" && (n == 0 || o.stages[n-1] == "")
		var err error
		var archived []registry.Version
		then := func() {}
		switch m[1] {
		case "+":
			archived, err = s.Registry.Promote(ctx, name, n, registry.PromoteOptions{Stage: to, KeepPrevious: keep})
			then = func() { require.Equal(t, o.promote(n, to, keep), s.numbersOf(t, archived)) }
		case "<":
			var got int
			got, archived, err = registry.Rollback(ctx, s.Registry, name, registry.PromoteOptions{Stage: to})
			then = func() {
				require.Equal(t, n, got)
				require.Equal(t, o.promote(n, to, false), s.numbersOf(t, archived))
			}
		case "-":
			err = s.Registry.DeleteVersion(ctx, name, n)
			then = func() { o.stages[n-1] = "" }
		case "@":
			err = s.Registry.SetAlias(ctx, name, "best", n)
			then = func() { o.alias = n }
		case "^":
			var took []int
			for p, fault := range registry.Prune(ctx, only{s.Registry, name}, registry.PruneOptions{Keep: n, Now: time.Now().Add(time.Hour)}) {
				took, err = append(took, p.Version.Number), errors.Join(err, fault)
			}
			require.Equal(t, o.prune(n), took)
		}
		switch {
		case missing:
			requireError(t, err, registry.ErrNotFound)
		case m[1] == "-" && o.needed(n):
			requireError(t, err, registry.ErrInvalid)
		default:
			require.NoError(t, err)
			then()
		}
		s.requireAs(t, name, o)
	}
}

// numbersOf checks that versions are as they are now.
func (s suite) numbersOf(t *testing.T, versions []registry.Version) (list []int) {
	t.Helper()
	for _, v := range versions {
		require.Equal(t, s.get(t, v.Name, v.Number), v, "as it is now")
		list = append(list, v.Number)
	}
	return list
}

// requireAs compares all that can be seen of a model.
func (s suite) requireAs(t *testing.T, name string, o *oracle) {
	t.Helper()
	want := map[int]registry.Stage{}
	for i, stage := range o.stages {
		if stage != "" {
			want[i+1] = stage
		}
	}
	require.Equal(t, want, s.stages(t, name))
	history := map[registry.Stage][][2]int{}
	for _, p := range s.history(t, name) {
		history[p.Stage] = append(history[p.Stage], [2]int{p.From, p.Version})
	}
	for _, stage := range serving {
		v, err := s.Registry.Resolve(t.Context(), registry.URI{Name: name, Stage: stage})
		if o.serves(stage) == 0 {
			requireError(t, err, registry.ErrNotFound)
		} else {
			require.NoError(t, err)
			require.Equal(t, o.serves(stage), v.Number)
		}
		require.Equal(t, o.history[stage], history[stage], stage)
	}
}

// stages maps the numbers of a model's versions to where they are.
func (s suite) stages(t *testing.T, name string) map[int]registry.Stage {
	t.Helper()
	stages := make(map[int]registry.Stage)
	for v, err := range s.Registry.List(t.Context(), name) {
		require.NoError(t, err)
		stages[v.Number] = v.Stage
	}
	return stages
}

// promote promotes a version; what becomes of the others is not looked at.
func (s suite) promote(t *testing.T, name string, number int, o registry.PromoteOptions) {
	t.Helper()
	_, err := s.Registry.Promote(t.Context(), name, number, o)
	require.NoError(t, err)
}

func (s suite) production(t *testing.T, name string) int {
	t.Helper()
	v, err := s.Registry.Resolve(t.Context(), registry.URI{Name: name, Stage: registry.Production})
	require.NoError(t, err)
	return v.Number
}

// small registers n versions of one small file, and says what is known of them.
func (s suite) small(t *testing.T, name string, n int) *oracle {
	t.Helper()
	run := s.start(t)
	require.NoError(t, run.LogArtifacts(t.Context(), "model", fstest.MapFS{"weights": {Data: []byte("w")}}))
	for range n {
		v, err := s.Registry.Register(t.Context(), name, registry.Source{RunID: run.ID(), Path: "model"}, nil)
		require.NoError(t, err)
		_, err = registry.WaitReady(t.Context(), s.Registry, v)
		require.NoError(t, err)
	}
	return &oracle{stages: slices.Repeat([]registry.Stage{registry.None}, n), promoted: map[registry.Stage]int{},
		line: map[registry.Stage][]int{}, history: map[registry.Stage][][2]int{}}
}

// told are courses of promotions with the stages that they end in, version by version; "-" has been deleted.
var told = map[string]struct{ script, end string }{
	"archives the previous holder":                         {"+1 +2 +2 +1", "pan"},
	"keeps the previous holder":                            {"+3 +1k", "pnp"},
	"a holder is promoted again":                           {"+3 +1k +3k", "pnp"},
	"repairs several holders":                              {"+1k +2k +3k +2", "apan"},
	"other stages":                                         {"+1 +2s +3s +3 +3a +1n", "naa"},
	"a holder that leaves":                                 {"+2 +1k +1a", "ap"},
	"to the stage that another served in":                  {"+1 +2s +1s +2", "sp"},
	"rollback never brings back what was rolled back from": {"+1 < +2 < +3 < <", "paa"},
	"rollback to what was promoted again by its number":    {"+1 +2 < +3 < +4 +2 < <", "paaa"},
	"rollback by hand":                                     {"+1 +2 +1 +3 <", "paa"},
	"rollback of a newer number":                           {"+3 +1 +2 < <", "aap"},
	"rollback of each stage":                               {"+1 +2 +3s +4s < <s", "pasa"},
	"rollback from a stage that was left":                  {"+1 +2 +2a <", "pa"},
	"rollback after pruning":                               {"+1 +3 +5 ^1 < ^0 <", "p-a-a"},
	"rollback to a holder that was kept":                   {"+1 +2k +3k < <", "paa"},
	"what is needed is not deleted":                        {"+1 +2 @3 -1 -2 -3 -4 -4 +4 @4", "apn-"},
}

var promotionTests = map[string]func(t *testing.T, s suite){
	"as told": func(t *testing.T, s suite) {
		for title, course := range told {
			t.Run(title, func(t *testing.T) {
				name := s.name(strings.ReplaceAll(title, " ", "-"))
				s.play(t, name, s.small(t, name, len(course.end)), course.script)
				got := s.stages(t, name)
				for i, letter := range strings.Split(course.end, "") {
					assert.Equal(t, letters[letter], got[i+1], "version %d", i+1)
				}
			})
		}
	},
	"at random": func(t *testing.T, s suite) {
		const versions, steps = 5, 25
		for seed := range uint64(3) {
			rng := rand.New(rand.NewPCG(seed, 0))
			var script strings.Builder
			for range steps {
				n, kind := 1+rng.IntN(versions), []string{"+%dp ", "+%ds ", "+%da ", "+%dn ", "+%dpk ", "+%dsk ", "+%dp ", "+%dp ", "-%d ", "@%d ", "^%d "}
				if i := rng.IntN(len(kind) + 4); i < len(kind) {
					fmt.Fprintf(&script, kind[i], n)
				} else {
					script.WriteString([]string{"< ", "<s "}[i%2])
				}
			}
			name := s.name(fmt.Sprintf("handbook%d", seed))
			s.play(t, name, s.small(t, name, versions), script.String())
		}
	},
	"concurrent": func(t *testing.T, s suite) {
		name := s.name("handbook")
		const versions = 8
		s.register(t, name, versions)
		other := s.Another(t)
		var wg sync.WaitGroup
		for number := 1; number <= versions; number++ {
			reg := []registry.Registry{s.Registry, other}[number%2]
			wg.Go(func() {
				_, err := reg.Promote(t.Context(), name, number, registry.PromoteOptions{By: "one of many"})
				assert.NoError(t, err)
			})
		}
		wg.Wait()
		var holders []int
		for number, stage := range s.stages(t, name) {
			if stage == registry.Production {
				holders = append(holders, number)
			}
		}
		assert.Equal(t, []int{s.production(t, name)}, holders, "exactly one, and it is the one that is found")
		got := s.history(t, name)
		require.NotEmpty(t, got)
		assert.Equal(t, s.production(t, name), got[0].Version)
		seen := map[int]bool{}
		for _, p := range got {
			seen[p.Version] = true
		}
		assert.Len(t, seen, versions, "none is forgotten")
	},
	"unknown stage": func(t *testing.T, s suite) {
		name := s.name("handbook")
		s.small(t, name, 1)
		_, err := s.Registry.Promote(t.Context(), name, 1, registry.PromoteOptions{Stage: "prod"})
		requireError(t, err, registry.ErrInvalid, "Production")
	},
	"only what is ready": func(t *testing.T, s suite) {
		if s.SetStatus == nil {
			t.Skip("this fixture cannot make versions that are not ready")
		}
		name := s.name("handbook")
		versions := s.register(t, name, 3)
		s.promote(t, name, 3, registry.PromoteOptions{})
		s.SetStatus(t, versions[0], registry.Pending, "")
		s.SetStatus(t, versions[1], registry.FailedRegistration, "the upload broke off")
		dir := t.TempDir()
		_, err := s.Registry.Promote(t.Context(), name, 1, registry.PromoteOptions{})
		requireError(t, err, registry.ErrNotReady)
		requireError(t, s.Registry.Download(t.Context(), s.get(t, name, 1), dir), registry.ErrNotReady)
		_, err = s.Registry.Promote(t.Context(), name, 2, registry.PromoteOptions{})
		requireError(t, err, registry.ErrFailed, "the upload broke off")
		requireError(t, s.Registry.Download(t.Context(), s.get(t, name, 2), dir), registry.ErrFailed)
		assert.Equal(t, 3, s.production(t, name), "what served goes on serving")
		v, err := s.Registry.Resolve(t.Context(), registry.URI{Name: name, Version: 1})
		require.NoError(t, err)
		assert.Equal(t, registry.Pending, v.Status)
		_, err = s.Registry.Resolve(t.Context(), registry.URI{Name: name, Version: 1, Path: "f"})
		require.NoError(t, err, "whether it is ready or not")
		_, err = s.Registry.Resolve(t.Context(), registry.URI{Name: name, Version: 1 << 40})
		requireError(t, err, registry.ErrNotFound)

		v, err = registry.WaitReady(t.Context(), s.Registry, versions[1])
		requireError(t, err, registry.ErrFailed, "the upload broke off")
		assert.Equal(t, "the upload broke off", v.Message)
		short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, err = registry.WaitReady(short, s.Registry, versions[0])
		requireError(t, err, context.DeadlineExceeded)
		time.AfterFunc(30*time.Millisecond, func() { s.SetStatus(t, versions[0], registry.Ready, "") })
		v, err = registry.WaitReady(t.Context(), s.Registry, versions[0])
		require.NoError(t, err)
		assert.Equal(t, registry.Ready, v.Status)
	},
}
