package config

import "fmt"

// Tool is the configuration of the registry command: the settings that all programs share, and what is to be done.
type Tool struct {
	Common
	Args []string // the command and its operands
}

// LoadTool reads the settings of the registry command; see [LoadTrainer]. What is neither a flag nor its value is in Args.
func LoadTool(in Input) (Tool, *Explain, error) {
	tool, trainer, server := new(Tool), new(Trainer), new(Server)
	l := newLoader("registry", in, &tool.Common, nil, append(trainer.groups(), server.groups()...))
	l.operands = &tool.Args
	if err := l.load(func(*loader) {}); err != nil {
		return Tool{}, l.explain(), err
	}
	return *tool, l.explain(), nil
}

// ToolHelp is the page that -h prints.
func ToolHelp() string {
	tool := new(Tool)
	l := newLoader("registry", Input{}, &tool.Common, nil, nil)
	return l.help(fmt.Sprintf(`registry shows and moves the models that the trainer registered, in a folder or on an MLflow server.

Usage

  registry [flags] list                    the registered models
  registry [flags] list MODEL              its versions
  registry [flags] show REF                one version: its run, files and tags
  registry [flags] compare REF REF...      parameters and metrics of their runs side by side
  registry [flags] promote MODEL N [STAGE] move version N to a stage, Production unless named
  registry [flags] rollback MODEL          the version that was in Production before, back to Production
  registry [flags] copy REF WHERE          a version with its run to another registry

  REF is models:/MODEL/Production, models:/MODEL/3, models:/MODEL/latest or models:/MODEL@alias; WHERE is what -registry
  takes.

Examples

  go run ./examples/registry list
        the models in %[1]s
  go run ./examples/registry -registry http://localhost:5000 compare models:/course-guide/3 models:/course-guide/Production
        what changed between two versions on an MLflow server
  go run ./examples/registry copy models:/course-guide/Production http://localhost:5000
        from the folder to an MLflow server
`, tool.Registry.Dir))
}

// ParseRegistry reads what the -registry flag takes.
func ParseRegistry(s string) (Registry, error) { return parseRegistry(s) }
