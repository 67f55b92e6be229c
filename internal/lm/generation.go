package lm

import (
	"encoding/json"
	"fmt"
)

// Generation holds the sampling defaults that a model's makers recommend, from generation_config.json. Nil means that
// they say nothing.
type Generation struct {
	Sample            *bool // false = greedy
	Temperature       *float64
	TopP              *float64
	TopK              *int
	MinP              *float64
	RepetitionPenalty *float64
	EOS               []int // overrides the config's when not empty
}

// ParseGeneration reads a generation_config.json. Fields that docent's sampler does not have are left to others.
func ParseGeneration(data []byte) (Generation, error) {
	var g struct {
		DoSample          *bool           `json:"do_sample"`
		Temperature       *float64        `json:"temperature"`
		TopP              *float64        `json:"top_p"`
		TopK              *int            `json:"top_k"`
		MinP              *float64        `json:"min_p"`
		RepetitionPenalty *float64        `json:"repetition_penalty"`
		EOS               json.RawMessage `json:"eos_token_id"`
	}
	if err := json.Unmarshal(data, &g); err != nil {
		return Generation{}, fmt.Errorf("generation_config.json: %w", err)
	}
	eos, err := intOrList(g.EOS)
	if err != nil {
		return Generation{}, fmt.Errorf("generation_config.json: eos_token_id: %w", err)
	}
	return Generation{Sample: g.DoSample, Temperature: g.Temperature, TopP: g.TopP, TopK: g.TopK, MinP: g.MinP, RepetitionPenalty: g.RepetitionPenalty, EOS: eos}, nil
}
