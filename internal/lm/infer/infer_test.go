package infer_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/golden"
	"github.com/docent-ml/docent/internal/lm/infer"
	"github.com/docent-ml/docent/internal/lm/model"
	"github.com/docent-ml/docent/internal/lm/sample"
	"github.com/docent-ml/docent/internal/testmodel"
)

func randomIDs(r *rand.Rand, n, vocab int) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = r.Int32N(int32(vocab))
	}
	return out
}

// TestCacheEqualsWholeSequence feeds random tokens one by one, across folds of the recent part, and compares the logits
// of each position with those of the whole sequence computed at once. Families with windows see beyond them here.
func TestCacheEqualsWholeSequence(t *testing.T) {
	backend := golden.Backend(t)
	for _, dir := range golden.Tiny(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			ref := "dir:" + filepath.Join(dir, "model")
			m := golden.Open(t, backend, ref, true)
			vocab := m.Config.VocabSize
			ids := randomIDs(rand.New(rand.NewPCG(1, 2)), 110, vocab)
			want := golden.Logits(t, backend, m, ids, []int{len(ids)})
			both(t, ref, m, backend, func(t *testing.T, open func(o infer.Options) infer.Slots) {
				s := open(infer.Options{Slots: 2})
				const prompt = 13
				slot, logits := admit(t, s, ids[:prompt])
				got := append([]float32(nil), logits...)
				for _, id := range ids[prompt:] {
					got = append(got, step(t, s, map[int]int32{slot: id})[slot]...)
				}
				from := prompt
				for !m.Config.RotatesAlike(from, len(ids)) {
					from++
				}
				golden.Close(t, want[(from-1)*vocab:], got[(from-prompt)*vocab:], 1e-5, "logits behind the cache")
			})
		})
	}
}

// TestSlotsDoNotTouchEachOther runs sequences of different length that come and go, past the first capacity, and compares
// each with the same sequence alone.
func TestSlotsDoNotTouchEachOther(t *testing.T) {
	ref := "dir:" + testmodel.Write(t, 3)
	backend := golden.Backend(t)
	m := golden.Open(t, backend, ref, true)
	both(t, ref, m, backend, func(t *testing.T, open func(o infer.Options) infer.Slots) {
		comeAndGo(t, m, backend, open(infer.Options{Slots: 4}))
	})
}

func comeAndGo(t *testing.T, m *model.Model, backend compute.Backend, s infer.Slots) {
	r := rand.New(rand.NewPCG(3, 4))

	type sequence struct {
		ids    []int32
		prompt int
		slot   int
		at     int
		got    []float32
	}
	var all []*sequence
	for _, n := range []struct{ prompt, total int }{{5, 200}, {240, 300}, {430, 560}, {64, 65}, {1, 90}, {256, 330}} {
		all = append(all, &sequence{ids: randomIDs(r, n.total, m.Config.VocabSize), prompt: n.prompt})
	}
	waiting := append([]*sequence(nil), all...)
	var running []*sequence
	for turn := 0; len(waiting)+len(running) > 0; turn++ {
		if len(waiting) > 0 && s.Free() > 0 && turn%17 == 0 {
			x := waiting[0]
			waiting = waiting[1:]
			x.slot, x.got = admit(t, s, x.ids[:x.prompt])
			x.at = x.prompt
			running = append(running, x)
		}
		next := map[int]int32{}
		for _, x := range running {
			next[x.slot] = x.ids[x.at]
		}
		if len(next) == 0 {
			continue
		}
		rows := step(t, s, next)
		var still []*sequence
		for _, x := range running {
			x.got = append([]float32(nil), rows[x.slot]...)
			if x.at++; x.at == len(x.ids) {
				s.Release(x.slot)
			} else {
				still = append(still, x)
			}
		}
		running = still
	}
	vocab := m.Config.VocabSize
	for _, x := range all {
		whole := golden.Logits(t, backend, m, x.ids, []int{len(x.ids)})
		golden.Close(t, whole[len(whole)-vocab:], x.got, 1e-4, "last logits")
	}
	assert.Equal(t, 4, s.Free())
}

func TestSlotsRefuseWhatDoesNotFit(t *testing.T) {
	backend := golden.Backend(t)
	ref := "dir:" + testmodel.Write(t, 3)
	m := golden.Open(t, backend, ref, true)
	both(t, ref, m, backend, func(t *testing.T, open func(o infer.Options) infer.Slots) {
		s := open(infer.Options{Slots: 1, MaxContext: 100})
		_, err := s.NewPrompt(make([]int32, 101), nil)
		require.ErrorContains(t, err, "100")
		_, err = s.NewPrompt(nil, nil)
		require.Error(t, err)
		p, err := s.NewPrompt(make([]int32, 50), nil)
		require.NoError(t, err)
		_, err = p.Prefill()
		require.NoError(t, err)
		_, err = s.Admit(p, false)
		require.NoError(t, err)
		_, err = s.Admit(p, false)
		require.ErrorIs(t, err, infer.ErrFull)
		p.Close()
		p.Close()
		_, err = s.Step(map[int]int32{})
		require.ErrorContains(t, err, "slot 0")
		s.Close()
		s.Close()
	})
}

func TestProgramsAreShared(t *testing.T) {
	backend := golden.Backend(t)
	m := golden.Open(t, backend, "dir:"+testmodel.Write(t, 3), true)
	s := newSlots(t, m, backend, infer.Options{Slots: 1})
	slot, _ := admit(t, s, make([]int32, 5))
	other := infer.New(m, backend, infer.Options{}, s.Programs())
	assert.Same(t, s.Programs(), other.Programs())
	other.Close()
	other.Close()
	_, err := s.Step(map[int]int32{slot: 1})
	require.NoError(t, err, "closing one user twice leaves the graphs to the other")
}

// TestPromptsShareTheirBeginning compares prompts that take over computed beginnings, of the same and of other
// capacities, with the same prompts computed whole.
func TestPromptsShareTheirBeginning(t *testing.T) {
	backend := golden.Backend(t)
	ref := "dir:" + testmodel.Write(t, 3)
	m := golden.Open(t, backend, ref, true)
	vocab := m.Config.VocabSize
	r := rand.New(rand.NewPCG(5, 6))
	system := randomIDs(r, 300, vocab)
	after := func(common, n int) []int32 {
		return append(append([]int32(nil), system[:common]...), randomIDs(r, n, vocab)...)
	}
	both(t, ref, m, backend, func(t *testing.T, open func(o infer.Options) infer.Slots) {
		s := open(infer.Options{Slots: 2})
		for _, x := range []struct {
			name   string
			ids    []int32
			shared int
		}{
			{"first", after(300, 5), 0},
			{"the same beginning", after(300, 40), 300},
			{"a part of it", after(123, 10), 123},
			{"too little of it", after(10, 10), 0},
			{"longer than the capacity", after(300, 400), 300},
			{"shorter again", after(300, 1), 300},
			{"nothing new", system[:200], 199},
		} {
			p, err := s.NewPrompt(x.ids, nil)
			require.NoError(t, err, x.name)
			assert.Equal(t, x.shared, p.Len(), x.name)
			var logits []float32
			for logits == nil {
				logits, err = p.Prefill()
				require.NoError(t, err, x.name)
			}
			slot, err := s.Admit(p, false)
			require.NoError(t, err, x.name)
			rows := step(t, s, map[int]int32{slot: 7})
			whole := golden.Logits(t, backend, m, append(append([]int32(nil), x.ids...), 7), []int{len(x.ids) + 1})
			golden.Close(t, whole[len(whole)-2*vocab:len(whole)-vocab], logits, 1e-4, x.name)
			golden.Close(t, whole[len(whole)-vocab:], rows[slot], 1e-4, x.name)
			s.Release(slot)
		}
	})
}

func TestPromptsAreForgottenBeyondTheLimit(t *testing.T) {
	ref := "dir:" + testmodel.Write(t, 3)
	backend := golden.Backend(t)
	m := golden.Open(t, backend, ref, true)
	ids := randomIDs(rand.New(rand.NewPCG(7, 8)), 100, m.Config.VocabSize)
	both(t, ref, m, backend, func(t *testing.T, open func(o infer.Options) infer.Slots) {
		for _, limit := range []int64{-1, 1} {
			s := open(infer.Options{Slots: 1, PrefixBytes: limit})
			for range 2 {
				p, err := s.NewPrompt(ids, nil)
				require.NoError(t, err)
				assert.Zero(t, p.Len())
				_, err = p.Prefill()
				require.NoError(t, err)
				p.Close()
			}
		}
	})
}

func TestWarmLeavesNothing(t *testing.T) {
	backend := golden.Backend(t)
	m := golden.Open(t, backend, "dir:"+testmodel.Write(t, 3), true)
	ids := randomIDs(rand.New(rand.NewPCG(9, 10)), 30, m.Config.VocabSize)
	var want []int32
	for _, warm := range []bool{false, true} {
		s := newSlots(t, m, backend, infer.Options{Slots: 3})
		if warm {
			require.NoError(t, s.Warm())
			assert.Equal(t, 3, s.Free())
		}
		got := greedy(t, s, ids, 70)
		if !warm {
			want = got
		}
		assert.Equal(t, want, got)
	}
}

// TestOwnMemory has a device with its own memory choose the tokens: the same as the host's.
func TestOwnMemory(t *testing.T) {
	shared, name := golden.Backend(t), os.Getenv("DOCENT_BACKEND")
	if !shared.HasSharedBuffers() || !strings.HasPrefix(name, "xla:") {
		t.Skip("DOCENT_BACKEND names no plugin of XLA for the CPU")
	}
	own, err := compute.NewWithConfig(name + ",noshared_buffers")
	require.NoError(t, err)
	defer own.Finalize()
	folder := "dir:" + testmodel.Write(t, 3)
	step := func(backend compute.Backend, choose bool) (infer.Rows, int) {
		m := golden.Open(t, backend, folder, true)
		s := newSlots(t, m, backend, infer.Options{Slots: 1, Choose: choose})
		slot, _ := admit(t, s, randomIDs(rand.New(rand.NewPCG(9, 10)), 30, m.Config.VocabSize))
		rows, err := s.Step(map[int]int32{slot: 7})
		require.NoError(t, err)
		return rows, slot
	}
	rows, slot := step(shared, false)
	assert.NotImplements(t, (*infer.Chooser)(nil), rows)
	row, err := rows.Row(slot)
	require.NoError(t, err)
	rows, slot = step(own, true)
	require.Implements(t, (*infer.Chooser)(nil), rows)
	chosen, err := rows.(infer.Chooser).Choose(map[int]*sample.Choice{slot: {}})
	require.NoError(t, err)
	assert.EqualValues(t, best(row), chosen[slot])
}

// TestFewGraphs: once warmed up, ordinary requests compile nothing, however long they are and whoever is beside them. Longer
// ones compile for capacities, which double, and not for lengths.
func TestFewGraphs(t *testing.T) {
	backend := golden.Backend(t)
	m := golden.Open(t, backend, "dir:"+testmodel.Write(t, 3), true)
	s := newSlots(t, m, backend, infer.Options{Slots: 3, Choose: true})
	require.NoError(t, s.Warm())
	warm := s.Programs().Compiled()
	r := rand.New(rand.NewPCG(11, 12))
	system := randomIDs(r, 60, m.Config.VocabSize)
	run := func(longest, rounds int, choices ...sample.Choice) {
		for i := range rounds {
			var slots []int
			for range 1 + i%3 {
				ids := randomIDs(r, 1+r.IntN(longest-70), m.Config.VocabSize)
				if r.IntN(2) == 0 {
					copy(ids, system)
				}
				slot, _ := admit(t, s, ids)
				slots = append(slots, slot)
			}
			for range 10 + 60*(i%2) { // also beyond the recent part
				next := map[int]int32{}
				for _, slot := range slots {
					next[slot] = 7
				}
				rows, err := s.Step(next)
				require.NoError(t, err)
				by := map[int]*sample.Choice{}
				for _, slot := range slots {
					by[slot] = &choices[r.IntN(len(choices))]
				}
				_, err = rows.(infer.Chooser).Choose(by)
				require.NoError(t, err)
			}
			for _, slot := range slots {
				s.Release(slot)
			}
		}
	}
	plain := []sample.Choice{{}, {Temperature: 1}, {Temperature: 1, TopK: 5}, {Temperature: 0.5, TopP: 0.5, MinP: 0.1}}
	run(512-64, 7, plain...)
	assert.Equal(t, warm, s.Programs().Compiled(), "warmed up")
	assert.LessOrEqual(t, warm, 14)

	run(1024, 4, append(plain, sample.Choice{Edits: &sample.Edits{RepetitionPenalty: 2, Banned: []int{3}}})...)
	for _, n := range []int{3, 40, 400} {
		_, err := s.Hidden(make([]int32, n), nil)
		require.NoError(t, err)
	}
	all := s.Programs().Compiled()
	t.Logf("%d graphs after warming up, %d after prompts of up to 1,024 tokens", warm, all)
	assert.LessOrEqual(t, all, 40)
}
