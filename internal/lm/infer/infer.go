// Package infer runs a model over KV caches: prompts are computed in pieces, then join the slots of a batch that is
// extended by one token at a time.
//
//	s, err := infer.New(m, backend, infer.Options{Slots: 8})
//	…
//	p, err := s.NewPrompt(ids)
//	logits, err := s.Prefill(p)    // until there are some: it computes a piece at a time
//	slot, err := s.Admit(p, false, false)
//	rows, err := s.Step(map[int]int32{slot: token})
//	s.Release(slot)
//
// Shapes come from short lists (pieces of 64 or 256 tokens, batches of one slot or of all, pasts of 512, 1,024, …
// positions), so few graphs are compiled. A prompt that begins like an earlier one takes its beginning from there. Slots
// belong to one goroutine.
package infer

import (
	"errors"
	"fmt"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/docent-ml/docent/internal/device"
	"github.com/docent-ml/docent/internal/lm"
	"github.com/docent-ml/docent/internal/lm/model"
)

const (
	largePiece = 256 // the most that one call of Prefill computes
	smallPiece = 64
	// recentColumns is how many tokens the slots gather before they are folded into the past: the past is copied once
	// in as many steps.
	recentColumns = 64
	smallestPast  = 512
	prefixBytes   = 256 << 20
)

// ErrFull is returned by Admit when every slot is taken.
var ErrFull = errors.New("every slot is taken")

// Options bound what a Slots holds.
type Options struct {
	Slots      int // most sequences at once; 0 = 8
	MaxContext int // most tokens of one sequence; 0 = the model's context
	// PrefixBytes bounds the memory that keeps the beginnings of prompts for later ones; 0 = 256 MB, negative = none.
	PrefixBytes int64
	// Programs are used if they are of a model of the same shape; otherwise, and if nil, new ones are made.
	Programs *Programs
}

// Slots is a batch of sequences on the device.
type Slots struct {
	model    *model.Model
	backend  compute.Backend
	config   lm.Config
	dtype    dtypes.DType
	max      int
	context  int
	programs *Programs

	// The batch: size slots, of which some are taken, over a past of capacity positions.
	size, capacity int
	past, recent   *cache
	column         int     // of recent that the next step writes
	lengths        []int32 // valid positions of the past; 0 in a free slot
	taken          []bool
	prefixes       prefixes
}

// Prompt is a sequence that is being computed: its keys and values, and how far it is.
type Prompt struct {
	ids      []int32
	cache    *cache
	capacity int
	length   int
}

// New prepares an empty batch. Nothing is compiled yet.
func New(m *model.Model, backend compute.Backend, o Options) (*Slots, error) {
	s := &Slots{model: m, backend: backend, config: m.Config, dtype: m.Weights[0].DType(), max: o.Slots, context: m.Config.MaxPositions}
	if s.max == 0 {
		s.max = 8
	}
	if s.prefixes.limit = o.PrefixBytes; s.prefixes.limit == 0 {
		s.prefixes.limit = prefixBytes
	}
	if o.MaxContext > 0 {
		s.context = min(s.context, o.MaxContext)
	}
	if o.Programs != nil && o.Programs.use(m, backend) {
		s.programs = o.Programs
		return s, nil
	}
	var err error
	s.programs, err = newPrograms(m, backend)
	return s, err
}

// Programs are the graphs that this batch uses, to be shared with another one before this one is closed.
func (s *Slots) Programs() *Programs { return s.programs }

// Context is the most tokens that one sequence may have.
func (s *Slots) Context() int { return s.context }

// Free is the number of sequences that can still be admitted.
func (s *Slots) Free() int { return s.max - s.busy() }

func (s *Slots) busy() int {
	n := 0
	for _, t := range s.taken {
		if t {
			n++
		}
	}
	return n
}

// bucket is the smallest capacity that holds n positions.
func bucket(n int) int {
	capacity := smallestPast
	for capacity < n {
		capacity *= 2
	}
	return capacity
}

// zeros makes empty keys and values for slots sequences of up to positions.
func (s *Slots) zeros(slots, positions int) (*cache, error) {
	rows, dim := slots*s.config.KVHeads, s.config.HeadDim
	var out []*tensors.Tensor
	for i := range 2 * s.config.Layers {
		dims := []int{rows, dim, positions}
		if i%2 == 1 {
			dims = []int{rows, positions, dim}
		}
		t, err := device.Fill(s.backend, s.dtype, dims, func(dst []float32) error { clear(dst); return nil })
		if err != nil {
			device.Free(out...)
			return nil, err
		}
		out = append(out, t)
	}
	return newCache(out), nil
}

// NewPrompt makes room for a prompt. The beginning that it has in common with an earlier one is computed already.
func (s *Slots) NewPrompt(ids []int32) (*Prompt, error) {
	if len(ids) == 0 || len(ids) > s.context {
		return nil, fmt.Errorf("prompt of %d tokens: must have 1 to %d, the context", len(ids), s.context)
	}
	p := &Prompt{ids: ids, capacity: bucket(len(ids))}
	var err error
	like, n := s.prefixes.longest(ids)
	switch {
	case n == 0:
		p.cache, err = s.zeros(1, p.capacity)
	case like.capacity == p.capacity:
		p.cache = like.cache.share()
	default:
		p.cache, err = s.programs.resize(s.config.KVHeads, p.capacity, like.cache)
	}
	p.length = min(n, len(ids)-1) // the last token is always computed, for what follows it
	return p, err
}

// Len is the number of tokens computed so far.
func (p *Prompt) Len() int { return p.length }

// Close frees the prompt. It may be called more than once.
func (p *Prompt) Close() {
	p.cache.release()
	p.cache = nil
}

// Prefill computes the next piece of a prompt. With the last one it returns the logits [vocab] that follow, otherwise nil.
func (s *Slots) Prefill(p *Prompt) ([]float32, error) {
	n := min(len(p.ids)-p.length, largePiece)
	width := smallPiece
	if n > smallPiece {
		width = largePiece
	}
	tokens := make([]int32, width)
	copy(tokens, p.ids[p.length:p.length+n])
	in := []any{tensors.FromFlatDataAndDimensions(tokens, 1, width), []int32{int32(p.length)}, [][]int32{{int32(n - 1)}}}
	out, err := s.programs.prefill.Run(append(append(in, anys(p.cache.tensors)...), s.model.Inputs()...))
	if err != nil {
		return nil, err
	}
	p.cache.release()
	p.cache = newCache(out[1:])
	p.length += n
	if p.length < len(p.ids) {
		device.Free(out[0])
		return nil, nil
	}
	s.prefixes.add(remembered{ids: p.ids, cache: p.cache, capacity: p.capacity})
	return take(out[0])
}

// take copies a result to the host and frees it.
func take(t *tensors.Tensor) ([]float32, error) {
	defer device.Free(t)
	return device.Floats(t)
}

func anys(ts []*tensors.Tensor) []any {
	out := make([]any, len(ts))
	for i, t := range ts {
		out[i] = t
	}
	return out
}

// Admit puts a computed prompt into a free slot and returns its number. Unless keep is set, for further slots, the
// prompt is closed. company says that other sequences are about to come, so that a batch for one is not begun.
func (s *Slots) Admit(p *Prompt, keep, company bool) (slot int, err error) {
	if s.busy() == s.max {
		return 0, ErrFull
	}
	if err := s.flush(); err != nil {
		return 0, err
	}
	slot = s.firstFree()
	slots := slot + 1
	if company {
		slots = s.max
	}
	if err := s.reserve(slots, p.length); err != nil {
		return 0, err
	}
	past := p.cache
	if s.size > 1 || p.capacity != s.capacity {
		out, err := s.programs.insert.Run(append(append([]any{int32(slot)}, anys(p.cache.tensors)...), anys(s.past.tensors)...))
		if err != nil {
			return 0, err
		}
		past = newCache(out)
	} else {
		past.share()
	}
	if !keep {
		p.Close()
	}
	s.past.release()
	s.past = past
	s.lengths[slot], s.taken[slot] = int32(p.length), true
	return slot, nil
}

func (s *Slots) firstFree() int {
	for i, t := range s.taken {
		if !t {
			return i
		}
	}
	return len(s.taken)
}

// Release frees a slot; with the last one the batch goes.
func (s *Slots) Release(slot int) {
	s.taken[slot], s.lengths[slot] = false, 0
	if s.busy() == 0 {
		s.reset()
	}
}

// Step appends one token to each of the given slots and returns the logits [vocab] that follow, by slot. Every taken
// slot must be among them: slots advance together.
func (s *Slots) Step(next map[int]int32) (map[int][]float32, error) {
	for slot, t := range s.taken {
		if _, ok := next[slot]; ok != t {
			return nil, fmt.Errorf("step: slot %d: taken is %v, token given is %v", slot, t, ok)
		}
	}
	if s.column == recentColumns {
		if err := s.flush(); err != nil {
			return nil, err
		}
	}
	if s.recent == nil {
		var err error
		if s.recent, err = s.zeros(s.size, recentColumns); err != nil {
			return nil, err
		}
	}
	tokens := make([]int32, s.size)
	for slot, id := range next {
		tokens[slot] = id
	}
	in := []any{tensors.FromFlatDataAndDimensions(tokens, s.size, 1), slices.Clone(s.lengths), int32(s.column)}
	in = append(append(append(in, anys(s.past.tensors)...), anys(s.recent.tensors)...), s.model.Inputs()...)
	out, err := s.programs.decode.Run(in)
	if err != nil {
		return nil, err
	}
	s.recent.release()
	s.recent = newCache(out[1:])
	s.column++
	flat, err := take(out[0])
	if err != nil {
		return nil, err
	}
	rows := make(map[int][]float32, len(next))
	vocab := s.config.VocabSize
	for slot := range next {
		rows[slot] = flat[slot*vocab : (slot+1)*vocab]
	}
	return rows, nil
}

// flush folds the recent part into the past, which then has room for another one.
func (s *Slots) flush() error {
	if s.column == 0 {
		return nil
	}
	if err := s.reserve(s.size, 0); err != nil {
		return err
	}
	in := append([]any{slices.Clone(s.lengths)}, anys(s.past.tensors)...)
	out, err := s.programs.flush.Run(append(in, anys(s.recent.tensors)...))
	if err != nil {
		return err
	}
	s.past.release()
	s.past = newCache(out)
	for slot, t := range s.taken {
		if t {
			s.lengths[slot] += int32(s.column)
		}
	}
	s.column = 0
	return nil
}

// reserve grows the batch to slots slots and to room for length tokens, or the longest sequence, with a recent part
// behind it. More slots are made only while the recent part is empty.
func (s *Slots) reserve(slots, length int) error {
	for _, n := range s.lengths {
		length = max(length, int(n))
	}
	size := max(s.size, 1)
	if slots > 1 {
		size = s.max
	}
	capacity := max(s.capacity, bucket(length+recentColumns))
	if size == s.size && capacity == s.capacity {
		return nil
	}
	var past *cache
	var err error
	if s.past == nil {
		past, err = s.zeros(size, capacity)
	} else {
		past, err = s.programs.resize(size*s.config.KVHeads, capacity, s.past)
	}
	if err != nil {
		return err
	}
	s.past.release()
	s.past = past
	if size != s.size {
		s.recent.release()
		s.recent = nil
		s.taken = append(s.taken, make([]bool, size-s.size)...)
		s.lengths = append(s.lengths, make([]int32, size-s.size)...)
	}
	s.size, s.capacity = size, capacity
	return nil
}

// reset drops the batch, so that the next one is as small as it can be.
func (s *Slots) reset() {
	s.past.release()
	s.recent.release()
	s.past, s.recent, s.taken, s.lengths = nil, nil, nil, nil
	s.size, s.capacity, s.column = 0, 0, 0
}

// Close frees the batch and, if nobody shares them, the compiled graphs, but not the model. It may be called more than
// once.
func (s *Slots) Close() {
	s.reset()
	s.prefixes.clear()
	if s.programs != nil {
		s.programs.release()
		s.programs = nil
	}
}
