package program

import (
	"errors"
	"flag"
	"io"
	"net"
	"os"

	"github.com/docent-ml/docent/examples/internal/config"
)

// Settings loads a program's settings from all their layers. done says that there is nothing more to do, because help or
// the explanation of the settings was asked for and has been written.
func Settings[T any](load func(config.Input) (T, *config.Explain, error), help func() string, args, environ []string, stdout io.Writer) (cfg T, explain *config.Explain, done bool, err error) {
	cfg, explain, err = load(config.Input{
		Folder: os.DirFS, System: os.DirFS("/"), Environ: environ, Args: args, LookupHost: net.LookupHost,
	})
	switch {
	case errors.Is(err, flag.ErrHelp):
		_, err = io.WriteString(stdout, help())
		return cfg, explain, true, err
	case explain.Requested:
		_, writeErr := io.WriteString(stdout, explain.String())
		return cfg, explain, true, errors.Join(err, writeErr)
	case err != nil:
		return cfg, explain, false, err
	}
	return cfg, explain, false, nil
}
