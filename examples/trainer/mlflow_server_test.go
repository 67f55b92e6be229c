//go:build unix

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/mlflowtest"
	"github.com/docent-ml/docent/internal/testmodel"
)

// TestServerTrainer is the whole trainer against a real MLflow server, whose own client then opens what came out.
func TestServerTrainer(t *testing.T) {
	s := mlflowtest.StartServer(t)
	docs, base, data := library(t, true), testmodel.Write(t, 1), filepath.Join(t.TempDir(), "data")
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), args(docs, base, data, "-max-steps", "3", "-registry", s.URL), environ, &out), out.String())
	v := requirePublished(t, s.URL, 3)
	cmd := exec.CommandContext(t.Context(), mlflowtest.Python(t), filepath.Join("..", "..", "internal", "ci", "mlflow_check.py"),
		s.URL, v.Name, strconv.Itoa(v.Number), filepath.Join(data, "model_out"))
	cmd.Env = append(os.Environ(), "HF_HUB_OFFLINE=1", "MLFLOW_DISABLE_TELEMETRY=true")
	checked, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", checked)
	requireGoesOn(t, s.URL)
	t.Logf("%s", checked[max(0, len(checked)-200):])
}
