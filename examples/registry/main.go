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
	log, err := program.Logger(os.Stderr, cfg.Common)
	if err != nil {
		return err
	}
	for _, note := range explain.Notes {
		log.Warn(note)
	}
	do, err := command(cfg.Args)
	if err != nil {
		return err
	}
	reg, err := program.OpenRegistry(ctx, cfg.Common, program.RegistryOptions{MustExist: true, Logger: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, reg.Close()) }()
	if cfg.By == "" {
		cfg.By = program.User(environ)
	}
	return do(ctx, &tool{cfg: cfg, registry: reg, out: stdout})
}

// tool is one call of the program.
type tool struct {
	cfg      config.Tool
	registry program.Registry
	out      io.Writer
}

const commands = "list, history, show, verify, sign, whence, compare, promote, rollback, copy or prune"

// command reads the operands before anything is opened.
func command(args []string) (func(context.Context, *tool) error, error) {
	if len(args) == 0 {
		return nil, errors.New("nothing to do: " + commands + "; see -h")
	}
	name, args := args[0], args[1:]
	usage := func(form string) error { return fmt.Errorf("%s takes other operands: %s %s; see -h", name, name, form) }
	switch name {
	case "list":
		switch len(args) {
		case 0:
			return listModels, nil
		case 1:
			return func(ctx context.Context, t *tool) error { return listVersions(ctx, t, args[0]) }, nil
		}
		return nil, usage("[MODEL]")
	case "history":
		if len(args) != 1 {
			return nil, usage("MODEL")
		}
		return func(ctx context.Context, t *tool) error { return history(ctx, t, args[0]) }, nil
	case "whence":
		if len(args) != 1 {
			return nil, usage("FINGERPRINT")
		}
		return func(ctx context.Context, t *tool) error { return whence(ctx, t, args[0]) }, nil
	case "show", "verify":
		refs, err := parseRefs(args)
		if err != nil || len(refs) != 1 {
			return nil, errors.Join(usage("REF"), err)
		}
		do := map[string]func(context.Context, *tool, registry.URI) error{"show": show, "verify": verify}[name]
		return func(ctx context.Context, t *tool) error { return do(ctx, t, refs[0]) }, nil
	case "sign":
		if len(args) != 2 {
			return nil, usage("REF KEY")
		}
		refs, err := parseRefs(args[:1])
		if err != nil {
			return nil, errors.Join(usage("REF KEY"), err)
		}
		return func(ctx context.Context, t *tool) error { return sign(ctx, t, refs[0], args[1]) }, nil
	case "compare":
		refs, err := parseRefs(args)
		if err != nil || len(refs) < 2 {
			return nil, errors.Join(usage("REF REF..."), err)
		}
		return func(ctx context.Context, t *tool) error { return compare(ctx, t, refs) }, nil
	case "promote":
		if len(args) < 2 || len(args) > 3 {
			return nil, usage("MODEL N [STAGE]")
		}
		number, err := strconv.Atoi(args[1])
		if err != nil {
			return nil, usage("MODEL N [STAGE], where N is the number of a version")
		}
		stage := registry.Production
		if len(args) == 3 {
			if stage, err = registry.ParseStage(args[2]); err != nil {
				return nil, err
			}
		}
		return func(ctx context.Context, t *tool) error { return promote(ctx, t, args[0], number, stage) }, nil
	case "rollback":
		if len(args) != 1 {
			return nil, usage("MODEL")
		}
		return func(ctx context.Context, t *tool) error { return rollback(ctx, t, args[0]) }, nil
	case "prune":
		if len(args) != 0 {
			return nil, usage("")
		}
		return prune, nil
	case "copy":
		if len(args) != 2 {
			return nil, usage("REF WHERE")
		}
		refs, err := parseRefs(args[:1])
		if err != nil {
			return nil, errors.Join(usage("REF WHERE"), err)
		}
		to, err := config.ParseRegistry(args[1])
		if err != nil {
			return nil, fmt.Errorf("copy: the other registry %w", err)
		}
		return func(ctx context.Context, t *tool) error { return copyVersion(ctx, t, refs[0], to) }, nil
	}
	return nil, fmt.Errorf("there is no command %q: %s; see -h", name, commands)
}

func parseRefs(args []string) ([]registry.URI, error) {
	var refs []registry.URI
	for _, arg := range args {
		u, err := registry.ParseURI(arg)
		if err != nil {
			return nil, err
		}
		refs = append(refs, u)
	}
	return refs, nil
}
