package ci_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/gomlx/compute"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/dataset"
	"github.com/docent-ml/docent/internal/golden"
	"github.com/docent-ml/docent/internal/lm/text"
	"github.com/docent-ml/docent/lora"
)

// python is an interpreter with the packages of requirements.txt.
func python(t *testing.T) string {
	t.Helper()
	interpreter := os.Getenv("DOCENT_PYTHON")
	if interpreter == "" {
		t.Skip("DOCENT_PYTHON names no interpreter; make test-full fetches one with PyTorch, PEFT and OpenAI's client")
	}
	return interpreter
}

var (
	question = []dataset.Message{{Role: "system", Content: "The exam is in June."}, {Role: "user", Content: "When is the exam?"}}
	rows     = []dataset.Row{
		{Messages: append(question[:2:2], dataset.Message{Role: "assistant", Content: "In June."})},
		{Messages: []dataset.Message{{Role: "user", Content: "What does the course award?"}, {Role: "assistant", Content: "Six points."}}},
		{Prompt: "Who teaches the course?", Completion: " Nobody."},
		{Text: "The course awards six points."},
	}
)

// TestPEFT trains each tiny model, and SmolLM2 where DOCENT_SMOLLM2 names its GGUF file, has transformers and PEFT read
// every file that comes out, compares the logits, and reads an adapter that PEFT wrote.
func TestPEFT(t *testing.T) {
	interpreter := python(t)
	backend := golden.Backend(t)
	cases := t.TempDir()
	var dirs []string
	for _, tiny := range golden.Tiny(t) {
		if golden.JSON[map[string]any](t, tiny, "model", "config.json")["vocab_size"].(float64) < 160 {
			continue // the tokenizer has more ids
		}
		dir := filepath.Join(cases, filepath.Base(tiny))
		require.NoError(t, os.CopyFS(filepath.Join(dir, "model"), os.DirFS(filepath.Join(tiny, "model"))))
		require.NoError(t, os.CopyFS(filepath.Join(dir, "model"), os.DirFS(filepath.Join("testdata", "tokenizer"))))
		dirs = append(dirs, dir)
	}
	if gguf := os.Getenv("DOCENT_SMOLLM2"); gguf != "" {
		dir := filepath.Join(cases, "smollm2")
		require.NoError(t, lora.Merge(t.Context(), open(t, backend, "gguf:"+gguf), nil, filepath.Join(dir, "model"), lora.MergeOptions{}))
		dirs = append(dirs, dir)
	}
	ids := make([]int32, 2*24)
	for i := range ids {
		ids[i] = int32(5 + i*31%155)
	}
	for _, dir := range dirs {
		train(t, backend, dir)
		writeInput(t, dir, ids)
	}
	t.Log(output(t, []string{"HF_HUB_OFFLINE=1"}, interpreter, filepath.Join("internal", "ci", "peft_check.py"), cases))
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			compare := func(folder string, names ...string) {
				m := golden.Open(t, backend, "dir:"+filepath.Join(dir, folder), false)
				defer m.Close()
				got := golden.Logits(t, backend, m, ids, []int{2, 24})
				for _, name := range names {
					want, _ := golden.Floats(t, dir, "logits.safetensors", name)
					golden.Close(t, want, got, 1e-4, name)
				}
			}
			compare("model", "base")
			compare("merged", "merged", "adapter")

			theirs, err := lora.LoadAdapter(os.DirFS(filepath.Join(dir, "theirs")))
			require.NoError(t, err)
			base := open(t, backend, "dir:"+filepath.Join(dir, "model"))
			require.NoError(t, lora.Merge(t.Context(), base, theirs, filepath.Join(dir, "merged-theirs"), lora.MergeOptions{}))
			compare("merged-theirs", "theirs")
			compare("theirs", "theirs") // a folder that holds only an adapter

			before, _ := golden.Floats(t, dir, "logits.safetensors", "base")
			after, _ := golden.Floats(t, dir, "logits.safetensors", "adapter")
			assert.NotEqual(t, before, after, "training changed nothing, so the comparison shows nothing")
		})
	}
}

// train trains dir/model for three steps and writes dir/adapter and dir/merged, the latter in several shards.
func train(t *testing.T, backend compute.Backend, dir string) {
	t.Helper()
	base := open(t, backend, "dir:"+filepath.Join(dir, "model"))
	defer base.Close()
	c := lora.DefaultConfig()
	c.Rank, c.Alpha, c.MaxSteps, c.BatchSize, c.LearningRate, c.MaxSeqLen = 4, 8, 3, 2, 1e-2, 64
	switch filepath.Base(dir) { // what PEFT has beside plain LoRA, for it to read
	case "llama":
		c.DoRA = true
	case "llama3-rope": // whose head is its embedding
		c.SaveModules = []string{"embed_tokens"}
	case "mistral-window":
		c.Targets, c.FrozenLayers = []string{"q_proj", "embed_tokens", "lm_head"}, 1
	case "phi3":
		c.Tokens = []int{7, 31}
	case "qwen3_moe":
		c.FrozenLayers = 1
	case "qwen2":
		c.Targets, c.LoRABias, c.Bias = []string{"q_proj", "k_proj", "v_proj"}, true, lora.BiasLoRAOnly
	case "qwen3":
		c.FrozenLayers = 1 // PEFT then must not miss the adapters of the first layer
		c.Start = lora.PiSSA
	}
	trainer, err := lora.NewTrainer(base, c, lora.Options{})
	require.NoError(t, err)
	defer trainer.Close()
	examples, err := trainer.Tokenize(t.Context(), func(yield func(dataset.Row, error) bool) {
		for _, row := range rows {
			if !yield(row, nil) {
				return
			}
		}
	})
	require.NoError(t, err)
	for _, err := range trainer.Steps(t.Context(), examples) {
		require.NoError(t, err)
	}
	adapter, err := trainer.Adapter()
	require.NoError(t, err)
	require.NoError(t, adapter.Save(t.Context(), filepath.Join(dir, "adapter")))
	require.NoError(t, lora.Merge(t.Context(), base, adapter, filepath.Join(dir, "merged"), lora.MergeOptions{ShardBytes: int64(base.Info().Parameters)}))
	shards, err := filepath.Glob(filepath.Join(dir, "merged", "model-*-of-*.safetensors"))
	require.NoError(t, err)
	require.Greater(t, len(shards), 1)
}

func open(t *testing.T, backend compute.Backend, ref string) *lora.Base {
	t.Helper()
	b, err := lora.OpenBase(t.Context(), ref, lora.BaseOptions{Backend: backend, Precision: lora.F32})
	require.NoError(t, err)
	t.Cleanup(func() { b.Close() })
	return b
}

// writeInput writes what transformers is to compute, and what docent's tokenizer and chat template give.
func writeInput(t *testing.T, dir string, ids []int32) {
	t.Helper()
	tokenizer, err := text.Load(os.DirFS(filepath.Join(dir, "merged")))
	require.NoError(t, err)
	chat, err := text.NewChat(tokenizer, nil)
	require.NoError(t, err)
	var prompt []text.Message
	var messages []map[string]string
	for _, m := range question {
		prompt = append(prompt, text.Message{Role: m.Role, Content: m.Content})
		messages = append(messages, map[string]string{"role": m.Role, "content": m.Content})
	}
	chatIDs, err := chat.Encode(prompt, text.RenderOptions{AddGenerationPrompt: true})
	require.NoError(t, err)
	texts := map[string][]int32{}
	for _, s := range []string{"The exam: 12:30, room B2.", "  two  spaces\n\nand lines", "don't", "<s>marked</s>"} {
		texts[s] = tokenizer.Encode(s)
	}
	input, err := json.Marshal(map[string]any{"ids": [][]int32{ids[:24], ids[24:]}, "messages": messages, "chat": chatIDs, "texts": texts})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "input.json"), input, 0o644))
}
