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
	"path/filepath"
	"strings"
	"syscall"

	"gopkg.in/natefinch/lumberjack.v2"

	"github.com/docent-ml/docent/examples/internal/config"
)

// Main calls run with the process's arguments, environment and standard output, and ends the process: with status 1 and
// the error on standard error, or with 130 if it was interrupted. The first interrupt or SIGTERM cancels the context,
// the second kills. -version as the first argument tells the build instead.
func Main(run func(ctx context.Context, args, environ []string, stdout io.Writer) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // from now on signals do what they do by default
	if len(os.Args) > 1 && (os.Args[1] == "-version" || os.Args[1] == "--version") {
		fmt.Println(filepath.Base(os.Args[0]), Version())
		return
	}
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

// Logger logs to w as the settings say, and to the rotated file that they name. It begins with the notes about them.
func Logger(w io.Writer, c config.Common, notes []string) (*slog.Logger, error) {
	if c.LogFile != "" {
		file := &lumberjack.Logger{Filename: c.LogFile, MaxSize: 50, MaxBackups: 5}
		if _, err := file.Write(nil); err != nil { // which opens it
			return nil, fmt.Errorf("log file: %w: name another with -log-file", err)
		}
		w = io.MultiWriter(w, file)
	}
	options := &slog.HandlerOptions{Level: c.LogLevel}
	log := slog.New(slog.NewTextHandler(w, options))
	if c.LogFormat == "json" {
		log = slog.New(slog.NewJSONHandler(w, options))
	}
	for _, note := range notes {
		log.Warn(note)
	}
	return log, nil
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
