package lora

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// AllLinear as the only target adapts every projection inside the layers: all linear layers but the output head.
const AllLinear = "all-linear"

// Schedule is how the learning rate goes on after the warm-up.
type Schedule string

// The schedules.
const (
	Constant Schedule = "constant"
	Linear   Schedule = "linear" // falls to zero at the last step
	Cosine   Schedule = "cosine" // half a cosine, to zero at the last step
)

// Bias is which biases of the base model are trained too.
type Bias string

// The biases; "" = none.
const (
	BiasLoRAOnly Bias = "lora_only" // of the projections that are targets
	BiasAll      Bias = "all"       // of all projections
)

// Start is what an adapter begins with, if not with zero.
type Start string

// The starts; "" = B is zero, A random.
const (
	// PiSSA begins with the part of each matrix with the largest singular values, OLoRA with the first columns of its QR
	// decomposition. The matrix is decomposed when the trainer is made, which takes seconds for each that is thousands wide. The
	// adapter that comes out is plain LoRA of twice the rank, for the base model as it was, as PEFT converts it.
	PiSSA Start = "pissa"
	OLoRA Start = "olora"
)

// Pattern gives modules a rank, an alpha, or both: an entry of PEFT's rank_pattern and alpha_pattern.
type Pattern struct {
	Modules string  `json:"modules"`         // a regular expression of Python, for the whole path or what follows a dot of it
	Rank    int     `json:"rank,omitempty"`  // 0 = Config.Rank
	Alpha   float64 `json:"alpha,omitempty"` // 0 = Config.Alpha
}

// Config says what is trained and how. In it zero means zero (no dropout, no decay, seed 0): start from
// DefaultConfig. It is stored as JSON in every checkpoint.
type Config struct {
	Rank    int      `json:"rank"`
	Alpha   float64  `json:"alpha"`             // the update is scaled by Alpha/Rank
	RSLoRA  bool     `json:"rs_lora,omitempty"` // or by Alpha/√Rank: Kalajdzievski 2023
	Dropout float64  `json:"dropout"`           // on the input of every adapter, in [0, 1)
	Targets []string `json:"targets"`           // suffixes of module names ("q_proj"), or AllLinear
	// Patterns give modules a rank and an alpha of their own; the first that names a module decides.
	Patterns []Pattern `json:"patterns,omitempty"`
	// FrozenLayers is how many layers, from the first on, get no adapter. A step needs no gradient below the others, so it is
	// faster: a quarter in the demo, where 12 of 30 are frozen. PEFT's layers_to_transform names the others.
	FrozenLayers int `json:"frozen_layers,omitempty"`

	// What PEFT has beside plain LoRA, under its names. Combinations that docent would not compute as PEFT does are refused.
	DoRA        bool     `json:"use_dora,omitempty"`                // lengths of rows are trained apart: Liu et al. 2024
	LoRABias    bool     `json:"lora_bias,omitempty"`               // a bias for each update
	Bias        Bias     `json:"bias,omitempty"`                    // biases of the base model
	SaveModules []string `json:"modules_to_save,omitempty"`         // embed_tokens and lm_head, trained whole; what is tied stays tied
	Tokens      []int    `json:"trainable_token_indices,omitempty"` // ids whose rows of the embedding are trained
	Start       Start    `json:"init_lora_weights,omitempty"`
	LoRAPlus    float64  `json:"loraplus_lr_ratio,omitempty"` // learning rate of B over that of A; 0 = 1: Hayou et al. 2024

	Epochs    int `json:"epochs"`     // passes over the data; 0 = as many as MaxSteps needs
	MaxSteps  int `json:"max_steps"`  // 0 = as many as Epochs needs
	GradAccum int `json:"grad_accum"` // batches to one optimizer step; the gradient is the mean over all their tokens
	// BatchSize is the number of examples in a batch. With BatchTokens a batch has as many examples as can be packed into
	// so many positions, and BatchSize, if it is not 0, at most. One example is always taken.
	BatchSize   int `json:"batch_size"`
	BatchTokens int `json:"batch_tokens,omitempty"` // 0 = batches are counted in examples alone
	MaxSeqLen   int `json:"max_seq_len"`
	// MicroTokens bounds the tokens of one call to the device, padding included, and with it the memory of
	// activations. It does not change the result: a step adds up as many calls as it needs. At least one
	// sequence is always computed.
	MicroTokens int `json:"micro_tokens"`

	LearningRate float64  `json:"learning_rate"`
	WeightDecay  float64  `json:"weight_decay"`  // decoupled, on A and B alike
	MaxGradNorm  float64  `json:"max_grad_norm"` // L2 norm over all adapter gradients; 0 = no clipping
	Schedule     Schedule `json:"schedule"`
	Warmup       float64  `json:"warmup"` // share of the steps, rounded down, that climb from zero up to LearningRate, in [0, 1)

	EvalEvery       int `json:"eval_every"`         // steps; 0 = before and after only
	Patience        int `json:"patience,omitempty"` // evaluations in a row without a better one, after which Train stops; 0 = it goes to the end
	SaveEvery       int `json:"save_every"`         // steps; 0 = at the end only
	KeepCheckpoints int `json:"keep_checkpoints"`   // newest ones that are kept; 0 = all

	TrainOnPrompt bool   `json:"train_on_prompt"` // loss on every token instead of completions only
	Seed          uint64 `json:"seed"`            // of initialisation, shuffling and dropout
}

// AdamW's constants, as PyTorch and PEFT have them by default.
const (
	beta1   = 0.9
	beta2   = 0.999
	epsilon = 1e-8
)

// DefaultConfig is a sound start for teaching facts to a small model.
func DefaultConfig() Config {
	return Config{
		Rank: 16, Alpha: 32, Targets: []string{AllLinear},
		Epochs: 3, BatchSize: 8, GradAccum: 1, MaxSeqLen: 1024, MicroTokens: 1024,
		LearningRate: 2e-4, WeightDecay: 0.01, MaxGradNorm: 1, Schedule: Linear, Warmup: 0.05,
		KeepCheckpoints: 2, Seed: 42,
	}
}

// Validate reports every field that cannot be used, each as a *ConfigError.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, field, format string, args ...any) {
		if !ok {
			errs = append(errs, &ConfigError{Field: field, Reason: fmt.Sprintf(format, args...)})
		}
	}
	finite := func(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
	check(c.Rank > 0, "Rank", "%d must be positive", c.Rank)
	check(finite(c.Alpha) && c.Alpha > 0, "Alpha", "%g must be positive", c.Alpha)
	check(c.Dropout >= 0 && c.Dropout < 1, "Dropout", "%g must be in [0, 1)", c.Dropout)
	check(len(c.Targets) > 0, "Targets", "is empty: name module suffixes such as q_proj, or %s", AllLinear)
	check(!slices.Contains(c.Targets, ""), "Targets", "holds an empty name")
	for i, p := range c.Patterns {
		check(p.Modules != "" && p.Rank >= 0 && finite(p.Alpha) && p.Alpha >= 0 && (p.Rank > 0 || p.Alpha > 0), "Patterns",
			"%d needs Modules, and a positive Rank or Alpha", i)
	}
	if _, err := c.peft(); err != nil {
		errs = append(errs, err)
	}
	check(slices.Contains([]Bias{"", BiasLoRAOnly, BiasAll}, c.Bias), "Bias", "%q must be %s or %s, or empty", c.Bias, BiasLoRAOnly, BiasAll)
	check(slices.Contains([]Start{"", PiSSA, OLoRA}, c.Start), "Start", "%q must be %s or %s, or empty", c.Start, PiSSA, OLoRA)
	check(finite(c.LoRAPlus) && c.LoRAPlus >= 0, "LoRAPlus", "%g must be positive", c.LoRAPlus)
	check(c.Dropout == 0 || !c.DoRA && c.Start == "", "Dropout", "is not computed with DoRA, nor with Start %q", c.Start)
	check(!c.DoRA || !c.LoRABias && c.Start == "", "DoRA", "is not combined with LoRABias or Start")
	check(c.Start == "" || !c.LoRABias, "LoRABias", "is not combined with Start %q", c.Start)
	check(c.FrozenLayers >= 0, "FrozenLayers", "%d must not be negative", c.FrozenLayers)
	check(c.Epochs >= 0, "Epochs", "%d must not be negative", c.Epochs)
	check(c.MaxSteps >= 0, "MaxSteps", "%d must not be negative", c.MaxSteps)
	check(c.Epochs > 0 || c.MaxSteps > 0, "Epochs", "and MaxSteps are both 0: nothing would be trained")
	check(c.BatchSize > 0 || c.BatchSize == 0 && c.BatchTokens > 0, "BatchSize", "%d must be positive, or 0 with BatchTokens", c.BatchSize)
	check(c.BatchTokens >= 0, "BatchTokens", "%d must not be negative", c.BatchTokens)
	check(c.GradAccum > 0, "GradAccum", "%d must be positive", c.GradAccum)
	check(c.MaxSeqLen > 1, "MaxSeqLen", "%d must be at least 2", c.MaxSeqLen)
	check(c.MicroTokens > 0, "MicroTokens", "%d must be positive", c.MicroTokens)
	check(finite(c.LearningRate) && c.LearningRate > 0, "LearningRate", "%g must be positive", c.LearningRate)
	check(finite(c.WeightDecay) && c.WeightDecay >= 0, "WeightDecay", "%g must not be negative", c.WeightDecay)
	check(finite(c.MaxGradNorm) && c.MaxGradNorm >= 0, "MaxGradNorm", "%g must not be negative", c.MaxGradNorm)
	check(slices.Contains([]Schedule{Constant, Linear, Cosine}, c.Schedule), "Schedule", "%q must be %s, %s or %s", c.Schedule, Constant, Linear, Cosine)
	check(c.Warmup >= 0 && c.Warmup < 1, "Warmup", "%g must be in [0, 1), a share of the steps", c.Warmup)
	check(c.EvalEvery >= 0, "EvalEvery", "%d must not be negative", c.EvalEvery)
	check(c.Patience >= 0 && (c.Patience == 0 || c.EvalEvery > 0), "Patience", "%d must not be negative, and needs EvalEvery", c.Patience)
	check(c.SaveEvery >= 0, "SaveEvery", "%d must not be negative", c.SaveEvery)
	check(c.KeepCheckpoints >= 0, "KeepCheckpoints", "%d must not be negative", c.KeepCheckpoints)
	return errors.Join(errs...)
}

// learningRate of step n, counted from 0, of total. The formulas are those of transformers' get_…_schedule_with_warmup:
// n/warmup during warm-up, then 1, 1 − p, or (1 + cos πp)/2 at the fraction p of what remains.
func (c Config) learningRate(n, total int) float64 {
	warmup := int(c.Warmup*float64(total) + 1e-9) // a third of 6 is 2
	if n < warmup {
		return c.LearningRate * float64(n) / float64(warmup)
	}
	p := float64(n-warmup) / float64(total-warmup)
	switch c.Schedule {
	case Linear:
		return c.LearningRate * max(0, 1-p)
	case Cosine:
		return c.LearningRate * max(0, (1+math.Cos(math.Pi*p))/2)
	}
	return c.LearningRate
}
