package lm

import "math"

// family holds what config.json leaves unsaid: the defaults of transformers' configuration classes and the parts of
// the computation that a family fixes.
type family struct {
	kvHeads      int // 0 = as many as heads
	headDim      int // 0 = hidden/heads
	maxPositions int
	normEps      float64
	tie          bool

	activationKey string // config key of the activation, when it is not hidden_act
	activation    Activation

	qkvBias         bool // q, k, v always have biases (qwen2)
	optionalBias    bool // attention_bias adds them to q, k, v and o
	optionalMLPBias bool // mlp_bias adds them to gate, up and down

	ropeTheta, localTheta float64 // localTheta: layers with a window rotate with a base of their own
	partialRotary         bool

	window       int  // sliding window when the key is absent
	windowSwitch bool // use_sliding_window must be on, and layers from max_window_layers slide
	pattern      int  // every pattern-th layer has full attention

	queryScalar float64       // q·k is scaled by 1/sqrt of query_pre_attn_scalar instead of head_dim
	shape       func(*Config) // fixed parts of the computation
}

// families is keyed by model_type.
var families = map[string]family{
	"llama": {
		maxPositions: 2048, normEps: 1e-6, activation: SiLU, ropeTheta: 1e4,
		optionalBias: true, optionalMLPBias: true,
		shape: func(c *Config) { c.EmbedScale = 1 },
	},
	"mistral": {
		kvHeads: 8, maxPositions: 131072, normEps: 1e-6, activation: SiLU, ropeTheta: 1e4, window: 4096,
		shape: func(c *Config) { c.EmbedScale = 1 },
	},
	"qwen2": {
		kvHeads: 32, maxPositions: 32768, normEps: 1e-6, activation: SiLU, ropeTheta: 1e4, window: 4096,
		qkvBias: true, windowSwitch: true,
		shape: func(c *Config) { c.EmbedScale = 1 },
	},
	"qwen3": {
		kvHeads: 32, headDim: 128, maxPositions: 32768, normEps: 1e-6, activation: SiLU, ropeTheta: 1e4, window: 4096,
		optionalBias: true, windowSwitch: true,
		shape: func(c *Config) { c.EmbedScale, c.QKNorm = 1, true },
	},
	"gemma3_text": {
		kvHeads: 4, headDim: 256, maxPositions: 131072, normEps: 1e-6, tie: true,
		activationKey: "hidden_activation", activation: GELUTanh,
		ropeTheta: 1e6, localTheta: 1e4, window: 4096, pattern: 6, optionalBias: true, queryScalar: 256,
		shape: func(c *Config) {
			c.EmbedScale = math.Sqrt(float64(c.HiddenSize))
			c.QKNorm, c.UnitOffsetNorm, c.SandwichNorms = true, true, true
		},
	},
	"phi3": {
		maxPositions: 4096, normEps: 1e-5, activation: SiLU, ropeTheta: 1e4, partialRotary: true,
		shape: func(c *Config) { c.EmbedScale, c.Fused = 1, true },
	},
}
