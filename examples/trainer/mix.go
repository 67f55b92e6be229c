package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/docent-ml/docent/dataset"
)

// Mix says what a model is trained on. With facts each epoch has, for every fact,
//
//   - Closed rows that ask without context, each in other words, from which the model learns the answer by heart;
//   - Open questions with the passage that answers them as the system message, from which it learns to look it up.
//     Questions about one passage become one conversation, so that the passage, most of the tokens, is computed once.
//
// One more closed row in words that are not trained on is held back, to measure whether the model knows the fact or
// only the wording. Without facts the rows are the passages of the documents, and some of those are held back.
type Mix struct {
	Closed       int  // rows for each fact without its passage
	Open         int  // times each fact is asked with its passage
	Turns        int  // most questions in one conversation
	Continuation bool // learn the text of the documents too, although there are facts

	// PassageTokens and PassageOverlap cut the passages that facts are asked about. They count tokens, so that in every
	// script a passage with its questions fits a row.
	PassageTokens, PassageOverlap int
}

func defaultMix() Mix {
	return Mix{Closed: 6, Open: 1, Turns: 1, PassageTokens: 160, PassageOverlap: 32}
}

// rows makes the rows of the facts. fits tells whether a conversation is short enough.
func (m Mix) rows(ctx context.Context, facts []dataset.GroundedFact, seed uint64, fits func([]dataset.Message) bool) (train, heldBack []dataset.Row, err error) {
	closed, err := collect(dataset.QA{Closed: m.Closed + 1, Seed: seed}.Rows(ctx, sequence(facts)))
	if err != nil {
		return nil, nil, err
	}
	for i, row := range closed {
		if i%(m.Closed+1) == m.Closed {
			heldBack = append(heldBack, row)
		} else {
			train = append(train, row)
		}
	}
	grounded := slices.DeleteFunc(slices.Clone(facts), func(f dataset.GroundedFact) bool { return !f.Found })
	if m.Open == 0 || len(grounded) == 0 {
		return train, heldBack, nil
	}
	open, err := collect(dataset.QA{Open: m.Open, Seed: seed}.Rows(ctx, sequence(grounded)))
	if err != nil {
		return nil, nil, err
	}
	for nth := range m.Open {
		var once []dataset.Row
		for i := nth; i < len(open); i += m.Open {
			once = append(once, open[i])
		}
		train = append(train, conversations(once, m.Turns, nth, fits)...)
	}
	return train, heldBack, nil
}

// conversations joins rows of one question each that have the same system message into rows of up to turns questions.
// Within a passage the questions keep their order, but begin with another one for another nth.
func conversations(rows []dataset.Row, turns, nth int, fits func([]dataset.Message) bool) []dataset.Row {
	var passages []string
	about := map[string][]dataset.Row{}
	for _, row := range rows {
		passage := row.Messages[0].Content
		if about[passage] == nil {
			passages = append(passages, passage)
		}
		about[passage] = append(about[passage], row)
	}
	var out []dataset.Row
	for _, passage := range passages {
		group := about[passage]
		shift := nth % len(group)
		group = slices.Concat(group[shift:], group[:shift])
		for len(group) > 0 {
			joined, asked := group[0], 1
			joined.Meta = maps.Clone(joined.Meta)
			for asked < min(turns, len(group)) {
				longer := slices.Concat(joined.Messages, group[asked].Messages[1:])
				if !fits(longer) {
					break
				}
				joined.Messages = longer
				asked++
			}
			joined.Meta["questions"] = strconv.Itoa(asked)
			out = append(out, joined)
			group = group[asked:]
		}
	}
	return out
}

// share keeps about fraction of total rows for evaluation, chosen by the seed.
func share(ctx context.Context, heldBack []dataset.Row, fraction float64, total int, seed uint64) ([]dataset.Row, error) {
	part := fraction * float64(total) / float64(max(1, len(heldBack)))
	switch {
	case fraction == 0 || len(heldBack) == 0:
		return nil, nil
	case part >= 1 || len(heldBack) == 1:
		return heldBack, nil
	}
	rows, err := collect(dataset.Split{Fraction: part, Seed: seed, By: dataset.ByRow}.Eval(sequence(heldBack)))
	if err != nil {
		return nil, fmt.Errorf("rows to evaluate with: %w", err)
	}
	return rows, ctx.Err()
}
