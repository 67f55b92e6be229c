// Package sample chooses tokens from logits on the device that has them, so that only ids come to the host: a row of logits
// is as large as the vocabulary, and reading it takes a processor longer than a GPU needs for the whole step.
//
//	programs := sample.NewPrograms(backend, vocab)
//	s := programs.New()
//	…
//	ids, err := s.Choose(logits, map[int]*sample.Choice{slot: {Temperature: 1, Key: rng.Uint64()}})
//	s.Release(slot)
//
// It chooses as serve's sampler does on the host, in the order of Hugging Face, but in float32. What is drawn depends on a row, its Choice
// and the sequence's own history, and on nothing else in the batch.
package sample

import (
	"iter"
	"maps"
	"slices"
	"sync"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/docent-ml/docent/internal/device"
)

// What Choose returns where there is no token to choose.
const (
	NonFinite = -1 // a logit is NaN or +Inf
	NoToken   = -2 // every token is forbidden
)

// Choice says how the next token of one slot is chosen.
type Choice struct {
	Temperature float64 // 0 = the most likely token, the lowest id of several
	TopK        int     // 0 = all
	TopP, MinP  float64 // 0 = all
	Key         uint64  // of the draw: the same key draws the same token
	Edits       *Edits  // nil: the logits are taken as they are
}

// Edits are what a sequence changes of its logits before one is chosen.
type Edits struct {
	RepetitionPenalty                 float64 // 1 = none
	PresencePenalty, FrequencyPenalty float64

	// What the penalties count, and Bias, are read at the first choice of a sequence in its slot. From there on the device
	// keeps them, and counts what it chooses.
	History iter.Seq2[int, int] // each token so far, and how often it is in the answer; nil: nothing is counted
	Bias    map[int]float64

	Banned  []int    // tokens that must not be next
	Allowed []uint64 // the bit of every token that may be next: id%64 of word id/64; nil: all
}

// Programs are the graphs of sampling for one size of vocabulary. They are safe for concurrent use.
type Programs struct {
	backend compute.Backend
	vocab   int

	mu      sync.Mutex
	recipes map[recipe]*device.Program
}

// recipe is what a graph does. Most requests need neither, and both cost time: a graph is made for each combination that
// comes up, whatever part of the batch wants it.
type recipe struct {
	truncated bool // has top-k and top-p
	edited    bool
}

// NewPrograms prepares the graphs. Nothing is compiled yet.
func NewPrograms(backend compute.Backend, vocab int) *Programs {
	return &Programs{backend: backend, vocab: vocab, recipes: map[recipe]*device.Program{}}
}

func (p *Programs) program(r recipe) (*device.Program, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.recipes[r] == nil {
		program, err := device.NewProgram(p.backend, "sample", r.build)
		if err != nil {
			return nil, err
		}
		p.recipes[r] = program
	}
	return p.recipes[r], nil
}

// Compiled is the number of graphs that were compiled so far.
func (p *Programs) Compiled() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, x := range p.recipes {
		n += x.Compiled()
	}
	return n
}

// Close frees the graphs.
func (p *Programs) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, x := range p.recipes {
		x.Close()
	}
}

// Sampler is the sampling of one batch. It belongs to one goroutine.
type Sampler struct {
	programs *Programs
	edits    map[int]edits // by slot
	none     edits         // of slots without; made when one is needed
}

// New makes a sampler for a batch of any size.
func (p *Programs) New() *Sampler { return &Sampler{programs: p, edits: map[int]edits{}} }

// Choose chooses a token for each slot that by names from its row of logits [slots, vocab], a float32 tensor that stays as
// it is. An id below zero is NonFinite or NoToken.
func (s *Sampler) Choose(logits *tensors.Tensor, by map[int]*Choice) (map[int]int32, error) {
	slots := logits.Shape().Dim(0)
	var r recipe
	for _, c := range by {
		r.truncated = r.truncated || c.truncates()
		r.edited = r.edited || c.Edits != nil
	}
	program, err := s.programs.program(r)
	if err != nil {
		return nil, err
	}
	reals, words := settings(slots, by)
	in := []any{logits, reals, words}
	if r.edited {
		in = append(in, s.editInputs(slots, by)...)
	}
	out, err := program.Run(in)
	if err != nil {
		return nil, err
	}
	defer device.Free(out[0])
	s.keepCounts(out[1:], by)
	all, err := device.Ints(out[0])
	if err != nil {
		return nil, err
	}
	ids := make(map[int]int32, len(by))
	for slot := range by {
		ids[slot] = all[slot]
	}
	return ids, nil
}

// Warm compiles what batches of so many slots need for requests without edits.
func (s *Sampler) Warm(logits *tensors.Tensor) error {
	for _, c := range []*Choice{{}, {Temperature: 1, TopK: 1}} {
		if _, err := s.Choose(logits, map[int]*Choice{0: c}); err != nil {
			return err
		}
	}
	return nil
}

// Release forgets the sequence in a slot.
func (s *Sampler) Release(slot int) {
	s.edits[slot].free(s.none)
	delete(s.edits, slot)
}

// Close frees what is kept of all sequences.
func (s *Sampler) Close() {
	for _, slot := range slices.Collect(maps.Keys(s.edits)) {
		s.Release(slot)
	}
	s.none.free(edits{})
	s.none = edits{}
}
