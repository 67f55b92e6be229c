// Package infer runs a model over caches of keys and values: prompts are computed in pieces, then join the slots of a batch
// that is extended by one token at a time. Graphs does so on any compute backend; package cpu has another implementation of
// Slots, for computers without an accelerator.
//
//	s, err := infer.New(m, backend, infer.Options{Slots: 8}, nil)
//	…
//	p, err := s.NewPrompt(ids, nil)
//	logits, err := p.Prefill()    // until there are some: it computes a piece at a time
//	slot, err := s.Admit(p, false)
//	p.Close()
//	rows, err := s.Step(map[int]int32{slot: token})
//	logits, err = rows.Row(slot)
//	s.Release(slot)
//
// A prompt that begins like an earlier one takes its beginning from there. Slots and their prompts belong to one goroutine.
package infer

import (
	"errors"
	"fmt"

	"github.com/docent-ml/docent/internal/lm"
	"github.com/docent-ml/docent/internal/lm/adapter"
	"github.com/docent-ml/docent/internal/lm/sample"
)

// ErrFull is returned by Admit when every slot is taken.
var ErrFull = errors.New("every slot is taken")

// ScorePiece is the most rows that one call of Logits takes.
const ScorePiece = 64

// Slots is a batch of sequences.
type Slots interface {
	// Context is the most tokens that one sequence may have.
	Context() int
	// Free is the number of sequences that can still be admitted.
	Free() int

	// Attach prepares an adapter, whose modules the model must have, to be computed on top of the weights. It may be called
	// by any goroutine.
	Attach(a *adapter.Adapter) (Adapter, error)
	// Detach frees an adapter that no prompt and no slot uses any more.
	Detach(a Adapter)

	// NewPrompt makes room for a prompt of an adapter, or nil. The beginning that it has in common with an earlier one of the
	// same is computed already. A batch may hold sequences of many adapters: they share the products with the weights.
	NewPrompt(ids []int32, a Adapter) (Prompt, error)
	// Admit puts a computed prompt into a free slot and returns its number. A prompt may be admitted several times. company
	// says that other sequences are about to come, so that a batch for one is not begun.
	Admit(p Prompt, company bool) (slot int, err error)
	// Step appends one token to each of the given slots and returns the logits that follow. Every taken slot must be among
	// them: slots advance together.
	Step(next map[int]int32) (Rows, error)
	// Release frees a slot.
	Release(slot int)

	// Hidden returns the final hidden state [hidden] of every token of a text that is not continued.
	Hidden(ids []int32, a Adapter) ([][]float32, error)
	// Logits returns the logits [vocab] of at most ScorePiece hidden states.
	Logits(hidden [][]float32) ([][]float32, error)

	// Warm compiles, if there is anything to compile, what ordinary requests need. No slot may be taken.
	Warm() error
	// Close frees the batch but not the model. It may be called more than once.
	Close()
}

// Extender is Slots that append several tokens to a sequence at once, and take the last of them back.
type Extender interface {
	// Extend appends tokens to a slot, the only one that is taken, and returns the logits [vocab] behind each, valid until the
	// next step.
	Extend(slot int, ids []int32) ([][]float32, error)
	// Retract takes the last n tokens back.
	Retract(slot, n int)
}

// Adapter is the low-rank updates of an adapter where the Slots that prepared it compute them. Only they take it.
type Adapter interface {
	Bytes() int64 // of memory held
}

// Rows are the logits that follow the tokens of a step, valid until the next one.
type Rows interface {
	// Row returns the logits [vocab] of a slot of the step. On a device this is where they are copied from it.
	Row(slot int) ([]float32, error)
}

// Chooser is Rows that stay on a device, which chooses the tokens itself. See Options.Choose.
type Chooser interface {
	Rows
	// Choose returns ids, or sample.NonFinite or sample.NoToken, for slots of the step. Once for each slot.
	Choose(by map[int]*sample.Choice) (map[int]int32, error)
}

// HostRows are rows in the host's memory, by slot.
type HostRows map[int][]float32

// Row implements Rows.
func (r HostRows) Row(slot int) ([]float32, error) { return r[slot], nil }

// Prompt is a sequence that is being computed.
type Prompt interface {
	// Prefill computes the next piece. With the last one it returns the logits [vocab] that follow, otherwise nil.
	Prefill() ([]float32, error)
	// Len is the number of tokens computed so far.
	Len() int
	// Close frees the prompt. It may be called more than once.
	Close()
}

// Options bound what Slots hold.
type Options struct {
	Slots      int // most sequences at once; 0 = 8
	MaxContext int // most tokens of one sequence; 0 = the model's context
	// PrefixBytes bounds the memory that keeps the beginnings of prompts for later ones; 0 = 256 MB, negative = none.
	PrefixBytes int64
	// HalfCache keeps keys and values in half precision, by docent's own code for CPUs: half the memory of a context.
	HalfCache bool
	// Choose makes the rows of Graphs a Chooser, for a device with its own memory and many lanes. A CPU that computes XLA's or
	// gomlx's graphs chooses more slowly than serve's sampler, and copies nothing to begin with.
	Choose bool
}

// WithDefaults replaces zeros by what they stand for.
func (o Options) WithDefaults(c lm.Config) Options {
	if o.Slots == 0 {
		o.Slots = 8
	}
	if o.MaxContext == 0 || o.MaxContext > c.MaxPositions {
		o.MaxContext = c.MaxPositions
	}
	if o.PrefixBytes == 0 {
		o.PrefixBytes = 256 << 20
	}
	return o
}

// CheckText refuses a prompt that is empty or does not fit.
func CheckText(ids []int32, context int) error {
	if len(ids) == 0 || len(ids) > context {
		return fmt.Errorf("a text of %d tokens: must have 1 to %d, the context", len(ids), context)
	}
	return nil
}

// CheckHidden refuses what Logits does not take: hidden states of another width, none, or too many.
func CheckHidden(hidden [][]float32, width int) error {
	if len(hidden) == 0 || len(hidden) > ScorePiece || len(hidden[0]) != width {
		return fmt.Errorf("%d hidden states: must be 1 to %d, of %d numbers", len(hidden), ScorePiece, width)
	}
	return nil
}

// CheckStep refuses tokens that are not one for each taken slot.
func CheckStep(taken func(slot int) bool, slots int, next map[int]int32) error {
	for slot := range slots {
		if _, ok := next[slot]; ok != taken(slot) {
			return fmt.Errorf("step: slot %d: taken is %v, token given is %v", slot, taken(slot), ok)
		}
	}
	return nil
}
