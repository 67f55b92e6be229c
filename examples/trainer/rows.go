package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/docent-ml/docent/chunk"
	"github.com/docent-ml/docent/dataset"
)

const evalFile = "eval.jsonl" // rows held back

// prepare cuts the documents into passages and makes the rows.
func (p *pipeline) prepare(ctx context.Context) error {
	if p.Resume {
		return nil // they lie there
	}
	options := chunk.Options{Size: p.ChunkSize, Overlap: p.ChunkOverlap}
	if p.ChunkUnit == "tokens" {
		options.Measure = p.tokens
	}
	chunks, err := p.passages(options)
	if err != nil {
		return fmt.Errorf("passages: %w", err)
	}
	n, err := dataset.WriteFile(p.ChunksFile(), chunks)
	if err != nil {
		return fmt.Errorf("passages: %w", err)
	}
	p.out.Say("chunk", "%d passages of at most %d %s", n, p.ChunkSize, p.ChunkUnit)

	mix := defaultMix()
	facts, err := p.facts(ctx, mix)
	if err != nil {
		return err
	}
	if err := writeAll(p.file(questionsFile), asQuestions(facts)); err != nil {
		return fmt.Errorf("questions: %w", err)
	}
	if len(facts) == 0 {
		return p.writeContinuations(ctx)
	}
	return p.writeConversations(ctx, mix, facts)
}

// writeConversations makes the rows of a corpus with facts.
func (p *pipeline) writeConversations(ctx context.Context, mix Mix, facts []dataset.GroundedFact) error {
	train, heldBack, err := mix.rows(ctx, facts, p.Seed, p.fits)
	if err != nil {
		return fmt.Errorf("rows: %w", err)
	}
	eval, err := share(ctx, heldBack, p.EvalFraction, len(train), p.Seed)
	if err != nil {
		return err
	}
	rows := sequence(train)
	if mix.Continuation {
		rows = dataset.Concat(rows, dataset.Build(ctx, lines[dataset.Passage](p.ChunksFile()), dataset.Continuation{}))
	}
	n, err := dataset.WriteFile(p.TrainFile(), rows)
	if err != nil {
		return fmt.Errorf("rows: %w", err)
	}
	p.out.Say("rows", "%d to train on, %d held back", n, len(eval))
	return writeAll(p.file(evalFile), eval)
}

// writeContinuations makes the rows of a corpus without facts: its passages.
func (p *pipeline) writeContinuations(ctx context.Context) error {
	rows := dataset.Build(ctx, lines[dataset.Passage](p.ChunksFile()), dataset.Continuation{})
	train, eval := rows, sequence[dataset.Row](nil)
	if p.EvalFraction > 0 {
		split := dataset.Split{Fraction: p.EvalFraction, Seed: p.Seed, By: dataset.ByRow}
		train, eval = split.Train(rows), split.Eval(rows)
	}
	n, err := dataset.WriteFile(p.TrainFile(), train)
	if err != nil {
		return fmt.Errorf("rows: %w", err)
	}
	held, err := collect(eval)
	if err != nil && !errors.Is(err, dataset.ErrEmpty) { // a single row is better learned than measured
		return fmt.Errorf("rows: %w", err)
	}
	p.out.Say("rows", "%d to train on, %d held back", n, len(held))
	return writeAll(p.file(evalFile), held)
}

// fits estimates whether a conversation is at most MaxSeqLen tokens long; the chat template adds some to each message.
func (p *pipeline) fits(messages []dataset.Message) bool {
	const template = 8
	tokens := 0
	for _, m := range messages {
		tokens += p.tokens(m.Content) + template
	}
	return tokens <= p.MaxSeqLen
}
