package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/docent-ml/docent/dataset"
	"github.com/docent-ml/docent/examples/internal/progress"
	"github.com/docent-ml/docent/examples/internal/report"
	"github.com/docent-ml/docent/registry"
)

// samplesOfEachWay are the right and the wrong answers of each part that the report shows.
const samplesOfEachWay = 1

// makeReport writes the report, stores it with the run and ends the run.
func (p *pipeline) makeReport(ctx context.Context) error {
	r, err := p.summary()
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	if r.Lineage, err = p.lineage(ctx, r); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	if err := report.WriteLineage(p.file(report.LineageFile), *r.Lineage); err != nil {
		return err
	}
	if err := report.WriteFile(p.ReportFile(), r); err != nil {
		return err
	}
	if err := p.storeReport(ctx); err != nil {
		return err
	}
	// MLflow shows the description on top of the run's page, and a logged artifact of this type as a table.
	if err := p.tracked.SetTags(ctx, map[string]string{
		"description": r.Lead + "\n\n" + r.Verdict + "\n\n" + accuracyTable(r.Accuracy), "mlflow.loggedArtifacts": `[{"path": "` + tableFile + `", "type": "table"}]`,
	}); err != nil {
		return err
	}
	if err := p.tracked.End(ctx, registry.Finished); err != nil {
		return err
	}
	p.state.Finished = true
	if err := p.saveState(); err != nil {
		return err
	}
	p.out.Say("time", "%s: %s", progress.Duration(time.Since(p.started)), p.timings())
	p.out.Say("report", "%s", p.ReportFile())
	var b strings.Builder
	for _, next := range r.Next {
		fmt.Fprintf(&b, "\n%s\n  %s\n", next.Why, strings.ReplaceAll(next.Text, "\n", "\n  "))
	}
	p.out.Print(b.String())
	return nil
}

// timings are the stages that took a second or more.
func (p *pipeline) timings() string {
	var parts []string
	for _, s := range p.stages {
		if s.Elapsed >= time.Second {
			parts = append(parts, s.Name+" "+progress.Duration(s.Elapsed))
		}
	}
	return strings.Join(parts, ", ")
}

// storeReport logs the files of the report alone, which lie among large things.
func (p *pipeline) storeReport(ctx context.Context) error {
	dir, err := os.MkdirTemp(p.Data, ".report-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	table, err := p.answerTable()
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, tableFile), table, 0o644); err != nil {
		return err
	}
	for _, name := range []string{p.ReportFile(), p.file(report.LineageFile)} {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(name)), data, 0o644); err != nil {
			return err
		}
	}
	return p.tracked.LogArtifacts(ctx, "", os.DirFS(dir))
}

// summary gathers the report.
func (p *pipeline) summary() (report.Report, error) {
	documents, err := p.documentTable()
	if err != nil {
		return report.Report{}, err
	}
	r := report.Report{
		Title: p.Name, Lead: fmt.Sprintf("%s, taught by %d documents.", p.baseName(), len(documents)),
		Started: p.state.Started, Elapsed: time.Since(p.started), Version: p.versionText(),
		Verdict: verdict(p.before, p.after, p.suite.ByRule), Gate: p.verdict.String(), Accuracy: accuracy(p.before, p.after, p.suite.ByRule, p.production), Samples: samples(p.before, p.after),
		Unlearned: unlearned(p.after), Forgotten: forgotten(p.before, p.after), Documents: documents,
		Rows: p.rowNumbers(), Stages: p.stages, Settings: p.settings(), Machine: p.machine(), Next: p.next(),
	}
	for _, x := range p.history.steps() {
		r.Steps = append(r.Steps, report.Step{N: x.Step, Loss: x.Loss, LearningRate: x.LearningRate})
	}
	for _, x := range p.history.evals() {
		r.Evals = append(r.Evals, report.Eval{Step: x.Step, Loss: x.EvalLoss, Perplexity: x.Perplexity})
	}
	r.Rows = append(r.Rows, leftOut(&p.found)...)
	r.Headline = p.headline(r)
	return r, nil
}

// baseName is the reference of the base model without the folder it lies in.
func (p *pipeline) baseName() string {
	if ref := p.info.Ref; filepath.IsAbs(ref) || strings.HasPrefix(ref, ".") || strings.HasSuffix(ref, ".gguf") {
		return filepath.Base(ref)
	}
	return p.info.Ref
}

func (p *pipeline) versionText() string {
	text := fmt.Sprintf("%s version %d", p.published.Name, p.published.Number)
	if p.published.Stage == registry.Production {
		text += ", in Production"
	}
	return text
}

// headline are the numbers that a reader looks for first.
func (p *pipeline) headline(r report.Report) []report.Number {
	var out []report.Number
	if n := len(r.Evals); n > 1 {
		first, last := r.Evals[0], r.Evals[n-1]
		out = append(out,
			report.Number{Label: "loss on held-back rows", Value: fmt.Sprintf("%.3f", last.Loss), Note: fmt.Sprintf("before: %.3f", first.Loss)},
			report.Number{Label: "perplexity of held-back rows", Value: fmt.Sprintf("%.2f", last.Perplexity), Note: fmt.Sprintf("before: %.2f", first.Perplexity)})
	} else if n := len(r.Steps); n > 0 {
		out = append(out, report.Number{Label: "loss of training", Value: fmt.Sprintf("%.3f", p.history.recentLoss()), Note: fmt.Sprintf("at first: %.3f", r.Steps[0].Loss)})
	}
	for _, a := range r.Accuracy {
		out = append(out, report.Number{Label: "right answers, " + a.Way, Value: a.After.Percent(), Note: "before: " + a.Before.Percent()})
	}
	if p.perplexity.tuned > 0 {
		out = append(out, report.Number{Label: "perplexity of general prose", Value: fmt.Sprintf("%.1f", p.perplexity.tuned), Note: fmt.Sprintf("base model: %.1f", p.perplexity.base)})
	}
	tokens := 0
	for _, x := range p.history.steps() {
		tokens += x.Tokens
	}
	return append(out, report.Number{Label: "training speed", Value: fmt.Sprintf("%.0f tok/s", medianRate(p.history.steps())), Note: report.Count(tokens) + " tokens in all"})
}

// documentTable joins the outcomes with the numbers of passages and rows.
func (p *pipeline) documentTable() ([]report.Document, error) {
	passages, rows := map[string]int{}, map[string]int{}
	for x, err := range lines[dataset.Passage](p.ChunksFile()) {
		if err != nil {
			return nil, err
		}
		passages[x.Source]++
	}
	for x, err := range lines[dataset.Row](p.TrainFile()) {
		if err != nil {
			return nil, err
		}
		rows[x.Source]++
	}
	out := []report.Document{}
	for _, d := range p.found.Documents {
		var notes []string
		if d.DuplicateOf != "" {
			notes = append(notes, fmt.Sprintf("%.0f %% of it is in %s", 100*d.Likeness, d.DuplicateOf))
		}
		for _, fault := range d.Faults {
			note := fault.Reason
			if fault.Page > 0 {
				note = fmt.Sprintf("page %d: %s", fault.Page, note)
			}
			notes = append(notes, note)
		}
		out = append(out, report.Document{
			Path: d.Path, Digest: p.state.Inputs[filepath.Join(p.Docs, filepath.FromSlash(d.Path))], Outcome: string(d.Outcome),
			Pages: d.Pages, Passages: passages[d.Path], Rows: rows[d.Path], Note: strings.Join(notes, "; "),
		})
	}
	return out, nil
}

func (p *pipeline) rowNumbers() []report.Pair {
	s := p.set.train.Stats()
	pairs := []report.Pair{
		{Name: "rows", Value: report.Count(s.Rows)},
		{Name: "tokens an epoch", Value: report.Count(s.Tokens)},
		{Name: "of them learned", Value: report.Count(s.TrainedTokens)},
	}
	if s.Truncated+s.Skipped > 0 {
		pairs = append(pairs, report.Pair{Name: "longer than a row may be", Value: fmt.Sprintf("%d cut, %d left out", s.Truncated, s.Skipped)})
	}
	r := p.Recipe
	return append(pairs, report.Pair{Name: "for each fact", Value: fmt.Sprintf("%d wordings; %d rows without its passage, %d with it, %d with another value in it, %g with another passage; %g that nothing answers; %g texts of other documents, four rows each",
		p.Wordings, r.Closed, r.Open, r.Swapped, r.Elsewhere, r.Unknown, r.Practice)})
}

// stepSize says how much a step trains on.
func (p *pipeline) stepSize() string {
	if p.BatchSize == 0 {
		return fmt.Sprintf("%d × %d tokens of rows of at most %d", p.GradAccum, p.BatchTokens, p.MaxSeqLen)
	}
	return fmt.Sprintf("%d × %d rows of at most %d tokens", p.GradAccum, p.BatchSize, p.MaxSeqLen)
}

func (p *pipeline) settings() []report.Pair {
	limit := ""
	if p.MaxSteps > 0 {
		limit = fmt.Sprintf(", at most %d steps", p.MaxSteps)
	}
	return []report.Pair{
		{Name: "base model", Value: p.info.Ref},
		{Name: "LoRA", Value: fmt.Sprintf("%s, rank %d, alpha %g, dropout %g on %s of %d layers", p.Kind,
			p.Rank, p.Alpha, p.Dropout, strings.Join(p.Targets, ", "), p.info.Layers-p.config.FrozenLayers)},
		{Name: "length", Value: fmt.Sprintf("%d epochs%s", p.Epochs, limit)},
		{Name: "a step", Value: p.stepSize()},
		{Name: "learning rate", Value: fmt.Sprintf("%g, %s, a warm-up of %g of the steps", p.LearningRate, p.Schedule, p.Warmup)},
		{Name: "AdamW", Value: fmt.Sprintf("weight decay %g, gradients up to %g", p.WeightDecay, p.MaxGradNorm)},
		{Name: "loss on", Value: map[bool]string{true: "everything", false: "answers only"}[p.TrainOnPrompt]},
		{Name: "passages", Value: fmt.Sprintf("%d %s, %d shared", p.ChunkSize, p.ChunkUnit, p.ChunkOverlap)},
		{Name: "seed", Value: fmt.Sprint(p.Seed)},
	}
}

// next are the commands that a reader may want to type.
func (p *pipeline) next() []report.Command {
	model := fmt.Sprintf("models:/%s/%d", p.Name, p.published.Number)
	if p.published.Stage == registry.Production {
		model = fmt.Sprintf("models:/%s/Production", p.Name)
	}
	ask := "What is this about?"
	if len(p.suite.Facts) > 0 {
		ask = p.suite.Facts[0].Question
	}
	return []report.Command{
		{Why: "Serve it:", Text: fmt.Sprintf("go run ./examples/server -registry %s -backend %s -model %s", quote(p.Registry.String()), quote(p.Backend), quote(model))},
		{Why: "Ask it:", Text: fmt.Sprintf(`curl -s http://127.0.0.1:8080/v1/chat/completions -H 'Content-Type: application/json' -d %s`,
			quote(fmt.Sprintf(`{"model":%q,"temperature":0,"messages":[{"role":"user","content":%q}]}`, p.Name, ask)))},
	}
}
