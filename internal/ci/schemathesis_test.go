package ci_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSchemathesis has generated requests sent to the example server, valid and not, and holds the answers against its
// own OpenAPI document: no 5xx, no status or body that it does not describe.
func TestSchemathesis(t *testing.T) {
	program := os.Getenv("DOCENT_SCHEMATHESIS")
	if program == "" {
		t.Skip("DOCENT_SCHEMATHESIS names no schemathesis program; make test-full installs it")
	}
	base := strings.TrimSuffix(startServer(t), "/v1")
	cmd := exec.CommandContext(t.Context(), program, "run", base+"/openapi.json", "--seed", "1", "--max-examples", "40", "--workers", "1",
		"--request-timeout", "60", "--suppress-health-check", "all", "--no-color", "--checks", "not_a_server_error,status_code_conformance,"+
			"content_type_conformance,response_schema_conformance,negative_data_rejection,unsupported_method")
	cmd.Dir = t.TempDir() // it keeps what it has found
	cmd.Env = append(os.Environ(), "PYTHONUTF8=1")
	report, err := cmd.CombinedOutput()
	require.NoError(t, err, string(report))
	t.Log(string(report))
}
