package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/docent-ml/docent/dataset"
	"github.com/docent-ml/docent/dataset/recipe"
	"github.com/docent-ml/docent/lora"
	"github.com/docent-ml/docent/lora/evaluate"
	"github.com/docent-ml/docent/serve"
	"github.com/docent-ml/docent/serve/engine"
)

const (
	generalFile       = "general.jsonl" // what the base model answers to general prompts, to be trained on
	suiteFile         = "suite.jsonl"   // what the models are asked
	answersBeforeFile = "answers_before.jsonl"
	answersAfterFile  = "answers_after.jsonl"
)

const (
	askedOfBase   = 8  // questions of each part; the base model knows none of the answers, and would need as long as the tuned one
	askedOfTuned  = 48 // questions of each part
	generalTokens = 56 // of an answer to a general prompt
	askedAtOnce   = 16 // the engine computes together what comes together
	generalShare  = 5  // general prompts get at most a fifth of -row-tokens, or little would be left for the facts
)

// openEngine lets the base model answer, from the weights that are trained on.
func (p *pipeline) openEngine() (err error) {
	if p.engine == nil {
		if p.engine, err = engine.New(p.base, engine.Options{MaxContext: p.MaxSeqLen + 64, Slots: askedAtOnce, Logger: p.log}); err == nil {
			p.closers = append(p.closers, p.engine.Close)
		}
	}
	return err
}

// general are the base model's own answers to everyday requests, so that it stays the assistant that it is. Those of an
// earlier run with the same base and prompts are taken.
func (p *pipeline) general(ctx context.Context) ([]dataset.Row, error) {
	prompts, err := p.generalPrompts()
	if len(prompts) == 0 || err != nil {
		return nil, err
	}
	if p.RowTokens > 0 {
		prompts = dataset.Spread(prompts, max(1, p.RowTokens/(generalShare*generalTokens*max(1, p.Recipe.General))))
	}
	old, err := readAll[dataset.Row](p.file(generalFile))
	if err == nil && len(old) > 0 && old[0].Meta["base"] == p.info.Digest && old[0].Meta["prompts"] == digestOf(prompts) {
		return old, nil
	}
	if err := p.openEngine(); err != nil {
		return nil, err
	}
	answers, err := evaluate.AnswerAll(ctx, evaluate.Served(p.engine), prompts, generalTokens, askedAtOnce, func(done int) {
		p.out.Show("general", int64(done), int64(len(prompts)))
	})
	if err != nil {
		return nil, fmt.Errorf("general prompts: %w", err)
	}
	rows := recipe.Answered(prompts, answers)
	for i := range rows {
		rows[i].Meta["base"], rows[i].Meta["prompts"] = p.info.Digest, digestOf(prompts)
	}
	p.out.Say("general", "the base model's own answers to %d everyday requests are learned too, so that it stays able to give them", len(rows))
	return rows, writeAll(p.file(generalFile), rows)
}

// generalPrompts are docent's, or a line each of the caller's file.
func (p *pipeline) generalPrompts() ([]string, error) {
	switch p.General {
	case "none":
		return nil, nil
	case "":
		return recipe.GeneralPrompts(), nil
	}
	text, err := os.ReadFile(p.General)
	if err != nil {
		return nil, fmt.Errorf("general prompts: %w", err)
	}
	var out []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("general prompts: %s has no line: give one prompt a line, or none in place of its name", p.General)
	}
	return out, nil
}

// makeSuite decides what the models will be asked, and takes out of the facts what is not to be trained on.
func (p *pipeline) makeSuite(facts []dataset.GroundedFact) ([]dataset.GroundedFact, evaluate.Suite, error) {
	s := evaluate.Suite{Facts: facts}
	if p.Questions != "structure" {
		var err error
		if s, err = evaluate.Open(os.DirFS(filepath.Dir(p.Facts)), facts); err != nil {
			return nil, s, err
		}
	}
	if len(s.Reworded) == 0 {
		s.Facts, s.Reworded = evaluate.HoldBack(facts)
		s.ByRule = true
	}
	p.suite = s.Complete(p.Seed)
	return p.suite.Facts, p.suite, writeAll(p.file(suiteFile), []evaluate.Suite{p.suite})
}

// askBefore asks the base model a few questions, unless a run that is resumed has.
func (p *pipeline) askBefore(ctx context.Context) (err error) {
	if err := p.openEngine(); err != nil {
		return err
	}
	p.before, err = p.ask(ctx, p.engine, "before", answersBeforeFile, askedOfBase)
	return err
}

// askAfter asks the tuned model many, and measures how fast it answers.
func (p *pipeline) askAfter(ctx context.Context) (err error) {
	if err := p.openEngine(); err != nil {
		return err
	}
	tuned, err := p.engine.Attach(ctx, os.DirFS(p.AdapterDir()))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tuned.Close()) }()
	if p.after, err = p.ask(ctx, tuned, "after", answersAfterFile, askedOfTuned); err != nil {
		return err
	}
	if p.perplexity.base, err = evaluate.Perplexity(ctx, p.engine, evaluate.Prose()); err != nil {
		return err
	}
	if p.perplexity.tuned, err = evaluate.Perplexity(ctx, tuned, evaluate.Prose()); err != nil {
		return err
	}
	p.out.Say("after", "perplexity of general prose %.1f, of the base model %.1f", p.perplexity.tuned, p.perplexity.base)
	if len(p.suite.Facts) == 0 {
		return nil
	}
	for _, clients := range []int{1, 8} {
		speed, err := evaluate.Measure(ctx, evaluate.Served(tuned), p.suite.Limit(askedOfBase), clients, 4)
		if err != nil {
			return err
		}
		p.speeds = append(p.speeds, speed)
		p.out.Say("speed", "%d clients: first token after %s, %.0f tokens a second", clients, speed.FirstToken.Round(1e6), speed.TokensPerSecond)
	}
	return nil
}

// answersRight measures an adapter while it is trained: the mean over the parts of the suite of the share that it answers right.
func (p *pipeline) answersRight(ctx context.Context, adapter *lora.Adapter) (score float64, err error) {
	dir, err := os.MkdirTemp(p.Data, "measured-*")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	if err := adapter.Save(ctx, dir); err != nil {
		return 0, err
	}
	if err := p.openEngine(); err != nil {
		return 0, err
	}
	tuned, err := p.engine.Attach(ctx, os.DirFS(dir))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, tuned.Close()) }()
	result, err := evaluate.Run(ctx, evaluate.Served(tuned), p.suite.Limit(askedOfBase), evaluate.Options{
		Concurrent: askedAtOnce, Progress: func(_ evaluate.Answer, done, of int) { p.out.Show("measure", int64(done), int64(of)) },
	})
	if err != nil {
		return 0, err
	}
	shares := result.Shares()
	for _, s := range shares {
		score += s.Value() / float64(len(shares))
	}
	p.track(ctx, p.history.step(), map[string]float64{"answers_right": score})
	return score, nil
}

// ask puts at most n questions of each part to a model. Answers that an interrupted run left are kept.
func (p *pipeline) ask(ctx context.Context, model serve.Model, stage, file string, n int) (result *evaluate.Result, err error) {
	if len(p.suite.Facts) == 0 {
		return &evaluate.Result{}, writeAll[evaluate.Answer](p.file(file), nil)
	}
	var known []evaluate.Answer
	if p.Resume {
		if known, err = readAll[evaluate.Answer](p.file(file)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	result, err = evaluate.Run(ctx, evaluate.Served(model), p.suite.Limit(n), evaluate.Options{
		Known: known, Concurrent: askedAtOnce,
		Progress: func(_ evaluate.Answer, done, of int) { p.out.Show(stage, int64(done), int64(of)) },
	})
	if result != nil {
		err = errors.Join(err, writeAll(p.file(file), result.Answers))
	}
	if err != nil {
		return nil, fmt.Errorf("ask questions: %w", err)
	}
	for _, s := range result.Shares() {
		p.out.Say(stage, "%s", s)
	}
	return result, nil
}
