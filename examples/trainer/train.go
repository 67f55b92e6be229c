package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"

	"github.com/docent-ml/docent/dataset"
	"github.com/docent-ml/docent/dataset/recipe"
	"github.com/docent-ml/docent/examples/internal/config"
	"github.com/docent-ml/docent/examples/internal/progress"
	"github.com/docent-ml/docent/examples/internal/report"
	"github.com/docent-ml/docent/lora"
)

// loraConfig is what the settings say about the training itself.
func (p *pipeline) loraConfig() lora.Config {
	c := lora.DefaultConfig()
	c.Rank, c.Alpha, c.Dropout, c.Targets = p.Rank, p.Alpha, p.Dropout, p.Targets
	setKinds(&c, p.Trainer)
	layers := float64(p.base.Info().Layers)
	c.FrozenLayers = int(layers - math.Ceil(p.LayerShare*layers))
	c.Epochs, c.MaxSteps, c.BatchSize, c.GradAccum, c.MaxSeqLen = p.Epochs, p.MaxSteps, p.BatchSize, p.GradAccum, p.MaxSeqLen
	c.LearningRate, c.Schedule, c.Warmup = p.LearningRate, lora.Schedule(p.Schedule), p.Warmup
	c.WeightDecay, c.MaxGradNorm, c.TrainOnPrompt, c.Seed = p.WeightDecay, p.MaxGradNorm, p.TrainOnPrompt, p.Seed
	if c.BatchSize == 0 {
		c.BatchTokens = p.BatchTokens
	}
	c.EvalEvery, c.SaveEvery, c.KeepCheckpoints, c.Patience = p.EvalEvery, p.SaveEvery, p.KeepCheckpoints, p.Patience
	return c
}

// setKinds says what is trained beside plain LoRA, or otherwise.
func setKinds(c *lora.Config, t config.Trainer) {
	c.DoRA, c.RSLoRA = t.Kind == "dora", t.RSLoRA
	if start := lora.Start(t.Kind); start == lora.PiSSA || start == lora.OLoRA {
		c.Start = start
	}
	if c.LoRAPlus = t.LoRAPlus; c.LoRAPlus == 1 { // all learn alike
		c.LoRAPlus = 0
	}
	if t.Bias != "none" {
		c.Bias = lora.Bias(t.Bias)
	}
	c.SaveModules = t.SaveModules
}

// set is what is trained with.
type set struct {
	trainer     *lora.Trainer
	train, eval *lora.Examples // eval is nil when no rows are held back
	at          int            // steps done before this process
}

// setUp finds out whether training can work, before time goes into it.
func (p *pipeline) setUp(ctx context.Context) (err error) {
	p.config = p.loraConfig()
	o := lora.Options{Dir: p.CheckpointDir(), Recompute: p.Recompute, AllDevices: p.AllDevices, DeviceBytes: p.device.Memory, Logger: p.log,
		Progress: func(s lora.Progress) { p.watch(ctx, s) }}
	if p.Best == "answers" {
		if len(p.suite.Facts) == 0 {
			return errors.New("-best answers needs questions, and there are no facts: take -best loss")
		}
		o.Measure = p.answersRight
	}
	p.set.trainer, err = lora.NewTrainer(p.base, p.config, o)
	if err != nil {
		return err
	}
	p.closers = append(p.closers, p.set.trainer.Close)
	if p.set.train, p.set.eval, err = p.tokenize(ctx, p.set.trainer); err != nil {
		return err
	}
	s := p.set.train.Stats()
	p.out.Say("tokens", "%s, of which %s are learned, an epoch; %s weights of the adapter learn", report.Count(s.Tokens),
		report.Count(s.TrainedTokens), report.Count(p.set.trainer.TrainableParameters()))
	memory, err := p.set.trainer.Memory(p.set.train)
	if err != nil {
		return err
	}
	p.out.Say("memory", "%s at the peak, as predicted", memory)
	err = p.resume(ctx, p.set.trainer)
	p.set.at = p.set.trainer.Step()
	return err
}

// train trains to the end and saves the adapter.
func (p *pipeline) train(ctx context.Context) (err error) {
	t := p.set.trainer
	if p.history, err = openHistory(p.file(historyFile), p.set.at); err != nil {
		return err
	}
	p.closers = append(p.closers, p.history.close)
	result, err := t.Train(ctx, p.set.train, p.set.eval)
	if err != nil {
		return err
	}
	if err := p.history.err; err != nil {
		return err
	}
	if last, evals := result.Final, p.history.evals(); last.Rows > 0 && len(evals) > 0 {
		first := evals[0]
		p.out.Say("loss", "%.4f → %.4f, perplexity %.2f → %.2f, on %d rows held back", first.EvalLoss, last.Loss, first.Perplexity, last.Perplexity, last.Rows)
	}
	adapter, err := t.Adapter()
	if p.Best != "last" && err == nil {
		var step int
		adapter, step, err = t.Best()
		p.out.Say("best", "the adapter after step %d of %d, by %s", step, t.Step(), p.Best)
	}
	if err != nil {
		return err
	}
	return errors.Join(adapter.Save(ctx, p.AdapterDir()), t.Close())
}

func (p *pipeline) tokenize(ctx context.Context, t *lora.Trainer) (train, eval *lora.Examples, err error) {
	train, err = t.Tokenize(ctx, p.trainRows(false))
	if errors.Is(err, lora.ErrNoExamples) {
		return nil, nil, fmt.Errorf("%w: there is too little text in %s", err, p.Docs)
	}
	if err != nil {
		return nil, nil, err
	}
	general, err := t.Tokenize(ctx, p.trainRows(true))
	if err == nil && p.Distill > 0 {
		p.out.Say("distil", "the base model says what it would say at each word of %d general rows", general.Stats().Rows)
		err = t.Distill(ctx, general, nil, lora.Distillation{Share: p.Distill})
	}
	if err == nil {
		train.Append(general)
	} else if !errors.Is(err, lora.ErrNoExamples) {
		return nil, nil, err
	}
	if s := train.Stats(); s.Truncated+s.Skipped > 0 {
		p.log.Warn("rows are longer than -seq", "cut", s.Truncated, "left_out", s.Skipped, "longest", p.MaxSeqLen)
	}
	eval, err = t.Tokenize(ctx, lines[dataset.Row](p.file(evalFile)))
	if errors.Is(err, lora.ErrNoExamples) {
		p.log.Warn("no rows are held back: the loss is that of training alone")
		return train, nil, nil
	}
	return train, eval, err
}

// trainRows are the rows to train on that are answers of the base model to general prompts, or the others.
func (p *pipeline) trainRows(general bool) iter.Seq2[dataset.Row, error] {
	return func(yield func(dataset.Row, error) bool) {
		for row, err := range lines[dataset.Row](p.TrainFile()) {
			if (err != nil || (row.Meta["kind"] == recipe.General) == general) && !yield(row, err) {
				return
			}
		}
	}
}

// resume puts the trainer where the run was stopped.
func (p *pipeline) resume(ctx context.Context, t *lora.Trainer) error {
	if !p.Resume {
		return nil
	}
	dir, err := lora.LatestCheckpoint(p.CheckpointDir())
	if errors.Is(err, lora.ErrNoCheckpoint) {
		p.out.Say("resume", "there is no checkpoint yet: beginning with step 1")
		return nil
	}
	if err != nil {
		return fmt.Errorf("resume: %w", err)
	}
	if err := t.Resume(ctx, dir); err != nil {
		if errors.Is(err, lora.ErrMismatch) {
			return fmt.Errorf("%w\n  give the settings of the run that was stopped, or leave -resume out to start another one", err)
		}
		return err
	}
	p.out.Say("resume", "going on after step %d", t.Step())
	return nil
}

// watch shows, records and tracks what the trainer reports.
func (p *pipeline) watch(ctx context.Context, s lora.Progress) {
	switch {
	case s.Step != nil:
		p.history.add(point{
			Step: s.Step.N, Epoch: s.Step.Epoch, Tokens: s.Step.Tokens, Loss: s.Step.Loss, GradNorm: s.Step.GradNorm,
			LearningRate: s.Step.LearningRate, Seconds: s.Step.Elapsed.Seconds(),
		})
		p.track(ctx, s.Step.N, map[string]float64{
			"loss": s.Step.Loss, "learning_rate": s.Step.LearningRate, "grad_norm": s.Step.GradNorm, "epoch": p.epoch(s.Step),
			"tokens_per_second": float64(s.Step.Tokens) / s.Step.Elapsed.Seconds(),
		})
		p.out.Show("train", s.Done, s.Total, progress.Field{Name: "loss", Value: p.history.recentLoss()},
			progress.Field{Name: "tok/s", Value: medianRate(p.history.recent())})
	case s.Eval != nil:
		step := p.history.step()
		p.history.add(point{Step: step, EvalLoss: s.Eval.Loss, Perplexity: s.Eval.Perplexity, EvalRows: s.Eval.Rows})
		p.track(ctx, step, map[string]float64{"eval_loss": s.Eval.Loss, "eval_perplexity": s.Eval.Perplexity})
		p.log.Debug("evaluated", "step", step, "loss", s.Eval.Loss, "perplexity", s.Eval.Perplexity)
	case s.Checkpoint != "":
		p.log.Debug("checkpoint", "folder", s.Checkpoint)
	}
}

// epoch is how often the rows have been gone through, with the part of the time that goes on.
func (p *pipeline) epoch(s *lora.Step) float64 {
	steps := float64(s.Total) / float64(p.Epochs) // of an epoch
	if p.MaxSteps > 0 && s.Total == p.MaxSteps {  // the end was cut off: by the tokens so far
		tokens := 0
		for _, x := range p.history.steps() {
			tokens += x.Tokens
		}
		steps = float64(s.N) * float64(p.set.train.Stats().Tokens) / float64(max(1, tokens))
	}
	return max(float64(s.Epoch-1), min(float64(s.N)/steps, float64(s.Epoch)))
}

// medianRate is the tokens per second of a typical step; the first ones compile.
func medianRate(points []point) float64 {
	var rates []float64
	for _, x := range points {
		if x.Seconds > 0 {
			rates = append(rates, float64(x.Tokens)/x.Seconds)
		}
	}
	if len(rates) == 0 {
		return 0
	}
	slices.Sort(rates)
	return rates[len(rates)/2]
}
