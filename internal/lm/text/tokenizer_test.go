package text

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// golden is a file of testdata/tokenizers: a tokenizer and what the tokenizers library does with it.
type golden struct {
	Tokenizer json.RawMessage
	Encode    []struct {
		Text        string
		IDs         []int32
		WithSpecial []int32 `json:"with_special"`
		Ordinary    []int32
	}
	Decode []struct {
		IDs           []int32
		Text, Skipped string
	}
}

func readGolden(t testing.TB, name string) (*Tokenizer, golden) {
	t.Helper()
	var g golden
	readJSON(t, name, &g)
	doc, err := parseDocument(g.Tokenizer)
	require.NoError(t, err)
	tok, err := newTokenizer(doc, settings{})
	require.NoError(t, err)
	return tok, g
}

func TestTokenizerFamilies(t *testing.T) {
	names, err := filepath.Glob("testdata/tokenizers/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, names)
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".json"), func(t *testing.T) {
			tok, g := readGolden(t, name)
			for _, c := range g.Encode {
				assert.Equal(t, c.IDs, tok.Encode(c.Text), "%q", c.Text)
				assert.Equal(t, c.WithSpecial, tok.EncodeWithSpecial(c.Text), "with special tokens: %q", c.Text)
				assert.Equal(t, c.Ordinary, tok.EncodeOrdinary(c.Text), "ordinary: %q", c.Text)
			}
			for _, c := range g.Decode {
				assert.Equal(t, c.Text, tok.Decode(c.IDs, false), "%v", c.IDs)
				assert.Equal(t, c.Skipped, tok.Decode(c.IDs, true), "%v", c.IDs)
			}
		})
	}
}

// TestStream: pieces are whole characters, and join to what Decode gives.
func TestStream(t *testing.T) {
	names, err := filepath.Glob("testdata/tokenizers/*.json")
	require.NoError(t, err)
	for _, name := range names {
		tok, g := readGolden(t, name)
		for _, c := range g.Decode {
			for _, skip := range []bool{false, true} {
				var joined strings.Builder
				stream := tok.NewStream(skip)
				for _, id := range c.IDs {
					piece := stream.Push(id)
					assert.True(t, utf8.ValidString(piece), "%s: %q", name, piece)
					joined.WriteString(piece)
				}
				joined.WriteString(stream.Flush())
				assert.Equal(t, tok.Decode(c.IDs, skip), joined.String(), "%s %v", name, c.IDs)
			}
		}
	}
}

func TestStreamHoldsUnfinishedCharacters(t *testing.T) {
	tok, _ := readGolden(t, "testdata/tokenizers/gpt2.json")
	var ids []int32
	for _, b := range []byte("🚀x") {
		id, ok := tok.ID(string(byteChars[b]))
		require.True(t, ok)
		ids = append(ids, id)
	}
	stream := tok.NewStream(false)
	var pieces []string
	for _, id := range ids {
		pieces = append(pieces, stream.Push(id))
	}
	assert.Equal(t, []string{"", "", "", "🚀", "x"}, pieces)
	assert.Empty(t, stream.Flush())

	stream = tok.NewStream(false)
	assert.Empty(t, stream.Push(ids[0]))
	assert.Equal(t, "\uFFFDx", stream.Push(ids[4]))
	assert.Empty(t, stream.Push(ids[0])+stream.Push(ids[1]))
	assert.Equal(t, "\uFFFD", stream.Flush())
	assert.Empty(t, tok.NewStream(false).Push(1<<30), "an id outside the vocabulary")
}

func TestBytes(t *testing.T) {
	for _, name := range []string{"gpt2", "llama2", "gemma3", "llama3"} {
		tok, g := readGolden(t, "testdata/tokenizers/"+name+".json")
		const text = "The course — naïve 🚀 ok"
		var joined []byte
		for _, id := range tok.Encode(text) {
			joined = append(joined, tok.Bytes(id)...)
		}
		assert.Equal(t, text, strings.TrimPrefix(string(joined), " "), name)
		assert.NotEmpty(t, g.Encode)
		assert.Nil(t, tok.Bytes(-1))
		assert.Nil(t, tok.Bytes(1<<30))
	}
}

func TestLookups(t *testing.T) {
	tok, _ := readGolden(t, "testdata/tokenizers/llama3.json")
	id, ok := tok.ID("<|eot_id|>")
	require.True(t, ok)
	assert.True(t, tok.IsSpecial(id))
	text, ok := tok.Token(id)
	assert.True(t, ok)
	assert.Equal(t, "<|eot_id|>", text)
	assert.Equal(t, []byte("<|eot_id|>"), tok.Bytes(id))
	_, ok = tok.ID("no such token")
	assert.False(t, ok)
	_, ok = tok.Token(-1)
	assert.False(t, ok)
	assert.False(t, tok.IsSpecial(-1))
	assert.False(t, tok.IsSpecial(int32(tok.VocabSize())))
	_, ok = tok.BOS()
	assert.False(t, ok)
}

// TestLongWords: a word of a quarter megabyte takes about as long as that much of words.
func TestLongWords(t *testing.T) {
	for _, name := range []string{"gpt2", "llama3", "llama2"} {
		tok, _ := readGolden(t, "testdata/tokenizers/"+name+".json")
		for _, unit := range []string{"a", "the", " ", "\n ", "7", "é", "\u0301"} {
			text := strings.Repeat(unit, (1<<18)/len(unit))
			start := time.Now()
			ids := tok.Encode(text)
			assert.Less(t, time.Since(start), 20*time.Second, "%s %q", name, unit)
			assert.Equal(t, text, tok.Decode(ids, false), "%s %q", name, unit)
		}
	}
}

func TestInvalidUTF8(t *testing.T) {
	tok, _ := readGolden(t, "testdata/tokenizers/smollm2.json")
	assert.Equal(t, tok.Encode("a\uFFFDb"), tok.Encode("a\xff\xfeb"))
}

func TestConcurrentUse(t *testing.T) {
	tok, g := readGolden(t, "testdata/tokenizers/qwen2.json")
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for _, c := range g.Encode {
				assert.Equal(t, c.IDs, tok.Encode(c.Text))
				tok.Decode(c.IDs, true)
			}
		})
	}
	group.Wait()
}

const tinyTokenizer = `{"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "<s>": 3}, "merges": ["a b"]},
 "added_tokens": [{"id": 3, "content": "<s>", "special": true}]}`

func TestLoadSettings(t *testing.T) {
	load := func(files map[string]string) (*Tokenizer, error) {
		fsys := fstest.MapFS{"tokenizer.json": {Data: []byte(tinyTokenizer)}}
		for name, data := range files {
			fsys[name] = &fstest.MapFile{Data: []byte(data)}
		}
		return Load(fsys)
	}
	tok, err := load(map[string]string{
		"tokenizer_config.json": `{"bos_token": {"content": "<s>", "lstrip": false}, "eos_token": null, "pad_token": "<pad>", "add_bos_token": true,
			"added_tokens_decoder": {"3": {"content": "<s>", "special": true}, "4": {"content": "<eot>", "special": true}},
			"chat_template": [{"name": "tool_use", "template": "T"}, {"name": "default", "template": "D"}]}`,
		"special_tokens_map.json": `{"bos_token": "a", "eos_token": "ab"}`,
	})
	require.NoError(t, err)
	bos, ok := tok.BOS()
	assert.True(t, ok)
	assert.Equal(t, int32(3), bos, "a configuration that lists its tokens goes before special_tokens_map.json")
	_, ok = tok.EOS()
	assert.False(t, ok, "null says that there is none")
	_, ok = tok.Pad()
	assert.False(t, ok, "a pad token outside the vocabulary")
	assert.Equal(t, []int32{3, 2, 4}, tok.EncodeWithSpecial("ab<eot>"))
	assert.Equal(t, "D", tok.settings.chatTemplate)
	shown := func(tok *Tokenizer, tools string) string {
		c, err := NewChat(tok, nil)
		require.NoError(t, err)
		out, err := c.Render([]Message{{Role: "user", Content: "x"}}, RenderOptions{Tools: json.RawMessage(tools)})
		require.NoError(t, err)
		return out
	}
	assert.Equal(t, "D", shown(tok, ""))
	assert.Equal(t, "T", shown(tok, "[]"))

	tok, err = load(map[string]string{"tokenizer_config.json": `{"chat_template": [{"name": "default", "template": "C"}, {"name": "tool_use", "template": "T"}]}`,
		"chat_template.jinja": "F"})
	require.NoError(t, err)
	assert.Equal(t, "F", shown(tok, "[]"), "files go before the configuration")
	tok, err = load(map[string]string{"chat_template.jinja": "F", "additional_chat_templates/tool_use.jinja": "{{ tools[0].name }}", "additional_chat_templates/rag.jinja": "R"})
	require.NoError(t, err)
	assert.Equal(t, "F", shown(tok, ""))
	assert.Equal(t, "f", shown(tok, `[{"name":"f"}]`))
	for _, beside := range []fstest.MapFS{
		{"chat_template.jinja": {Data: []byte("G")}}, {"tokenizer_config.json": {Data: []byte(`{"chat_template": "G"}`)}},
		{"tokenizer_config.json": {Data: []byte(`{"chat_template": [{"name": "default", "template": "H"}, {"name": "tool_use", "template": "G"}]}`)}},
	} {
		other, err := tok.WithTemplates(beside)
		require.NoError(t, err)
		assert.Equal(t, "G", shown(other, `[{"name":"f"}]`))
		dir := t.TempDir()
		require.NoError(t, other.WriteFiles(dir))
		again, err := Load(os.DirFS(dir))
		require.NoError(t, err)
		assert.Equal(t, "G", shown(again, `[{"name":"f"}]`))
	}
	same, err := tok.WithTemplates(fstest.MapFS{})
	require.NoError(t, err)
	assert.Same(t, tok, same)
	dir := t.TempDir()
	require.NoError(t, tok.WriteFiles(dir))
	again, err := Load(os.DirFS(dir))
	require.NoError(t, err)
	assert.Equal(t, "f", shown(again, `[{"name":"f"}]`))
	assert.FileExists(t, filepath.Join(dir, "additional_chat_templates", "rag.jinja"))
	written, err := os.ReadFile(filepath.Join(dir, "tokenizer.json"))
	require.NoError(t, err)
	assert.Equal(t, tinyTokenizer, string(written))

	tok, err = load(map[string]string{"tokenizer_config.json": `{"bos_token": "<s>", "eos_token": "a"}`, "special_tokens_map.json": `{"bos_token": "b"}`})
	require.NoError(t, err)
	bos, _ = tok.BOS()
	eos, _ := tok.EOS()
	assert.Equal(t, []int32{1, 0}, []int32{bos, eos}, "beside one that does not, special_tokens_map.json wins")

	for content, want := range map[string]string{
		`{"bos_token": "<nope>"}`: `bos_token "<nope>" is not in the vocabulary`,
		`{"bos_token": 7}`:        "bos_token",
		`{"chat_template": 7}`:    "chat_template",
		`{"chat_template": [{"name": "a", "template": "x"}, {"name": "b", "template": "y"}]}`: "none is named default",
		`{"add_bos_token": "x"}`:        "add_bos_token",
		`{"added_tokens_decoder": [1]}`: "added_tokens_decoder",
		`nonsense`:                      "tokenizer_config.json",
	} {
		_, err := load(map[string]string{"tokenizer_config.json": content})
		require.ErrorIs(t, err, ErrFormat, content)
		assert.ErrorContains(t, err, want)
	}
	_, err = Load(fstest.MapFS{})
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// TestRefusals: what cannot be reproduced is refused by name.
func TestRefusals(t *testing.T) {
	const model = `"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}`
	for content, c := range map[string]struct {
		want  error
		tells string
	}{
		`{"model": {"type": "Unigram", "vocab": [["a", -1.0]]}}`:                                                        {ErrUnsupported, "unknown token"},
		`{"model": {"type": "Unigram", "unk_id": 0, "vocab": [["a"]]}}`:                                                 {ErrFormat, "vocab[0]"},
		`{"normalizer": {"type": "Precompiled", "precompiled_charsmap": "CAAAAA=="}, ` + model + `}`:                    {ErrFormat, "cut short"},
		`{"model": {"type": "WordPiece", "vocab": {"a": 0}}}`:                                                           {ErrUnsupported, `"WordPiece"`},
		`{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [], "dropout": 0.1}}`:                                   {ErrUnsupported, "dropout"},
		`{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [], "end_of_word_suffix": "w"}}`:                        {ErrUnsupported, "end_of_word_suffix"},
		`{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [], "continuing_subword_prefix": "##"}}`:                {ErrUnsupported, "continuing_subword_prefix"},
		`{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [], "unk_token": "u"}}`:                                 {ErrFormat, "unk_token"},
		`{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a b"]}}`:                                              {ErrFormat, "merge 0"},
		`{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [["a"]]}}`:                                              {ErrFormat, "not 2"},
		`{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a  b"]}}`:                                             {ErrFormat, "one space"},
		`{"model": {"type": "BPE", "vocab": {"a": -1}, "merges": []}}`:                                                  {ErrFormat, "negative"},
		`{"model": {"type": "BPE", "vocab": {"a": 2000000000}, "merges": []}}`:                                          {ErrFormat, "2000000000"},
		`{"model": {"type": "BPE", "vocab": {"a": 0, "b": 0}, "merges": []}}`:                                           {ErrFormat, "id 0"},
		`{"model": {"type": "BPE", "vocab": {}, "merges": []}}`:                                                         {ErrFormat, "empty"},
		`{"normalizer": {"type": "BertNormalizer"}, ` + model + `}`:                                                     {ErrUnsupported, `"BertNormalizer"`},
		`{"normalizer": {"type": "Sequence", "normalizers": [{"type": "Nmt"}]}, ` + model + `}`:                         {ErrUnsupported, `"Nmt"`},
		`{"normalizer": {"type": "Replace", "pattern": {}, "content": ""}, ` + model + `}`:                              {ErrFormat, "pattern"},
		`{"pre_tokenizer": {"type": "UnicodeScripts"}, ` + model + `}`:                                                  {ErrUnsupported, `"UnicodeScripts"`},
		`{"pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(a+b?)+$"}, "behavior": "Isolated"}, ` + model + `}`: {ErrUnsupported, "backtracks"},
		`{"pre_tokenizer": {"type": "Split", "pattern": {"Regex": "("}, "behavior": "Isolated"}, ` + model + `}`:        {ErrUnsupported, "Split"},
		`{"pre_tokenizer": {"type": "Split", "pattern": {"String": " "}, "behavior": "Odd"}, ` + model + `}`:            {ErrUnsupported, `"Odd"`},
		`{"pre_tokenizer": {"type": "Metaspace", "replacement": "__"}, ` + model + `}`:                                  {ErrFormat, `"__"`},
		`{"decoder": {"type": "WordPiece"}, ` + model + `}`:                                                             {ErrUnsupported, `"WordPiece"`},
		`{"decoder": {"type": "Strip"}, ` + model + `}`:                                                                 {ErrFormat, "Strip"},
		`{"post_processor": {"type": "BertProcessing", "sep": ["a", 0]}, ` + model + `}`:                                {ErrFormat, "cls"},
		`{"post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "x"}}]}, ` + model + `}`:  {ErrFormat, `"x"`},
		`{"added_tokens": [{"id": -4, "content": "x"}], ` + model + `}`:                                                 {ErrFormat, `"x"`},
		`nonsense`: {ErrFormat, "tokenizer.json"},
	} {
		_, err := Load(fstest.MapFS{"tokenizer.json": {Data: []byte(content)}})
		require.ErrorIs(t, err, c.want, content)
		assert.ErrorContains(t, err, c.tells, content)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(tinyTokenizer), "ab<s> ba")
	names, err := filepath.Glob("testdata/tokenizers/*.json")
	require.NoError(f, err)
	for _, name := range names {
		var g golden
		readJSON(f, name, &g)
		// Without most of the vocabulary, so that the mutator finds the interesting parts.
		var doc map[string]json.RawMessage
		require.NoError(f, json.Unmarshal(g.Tokenizer, &doc))
		doc["model"] = json.RawMessage(`{"type": "BPE", "byte_fallback": true, "unk_token": "a", "vocab": {"a": 0, "b": 1, "ab": 2, "▁": 3}, "merges": [["a", "b"]]}`)
		data, err := json.Marshal(doc)
		require.NoError(f, err)
		f.Add(data, "ab <s>\n12é")
	}
	f.Fuzz(func(t *testing.T, data []byte, text string) {
		tok, err := Load(fstest.MapFS{"tokenizer.json": {Data: data}})
		if err != nil {
			require.True(t, errors.Is(err, ErrFormat) || errors.Is(err, ErrUnsupported), "%v", err)
			return
		}
		for _, ids := range [][]int32{tok.Encode(text), tok.EncodeOrdinary(text), tok.EncodeWithSpecial(text)} {
			for _, id := range ids {
				tok.Bytes(id)
			}
			require.True(t, utf8.ValidString(tok.Decode(ids, false)) || !utf8.Valid(data))
		}
	})
}

// FuzzRoundTrip: byte-level tokenizers lose nothing, and a stream joins to the decoded text.
func FuzzRoundTrip(f *testing.F) {
	f.Add("Hello, world! <|im_end|> 12,345 é 🚀 \n\n  x", []byte{1, 200, 30})
	gpt2, _ := readGolden(f, "testdata/tokenizers/gpt2.json")
	smollm, _ := readGolden(f, "testdata/tokenizers/smollm2.json")
	llama, _ := readGolden(f, "testdata/tokenizers/llama3.json")
	spm, _ := readGolden(f, "testdata/tokenizers/llama2.json")
	f.Fuzz(func(t *testing.T, text string, tokens []byte) {
		valid := strings.ToValidUTF8(text, "\uFFFD")
		for _, tok := range []*Tokenizer{gpt2, smollm, llama} {
			require.Equal(t, valid, tok.Decode(tok.Encode(text), false))
			require.Equal(t, valid, tok.Decode(tok.EncodeOrdinary(text), true))
		}
		for _, tok := range []*Tokenizer{gpt2, spm} {
			var ids []int32
			for i, b := range tokens {
				ids = append(ids, (int32(b)+int32(i)*7)%int32(tok.VocabSize()))
			}
			stream, joined := tok.NewStream(false), ""
			for _, id := range ids {
				piece := stream.Push(id)
				require.True(t, utf8.ValidString(piece))
				joined += piece
			}
			require.Equal(t, tok.Decode(ids, false), joined+stream.Flush())
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	tok, _ := readGolden(b, "testdata/tokenizers/llama3.json")
	text := strings.Repeat("The course awards six ECTS; attendance of at least 80% is required. ", 1000)
	b.SetBytes(int64(len(text)))
	tokens := 0
	for b.Loop() {
		tokens += len(tok.Encode(text))
	}
	b.ReportMetric(float64(tokens)/b.Elapsed().Seconds(), "tok/s")
}
