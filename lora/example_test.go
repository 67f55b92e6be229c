package lora_test

import (
	"fmt"

	"github.com/docent-ml/docent/lora"
)

// How to choose the settings that matter most.
func ExampleDefaultConfig() {
	c := lora.DefaultConfig()

	// Rank is how much can be learned: 8 for a style, 16 to 32 for facts. Alpha follows it, commonly twice as large,
	// so that the learning rate need not change.
	c.Rank, c.Alpha = 32, 64

	// Adapting every projection learns facts better than attention alone; q_proj and v_proj are enough for a style and
	// train a tenth of the weights.
	c.Targets = []string{lora.AllLinear}

	// A small model that is to know facts by heart wants a high rate and many short steps.
	c.LearningRate, c.BatchSize, c.Epochs = 1e-3, 8, 8

	// More tokens a call use a device better and take more memory; the result is the same.
	c.MicroTokens = 2048

	fmt.Println(c.Validate())
	c.Schedule = "sometimes"
	fmt.Println(c.Validate())
	// Output:
	// <nil>
	// lora config: Schedule: "sometimes" must be constant, linear or cosine
}
