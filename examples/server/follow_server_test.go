//go:build unix

package main

import (
	"testing"

	"github.com/docent-ml/docent/internal/mlflowtest"
)

// TestServerFollowed follows a real MLflow server.
func TestServerFollowed(t *testing.T) {
	s := mlflowtest.StartServer(t)
	requireFollows(t, mlflowAt(t, s.URL), s.URL)
}
