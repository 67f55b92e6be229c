package model_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/golden"
	"github.com/docent-ml/docent/internal/lm/adapter"
	"github.com/docent-ml/docent/internal/lm/model"
	"github.com/docent-ml/docent/internal/lm/text"
	"github.com/docent-ml/docent/internal/testmodel"
)

// TestTokensWithoutRowsAreRefused: transformers fails with an index error where the first of them comes up.
func TestTokensWithoutRowsAreRefused(t *testing.T) {
	dir := testmodel.Write(t, 1)
	name := filepath.Join(dir, "tokenizer.json")
	doc := golden.JSON[map[string]any](t, name)
	doc["added_tokens"] = append(doc["added_tokens"].([]any), map[string]any{"id": 259, "content": "[PAD]", "special": true})
	data, err := json.Marshal(doc)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(name, data, 0o644))
	_, err = model.Open(t.Context(), "dir:"+dir, model.Options{Backend: golden.Backend(t)})
	require.ErrorIs(t, err, text.ErrFormat)
	assert.ErrorContains(t, err, `ids up to 259 ("[PAD]"), the model has embeddings for 259`)
}

func TestTemplateBesideAdapter(t *testing.T) {
	dir := t.TempDir()
	a := &adapter.Adapter{Config: adapter.Config{Rank: 1, Alpha: 1, Base: testmodel.Write(t, 1)}, Modules: map[string]adapter.Module{
		"model.layers.0.self_attn.q_proj": {Rank: 1, In: 32, Out: 32, A: make([]float32, 32), B: make([]float32, 32)},
	}}
	require.NoError(t, a.Save(t.Context(), dir))
	const template = "{% for m in messages %}{{ m.content }}{% endfor %}"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "chat_template.jinja"), []byte(template), 0o644))
	m := golden.Open(t, golden.Backend(t), "dir:"+dir, false)
	assert.Equal(t, template, m.Chat.Source())
	out := t.TempDir()
	require.NoError(t, m.Tokenizer.WriteFiles(out))
	again, err := text.Load(os.DirFS(out))
	require.NoError(t, err)
	chat, err := text.NewChat(again, nil)
	require.NoError(t, err)
	assert.Equal(t, template, chat.Source())
}
