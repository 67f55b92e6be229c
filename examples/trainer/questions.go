package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/docent-ml/docent/dataset"
	"github.com/docent-ml/docent/dataset/questions"
	"github.com/docent-ml/docent/dataset/questions/writer"
	"github.com/docent-ml/docent/examples/internal/documents"
)

// madeFile has the questions that were made of the documents, to be looked at, edited and given as -facts.
const madeFile = "facts_made.jsonl"

// writtenDir keeps what the model of -questions-url wrote, so that a run that was broken off does not ask it again.
const writtenDir = "questions_written"

// asking are the options for questions: one wording more than is trained on, to be held back, and the model that writes.
func (p *pipeline) asking() (questions.Options, error) {
	o := questions.Options{Wordings: p.Wordings + 1, Progress: func(done, total int) { p.out.Show("ask", int64(done), int64(total)) }}
	if p.Writer.URL == "" {
		return o, nil
	}
	o.Generator = writer.Endpoint{URL: p.Writer.URL, Model: p.Writer.Model, Key: p.Writer.Key.Reveal()}
	o.CacheDir = p.file(writtenDir)
	return o, os.MkdirAll(o.CacheDir, 0o777)
}

// tell says what became of questions: in the log what rules made, and as a warning what went wrong with the model. The
// lineage has what was dropped.
func (p *pipeline) tell(report questions.Report) {
	p.state.Dropped = report.Dropped
	for line := range strings.Lines(report.String()) {
		p.log.Debug("questions", "made", strings.TrimSpace(line))
	}
	for _, fault := range report.Faults {
		p.log.Warn("the model that writes questions", "fault", fault)
	}
	if p.Writer.URL != "" {
		p.out.Say("ask", "%s was asked: %d tokens of prompts, %d of answers; %d prompts were answered before", p.Writer.Model, report.PromptTokens, report.OutputTokens, report.Cached)
	}
}

func (p *pipeline) keepMade(facts []dataset.GroundedFact) error {
	made := make([]dataset.Fact, len(facts))
	for i, f := range facts {
		made[i] = f.Fact
	}
	return writeAll(p.file(madeFile), made)
}

// inOtherWords adds wordings of each question: the model's of -questions-url, and by rules.
func (p *pipeline) inOtherWords(ctx context.Context, facts []dataset.GroundedFact) ([]dataset.GroundedFact, error) {
	options, err := p.asking()
	if err != nil {
		return nil, fmt.Errorf("wordings: %w", err)
	}
	out, report, err := questions.RewordAll(ctx, facts, options)
	if err != nil {
		return nil, fmt.Errorf("wordings: %w", err)
	}
	if p.Writer.URL == "" {
		return out, nil
	}
	p.tell(report)
	return out, p.keepMade(out)
}

// makeFacts asks the documents by rules, and has the model of -questions-url ask them too.
func (p *pipeline) makeFacts(ctx context.Context) ([]dataset.GroundedFact, error) {
	if p.Questions == "none" {
		p.out.Say("facts", "none (%s is not there): the model learns to go on with the text alone", p.Facts)
		return nil, nil
	}
	asked, err := documents.ToAsk(p.asked(), p.documents())
	if err != nil {
		return nil, fmt.Errorf("questions: %w", err)
	}
	options, err := p.asking()
	if err != nil {
		return nil, fmt.Errorf("questions: %w", err)
	}
	facts, report, err := questions.FromDocuments(ctx, asked, options)
	if err != nil {
		return nil, fmt.Errorf("questions: %w", err)
	}
	p.tell(report)
	p.out.Say("facts", "%d questions were made of the documents, see %s", len(facts), p.file(madeFile))
	return facts, p.keepMade(facts)
}
