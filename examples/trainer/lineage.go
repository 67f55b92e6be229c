package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/docent-ml/docent/dataset"
	"github.com/docent-ml/docent/examples/internal/program"
	"github.com/docent-ml/docent/examples/internal/report"
	"github.com/docent-ml/docent/registry"
)

// lineage gathers what the model was made of, by what and by whom.
func (p *pipeline) lineage(ctx context.Context, r report.Report) (*report.Lineage, error) {
	l := &report.Lineage{
		Form: report.LineageForm,
		Model: report.ModelOrigin{
			Name: p.published.Name, Version: p.published.Number, Stage: string(p.published.Stage), Files: map[string]string{}, Gate: p.verdict.String(),
			Fingerprint: p.published.Tags[program.FingerprintTag], Promoted: p.published.Stage == registry.Production,
		},
		Run: report.RunOrigin{
			ID: p.tracked.ID(), Experiment: p.Experiment, Registry: p.Registry.String(), By: program.User(p.environ),
			Started: p.state.Started.UTC(), Ended: time.Now().UTC(), Checkpoints: []string{},
		},
		Base: report.BaseOrigin{
			Ref: p.info.Ref, Commit: p.info.Commit, Digest: p.info.Digest, Licence: p.info.Licence, Architecture: p.info.Architecture, Parameters: p.info.Parameters,
		},
		Inputs:    p.state.Inputs,
		Questions: report.QuestionOrigin{Source: p.questionSource(len(p.suite.Facts)), Model: p.Writer.Model, Facts: len(p.suite.Facts), ByRule: p.suite.ByRule, Dropped: p.state.Dropped},
		Chunks:    report.ChunkOrigin{Size: p.ChunkSize, Overlap: p.ChunkOverlap, Unit: p.ChunkUnit},
		Settings:  p.origins,
		Program: report.ProgramOrigin{
			Version: program.Version(), Command: "trainer", Machine: machineName(), Backend: p.device.Name,
			Precision: string(p.info.Precision), Seed: p.Seed,
		},
		Training:   report.TrainingResult{Steps: p.history.step(), Loss: p.history.recentLoss()},
		Documents:  r.Documents,
		Evaluation: []report.PartResult{}, Answers: []report.AnswerResult{},
	}
	for _, arg := range p.args {
		l.Program.Command += " " + quote(arg)
	}
	if l.Model.Promoted {
		l.Model.PromotedBy = l.Run.By
	}
	files, err := p.registry.Files(ctx, p.published)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		l.Model.Files[f.Path] = f.SHA256
	}
	if prompts, err := p.generalPrompts(); err != nil {
		return nil, err
	} else if len(prompts) > 0 {
		l.Questions.Prompts = digestOf(prompts)
	}
	if l.Chunks.Digest, err = fileDigest(p.ChunksFile()); err != nil {
		return nil, err
	}
	for _, file := range []struct{ name, use string }{{p.TrainFile(), "training"}, {p.file(evalFile), "evaluation"}} {
		rows := report.RowsOrigin{File: filepath.Base(file.name), Use: file.use}
		for _, err := range lines[dataset.Row](file.name) {
			if errors.Is(err, dataset.ErrEmpty) {
				break
			} else if err != nil {
				return nil, err
			}
			rows.Rows++
		}
		if rows.Digest, err = fileDigest(file.name); err != nil {
			return nil, err
		}
		l.Rows = append(l.Rows, rows)
	}
	if evals := p.history.evals(); len(evals) > 0 {
		l.Training.EvalFirst, l.Training.EvalLast = evals[0].EvalLoss, evals[len(evals)-1].EvalLoss
	}
	checkpoints, err := os.ReadDir(p.CheckpointDir())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, entry := range checkpoints {
		l.Run.Checkpoints = append(l.Run.Checkpoints, entry.Name())
	}
	for _, s := range p.after.Shares() {
		old := p.before.Share(s.Part)
		l.Evaluation = append(l.Evaluation, report.PartResult{Part: string(s.Part), Before: report.Share{Right: old.Right, Asked: old.Of}, After: report.Share{Right: s.Right, Asked: s.Of}})
	}
	for _, a := range p.after.Answers {
		l.Answers = append(l.Answers, report.AnswerResult{Part: string(a.Part), Document: a.Source, Question: a.Question(), Reply: a.Reply, Right: a.OK})
	}
	return l, nil
}

// questionSource is the file that the questions come from, or how they were made.
func (p *pipeline) questionSource(facts int) string {
	switch _, err := os.Stat(p.file(madeFile)); {
	case facts == 0:
		return "none"
	case err == nil && (p.Questions == "structure" || p.state.Inputs[p.Facts] == ""):
		return "rules"
	}
	return p.Facts
}
