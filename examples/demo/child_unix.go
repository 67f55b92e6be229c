//go:build unix

package main

import (
	"context"
	"os/exec"
	"syscall"
)

// child is a command that is asked to stop when ctx ends. It gets a process group of its own: otherwise Ctrl-C would
// reach it twice, from the terminal and from here, and the second time kills.
func child(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return stop(cmd) }
	return cmd
}

// stop asks the program to end.
func stop(cmd *exec.Cmd) error { return cmd.Process.Signal(syscall.SIGTERM) }
