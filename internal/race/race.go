//go:build race

// Package race tells tests whether the race detector watches them: it multiplies memory and time, so that limits on either mean nothing.
package race

const Enabled = true
