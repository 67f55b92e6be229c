package config_test

import (
	"fmt"
	"io/fs"
	"testing/fstest"

	"github.com/docent-ml/docent/examples/internal/config"
)

func ExampleLoadTrainer() {
	folder := fstest.MapFS{
		"base.json":        {Data: []byte(`{"docs": "./guides", "learning_rate": 0.0005}`)},
		"development.json": {Data: []byte(`{"rank": 8}`)},
	}
	cfg, explain, err := config.LoadTrainer(config.Input{
		Folder:  func(string) fs.FS { return folder },
		Environ: []string{"EPOCHS=3", "HF_TOKEN=a secret"},
		Args:    []string{"-rank", "4"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(cfg.Docs, cfg.LearningRate, cfg.Epochs, cfg.Rank, cfg.Hub.Token)
	for _, entry := range explain.Entries {
		if entry.Origin != "default" && entry.Group == "Training" {
			fmt.Println(entry.Key, entry.Value, entry.Origin)
		}
	}
	// Output:
	// ./guides 0.0005 3 4 [hidden]
	// epochs 3 environment (EPOCHS)
	// learning_rate 0.0005 base.json:1
}

func ExampleLoadTrainer_faults() {
	folder := fstest.MapFS{"base.json": {Data: []byte("{\n  \"learnin_rate\": 0.1,\n  \"epochs\": 0\n}")}}
	_, _, err := config.LoadTrainer(config.Input{
		Folder: func(string) fs.FS { return folder },
		Args:   []string{"-docs", "./guides", "-bacth", "4"},
	})
	fmt.Println(err)
	// Output:
	// configuration: 3 faults
	//   unknown flag -bacth: did you mean "batch"?
	//   base.json:2: unknown key "learnin_rate": did you mean "learning_rate"?
	//   epochs: 0 from base.json:3: must be >= 1
}

func ExampleLoadServer() {
	cfg, _, err := config.LoadServer(config.Input{
		Environ: []string{"PORT=9000"},
		Args:    []string{"-model", "models:/handbook/Production", "-model", "./model_out", "-model-name", "tutor", "-prefix", "/ai"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(cfg.Listen + cfg.Prefix)
	for _, m := range cfg.Models {
		fmt.Println(m.ID(), "is", m.Ref)
	}
	// Output:
	// 127.0.0.1:9000/ai
	// handbook is models:/handbook/Production
	// tutor is ./model_out
}
