// Package mlflowtest has what tests against MLflow need: a [Fake] of its server, and on Unix the real one, started and
// stopped with a test.
package mlflowtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Program is the mlflow command: DOCENT_MLFLOW, or the one beside DOCENT_PYTHON. Without either the test is skipped.
func Program(t testing.TB) string {
	t.Helper()
	if program := os.Getenv("DOCENT_MLFLOW"); program != "" {
		return program
	}
	if python := os.Getenv("DOCENT_PYTHON"); python != "" {
		if program := filepath.Join(filepath.Dir(python), "mlflow"); exec.Command(program, "--version").Run() == nil {
			return program
		}
	}
	t.Skip("neither DOCENT_MLFLOW names the mlflow command nor DOCENT_PYTHON an interpreter with MLflow; make test-full fetches one")
	return ""
}

// Python is the interpreter that MLflow is installed for, which lies beside its command.
func Python(t testing.TB) string {
	t.Helper()
	return filepath.Join(filepath.Dir(Program(t)), "python")
}
