package text

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/gomlx/go-huggingface/models/gguf"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// goldenTokenizer reads the tokenizer of the GGUF file that the golden values were made with.
func goldenTokenizer(t *testing.T) (tok *Tokenizer, golden string) {
	golden, model := os.Getenv("DOCENT_GOLDEN_SMOLLM2"), os.Getenv("DOCENT_SMOLLM2")
	if golden == "" || model == "" {
		t.Skip("set DOCENT_GOLDEN_SMOLLM2 to the golden folder and DOCENT_SMOLLM2 to the GGUF file to run this test")
	}
	file, err := gguf.Open(model)
	require.NoError(t, err)
	metadata := map[string]any{}
	for _, kv := range file.KeyValues {
		metadata[kv.Key] = kv.Raw()
	}
	tok, err = FromGGUF(metadata)
	require.NoError(t, err)
	return tok, golden
}

func readJSON(t testing.TB, name string, into any) {
	t.Helper()
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, into), name)
}

func TestGoldenTokens(t *testing.T) {
	tok, golden := goldenTokenizer(t)
	var cases []struct {
		Text string
		IDs  []int32
	}
	readJSON(t, filepath.Join(golden, "tokens.json"), &cases)
	require.NotEmpty(t, cases)
	for _, c := range cases {
		assert.Equal(t, c.IDs, tok.Encode(c.Text), "%q", c.Text)
		assert.Equal(t, c.Text, tok.Decode(c.IDs, false))
	}

	dir := t.TempDir()
	require.NoError(t, tok.WriteFiles(dir))
	again, err := Load(os.DirFS(dir))
	require.NoError(t, err)
	for _, c := range cases {
		assert.Equal(t, c.IDs, again.Encode(c.Text), "%q", c.Text)
	}
	assert.Equal(t, tok.tokens, again.tokens)
}

func TestGoldenChat(t *testing.T) {
	tok, golden := goldenTokenizer(t)
	chat, err := NewChat(tok, nil)
	require.NoError(t, err)
	assert.True(t, chat.SystemRole())
	var cases []struct {
		Messages []Message
		Text     string
		IDs      []int32
		Greedy   []int32 `json:"greedy_ids"`
		Answer   string  `json:"greedy_text"`
	}
	readJSON(t, filepath.Join(golden, "generate.json"), &cases)
	require.NotEmpty(t, cases)
	for _, c := range cases {
		prompt := RenderOptions{AddGenerationPrompt: true}
		text, err := chat.Render(c.Messages, prompt)
		require.NoError(t, err)
		assert.Equal(t, c.Text, text)
		ids, err := chat.Encode(c.Messages, prompt)
		require.NoError(t, err)
		assert.Equal(t, c.IDs, ids)
		assert.Equal(t, c.Answer, tok.Decode(c.Greedy, true))

		answered := append(c.Messages, Message{Role: "assistant", Content: c.Answer})
		example, err := chat.Example(answered, RenderOptions{})
		require.NoError(t, err)
		assert.Equal(t, c.IDs, example.IDs[:len(c.IDs)], "training sees the prompt that serving sends")
		assert.True(t, example.Completion[len(c.IDs)])
		assert.False(t, example.Completion[len(c.IDs)-1])
	}
}
