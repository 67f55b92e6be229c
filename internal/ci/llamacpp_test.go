package ci_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/dataset"
	"github.com/docent-ml/docent/dataset/recipe"
	"github.com/docent-ml/docent/internal/golden"
	"github.com/docent-ml/docent/internal/lm/text"
	"github.com/docent-ml/docent/lora"
	"github.com/docent-ml/docent/serve"
	"github.com/docent-ml/docent/serve/engine"
)

// answerTokens is how far answers are compared.
const answerTokens = 10

// generalChats is how many general prompts are answered, two minutes' worth for llama.cpp on a thread and docent on two.
const generalChats = 64

// TestLlamaCPP trains SmolLM2 a little and has llama.cpp answer every tenth question of the course guides, and general prompts,
// with the GGUF files that docent writes: rendered prompts and their ids are the same, and the answers are. Of Q8_0 and of the
// adapter alone only the questions are answered: llama.cpp rounds what it multiplies with Q8_0 to 8 bits too, docent to 16, and 5 of
// 64 general answers that the model is not sure of differ; with docent's rounded to 8 bits, 7 do.
func TestLlamaCPP(t *testing.T) {
	interpreter, gguf := os.Getenv("DOCENT_LLAMACPP"), os.Getenv("DOCENT_SMOLLM2")
	if interpreter == "" || gguf == "" {
		t.Skip("DOCENT_LLAMACPP (an interpreter with xllamacpp) and DOCENT_SMOLLM2 (a .gguf file) are not set; make test-full sets them")
	}
	dir := t.TempDir()
	require.NoError(t, lora.Merge(t.Context(), open(t, nil, "gguf:"+gguf), nil, filepath.Join(dir, "model"), lora.MergeOptions{}))
	train(t, nil, dir)
	adapter, err := lora.LoadAdapter(os.DirFS(filepath.Join(dir, "adapter")))
	require.NoError(t, err)
	base := open(t, nil, "dir:"+filepath.Join(dir, "model"))
	file := func(name string) string { return filepath.Join(dir, name+".gguf") }
	require.NoError(t, lora.ExportGGUF(t.Context(), base, nil, file("base"), lora.GGUFF16))
	require.NoError(t, lora.ExportGGUF(t.Context(), base, adapter, file("f16"), lora.GGUFF16))
	require.NoError(t, lora.ExportGGUF(t.Context(), base, adapter, file("q8_0"), lora.GGUFQ8))
	require.NoError(t, lora.ExportGGUFAdapter(t.Context(), base, adapter, file("adapter")))
	require.NoError(t, base.Close())

	var chats [][]map[string]string
	n := 0
	for fact, err := range dataset.ReadFile[dataset.Fact](os.DirFS(filepath.Join("..", "..", "examples", "trainer", "testdata", "course-guides")), "facts.jsonl") {
		require.NoError(t, err)
		if n++; n%10 != 1 {
			continue
		}
		chat := []map[string]string{{"role": "user", "content": fact.Question}}
		if n%4 == 1 {
			chat = append([]map[string]string{{"role": "system", "content": " Answer <b>briefly</b>.\n"}}, chat...)
		}
		chats = append(chats, chat)
	}
	guides := len(chats)
	for _, prompt := range recipe.GeneralPrompts()[:generalChats] {
		chats = append(chats, []map[string]string{{"role": "user", "content": prompt}})
	}
	theirs := askLlamaCPP(t, interpreter, map[string]any{"chats": chats, "tokens": answerTokens, "models": map[string]any{
		"f16":     map[string]any{"model": file("f16"), "adapter": "", "chats": len(chats)},
		"q8_0":    map[string]any{"model": file("q8_0"), "adapter": "", "chats": guides},
		"adapter": map[string]any{"model": file("base"), "adapter": file("adapter"), "chats": guides},
	}})

	tokenizer, err := text.Load(os.DirFS(filepath.Join(dir, "merged")))
	require.NoError(t, err)
	chat, err := text.NewChat(tokenizer, nil)
	require.NoError(t, err)
	for _, x := range []struct {
		theirs, ours string
		precision    lora.Precision
		least        float64 // share of equal answers
	}{{"f16", "f16", lora.F32, 1}, {"q8_0", "q8_0", lora.Int8, 0.99}, {"adapter", "f16", lora.F32, 1}} {
		t.Run(x.theirs, func(t *testing.T) {
			e, err := engine.Load(t.Context(), "gguf:"+file(x.ours), engine.Options{Precision: x.precision})
			require.NoError(t, err)
			defer e.Close()
			equal := 0
			for i, got := range theirs[x.theirs] {
				messages := chats[i]
				var prompt []text.Message
				request := serve.Request{MaxTokens: answerTokens}
				for _, m := range messages {
					prompt = append(prompt, text.Message{Role: m["role"], Content: m["content"]})
					request.Messages = append(request.Messages, serve.Message{Role: m["role"], Content: m["content"]})
				}
				o := text.RenderOptions{AddGenerationPrompt: true}
				rendered, err := chat.Render(prompt, o)
				require.NoError(t, err)
				require.Equal(t, rendered, got.Prompt)
				ids, err := chat.Encode(prompt, o)
				require.NoError(t, err)
				require.Equal(t, ids, got.IDs)
				answer := ""
				for delta, err := range e.Generate(t.Context(), request) {
					require.NoError(t, err)
					answer += delta.Text
				}
				if theirAnswer := tokenizer.Decode(got.Answer, true); answer == theirAnswer {
					equal++
				} else {
					t.Logf("%q: docent %q, llama.cpp %q", messages[len(messages)-1]["content"], answer, theirAnswer)
				}
			}
			asked := len(theirs[x.theirs])
			assert.GreaterOrEqual(t, asked, guides)
			assert.GreaterOrEqual(t, float64(equal), x.least*float64(asked), "%d of %d answers are equal", equal, asked)
		})
	}
}

// theirAnswer is what llamacpp_check.py tells of a prompt.
type theirAnswer struct {
	Prompt      string
	IDs, Answer []int32
}

func askLlamaCPP(t *testing.T, interpreter string, input map[string]any) (theirs map[string][]theirAnswer) {
	t.Helper()
	data, err := json.Marshal(input)
	require.NoError(t, err)
	name := filepath.Join(t.TempDir(), "input.json")
	require.NoError(t, os.WriteFile(name, data, 0o644))
	command := exec.CommandContext(t.Context(), interpreter, "llamacpp_check.py", name)
	var log bytes.Buffer
	command.Stderr = &log
	output, err := command.Output()
	require.NoError(t, err, log.String())
	require.NoError(t, json.Unmarshal(output, &theirs), log.String())
	return theirs
}

// otherwise is what llama.cpp computes in another way than transformers, whoever makes the file.
var otherwise = map[string]string{
	"mistral-window": "it knows no windows of Mistral's: texts beyond one see all of it",
	"phi3-longrope":  "it takes the long factors for the context that it was started with, whatever the length of the text",
}

// TestLlamaCPPFamilies has llama.cpp go on with the tokens of transformers, from the GGUF file of every family that there is one of.
func TestLlamaCPPFamilies(t *testing.T) {
	interpreter := os.Getenv("DOCENT_LLAMACPP")
	if interpreter == "" {
		t.Skip("DOCENT_LLAMACPP (an interpreter with xllamacpp) is not set; make test-full sets it")
	}
	models, want := map[string]any{}, map[string][]int32{}
	for _, tiny := range golden.Tiny(t) {
		dir, name := t.TempDir(), filepath.Base(tiny)
		require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Join(tiny, "model"))))
		if otherwise[name] != "" {
			continue
		}
		golden.WriteTokenizer(t, dir)
		file := filepath.Join(dir, "model.gguf")
		if err := lora.ExportGGUF(t.Context(), open(t, nil, "dir:"+dir), nil, file, lora.GGUFF32); err != nil {
			require.ErrorIs(t, err, lora.ErrArchitecture)
			t.Logf("%s: %v", name, err)
			continue
		}
		run := golden.JSON[golden.TinyRun](t, tiny, "run.json")
		models[name], want[name] = map[string]any{"model": file, "adapter": "", "chats": 0, "ids": run.Greedy.Prompt}, run.Greedy.New
	}
	t.Logf("%d models: %v", len(want), slices.Sorted(maps.Keys(want)))
	theirs := askLlamaCPP(t, interpreter, map[string]any{"chats": [][]string{}, "tokens": 24, "models": models})
	for name, ids := range want {
		answer := theirs[name][0].Answer
		if n := len(answer); n > 0 && n < len(ids) && answer[n-1] <= 4 { // the end of the text ended it
			ids = ids[:n]
		}
		assert.Equal(t, ids, answer, name)
	}
	assert.GreaterOrEqual(t, len(want), 15)
}
