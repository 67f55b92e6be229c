package lm

import (
	"errors"
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
	f, err := readFields(data)
	if err != nil {
		return Generation{}, fmt.Errorf("generation_config.json: %w", err)
	}
	g := Generation{
		Temperature: f.pointer("temperature"), TopP: f.pointer("top_p"), MinP: f.pointer("min_p"),
		RepetitionPenalty: f.pointer("repetition_penalty"), EOS: f.ints("eos_token_id"),
	}
	if f.value("do_sample") != nil {
		g.Sample = new(f.bool("do_sample"))
	}
	if f.value("top_k") != nil {
		g.TopK = new(f.int("top_k", 0))
	}
	if err := errors.Join(f.errs...); err != nil {
		return Generation{}, fmt.Errorf("generation_config.json: %w", err)
	}
	return g, nil
}
