package lora

// computer does the arithmetic of a run: graphs on a backend do, and docent's own code for CPUs. It holds the adapter's
// parameters θ, AdamW's moments, and the gradient of the step under way, each a vector in the order of the layout.
type computer interface {
	// gradient computes a call: its summed loss, and its gradient, which it adds to the step's. The seed feeds dropout.
	gradient(c call, seed uint64) (loss float64, err error)
	// step is gradient and update of a step that is one call: one program where there are programs.
	step(c call, seed uint64, u update) (loss, norm float64, err error)
	// update ends the step and returns the norm of its gradient before clipping. Where that is not finite, the state stays.
	update(u update) (norm float64, err error)
	// discard ends the step without an update.
	discard()
	// loss computes the summed loss of a call, without dropout.
	loss(c call) (float64, error)
	// propose returns the k likeliest tokens at each trained position of a call that the base model sees, with their
	// probabilities: [positions, k], in the order of the call.
	propose(c call, k int) (tokens []int32, probabilities []float32, err error)
	state() (theta, m, v []float32, err error)
	setState(theta, m, v []float32) error
	// memory predicts the peak of a run, before its first step.
	memory(l largest) (Memory, error)
	close()
}

// update are the numbers of one update of θ with decoupled weight decay, at step t:
//
//	g ← g/tokens · min(1, maxNorm/(‖g/tokens‖ + 1e-6))
//	m ← β₁m + (1−β₁)g        v ← β₂v + (1−β₂)g²
//	θ ← θ(1 − rate·decay) − rate/bias1 · m / (√(v/bias2) + ε)
//
// where the rate and the decay of a number are multiplied by what the layout has for it.
// Source: Loshchilov and Hutter 2019, as torch.optim.AdamW and clip_grad_norm_ compute it.
type update struct {
	rate         float64 // learning rate
	bias1, bias2 float64 // 1 − β₁ᵗ, 1 − β₂ᵗ
	tokens       float64 // by which the summed gradient is divided
	maxNorm      float64 // 0 = no clipping
	decay        float64
}

// compute picks what computes the trainer's run.
func (t *Trainer) compute() (computer, error) {
	if t.base.cpu != nil {
		return newOnCPU(t.base, t.layout, t.config, t.options), nil
	}
	return newGraphs(t.base, t.layout, t.config, t.options, t.log)
}
