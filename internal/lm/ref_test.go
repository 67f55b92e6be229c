package lm

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func ExampleParseRef() {
	for _, s := range []string{"HuggingFaceTB/SmolLM2-135M-Instruct@main", "./model_out", "models/tiny.gguf"} {
		ref, err := ParseRef(s)
		fmt.Println(ref.Kind, ref, err)
	}
	_, err := ParseRef("https://huggingface.co/Qwen/Qwen3-0.6B/tree/main")
	fmt.Println(err)
	// Output:
	// hf HuggingFaceTB/SmolLM2-135M-Instruct@main <nil>
	// dir ./model_out <nil>
	// gguf models/tiny.gguf <nil>
	// lm: not a base model reference: "https://huggingface.co/Qwen/Qwen3-0.6B/tree/main": it is a web address; write Qwen/Qwen3-0.6B@main
}

func TestParseRef(t *testing.T) {
	for s, want := range map[string]Ref{
		"owner/name":                 {Kind: Hub, Repo: "owner/name"},
		"owner/name@v1.0":            {Kind: Hub, Repo: "owner/name", Revision: "v1.0"},
		"owner/name@refs/pr/1":       {Kind: Hub, Repo: "owner/name", Revision: "refs/pr/1"},
		"owner/name@a@b":             {Kind: Hub, Repo: "owner/name", Revision: "a@b"},
		"hf:owner/name":              {Kind: Hub, Repo: "owner/name"},
		"hf:gpt2":                    {Kind: Hub, Repo: "gpt2"},
		"hf:owner/tiny.gguf":         {Kind: Hub, Repo: "owner/tiny.gguf"},
		"owner/tiny.gguf@main":       {Kind: Hub, Repo: "owner/tiny.gguf", Revision: "main"},
		".":                          {Kind: Dir, Path: "."},
		"./model":                    {Kind: Dir, Path: "./model"},
		"../a/b/c":                   {Kind: Dir, Path: "../a/b/c"},
		"/srv/models/x@y":            {Kind: Dir, Path: "/srv/models/x@y"},
		"/srv/a:b":                   {Kind: Dir, Path: "/srv/a:b"},
		`C:\models\x`:                {Kind: Dir, Path: `C:\models\x`},
		"d:/models/x":                {Kind: Dir, Path: "d:/models/x"},
		`\\server\share`:             {Kind: Dir, Path: `\\server\share`},
		`models\x`:                   {Kind: Dir, Path: `models\x`},
		"dir:model":                  {Kind: Dir, Path: "model"},
		"dir:owner/name":             {Kind: Dir, Path: "owner/name"},
		"dir:./x.gguf":               {Kind: Dir, Path: "./x.gguf"},
		"dir:hf:x":                   {Kind: Dir, Path: "hf:x"},
		"model.gguf":                 {Kind: GGUF, Path: "model.gguf"},
		"owner/name.GGUF":            {Kind: GGUF, Path: "owner/name.GGUF"},
		"/srv/model.gguf":            {Kind: GGUF, Path: "/srv/model.gguf"},
		`C:\m.gguf`:                  {Kind: GGUF, Path: `C:\m.gguf`},
		"gguf:./blob":                {Kind: GGUF, Path: "./blob"},
		"gguf:sha256:0123":           {Kind: GGUF, Path: "sha256:0123"},
		"./a folder with spaces/and": {Kind: Dir, Path: "./a folder with spaces/and"},
	} {
		got, err := ParseRef(s)
		require.NoError(t, err, s)
		assert.Equal(t, want, got, s)
		again, err := ParseRef(got.String())
		require.NoError(t, err, s)
		assert.Equal(t, got, again, "String of %q is %q", s, got)
	}
}

// Each refusal tells what to write instead.
func TestParseRefErrors(t *testing.T) {
	for s, hint := range map[string]string{
		"":                              "write owner/name",
		" ./x":                          "space",
		"./x\n":                         "control character",
		"./a\x00b":                      "control character",
		"gpt2":                          "write owner/gpt2 for a model on the Hub, ./gpt2 for a folder here, or hf:gpt2",
		"gpt2@main":                     "hf:gpt2@main",
		"models/smollm/final":           "./models/smollm/final",
		"owner/name@":                   "leave the @ out",
		"owner/name@a..b":               `".." and "@{" are not allowed`,
		"owner/na me":                   "letters, digits",
		"-owner/name":                   "letters, digits",
		"owner--x/name":                 "--",
		"hf:":                           "it is empty",
		"hf:a/b/c":                      "one slash",
		"hf://owner/name":               "write owner/name",
		"hf:dir:x":                      "no colon",
		"dir:":                          "path is missing",
		"gguf:":                         "path is missing",
		"~/models/x":                    "whole path",
		"~/models/x.gguf":               "whole path",
		"models:/handbook/Production":   "registry",
		"runs:/1/model":                 "registry",
		"HF:owner/name":                 "prefixes are hf:, dir: and gguf:",
		"ollama:llama3":                 "prefixes are hf:, dir: and gguf:",
		"file:///srv/x":                 "file address",
		"https://huggingface.co/o/n":    "write o/n",
		"https://example.org":           "write owner/name",
		"http://h/o/n/blob/main/x.gguf": "write o/n",
	} {
		_, err := ParseRef(s)
		require.ErrorIs(t, err, ErrRef, s)
		assert.ErrorContains(t, err, hint, s)
	}
}

func FuzzParseRef(f *testing.F) {
	for _, s := range []string{"owner/name@main", "hf:gpt2", "./x", `C:\x.gguf`, "dir:x.gguf", "models:/a/3", "https://a/b/c/tree/d/e", "~", ":", "@", "a:", "é:x", "hf:a.gguf@b.gguf"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ref, err := ParseRef(s)
		if err != nil {
			require.ErrorIs(t, err, ErrRef)
			require.Zero(t, ref)
			return
		}
		require.Equal(t, ref.Kind == Hub, ref.Repo != "")
		require.Equal(t, ref.Kind == Hub, ref.Path == "")
		again, err := ParseRef(ref.String())
		require.NoError(t, err)
		require.Equal(t, ref, again)
	})
}
