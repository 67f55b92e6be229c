package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/examples/internal/config"
	"github.com/docent-ml/docent/lora"
)

// TestKindsOfLoRA: what users ask for is what the library trains, and what it does not combine is refused.
func TestKindsOfLoRA(t *testing.T) {
	load := func(args ...string) (lora.Config, error) {
		s, _, err := config.LoadTrainer(config.Input{Args: append([]string{"-docs", "x"}, args...)})
		if err != nil {
			return lora.Config{}, err
		}
		c := lora.DefaultConfig()
		c.Dropout = s.Dropout
		setKinds(&c, s)
		return c, c.Validate()
	}
	c, err := load()
	require.NoError(t, err)
	assert.Equal(t, lora.DefaultConfig(), c, "plain LoRA")
	c, err = load("-lora", "dora", "-rslora", "-lora-plus", "16", "-bias", "lora_only", "-save-modules", "embed_tokens,lm_head")
	require.NoError(t, err)
	assert.True(t, c.DoRA && c.RSLoRA && c.LoRAPlus == 16 && c.Bias == lora.BiasLoRAOnly, c)
	assert.Equal(t, []string{"embed_tokens", "lm_head"}, c.SaveModules)
	for kind, start := range map[string]lora.Start{"pissa": lora.PiSSA, "olora": lora.OLoRA} {
		c, err = load("-lora", kind)
		require.NoError(t, err)
		assert.Equal(t, start, c.Start)
	}
	for _, args := range [][]string{{"-lora", "lora"}, {"-lora", "dora", "-dropout", "0.1"}, {"-bias", "some"}, {"-lora-plus", "0"}} {
		_, err = load(args...)
		assert.Error(t, err, args)
	}
}
