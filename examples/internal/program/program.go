// Package program is what the example programs have in common beside their settings: how main ends, where logs go, and
// which registry is opened.
//
//	func main() { program.Main(run) }
//
//	func run(ctx context.Context, args, environ []string, stdout io.Writer) error { … }
package program

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// Main calls run with the process's arguments, environment and standard output, and ends the process: with status 1 and
// the error on standard error, or with 130 if it was interrupted. The first interrupt or SIGTERM cancels the context,
// the second kills.
func Main(run func(ctx context.Context, args, environ []string, stdout io.Writer) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // from now on signals do what they do by default
	err := run(ctx, os.Args[1:], os.Environ(), os.Stdout)
	switch {
	case err == nil:
		return
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(130)
	}
	fmt.Fprintln(os.Stderr, "error:", err)
	os.Exit(1)
}

// Logger logs to w as the settings of both programs say: format is "text" or "json".
func Logger(w io.Writer, format string, level slog.Level) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// User is who runs this program, for records: the login of the environment and the machine, such as "ada@library".
func User(environ []string) string {
	host, _ := os.Hostname()
	login := ""
	for _, name := range []string{"USER", "LOGNAME", "USERNAME"} {
		for _, entry := range environ {
			if value, ok := strings.CutPrefix(entry, name+"="); ok && login == "" {
				login = value
			}
		}
	}
	if login == "" || host == "" {
		return login + host
	}
	return login + "@" + host
}
