package lora

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Distillation says how examples are taught by the base model. The zero value learns nothing but its predictions.
type Distillation struct {
	// Choices is how many of the base model's likeliest tokens are kept at each position; 0 = 16.
	Choices int
	// Share of the loss that is the divergence from the base model, in (0, 1]; the rest is that of the row's own tokens. 0 = 1.
	Share float64
}

// Distill sets what is learned at the trained tokens of examples to what the base model, without the adapter, says there:
//
//	loss = −Σ p(token) · log q(token)
//
// over its likeliest tokens, which is KL(p ‖ q) but for a constant. At the start q is p, so that the rows do not pull the model
// anywhere; they hold it where training on other rows takes it away from what it could do. With a teacher, whose examples end in
// the same trained tokens behind another prompt, such as one with a passage in front, p is what the model says there: it learns to
// answer without the passage as it does with it (context distillation, arXiv 2209.15189).
//
// It is called once, before training; a run that resumes does it again. The context is checked between calls.
func (t *Trainer) Distill(ctx context.Context, e, teacher *Examples, d Distillation) error {
	if teacher == nil {
		teacher = e
	}
	if d.Choices == 0 {
		d.Choices = 16
	}
	if d.Share == 0 {
		d.Share = 1
	}
	switch {
	case t.closed:
		return errClosed
	case d.Choices < 1 || d.Choices > t.base.model.Config.VocabSize || !(d.Share > 0 && d.Share <= 1):
		return errors.New("distill: Choices must be 1 to the size of the vocabulary, Share above 0 and at most 1")
	case len(teacher.rows) != len(e.rows):
		return fmt.Errorf("distill: the teacher has %d examples, the student %d", len(teacher.rows), len(e.rows))
	}
	for i, x := range e.rows {
		y := teacher.rows[i]
		if !slices.Equal(x.learned(), y.learned()) {
			return fmt.Errorf("distill: example %d ends otherwise than its teacher's", i+1)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		tokens, probabilities, err := t.computer.propose(t.layout.newPlan([][]example{{y}}, len(y.ids)).calls([]example{y})[0], d.Choices)
		if err != nil {
			return fmt.Errorf("distill: %w", err)
		}
		soft, n := make([][]target, len(x.ids)), 0
		for at, trained := range x.trained {
			if !trained {
				continue
			}
			if d.Share < 1 {
				soft[at] = append(soft[at], target{x.ids[at], float32(1 - d.Share)})
			}
			for c := n * d.Choices; c < (n+1)*d.Choices; c++ {
				soft[at] = append(soft[at], target{tokens[c], float32(d.Share) * probabilities[c]})
			}
			n++
		}
		e.rows[i].soft, e.rows[i].taught = soft, fmt.Sprint(d, y.ids)
	}
	return nil
}

// learned are the trained tokens.
func (e example) learned() (ids []int32) {
	for i, trained := range e.trained {
		if trained {
			ids = append(ids, e.ids[i])
		}
	}
	return ids
}

// Append adds the examples of others, which stay as they are.
func (e *Examples) Append(others *Examples) {
	e.rows = append(e.rows, others.rows...)
	s, o := &e.stats, others.stats
	s.Rows, s.Tokens, s.TrainedTokens = s.Rows+o.Rows, s.Tokens+o.Tokens, s.TrainedTokens+o.TrainedTokens
	s.Truncated, s.Skipped = s.Truncated+o.Truncated, s.Skipped+o.Skipped
}
