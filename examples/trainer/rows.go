package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"

	"github.com/docent-ml/docent/chunk"
	"github.com/docent-ml/docent/dataset"
	"github.com/docent-ml/docent/examples/internal/documents"
	"github.com/docent-ml/docent/examples/internal/report"
	"github.com/docent-ml/docent/lora/evaluate"
)

const evalFile = "eval.jsonl" // rows held back

// Passages that facts are asked about. They count tokens, so that in every script a passage with its question fits a row.
const (
	passageTokens  = 160
	passageOverlap = 32
)

// prepare cuts the documents into passages and makes the rows.
func (p *pipeline) prepare(ctx context.Context) error {
	if p.Resume {
		return nil // they lie there
	}
	options := chunk.Options{Size: p.ChunkSize, Overlap: p.ChunkOverlap, Headings: p.ChunkHeadings}
	if p.ChunkUnit == "tokens" {
		options.Measure = p.tokens
	}
	n, err := dataset.WriteFile(p.ChunksFile(), documents.Cut(options, p.documents()))
	if err != nil {
		return fmt.Errorf("passages: %w", err)
	}
	p.out.Say("chunk", "%d passages of at most %d %s", n, p.ChunkSize, p.ChunkUnit)

	facts, err := p.facts(ctx)
	if err != nil {
		return err
	}
	if len(facts) == 0 {
		if err := writeAll(p.file(suiteFile), []evaluate.Suite{{}}); err != nil {
			return fmt.Errorf("questions: %w", err)
		}
		return p.writeContinuations(ctx)
	}
	if facts, err = p.inOtherWords(ctx, facts); err != nil {
		return err
	}
	facts, suite, err := p.makeSuite(facts)
	if err != nil {
		return fmt.Errorf("questions: %w", err)
	}
	return p.writeConversations(ctx, facts, suite)
}

// writeConversations makes the rows of a corpus with facts. Held back are questions in words that are not trained on.
func (p *pipeline) writeConversations(ctx context.Context, facts []dataset.GroundedFact, suite evaluate.Suite) error {
	general, err := p.general(ctx)
	if err != nil {
		return err
	}
	rows, err := p.Recipe.Rows(p.Seed, facts, general)
	if tokens := p.count(rows); err == nil && p.RowTokens > 0 && tokens > p.RowTokens {
		kept := p.count(general) * p.Recipe.General // the rows of no fact
		p.Recipe = p.Recipe.Scaled(float64(max(0, p.RowTokens-kept)) / float64(max(1, tokens-kept)))
		p.out.Say("rows", "%d facts with all their rows would be %s tokens; with -row-tokens %d each is asked less often", len(facts), report.Count(tokens), p.RowTokens)
		rows, err = p.Recipe.Rows(p.Seed, facts, general)
	}
	if err != nil {
		return fmt.Errorf("rows: %w", err)
	}
	var held []dataset.Row
	if n := int(p.EvalFraction * float64(len(rows))); n > 0 {
		for _, r := range suite.Limit(n).Reworded {
			held = append(held, p.Recipe.Row(facts[r.Fact], r.Question))
		}
	}
	return p.writeRows(dataset.Values(rows), dataset.Values(held))
}

// writeContinuations makes the rows of a corpus without facts: its passages.
func (p *pipeline) writeContinuations(ctx context.Context) error {
	rows := dataset.Build(ctx, lines[dataset.Passage](p.ChunksFile()), dataset.Continuation{})
	train, eval := rows, dataset.Values[dataset.Row](nil)
	if p.EvalFraction > 0 {
		split := dataset.Split{Fraction: p.EvalFraction, Seed: p.Seed, By: dataset.ByRow}
		train, eval = split.Train(rows), split.Eval(rows)
	}
	return p.writeRows(train, eval)
}

func (p *pipeline) writeRows(train, eval iter.Seq2[dataset.Row, error]) error {
	own, err := p.ownRows()
	if err != nil {
		return fmt.Errorf("rows: %w", err)
	}
	if p.EvalFraction > 0 && len(own) > 1 {
		split := dataset.Split{Fraction: p.EvalFraction, Seed: p.Seed, By: dataset.ByRow}
		train, eval = dataset.Concat(train, split.Train(dataset.Values(own))), dataset.Concat(eval, split.Eval(dataset.Values(own)))
	} else {
		train = dataset.Concat(train, dataset.Values(own))
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

// ownRows reads the caller's rows, and tells in which form each file was found to be.
func (p *pipeline) ownRows() ([]dataset.Row, error) {
	if p.Rows == "" {
		return nil, nil
	}
	info, err := os.Stat(p.Rows)
	if err != nil {
		return nil, fmt.Errorf("%w: name a file or folder with -rows", err)
	}
	dir, names := p.Rows, []string{}
	if info.IsDir() {
		err = fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
			if kind := path.Ext(name); err == nil && !d.IsDir() && (kind == ".jsonl" || kind == ".json") {
				names = append(names, name)
			}
			return err
		})
	} else {
		dir, names = filepath.Dir(dir), []string{filepath.Base(dir)}
	}
	if err == nil && len(names) == 0 {
		err = fmt.Errorf("no .jsonl or .json file is in %s or below", p.Rows)
	}
	if err != nil {
		return nil, err
	}
	var out []dataset.Row
	var wrong []error
	for _, name := range names {
		form, err := dataset.DetectForm(os.DirFS(dir), name)
		if err != nil {
			return nil, err
		}
		before := len(out)
		for row, err := range dataset.ReadRows(os.DirFS(dir), name, form) {
			if err != nil {
				wrong = append(wrong, err)
				continue
			}
			if row.Source == "" {
				row.Source = name
			}
			out = append(out, row)
		}
		p.out.Say("own rows", "%d of %s, in the form %s, as its first rows are", len(out)-before, name, form)
	}
	const shown = 5
	if n := len(wrong); n > 0 {
		return nil, fmt.Errorf("%d rows do not fit:\n%w", n, errors.Join(wrong[:min(shown, n)]...))
	}
	return out, nil
}

// count is about how many tokens rows take to train on; a chat template adds some to each message. A text that a row has in front
// like the row before is computed once for both.
func (p *pipeline) count(rows []dataset.Row) (tokens int) {
	const template = 6
	before := ""
	for _, row := range rows {
		for i, m := range row.Messages {
			first := i == 0 && m.Role == "system"
			if !first || m.Content != before {
				tokens += p.tokens(m.Content) + template
			}
			if first {
				before = m.Content
			}
		}
	}
	return tokens
}
