package adapter

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Config is the part of adapter_config.json that docent reads and writes.
type Config struct {
	Rank    int
	Alpha   float64
	Dropout float64
	Targets []string // suffixes of module paths, or "all-linear"
	Base    string   // the base model: a Hub repository or a path
	// Revision of the Hub repository; "" = its main branch.
	Revision string

	rsLoRA       bool
	rankPattern  map[string]int
	alphaPattern map[string]float64
}

// peftConfig mirrors adapter_config.json. The fields that are written and always empty say to PEFT, whose readers
// differ in what they take an absence for, that nothing of the kind is used.
type peftConfig struct {
	PeftType      string             `json:"peft_type"`
	TaskType      string             `json:"task_type"`
	Base          string             `json:"base_model_name_or_path"`
	Revision      *string            `json:"revision"`
	Rank          int                `json:"r"`
	Alpha         float64            `json:"lora_alpha"`
	Dropout       float64            `json:"lora_dropout"`
	Targets       json.RawMessage    `json:"target_modules"`
	Layers        json.RawMessage    `json:"layers_to_transform,omitempty"` // written only: the tensors say it too
	Bias          string             `json:"bias"`
	LoRABias      bool               `json:"lora_bias"`
	FanInFanOut   bool               `json:"fan_in_fan_out"`
	InferenceMode bool               `json:"inference_mode"`
	InitWeights   json.RawMessage    `json:"init_lora_weights,omitempty"`
	ModulesToSave json.RawMessage    `json:"modules_to_save"`
	RSLoRA        bool               `json:"use_rslora"`
	DoRA          bool               `json:"use_dora"`
	RankPattern   map[string]int     `json:"rank_pattern"`
	AlphaPattern  map[string]float64 `json:"alpha_pattern"`

	// Read only, to refuse what would change the computation.
	QALoRA      bool            `json:"use_qalora,omitempty"`
	Replication json.RawMessage `json:"layer_replication,omitempty"`
	TokenIDs    json.RawMessage `json:"trainable_token_indices,omitempty"`
	Parameters  json.RawMessage `json:"target_parameters,omitempty"`
	ALoRA       json.RawMessage `json:"alora_invocation_tokens,omitempty"`
}

func parseConfig(data []byte) (Config, error) {
	var p peftConfig
	if err := json.Unmarshal(data, &p); err != nil {
		return Config{}, err
	}
	isSet := func(raw json.RawMessage) bool {
		s := string(raw)
		return s != "" && s != "null" && s != "[]" && s != "{}"
	}
	for _, f := range []struct {
		name string
		used bool
	}{
		{"peft_type " + p.PeftType, !strings.EqualFold(p.PeftType, "LORA")},
		{"use_dora", p.DoRA}, {"use_qalora", p.QALoRA}, {"lora_bias", p.LoRABias}, {"fan_in_fan_out", p.FanInFanOut},
		{"bias " + p.Bias, p.Bias != "" && p.Bias != "none"},
		{"modules_to_save", isSet(p.ModulesToSave)}, {"layer_replication", isSet(p.Replication)},
		{"trainable_token_indices", isSet(p.TokenIDs)}, {"target_parameters", isSet(p.Parameters)},
		{"alora_invocation_tokens", isSet(p.ALoRA)},
	} {
		if f.used {
			return Config{}, fmt.Errorf("%w: %s is a kind of adapter that docent does not compute", ErrFormat, f.name)
		}
	}
	if p.Rank <= 0 {
		return Config{}, fmt.Errorf("%w: r is %d", ErrFormat, p.Rank)
	}
	c := Config{Rank: p.Rank, Alpha: p.Alpha, Dropout: p.Dropout, Base: p.Base,
		rsLoRA: p.RSLoRA, rankPattern: p.RankPattern, alphaPattern: p.AlphaPattern}
	if p.Revision != nil {
		c.Revision = *p.Revision
	}
	if isSet(p.Targets) {
		var one string
		if json.Unmarshal(p.Targets, &one) == nil {
			c.Targets = []string{one}
		} else if err := json.Unmarshal(p.Targets, &c.Targets); err != nil {
			return Config{}, fmt.Errorf("%w: target_modules: %w", ErrFormat, err)
		}
	}
	return c, nil
}

// rank and scale of one module, with PEFT's per-module patterns.
func (c Config) rank(path string) int {
	if r, ok := match(c.rankPattern, path); ok {
		return r
	}
	return c.Rank
}

func (c Config) scale(path string) float64 {
	alpha := c.Alpha
	if a, ok := match(c.alphaPattern, path); ok {
		alpha = a
	}
	if c.rsLoRA {
		return alpha / math.Sqrt(float64(c.rank(path)))
	}
	return alpha / float64(c.rank(path))
}

// match finds the entry whose key is the end of the path, or a regular expression for it, as PEFT does.
func match[T any](patterns map[string]T, path string) (value T, ok bool) {
	for key, v := range patterns {
		re, err := regexp.Compile(`^(.*\.)?(` + key + `)$`)
		if err == nil && re.MatchString(path) {
			return v, true
		}
	}
	return value, false
}

// save writes adapter_config.json. The targets become the full list of modules: PEFT then adapts exactly those,
// whatever "all-linear" means to its version.
func (c Config) save(name string, paths []string) error {
	targets := c.Targets
	if len(targets) == 0 || len(targets) == 1 && targets[0] == "all-linear" {
		targets = suffixes(paths)
	}
	raw, err := json.Marshal(targets)
	if err != nil {
		return err
	}
	var upper json.RawMessage
	if layers := layersOf(paths); len(layers) > 0 && layers[0] > 0 {
		if upper, err = json.Marshal(layers); err != nil {
			return err
		}
	}
	var revision *string
	if c.Revision != "" {
		revision = &c.Revision
	}
	data, err := json.MarshalIndent(peftConfig{
		PeftType: "LORA", TaskType: "CAUSAL_LM", Base: c.Base, Revision: revision, Rank: c.Rank, Alpha: c.Alpha, Dropout: c.Dropout,
		Targets: raw, Layers: upper, Bias: "none", InferenceMode: true, InitWeights: json.RawMessage("true"),
		RSLoRA: c.rsLoRA, RankPattern: orEmpty(c.rankPattern), AlphaPattern: orEmpty(c.alphaPattern),
	}, "", "  ")
	if err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(name), ".adapter_config-*")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(append(data, '\n'))
	if err == nil {
		err = temp.Sync()
	}
	if closeErr := temp.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return os.Rename(temp.Name(), name)
}

func orEmpty[M map[string]V, V any](m M) M {
	if m == nil {
		return M{}
	}
	return m
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

// suffixes are the distinct last elements of the paths, in order of appearance.
func suffixes(paths []string) []string {
	var out []string
	seen := map[string]bool{}
	for _, p := range paths {
		s := p[strings.LastIndex(p, ".")+1:]
		if !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}
