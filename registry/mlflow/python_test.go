//go:build unix

package mlflow

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/mlflowtest"
	"github.com/docent-ml/docent/internal/testmodel"
)

// testPython opens what this package registers with MLflow's own client.
func testPython(t *testing.T, s *mlflowtest.Server) {
	c := newClient(t, Options{URL: s.URL})
	adapter := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(adapter, "adapter_config.json"), []byte(`{"peft_type": "LORA"}`), 0o600))
	for name, folder := range map[string]string{"guide": testmodel.Write(t, 1), "v1.2 größe": adapter} {
		v := publish(t, c, name, os.DirFS(folder))
		cmd := exec.CommandContext(t.Context(), mlflowtest.Python(t), filepath.Join("..", "..", "internal", "ci", "mlflow_check.py"),
			s.URL, v.Name, strconv.Itoa(v.Number), folder)
		cmd.Env = append(os.Environ(), "HF_HUB_OFFLINE=1", "MLFLOW_DISABLE_TELEMETRY=true")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		t.Logf("%s", out[max(0, len(out)-200):])
	}
}
