//go:build !unix

package main

import (
	"context"
	"os/exec"
)

// child is a command that is killed when ctx ends.
func child(ctx context.Context, name string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, name, args...)
}

// stop ends the program; there is no gentle way on this system.
func stop(cmd *exec.Cmd) error { return cmd.Process.Kill() }
