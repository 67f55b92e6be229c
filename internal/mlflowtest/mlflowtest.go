// Package mlflowtest has what tests against MLflow need: a [Fake] of its server, and on Unix the real one, started and
// stopped with a test.
package mlflowtest

import (
	"os"
	"os/exec"
	"testing"
)

// Python is the interpreter that DOCENT_PYTHON names, which must have MLflow; otherwise the test is skipped.
func Python(t testing.TB) string {
	t.Helper()
	python := os.Getenv("DOCENT_PYTHON")
	if python == "" || exec.Command(python, "-m", "mlflow", "--version").Run() != nil {
		t.Skip("DOCENT_PYTHON names no interpreter with MLflow; make test-full fetches one")
	}
	return python
}
