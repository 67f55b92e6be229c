package main

import (
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/examples/internal/progress"
	"github.com/docent-ml/docent/ingest"
	"github.com/docent-ml/docent/internal/testlog"
)

// A document may take down the process that reads it: it must not be this one.
func TestDocumentsAreReadInOtherProcesses(t *testing.T) {
	var log testlog.Buffer
	p := &pipeline{
		log: log.Logger(),
		out: progress.New(io.Discard, progress.Options{}),
	}
	p.Docs = library(t, false)
	var found ingest.Report
	for _, err := range p.walk(t.Context(), &found) {
		require.NoError(t, err)
	}
	assert.Equal(t, 2, found.Read)
	assert.Contains(t, log.String(), "isolated=true")
	assert.Contains(t, log.String(), "child process started")
}
