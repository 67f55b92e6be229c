package config

import (
	"fmt"
	"time"
)

// Tool is the configuration of the registry command: the settings that all programs share, and what is to be done.
type Tool struct {
	Common
	Args []string // the command and its operands

	Keep  int           `set:"keep -keep=N" group:"Prune" not:"files" default:"5" must:">= 0" help:"versions of each model, and runs of each experiment, that stay in any case: the newest"`
	Older time.Duration `set:"older -older=TIME" not:"files" default:"720h" must:">= 0s" help:"what is younger stays, such as 720h"`
	Dry   bool          `set:"dry_run -dry-run" not:"files" help:"tell what would be removed, and remove nothing"`

	Why    string `set:"why -why=TEXT" group:"Promotions" not:"files" help:"reason that the history keeps of promote and rollback"`
	By     string `set:"by -by=NAME" not:"files" help:"who it is that promotes; the user's name and the machine's when empty"`
	Anyway bool   `set:"anyway -anyway" not:"files" help:"promote although the gate says no, which the history keeps"`

	// As the trainer and the server have them.
	Data, CacheDir string
}

func (t *Tool) groups(trainer *Trainer, server *Server) []group {
	groups := declared(t)
	groups[0].settings = append(groups[0].settings, find(trainer.groups(), "data"), find(server.groups(), "cache"))
	return groups
}

// LoadTool reads the settings of the registry command; see [LoadTrainer]. What is neither a flag nor its value is in Args.
func LoadTool(in Input) (Tool, *Explain, error) {
	tool, trainer, server := new(Tool), new(Trainer), new(Server)
	own := tool.groups(trainer, server)
	l := newLoader("registry", in, &tool.Common, own, append(trainer.groups(), server.groups()...))
	l.operands = &tool.Args
	if err := l.load(func(*loader) {}); err != nil {
		return Tool{}, l.explain(), err
	}
	tool.Data, tool.CacheDir = trainer.Data, server.CacheDir
	return *tool, l.explain(), nil
}

// ToolHelp is the page that -h prints.
func ToolHelp() string {
	tool := new(Tool)
	l := newLoader("registry", Input{}, &tool.Common, tool.groups(new(Trainer), new(Server)), nil)
	return l.help(fmt.Sprintf(`registry shows and moves the models that the trainer registered, in a folder or on an MLflow server.

Usage

  registry [flags] list                    the registered models
  registry [flags] list MODEL              its versions, and which of them serve
  registry [flags] history MODEL           who promoted what, when and why
  registry [flags] show REF                one version: its run, files and tags
  registry [flags] verify REF              reads all its files and compares them with the digests that were logged, and the report of
                                           its run with both and with the history
  registry [flags] sign REF KEY            the same, and prints an OpenSSF model signature by a private key, a PEM file
  registry [flags] whence FINGERPRINT      the version that gave an answer, by the answer's system_fingerprint
  registry [flags] compare REF REF...      parameters and metrics of their runs side by side
  registry [flags] promote MODEL N [STAGE] move version N to a stage, Production unless named
  registry [flags] rollback MODEL          the version that served before by the history, back to Production
  registry [flags] copy REF WHERE          a version with its run to another registry
  registry [flags] prune                   removes what is old (-keep, -older) and nobody needs: versions that never served and have no
                                           alias, runs without versions, cached versions, checkpoints of finished runs

  REF is models:/MODEL/Production, models:/MODEL/3, models:/MODEL/latest or models:/MODEL@alias, where models:/ may be left
  out; WHERE is what -registry takes.

Examples

  go run ./examples/registry list
        the models in %[1]s
  go run ./examples/registry -registry http://localhost:5000 compare models:/course-guide/3 models:/course-guide/Production
        what changed between two versions on an MLflow server
  go run ./examples/registry copy models:/course-guide/Production http://localhost:5000
        from the folder to an MLflow server
`, tool.Registry.Dir))
}
