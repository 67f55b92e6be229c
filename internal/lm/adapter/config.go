package adapter

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/docent-ml/docent/internal/atomicfile"
)

// Config is the part of adapter_config.json that docent computes with, under PEFT's names in JSON.
type Config struct {
	Rank    int     `json:"r"`
	Alpha   float64 `json:"lora_alpha"`
	RSLoRA  bool    `json:"use_rslora"` // scaled by alpha/√rank, not alpha/rank
	Dropout float64 `json:"lora_dropout"`
	// Parameters are those among the targets that are not modules to PEFT, suffixes of "…experts.gate_up_proj" and
	// "…gate.weight". Of what is read they tell which of the experts' two parameters has an update, if only one has.
	Parameters []string `json:"target_parameters,omitempty"`
	Targets    []string `json:"-"`                       // written only, suffixes of module paths or "all-linear": what is read has an update where there are tensors
	Base       string   `json:"base_model_name_or_path"` // a Hub repository or a path
	Revision   string   `json:"revision,omitempty"`      // of the Hub repository; "" = its main branch
	// Wrapped says that the base is a model of text and more: the modules of its text part are "model.language_model.…" to
	// PEFT, and "model.…" here as in the text part alone.
	Wrapped bool `json:"-"`
	// Kinds of update that are trained beside, or otherwise than, A and B.
	DoRA          bool     `json:"use_dora"`
	LoRABias      bool     `json:"lora_bias"`
	Bias          string   `json:"bias"`                              // "all" or "lora_only" of the base's biases; "" = none
	ModulesToSave []string `json:"modules_to_save"`                   // trained whole
	Tokens        []int    `json:"trainable_token_indices,omitempty"` // whose rows of the embedding are trained
	Tied          bool     `json:"ensure_weight_tying,omitempty"`     // what is trained of the embedding is trained of the head too, which is the same matrix

	RankPattern  patterns `json:"rank_pattern"` // see Pattern
	AlphaPattern patterns `json:"alpha_pattern"`

	tokensOf map[string][]int // of trainable_token_indices, by module, as it was read
	start    string           // "pissa" or "olora": see Adapter.Plain
	file     []byte           // as it was read, which is what Save writes: it says more than is computed with
}

// peftConfig mirrors adapter_config.json. The fields that are written and always empty say to PEFT, whose readers
// differ in what they take an absence for, that nothing of the kind is used.
type peftConfig struct {
	PeftType string `json:"peft_type"`
	TaskType string `json:"task_type"`
	Config
	Targets       json.RawMessage `json:"target_modules"`
	Layers        json.RawMessage `json:"layers_to_transform,omitempty"`
	FanInFanOut   bool            `json:"fan_in_fan_out"`
	InferenceMode bool            `json:"inference_mode"`
	InitWeights   json.RawMessage `json:"init_lora_weights"`
	Tokens        json.RawMessage `json:"trainable_token_indices,omitempty"` // in any form
}

// computed are the fields of adapter_config.json that parseConfig follows, harmless those that change nothing: they tell
// how the adapter was trained, or which modules have an update, as the tensors do. Every other field that is set is refused,
// for each version of PEFT brings new kinds of adapter.
var (
	computed = []string{
		"peft_type", "base_model_name_or_path", "revision", "r", "lora_alpha", "lora_dropout", "use_rslora", "rank_pattern", "alpha_pattern",
		"init_lora_weights", "bias", "use_dora", "lora_bias", "modules_to_save", "trainable_token_indices", "ensure_weight_tying", "target_parameters",
	}
	harmless = []string{
		"task_type", "peft_version", "auto_mapping", "inference_mode", "target_modules", "exclude_modules", "layers_to_transform",
		"layers_pattern", "megatron_config", "megatron_core", "runtime_config", "qalora_group_size",
		"loftq_config", "eva_config", "corda_config", "lora_ga_config", // of a start that init_lora_weights names
	}
)

// set tells whether a field says anything.
func set(raw json.RawMessage) bool {
	return !slices.Contains([]string{"", "null", "false", "[]", "{}", `""`}, string(raw))
}

func parseConfig(data []byte) (Config, error) {
	var fields map[string]json.RawMessage
	p := peftConfig{Config: Config{Rank: 8, Alpha: 8}} // PEFT's defaults
	if err := errors.Join(json.Unmarshal(data, &fields), json.Unmarshal(data, &p)); err != nil {
		return Config{}, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if fields["fine_tune_type"] != nil || fields["lora_parameters"] != nil {
		return Config{}, fmt.Errorf("%w: it is one of MLX: mlx_lm.fuse makes a model folder of it, which docent reads", ErrFormat)
	}
	if !strings.EqualFold(p.PeftType, "LORA") {
		return Config{}, fmt.Errorf("%w: peft_type %q is a kind of adapter that docent does not compute", ErrFormat, p.PeftType)
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if set(fields[name]) && !slices.Contains(computed, name) && !slices.Contains(harmless, name) {
			return Config{}, fmt.Errorf("%w: %s is set: docent does not compute what it asks for", ErrFormat, name)
		}
	}
	if p.Bias == "none" {
		p.Bias = ""
	}
	if !slices.Contains([]string{"", "all", "lora_only"}, p.Bias) {
		return Config{}, fmt.Errorf("%w: bias is %q, must be none, all or lora_only", ErrFormat, p.Bias)
	}
	for _, name := range p.Parameters {
		if !slices.Contains([]string{gateUp[1:], down[1:], "weight"}, name[strings.LastIndex(name, ".")+1:]) {
			return Config{}, fmt.Errorf("%w: target_parameters: %q is neither of experts nor the weight of a projection", ErrFormat, name)
		}
	}
	tokens, err := parseTokens(p.Tokens)
	if err != nil {
		return Config{}, err
	}
	if p.Rank <= 0 {
		return Config{}, fmt.Errorf("%w: r is %d", ErrFormat, p.Rank)
	}
	for _, name := range []string{"r", "lora_alpha"} {
		if string(fields[name]) == "null" {
			return Config{}, fmt.Errorf("%w: %s is null", ErrFormat, name)
		}
	}
	start, err := startOf(p.InitWeights)
	if err != nil {
		return Config{}, err
	}
	c := p.Config
	c.Tokens, c.tokensOf, c.start, c.file = tokens[""], tokens, start, data
	return c, nil
}

// parseTokens reads trainable_token_indices: a list, for the embedding, or one for each module. Under "" is that of all.
func parseTokens(raw json.RawMessage) (map[string][]int, error) {
	out := map[string][]int{}
	var list []int
	if !set(raw) {
		return out, nil
	}
	if json.Unmarshal(raw, &list) == nil {
		out[""] = list
	} else if err := json.Unmarshal(raw, &out); err != nil {
		return nil, fmt.Errorf("%w: trainable_token_indices: %w", ErrFormat, err)
	}
	return out, nil
}

// Doubled is the configuration of twice the rank, with an alpha for the scale to stay.
func (c Config) Doubled() Config {
	alpha := 2.0
	if c.RSLoRA {
		alpha = math.Sqrt2
	}
	c.start, c.file = "", nil
	c.Rank, c.RankPattern = 2*c.Rank, c.RankPattern.times(2)
	c.Alpha, c.AlphaPattern = alpha*c.Alpha, c.AlphaPattern.times(alpha)
	return c
}

// tokens of a module.
func (c Config) tokens(path string) []int {
	for name, list := range c.tokensOf {
		if name == "" || path == name || strings.HasSuffix(path, "."+name) {
			return list
		}
	}
	if path == head && len(c.tokensOf) > 0 { // one with the embedding, of a vocabulary that has grown
		return c.tokens(embedding)
	}
	return nil
}

// rank and scale of one module, with PEFT's per-module patterns.
func (c Config) rank(path string) (int, error) {
	r, err := c.RankPattern.value(path, float64(c.Rank))
	if err == nil && (r < 1 || r != math.Trunc(r)) {
		err = fmt.Errorf("%w: rank_pattern: the rank of %s is %g", ErrFormat, path, r)
	}
	return int(r), err
}

func (c Config) scale(path string, rank int) (float64, error) {
	alpha, err := c.AlphaPattern.value(path, c.Alpha)
	if c.RSLoRA {
		return alpha / math.Sqrt(float64(rank)), err
	}
	return alpha / float64(rank), err
}

// save writes adapter_config.json. The targets become the full list of modules: PEFT then adapts exactly those,
// whatever "all-linear" means to its version.
func (c Config) save(name string, paths []string) error {
	data := c.file
	if data == nil {
		targets := c.Targets
		if len(targets) == 0 || len(targets) == 1 && targets[0] == "all-linear" {
			targets = LastNames(slices.DeleteFunc(slices.Clone(paths), c.parameter))
		}
		var err error
		p := peftConfig{PeftType: "LORA", TaskType: "CAUSAL_LM", Config: c, Targets: marshal(targets), InferenceMode: true, InitWeights: json.RawMessage("true")}
		if p.Bias = cmp.Or(c.Bias, "none"); len(c.Tokens) > 0 {
			p.Tokens = marshal(c.Tokens)
		}
		if layers := layersOf(paths); len(layers) > 0 && layers[0] > 0 {
			p.Layers = marshal(layers)
			if slices.ContainsFunc(paths, func(path string) bool { _, inside := Layer(path); return !inside }) { // PEFT would take it for another layer
				p.Layers, targets = nil, nil
				for _, path := range paths {
					targets = append(targets, strings.TrimPrefix(path, "model."))
				}
				p.Targets = marshal(targets)
			}
		}
		if data, err = json.MarshalIndent(p, "", "  "); err != nil {
			return err
		}
		data = append(data, '\n')
	}
	return atomicfile.Write(name, data)
}

// marshal writes a list, which cannot fail.
func marshal[T int | string](list []T) json.RawMessage {
	data, _ := json.Marshal(list)
	return data
}

// Layer is the number in the path of a module: 3 in model.layers.3.mlp.up_proj.
func Layer(path string) (n int, ok bool) {
	_, rest, _ := strings.Cut(path, ".layers.")
	number, _, _ := strings.Cut(rest, ".")
	n, err := strconv.Atoi(number)
	return n, err == nil
}

// layersOf lists the layers of modules, each once.
func layersOf(paths []string) (layers []int) {
	for _, p := range paths {
		if n, ok := Layer(p); ok {
			layers = append(layers, n)
		}
	}
	slices.Sort(layers)
	return slices.Compact(layers)
}

// LastNames are the distinct last elements of module paths, in order of appearance.
func LastNames(paths []string) (out []string) {
	for _, p := range paths {
		if s := p[strings.LastIndex(p, ".")+1:]; !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
