package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/dataset"
	"github.com/docent-ml/docent/examples/internal/progress"
	"github.com/docent-ml/docent/internal/lm/adapter"
	"github.com/docent-ml/docent/internal/testmodel"
	"github.com/docent-ml/docent/lora"
)

const (
	shareGPT = `{"conversations": [{"from": "human", "value": "Who winds the clock?"}, {"from": "gpt", "value": "The porter."}]}` + "\n"
	alpaca   = `[{"instruction": "Name the gate.", "input": "", "output": "The north gate."}]`
)

// TestOwnRowsAndTheBestAdapter: rows of other forms are learned beside those of the documents, and the adapter of the best
// measurement is the one that comes out.
func TestOwnRowsAndTheBestAdapter(t *testing.T) {
	rows := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(rows, "more"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(rows, "chat.jsonl"), []byte(shareGPT), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(rows, "more", "tasks.json"), []byte(alpaca), 0o644))
	docs, base, data := library(t, true), testmodel.Write(t, 1), filepath.Join(t.TempDir(), "data")
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), args(docs, base, data, "-max-steps", "4", "-eval-every", "2", "-best", "answers", "-rows", rows, "-eval-fraction", "0"), environ, &out), out.String())
	text := out.String()
	assert.Contains(t, text, "1 of chat.jsonl, in the form sharegpt")
	assert.Contains(t, text, "1 of more/tasks.json, in the form alpaca")
	assert.Contains(t, text, "the adapter after step 2 of 4, by answers", "none of the measurements is better than the first: it answers nothing")
	trained, err := readAll[dataset.Row](filepath.Join(data, "train.jsonl"))
	require.NoError(t, err)
	sources := map[string]string{}
	for _, r := range trained {
		sources[r.Source] = r.Messages[len(r.Messages)-1].Content
	}
	assert.Equal(t, "The porter.", sources["chat.jsonl"])
	assert.Equal(t, "The north gate.", sources["more/tasks.json"])

	exported, err := adapter.Load(os.DirFS(filepath.Join(data, "adapter")))
	require.NoError(t, err)
	best, err := adapter.Load(os.DirFS(filepath.Join(data, "artifacts_tmp", "best")))
	require.NoError(t, err)
	assert.Equal(t, best.Digest(), exported.Digest())
	latest, err := lora.LatestCheckpoint(filepath.Join(data, "artifacts_tmp"))
	require.NoError(t, err)
	last, err := adapter.Load(os.DirFS(latest))
	require.NoError(t, err)
	assert.NotEqual(t, last.Digest(), exported.Digest())
}

func TestOwnRowsThatDoNotFit(t *testing.T) {
	file := filepath.Join(t.TempDir(), "chat.jsonl")
	p := &pipeline{out: progress.New(&bytes.Buffer{}, progress.Options{})}
	p.Rows = file
	require.NoError(t, os.WriteFile(file, []byte(shareGPT+`{"conversations": [{"from": "human", "value": "Who?"}, {"from": "bot", "value": "I."}]}`), 0o644))
	_, err := p.ownRows()
	require.ErrorIs(t, err, dataset.ErrRow)
	assert.ErrorContains(t, err, "chat.jsonl:2")
	assert.ErrorContains(t, err, "conversations[1].from")
	p.Rows = t.TempDir()
	_, err = p.ownRows()
	assert.ErrorContains(t, err, "no .jsonl or .json file")
	p.Rows = filepath.Join(p.Rows, "nowhere")
	_, err = p.ownRows()
	require.ErrorIs(t, err, os.ErrNotExist)
}
