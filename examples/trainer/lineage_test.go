package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/examples/internal/program"
	"github.com/docent-ml/docent/examples/internal/report"
	"github.com/docent-ml/docent/registry"
)

// requireLineage holds report.json against the published schema, and what it says against the files and the registry. It
// returns the command.
func requireLineage(t *testing.T, docs, data string, reg registry.Registry, v registry.Version) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(data, report.LineageFile))
	require.NoError(t, err)
	schema, err := jsonschema.NewCompiler().Compile(filepath.Join("..", "..", "docs", "lineage.schema.json"))
	require.NoError(t, err)
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(t, err)
	require.NoError(t, schema.Validate(value))

	var l report.Lineage
	require.NoError(t, json.Unmarshal(text, &l))
	for _, rows := range l.Rows {
		digest, err := fileDigest(filepath.Join(data, rows.File))
		require.NoError(t, err)
		assert.Equal(t, digest, rows.Digest)
		assert.NotZero(t, rows.Rows)
	}
	read := map[string]string{}
	for _, d := range l.Documents {
		digest, err := fileDigest(filepath.Join(docs, d.Path))
		require.NoError(t, err)
		assert.Equal(t, digest, d.Digest, d.Path)
		read[d.Path] = d.Outcome
	}
	assert.Equal(t, map[string]string{"broken.pdf": "malformed", "sub/lamps.txt": "ok", "tides.md": "ok"}, read)
	files, err := reg.Files(t.Context(), v)
	require.NoError(t, err)
	for _, f := range files {
		assert.Equal(t, f.SHA256, l.Model.Files[f.Path])
	}
	assert.Contains(t, l.Model.Files, "README.md")
	assert.Equal(t, v.Tags["base_sha256"], l.Base.Digest)
	assert.Equal(t, v.Tags[program.FingerprintTag], l.Model.Fingerprint)
	assert.Contains(t, l.Settings, report.SettingOrigin{Key: "rank", Value: "4", Origin: "-rank"})
	assert.Equal(t, filepath.Join(docs, "facts.jsonl"), l.Questions.Source)

	page, err := os.ReadFile(filepath.Join(data, "report.html"))
	require.NoError(t, err)
	for _, fact := range []string{l.Base.Digest, l.Rows[0].Digest, l.Run.ID, l.Model.Fingerprint, l.Documents[0].Digest, "-rank"} {
		assert.Contains(t, string(page), fact)
	}
	stored := filepath.Join(t.TempDir(), "stored")
	artifact, err := reg.Resolve(t.Context(), registry.URI{RunID: v.RunID, Path: report.LineageFile})
	require.NoError(t, err)
	require.NoError(t, reg.Download(t.Context(), artifact, stored))
	again, err := os.ReadFile(filepath.Join(stored, report.LineageFile))
	require.NoError(t, err)
	assert.Equal(t, text, again)

	card, err := os.ReadFile(filepath.Join(data, "model_out", "README.md"))
	require.NoError(t, err)
	for _, want := range []string{"library_name: transformers\n", "metrics:\n    - {type: accuracy, name: \"as written\"", l.Base.Digest, "# tides\n"} {
		assert.Contains(t, string(card), want)
	}
	return l.Program.Command
}
