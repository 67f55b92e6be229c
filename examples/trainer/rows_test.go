package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/dataset"
	"github.com/docent-ml/docent/examples/internal/progress"
	"github.com/docent-ml/docent/internal/lm/adapter"
	"github.com/docent-ml/docent/internal/testmodel"
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
	train := func(measure string, more ...string) string {
		var out bytes.Buffer
		more = append(more, "-max-steps", "3", "-eval-every", "1", "-best", measure, "-rows", rows)
		require.NoError(t, run(t.Context(), args(docs, base, data, more...), environ, &out), out.String())
		return out.String()
	}
	exported := func(folder string) string {
		a, err := adapter.Load(os.DirFS(filepath.Join(data, folder)))
		require.NoError(t, err)
		return a.Digest()
	}
	assert.Regexp(t, "the adapter after step [1-3] of 3, by answers", train("answers", "-eval-fraction", "0"))
	assert.Equal(t, exported("artifacts_tmp/best"), exported("adapter"))

	var text string
	best := point{Step: 3}
	for seed := 1; best.Step == 3 && seed < 9; seed++ { // until the last step is not the best
		text = train("loss", "-lr", "0.3", "-seed", fmt.Sprint(seed), "-schedule", "constant")
		points, err := readAll[point](filepath.Join(data, historyFile))
		require.NoError(t, err)
		best = point{EvalLoss: 1e9}
		for _, x := range points {
			if x.EvalRows > 0 && x.Step > 0 && x.EvalLoss < best.EvalLoss {
				best = x
			}
		}
	}
	require.Less(t, best.Step, 3)
	assert.Contains(t, text, fmt.Sprintf("the adapter after step %d of 3, by loss", best.Step))
	assert.Equal(t, exported("artifacts_tmp/best"), exported("adapter"))
	assert.NotEqual(t, exported("artifacts_tmp/step-000003"), exported("adapter"))

	assert.Contains(t, text, "1 of chat.jsonl, in the form sharegpt")
	assert.Contains(t, text, "1 of more/tasks.json, in the form alpaca")
	trained, err := readAll[dataset.Row](filepath.Join(data, "train.jsonl"))
	require.NoError(t, err)
	held, err := readAll[dataset.Row](filepath.Join(data, evalFile))
	require.NoError(t, err)
	sources := map[string]string{}
	for _, r := range append(trained, held...) {
		sources[r.Source] = r.Messages[len(r.Messages)-1].Content
	}
	assert.Equal(t, "The porter.", sources["chat.jsonl"])
	assert.Equal(t, "The north gate.", sources["more/tasks.json"])
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
