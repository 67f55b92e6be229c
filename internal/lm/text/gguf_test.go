package text

import (
	"encoding/json"
	"maps"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// ggufOf writes a golden tokenizer as the metadata that llama.cpp's converter would make of it.
func ggufOf(t *testing.T, g golden) map[string]any {
	t.Helper()
	doc, err := parseDocument(g.Tokenizer)
	require.NoError(t, err)
	size := int32(len(doc.Model.Vocab))
	for _, a := range doc.AddedTokens {
		size = max(size, a.ID+1)
	}
	tokens, types, scores := make([]string, size), make([]int32, size), make([]float32, size)
	for token, id := range doc.Model.Vocab {
		tokens[id], types[id], scores[id] = token, 1, -float32(id)
		if _, ok := byteToken(token); ok {
			types[id] = 6
		}
	}
	for _, a := range doc.AddedTokens {
		tokens[a.ID], types[a.ID] = a.Content, ggufUserDefined
		if a.Special {
			types[a.ID] = ggufControl
		}
	}
	md := map[string]any{"tokenizer.ggml.tokens": tokens, "tokenizer.ggml.token_type": types, "tokenizer.ggml.scores": scores}
	merges := []string{}
	for _, m := range doc.Model.Merges {
		merges = append(merges, m[0]+" "+m[1])
	}
	md["tokenizer.ggml.merges"] = merges
	for key, token := range map[string]string{"bos_token_id": "<s>", "eos_token_id": "</s>", "unknown_token_id": "<unk>"} {
		for id := range tokens {
			if tokens[id] == token {
				md["tokenizer.ggml."+key] = uint32(id)
			}
		}
	}
	return md
}

func TestGGUFGivesTheSameIDs(t *testing.T) {
	for name, extra := range map[string]map[string]any{
		"gpt2":         {"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "gpt-2"},
		"smollm2":      {"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "smollm"},
		"llama3":       {"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "llama-bpe", "tokenizer.ggml.add_bos_token": true},
		"qwen2":        {"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "qwen2"},
		"llama-scores": {"tokenizer.ggml.model": "llama"},
	} {
		t.Run(name, func(t *testing.T) {
			want, g := readGolden(t, "testdata/tokenizers/"+name+".json")
			md := ggufOf(t, g)
			maps.Copy(md, extra)
			tok, err := FromGGUF(md)
			require.NoError(t, err)
			dir := t.TempDir()
			require.NoError(t, tok.WriteFiles(dir))
			written, err := Load(os.DirFS(dir))
			require.NoError(t, err)
			for _, tok := range []*Tokenizer{tok, written} {
				assert.Equal(t, want.VocabSize(), tok.VocabSize())
				for _, c := range g.Encode {
					assert.Equal(t, c.IDs, tok.Encode(c.Text), "%q", c.Text)
					assert.Equal(t, c.WithSpecial, tok.EncodeWithSpecial(c.Text), "with special tokens: %q", c.Text)
					assert.Equal(t, c.Ordinary, tok.EncodeOrdinary(c.Text), "ordinary: %q", c.Text)
				}
				for _, c := range g.Decode {
					assert.Equal(t, c.Text, tok.Decode(c.IDs, false), "%v", c.IDs)
					assert.Equal(t, c.Skipped, tok.Decode(c.IDs, true), "%v", c.IDs)
				}
			}
		})
	}
}

func TestGGUFSettings(t *testing.T) {
	_, g := readGolden(t, "testdata/tokenizers/llama-scores.json")
	md := ggufOf(t, g)
	maps.Copy(md, map[string]any{
		"tokenizer.ggml.model": "llama", "tokenizer.ggml.add_bos_token": true, "tokenizer.ggml.add_eos_token": true,
		"tokenizer.ggml.padding_token_id": int64(0), "tokenizer.chat_template": "{{ bos_token }}{{ messages[0].content }}",
	})
	tok, err := FromGGUF(md)
	require.NoError(t, err)
	bos, _ := tok.ID("<s>")
	eos, _ := tok.ID("</s>")
	pad, ok := tok.Pad()
	assert.True(t, ok)
	assert.Zero(t, pad)
	assert.Equal(t, []int32{bos, eos}, tok.EncodeWithSpecial(""))

	dir := t.TempDir()
	require.NoError(t, tok.WriteFiles(dir))
	written, err := Load(os.DirFS(dir))
	require.NoError(t, err)
	chat, err := NewChat(written, nil)
	require.NoError(t, err)
	text, err := chat.Render([]Message{{Role: "user", Content: "x"}}, RenderOptions{})
	require.NoError(t, err)
	assert.Equal(t, "<s>x", text)
	assert.Equal(t, []int32{bos, eos}, written.EncodeWithSpecial(""))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, 4, "no temporary file stays")

	require.Error(t, tok.WriteFiles(dir+"/missing"))
}

func TestGGUFRefusals(t *testing.T) {
	_, g := readGolden(t, "testdata/tokenizers/gpt2.json")
	good := ggufOf(t, g)
	maps.Copy(good, map[string]any{"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "gpt-2"})
	_, err := FromGGUF(good)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		key   string
		value any
		want  error
		tells string
	}{
		"model":           {"tokenizer.ggml.model", "bert", ErrUnsupported, `"bert"`},
		"no model":        {"tokenizer.ggml.model", nil, ErrUnsupported, "tokenizer.ggml.model"},
		"model type":      {"tokenizer.ggml.model", 7, ErrFormat, "not a string"},
		"pre":             {"tokenizer.ggml.pre", "deepseek-coder", ErrUnsupported, `"deepseek-coder"`},
		"no tokens":       {"tokenizer.ggml.tokens", []string{}, ErrFormat, "tokens"},
		"token twice":     {"tokenizer.ggml.tokens", []string{"a", "a"}, ErrFormat, "ids 0 and 1"},
		"tokens type":     {"tokenizer.ggml.tokens", []any{"a", 1}, ErrFormat, "not a list of strings"},
		"token types":     {"tokenizer.ggml.token_type", []int32{1}, ErrFormat, "1 entries"},
		"token type type": {"tokenizer.ggml.token_type", "x", ErrFormat, "numbers"},
		"merge":           {"tokenizer.ggml.merges", []string{"ab"}, ErrFormat, `"ab"`},
		"merge token":     {"tokenizer.ggml.merges", []string{"a QQQ"}, ErrFormat, "QQQ"},
		"bos":             {"tokenizer.ggml.bos_token_id", uint32(1 << 30), ErrFormat, "bos_token_id"},
		"bos sign":        {"tokenizer.ggml.bos_token_id", -1, ErrFormat, "bos_token_id"},
		"add bos":         {"tokenizer.ggml.add_bos_token", 1, ErrFormat, "not a bool"},
		"scores":          {"tokenizer.ggml.model", "llama", nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			md := maps.Clone(good)
			md[c.key] = c.value
			if c.want == nil {
				md["tokenizer.ggml.scores"] = []float32{1}
				c.want, c.tells = ErrFormat, "scores"
			}
			_, err := FromGGUF(md)
			require.ErrorIs(t, err, c.want)
			assert.ErrorContains(t, err, c.tells)
		})
	}
	_, err = FromGGUF(nil)
	require.ErrorIs(t, err, ErrFormat)
}

func FuzzGGUF(f *testing.F) {
	f.Add([]byte(`{"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "smollm", "tokenizer.ggml.tokens": ["a", "b", "ab"], "tokenizer.ggml.merges": ["a b"], "tokenizer.ggml.token_type": [1, 3, 4], "tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.add_bos_token": true}`))
	f.Add([]byte(`{"tokenizer.ggml.model": "llama", "tokenizer.ggml.tokens": ["<unk>", "▁", "a", "▁a", "<0x0A>"], "tokenizer.ggml.scores": [0, -1, -2, -3, 0], "tokenizer.ggml.token_type": [2, 1, 1, 1, 6], "tokenizer.ggml.unknown_token_id": 0}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var md map[string]any
		if json.Unmarshal(data, &md) != nil {
			return
		}
		tok, err := FromGGUF(md)
		if err != nil {
			return
		}
		dir := t.TempDir()
		require.NoError(t, tok.WriteFiles(dir))
		again, err := Load(os.DirFS(dir))
		require.NoError(t, err)
		const text = "a ab ▁a\nb"
		require.Equal(t, tok.Encode(text), again.Encode(text))
	})
}
