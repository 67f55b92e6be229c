// Command registry lists, compares, verifies, promotes and copies the models that the trainer registered, in a folder or on an
// MLflow server. "go run ./examples/registry -h" is its manual.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/docent-ml/docent/examples/internal/config"
	"github.com/docent-ml/docent/examples/internal/program"
	"github.com/docent-ml/docent/registry"
)

func main() { program.Main(run) }

// run is the program. What it is asked for goes to stdout, logs go to standard error.
func run(ctx context.Context, args, environ []string, stdout io.Writer) (err error) {
	cfg, explain, done, err := program.Settings(config.LoadTool, config.ToolHelp, args, environ, stdout)
	if done || err != nil {
		return err
	}
	log, err := program.Logger(os.Stderr, cfg.Common, explain.Notes)
	if err != nil {
		return err
	}
	t := &tool{cfg: cfg, out: stdout}
	do, err := t.command(cfg.Args)
	if err != nil {
		return err
	}
	t.registry, err = program.OpenRegistry(ctx, cfg.Common, program.RegistryOptions{MustExist: true, Logger: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.registry.Close()) }()
	if t.cfg.By == "" {
		t.cfg.By = program.User(environ)
	}
	return do(ctx, t)
}

// tool is one call of the program.
type tool struct {
	cfg      config.Tool
	registry program.Registry
	out      io.Writer
	operands
}

// operands are what a command is given, by the names that its form has for them.
type operands struct {
	model, fingerprint, key string
	number                  int
	stage                   registry.Stage
	refs                    []registry.URI
	where                   config.Registry
}

// version is the one that the command is given, with its files.
func (t *tool) version(ctx context.Context) (v registry.Version, files []registry.File, err error) {
	if v, err = t.registry.Resolve(ctx, t.refs[0]); err == nil {
		files, err = t.registry.Files(ctx, v)
	}
	return v, files, err
}

// commands are what the program does, each with the form of its operands.
var commands = []struct {
	name, form string
	do         func(context.Context, *tool) error
}{
	{"list", "[MODEL]", list},
	{"history", "MODEL", history},
	{"show", "REF", func(ctx context.Context, t *tool) error { return show(ctx, t, t.refs[0]) }},
	{"verify", "REF", verify},
	{"sign", "REF KEY", sign},
	{"whence", "FINGERPRINT", whence},
	{"compare", "REF REF...", compare},
	{"promote", "MODEL N [STAGE]", promote},
	{"rollback", "MODEL", rollback},
	{"copy", "REF WHERE", copyVersion},
	{"prune", "", prune},
}

// command finds what is to be done and reads the operands, before anything is opened.
func (t *tool) command(args []string) (func(context.Context, *tool) error, error) {
	var names []string
	for _, c := range commands {
		if len(args) > 0 && args[0] == c.name {
			if err := t.read(c.form, args[1:]); err != nil {
				return nil, fmt.Errorf("%s %s: %w; see -h", c.name, c.form, err)
			}
			return c.do, nil
		}
		names = append(names, c.name)
	}
	if len(args) == 0 {
		return nil, fmt.Errorf("nothing to do: name one of %s; see -h", strings.Join(names, ", "))
	}
	return nil, fmt.Errorf("there is no command %q among %s; see -h", args[0], strings.Join(names, ", "))
}

// read takes operands by their form: [X] may be left out, X... may be followed by more of its kind.
func (t *tool) read(form string, args []string) (err error) {
	kinds := strings.Fields(form)
	for i, arg := range args {
		if i >= len(kinds) && strings.HasSuffix(form, "...") {
			kinds = append(kinds, kinds[i-1])
		} else if i >= len(kinds) {
			return fmt.Errorf("%s is one operand too many", arg)
		}
		switch strings.Trim(kinds[i], "[.]") {
		case "MODEL":
			t.model = arg
		case "FINGERPRINT":
			t.fingerprint = arg
		case "KEY":
			t.key = arg
		case "N":
			if t.number, err = strconv.Atoi(arg); err != nil {
				return fmt.Errorf("%s is not the number of a version", arg)
			}
		case "STAGE":
			t.stage, err = registry.ParseStage(arg)
		case "WHERE":
			if t.where, err = config.ParseRegistry(arg); err != nil {
				err = fmt.Errorf("the other registry %w", err)
			}
		case "REF":
			if !strings.Contains(arg, ":/") { // handbook/3
				arg = "models:/" + arg
			}
			var u registry.URI
			u, err = registry.ParseURI(arg)
			t.refs = append(t.refs, u)
		}
		if err != nil {
			return err
		}
	}
	if len(args) < len(kinds) && kinds[len(args)][0] != '[' {
		return fmt.Errorf("%s is missing", strings.Trim(kinds[len(args)], "."))
	}
	return nil
}
