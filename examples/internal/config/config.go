// Package config is the layered configuration that the example programs share.
//
// A setting is declared once, in common.go, trainer.go or server.go, with its JSON key, environment names, flag, default,
// limits and one line of help. From that declaration come the parsing of every layer, the -h page, the -explain listing
// and the sample files. The layers, each covering the one before:
//
//	defaults ← base.json ← development.json or production.json ← .env.local or .env.docker ← environment ← flags
//
// The files lie in one folder (-config, CONFIG_DIR). Unknown keys, unknown names in the .env file and unknown flags are
// faults that propose the nearest name; of the process environment only declared names are read, one that is nearly
// declared is noted ([Explain.Notes]), and an empty one counts as not set. Files serve both programs, so each program
// checks the other's settings in them too. Relative paths are relative to the working directory, whichever layer they
// come from.
//
//	cfg, explain, err := config.LoadTrainer(config.Input{
//		Folder: os.DirFS, System: os.DirFS("/"), Environ: environ, Args: args, LookupHost: net.LookupHost,
//	})
//	switch {
//	case errors.Is(err, flag.ErrHelp):
//		_, err = io.WriteString(stdout, config.TrainerHelp())
//		return err
//	case explain.Requested:
//		_, werr := io.WriteString(stdout, explain.String())
//		return errors.Join(err, werr)
//	case err != nil:
//		return err
//	}
//
// The package reads nothing but its [Input]: no process environment, no global state. It does not open what the settings
// name (documents, models, key files): the program does. All functions are safe for concurrent use.
package config

import "io/fs"

// DefaultFolder is the configuration folder used when neither -config nor CONFIG_DIR names one. It may be absent.
const DefaultFolder = "examples/config"

// Input is everything configuration is made from.
type Input struct {
	Folder  func(dir string) fs.FS // opens the configuration folder: os.DirFS; nil = no files are read
	System  fs.FS                  // the root file system, searched for signs of a container; nil = do not look
	Environ []string               // "NAME=value", as os.Environ returns; the first of equal names counts
	Args    []string               // without the program's name

	// LookupHost tells whether the host "mlflow" resolves; it is called only when the registry's URL has that host.
	// Nil leaves the URL as it is.
	LookupHost func(host string) ([]string, error)
}

// LoadTrainer reads the trainer's settings. On -h the error is flag.ErrHelp. Faults come all at once, as one error from
// which errors.As takes the first *Fault. Explain is never nil: with faults it shows the values as far as they were read.
func LoadTrainer(in Input) (Trainer, *Explain, error) {
	trainer, server := new(Trainer), new(Server)
	l := newLoader("trainer", in, &trainer.Common, trainer.groups(), server.groups())
	if err := l.load(trainer.finish); err != nil {
		return Trainer{}, l.explain(), err
	}
	return *trainer, l.explain(), nil
}

// LoadServer reads the server's settings; see [LoadTrainer].
func LoadServer(in Input) (Server, *Explain, error) {
	trainer, server := new(Trainer), new(Server)
	l := newLoader("server", in, &server.Common, server.groups(), trainer.groups())
	if err := l.load(server.finish); err != nil {
		return Server{}, l.explain(), err
	}
	return *server, l.explain(), nil
}
