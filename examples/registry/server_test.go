//go:build unix

package main

import (
	"testing"

	"github.com/docent-ml/docent/internal/mlflowtest"
)

// TestServerCommands calls the commands on a real MLflow server, and copies to and from it.
func TestServerCommands(t *testing.T) {
	s := mlflowtest.StartServer(t)
	requireCommands(t, clientOf(t, s.URL), s.URL)
	requireCopies(t, clientOf(t, s.URL), s.URL)
}
