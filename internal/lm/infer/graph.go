package infer

import (
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/docent-ml/docent/internal/device"
	"github.com/docent-ml/docent/internal/lm"
	"github.com/docent-ml/docent/internal/lm/model"
	"github.com/docent-ml/docent/internal/lm/sample"
)

const (
	largePiece = 256 // the most that one call of Prefill computes
	smallPiece = 64
	// recentColumns is how many tokens the slots gather before they are folded into the past: the past is copied once
	// in as many steps.
	recentColumns = 64
	smallestPast  = 512
)

// Graphs is a batch of sequences on a device of a compute backend. Shapes come from short lists (pieces of 64 or 256
// tokens, batches of one slot or of all, pasts of 512, 1,024, … positions), so few graphs are compiled.
type Graphs struct {
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
	column         int       // of recent that the next step writes
	lengths        []int32   // valid positions of the past; 0 in a free slot
	texts          [][]int32 // of the slots, of models that rotate longer texts in another way
	taken          []bool
	rows           *rows // of the last step
	sampler        *sample.Sampler
	choose         bool
	prefixes       Prefixes[computed]
	bank           bank
}

var _ Slots = (*Graphs)(nil)

// computed are the keys and values of a prompt in a past of capacity positions.
type computed struct {
	cache    *cache
	capacity int
}

// prompt is a sequence that is being computed, and how far it is.
type prompt struct {
	s       *Graphs
	ids     []int32
	adapter *attached // nil: none
	computed
	length int
	whole  int // tokens of the text that this is the beginning of
}

// New prepares an empty batch on a backend. Nothing is compiled yet. programs are used if they are of a model of the same
// shape; otherwise, and if nil, new ones are made.
func New(m *model.Model, backend compute.Backend, o Options, programs *Programs) *Graphs {
	o = o.WithDefaults(m.Config)
	s := &Graphs{model: m, backend: backend, config: m.Config, dtype: m.Weights[0].DType(), max: o.Slots, context: o.MaxContext, choose: o.Choose}
	s.prefixes = NewPrefixes(o.PrefixBytes, func(c computed) int64 { return c.cache.bytes() }, func(c computed) { c.cache.release() })
	if programs != nil && programs.use(m, backend) {
		s.programs = programs
	} else {
		s.programs = newPrograms(m, backend)
	}
	s.sampler = s.programs.sample.New()
	s.prefixes.Alike = m.Config.RotatesAlike
	return s
}

// Programs are the graphs that this batch uses, to be shared with another one before this one is closed.
func (s *Graphs) Programs() *Programs { return s.programs }

// Context implements Slots.
func (s *Graphs) Context() int { return s.context }

// Free implements Slots.
func (s *Graphs) Free() int { return s.max - s.busy() }

func (s *Graphs) busy() int {
	n := 0
	for _, t := range s.taken {
		if t {
			n++
		}
	}
	return n
}

// bucket doubles the least until it holds n, so that sizes are few.
func bucket(n, least int) int {
	for least < n {
		least *= 2
	}
	return least
}

// zeros makes empty keys and values for slots sequences of up to positions.
func (s *Graphs) zeros(slots, positions int) (*cache, error) {
	rows := slots * s.config.KVHeads
	var out []*tensors.Tensor
	for i := range 2 * s.config.Layers {
		key, value := s.config.CacheDims(i / 2)
		dims := []int{rows, key, positions}
		if i%2 == 1 {
			dims = []int{rows, positions, value}
		}
		t, err := device.Fill(s.backend, s.dtype, dims, false, func(dst []float32) error { clear(dst); return nil })
		if err != nil {
			device.Free(out...)
			return nil, err
		}
		out = append(out, t)
	}
	return newCache(out), nil
}

// NewPrompt implements Slots.
func (s *Graphs) NewPrompt(ids []int32, a Adapter) (Prompt, error) {
	if err := CheckText(ids, s.context); err != nil {
		return nil, err
	}
	p := &prompt{s: s, ids: ids, whole: len(ids)}
	p.adapter, _ = a.(*attached)
	p.capacity = bucket(len(ids), smallestPast)
	var err error
	like, n := s.prefixes.Longest(a, ids)
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

func (p *prompt) Len() int { return p.length }

func (p *prompt) Close() {
	p.cache.release()
	p.cache = nil
}

func (p *prompt) Prefill() ([]float32, error) {
	s := p.s
	n := min(len(p.ids)-p.length, largePiece)
	width := smallPiece
	if n > smallPiece {
		width = largePiece
	}
	tokens := make([]int32, width)
	copy(tokens, p.ids[p.length:p.length+n])
	in := []any{tensors.FromFlatDataAndDimensions(tokens, 1, width), []int32{int32(p.length)}, [][]int32{{int32(n - 1)}}, []int32{int32(p.whole)}}
	program, err := s.programs.prefill(p.adapter.of())
	if err != nil {
		return nil, err
	}
	out, err := program.Run(slices.Concat(in, anys(p.cache.tensors), s.model.Inputs(), p.adapter.inputs()))
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
	if p.whole == len(p.ids) && s.prefixes.Add(p.key(), p.ids, p.computed) {
		p.cache.share()
	}
	return take(out[0])
}

// key is what tells prompts of different adapters apart.
func (p *prompt) key() Adapter {
	if p.adapter == nil {
		return nil
	}
	return p.adapter
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

// Admit implements Slots.
func (s *Graphs) Admit(of Prompt, company bool) (slot int, err error) {
	p := of.(*prompt)
	if s.busy() == s.max {
		return 0, ErrFull
	}
	if err := s.flush(); err != nil {
		return 0, err
	}
	slot = s.freeSlot(p.adapter)
	return slot, s.put(p, slot, company)
}

// put puts a computed prompt into a slot. The recent part is empty.
func (s *Graphs) put(p *prompt, slot int, company bool) error {
	slots := slot + 1
	if company {
		slots = s.max
	}
	if err := s.reserve(slots, p.length); err != nil {
		return err
	}
	past := p.cache
	if s.size > 1 || p.capacity != s.capacity {
		program, err := s.programs.insert()
		if err != nil {
			return err
		}
		out, err := program.Run(slices.Concat([]any{int32(slot)}, anys(p.cache.tensors), anys(s.past.tensors)))
		if err != nil {
			return err
		}
		past = newCache(out)
	} else {
		past.share()
	}
	s.past.release()
	s.past = past
	if err := s.use(slot, p.adapter); err != nil {
		s.bank.uses[slot] = nil
		return err
	}
	s.lengths[slot], s.taken[slot] = int32(p.length), true
	if s.config.Border() > 0 {
		s.texts[slot] = slices.Clone(p.ids)
	}
	return nil
}

// freeSlot is one that had the adapter last, else the first.
func (s *Graphs) freeSlot(a *attached) int {
	first := len(s.taken)
	for i, t := range s.taken {
		switch {
		case t:
		case s.bank.holds[i] == a:
			return i
		case first == len(s.taken):
			first = i
		}
	}
	return first
}

// Release implements Slots; with the last one the batch goes.
func (s *Graphs) Release(slot int) {
	s.taken[slot], s.lengths[slot], s.bank.uses[slot] = false, 0, nil
	s.sampler.Release(slot)
	if s.busy() == 0 {
		s.reset()
	}
}

// Step implements Slots.
func (s *Graphs) Step(next map[int]int32) (Rows, error) {
	if err := CheckStep(func(slot int) bool { return s.taken[slot] }, len(s.taken), next); err != nil {
		return nil, err
	}
	if s.column == recentColumns {
		if err := s.flush(); err != nil {
			return nil, err
		}
	}
	for slot := range next {
		if n := len(s.texts[slot]); !s.config.RotatesAlike(n, n+1) {
			if err := s.again(slot); err != nil {
				return nil, err
			}
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
		if s.config.Border() > 0 {
			s.texts[slot] = append(s.texts[slot], id)
		}
	}
	in := []any{tensors.FromFlatDataAndDimensions(tokens, s.size, 1), slices.Clone(s.lengths), int32(s.column)}
	in = slices.Concat(in, anys(s.past.tensors), anys(s.recent.tensors), s.model.Inputs())
	adapters := form{}
	if !s.bank.idle() {
		adapters, in = s.bank.form, append(in, s.bank.inputs()...)
	}
	program, err := s.programs.decode(adapters)
	if err != nil {
		return nil, err
	}
	out, err := program.Run(in)
	if err != nil {
		return nil, err
	}
	s.recent.release()
	s.recent = newCache(out[1:])
	s.column++
	s.rows.free()
	s.rows = &rows{logits: out[0]}
	if s.choose {
		return chooser{s.rows, s.sampler}, nil
	}
	return s.rows, nil
}

// again computes the text of a slot from the beginning, because with the next token it will be rotated in another way.
func (s *Graphs) again(slot int) error {
	ids := s.texts[slot]
	p := &prompt{s: s, ids: ids, whole: len(ids) + 1, adapter: s.bank.uses[slot]}
	p.capacity = bucket(len(ids), smallestPast)
	var err error
	if p.cache, err = s.zeros(1, p.capacity); err != nil {
		return err
	}
	defer p.Close()
	for p.length < len(ids) {
		if _, err := p.Prefill(); err != nil {
			return err
		}
	}
	if err := s.flush(); err != nil {
		return err
	}
	return s.put(p, slot, false)
}

// flush folds the recent part into the past, which then has room for another one.
func (s *Graphs) flush() error {
	if s.column == 0 {
		return nil
	}
	if err := s.reserve(s.size, 0); err != nil {
		return err
	}
	program, err := s.programs.flush()
	if err != nil {
		return err
	}
	out, err := program.Run(slices.Concat([]any{slices.Clone(s.lengths)}, anys(s.past.tensors), anys(s.recent.tensors)))
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
func (s *Graphs) reserve(slots, length int) error {
	for _, n := range s.lengths {
		length = max(length, int(n))
	}
	size := max(s.size, 1)
	if slots > 1 {
		size = s.max
	}
	capacity := max(s.capacity, bucket(length+recentColumns, smallestPast))
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
		s.texts = append(s.texts, make([][]int32, size-s.size)...)
		s.bank.drop()
		s.bank.uses = append(s.bank.uses, make([]*attached, size-s.size)...)
		s.bank.holds = make([]*attached, size)
	}
	s.size, s.capacity = size, capacity
	return nil
}

// reset drops the batch, so that the next one is as small as it can be.
func (s *Graphs) reset() {
	s.past.release()
	s.recent.release()
	s.rows.free()
	s.bank.drop()
	s.past, s.recent, s.rows, s.taken, s.lengths, s.texts, s.bank = nil, nil, nil, nil, nil, nil, bank{}
	s.size, s.capacity, s.column = 0, 0, 0
}

// Close implements Slots. The compiled graphs go if nobody shares them.
func (s *Graphs) Close() {
	s.reset()
	s.prefixes.Clear()
	s.sampler.Close()
	if s.programs != nil {
		s.programs.release()
		s.programs = nil
	}
}
