//go:build race

package ingest

// The race detector multiplies memory, so that limits on it mean nothing.
const underRace = true
